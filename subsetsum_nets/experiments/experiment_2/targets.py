"""The networks of Experiment 2: what their fully connected part sees, and how well they do when trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.experiments.experiment_2.popup import LabelledInputs, descend, one_thread, torch_here
from subsetsum_nets.experiments.images import SIDE
from subsetsum_nets.experiments.training import CLASSES, TrainingSettings, accuracy, train_classifier

if TYPE_CHECKING:
    from subsetsum_nets.experiments.images import Images
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork

NETWORKS = ("two-layer", "four-layer", "lenet5")
_FILTERS = ((6, 1, 5, 5), (16, 6, 5, 5))  # LeNet5's, of which the first sees a margin of 2
_LENET_HIDDEN = (120, 84)
_LENET_RATE = 0.01


@dataclass(frozen=True)
class Target:
    """One network: its fully connected part's widths and inputs, trained, and the whole of it, trained.

    Attributes
    ----------
    name : str
    widths : tuple of int
        Of the fully connected part, which is what is pruned.
    inputs : LabelledInputs
        What that part sees: pixels, or what random frozen filters make of them.
    trained : ReluNetwork
        That part, trained on them: the target of exact subset sums.
    baseline_accuracy, baseline_parameters
        Of the whole network trained, filters too.
    settings : TrainingSettings

    """

    name: str
    widths: tuple[int, ...]
    inputs: LabelledInputs
    trained: ReluNetwork
    baseline_accuracy: float
    baseline_parameters: int
    settings: TrainingSettings

    def test_accuracy(self, network: ReluNetwork) -> float:
        """Return the share of test inputs that a network gets right, in float64."""
        return accuracy(network, self.inputs.test.astype(np.float64), self.inputs.test_labels)


def make_target(name: str, data: Images, hidden: int, settings: TrainingSettings, seed: int) -> Target:
    """Train a network by name on images, at their own size where they were enlarged (but for lenet5)."""
    if name == "lenet5":
        return _lenet(data, replace(settings, rate=_LENET_RATE), seed)
    size = data.sizes[-1]
    inputs = LabelledInputs(
        data.inputs(size).astype(np.float32),
        data.train_labels,
        data.inputs(size, "test").astype(np.float32),
        data.test_labels,
    )
    middle = (hidden,) * (1 if name == "two-layer" else 3)
    trained = _trained(inputs, middle, settings, seed)
    target = Target(name, trained.widths, inputs, trained, 0.0, trained.parameters, settings)
    return replace(target, baseline_accuracy=target.test_accuracy(trained))


def _trained(
    inputs: LabelledInputs, hidden: tuple[int, ...], settings: TrainingSettings, seed: int
) -> ReluNetwork:
    train = inputs.train.astype(np.float64)
    return train_classifier(train, inputs.train_labels, hidden, settings=settings, seed=seed)


# -- LeNet5 --------------------------------------------------------------------------------------------


def _lenet(data: Images, settings: TrainingSettings, seed: int) -> Target:
    torch = torch_here()
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    filters = [_kaiming(rng, shape) for shape in _FILTERS]
    with one_thread(torch):
        seen = [_features(torch, filters, part) for part in (data.train_images, data.test_images)]
    inputs = LabelledInputs(seen[0], data.train_labels, seen[1], data.test_labels)
    trained = _trained(inputs, _LENET_HIDDEN, settings, seed)
    reached, parameters = _whole_lenet(torch, data, settings, rng)
    return Target("lenet5", trained.widths, inputs, trained, reached, parameters, settings)


def _kaiming(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return (rng.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))).astype(np.float32)


def _convolved(torch: Any, filters: list[Any], x: Any) -> Any:
    """Return what two convolutions, each with ReLU and maxima of 2 x 2, make of (n, 1, 28, 28): (n, 400)."""
    for kernel, margin in zip(filters, (2, 0), strict=True):
        x = torch.nn.functional.conv2d(x, kernel, padding=margin)
        x = torch.nn.functional.max_pool2d(torch.relu(x), 2)
    return x.flatten(1)


def _features(torch: Any, filters: list[Any], images: FloatArray) -> Any:
    kernels = [torch.from_numpy(kernel) for kernel in filters]
    pieces = range(0, len(images), 1000)
    found = []
    for first in pieces:
        x = torch.from_numpy(images[first : first + 1000].astype(np.float32))[:, None]
        found.append(_convolved(torch, kernels, x).numpy())
    return np.concatenate(found)


def _whole_lenet(
    torch: Any, data: Images, settings: TrainingSettings, rng: np.random.Generator
) -> tuple[float, int]:
    """Train all of LeNet5; return its test accuracy, at its best after any epoch, and its parameters."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shapes = [*_FILTERS, (120, 400), (84, 120), (CLASSES, 84)]
    weights = [torch.from_numpy(_kaiming(rng, shape)).to(device).requires_grad_() for shape in shapes]

    def outputs(x: Any) -> Any:
        values = _convolved(torch, weights[:2], x.view(-1, 1, SIDE, SIDE))
        for weight in weights[2:-1]:
            values = torch.relu(values @ weight.T)
        return values @ weights[-1].T

    size = SIDE * SIDE
    inputs = LabelledInputs(
        data.inputs(size).astype(np.float32),
        data.train_labels,
        data.inputs(size, "test").astype(np.float32),
        data.test_labels,
    )
    with one_thread(torch):
        reached = descend(torch, outputs, weights, inputs, settings, rng, device)
    return reached, sum(math.prod(shape) for shape in shapes)
