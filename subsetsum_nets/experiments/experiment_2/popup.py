"""Edge-popup (Ramanujan et al. 2020) with torch: scores are trained, weights stay as they were drawn.

A layer keeps the weights of the largest absolute scores, all but floor(s n) of n; gradients pass the masks as
if they were not there. As in the first paper's program: SGD with momentum, weight decay, cosine annealing.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.experiments.experiment_2.structures import RandomStructure, Structure
    from subsetsum_nets.experiments.training import TrainingSettings
    from subsetsum_nets.networks.arrays import Ints

    Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class LabelledInputs:
    """What is trained and measured on: float32 (n, d) and labels (n,)."""

    train: Floats32
    train_labels: Ints
    test: Floats32
    test_labels: Ints


@dataclass(frozen=True)
class Scores:
    """Trained scores, of the shapes of the weights, and the best accuracy after any epoch."""

    scores: list[Floats32]
    best_accuracy: float

    @property
    def diverged(self) -> bool:
        """Whether some score is no number any more."""
        return not all(np.isfinite(score).all() for score in self.scores)


def torch_here() -> Any:
    """Return torch, or raise ImportError that names the extra."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'experiment-2 needs torch; install it with: pip install "subsetsum-nets[torch]"'
        ) from error
    return torch


def train_scores(
    structure: RandomStructure,
    sparsity: float,
    data: LabelledInputs,
    settings: TrainingSettings,
    seed: int = 0,
) -> Scores:
    """Train the scores of a random network at one sparsity, on the GPU if torch has one.

    A point of Experiment 2 of Pensia et al. (2020).

    Parameters
    ----------
    structure : RandomStructure
    sparsity : float
        In [0, 1): the share that every layer loses.
    data : LabelledInputs
    settings : TrainingSettings
    seed : int
        Of the first scores and of the order of the inputs.

    Raises
    ------
    ImportError
        If there is no torch.

    """
    torch = torch_here()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    weights = [torch.from_numpy(weight).to(device) for weight in structure.weights]
    scores = [
        torch.from_numpy(rng.uniform(-end, end, weight.shape).astype(np.float32)).to(device).requires_grad_()
        for weight, end in zip(structure.weights, structure.score_ranges(), strict=True)
    ]
    removed = [int(Fraction(str(float(sparsity))) * weight.size) for weight in structure.weights]

    keep = _keep_largest()

    def outputs(x: Any) -> Any:
        masked = [
            weight * keep(score.abs(), count)
            for weight, score, count in zip(weights, scores, removed, strict=True)
        ]
        return forward(torch, structure.kind, masked, x)

    with one_thread(torch):
        best = descend(torch, outputs, scores, data, settings, rng, device)
    return Scores([score.detach().cpu().numpy() for score in scores], best)


def forward(torch: Any, kind: Structure, weights: Sequence[Any], x: Any) -> Any:
    """Return the outputs of a structured or wide network for a batch (n, d)."""
    step = 1 if kind == "wide" else 2
    for first in range(0, len(weights), step):
        if kind != "wide":
            x = (x[:, None, :] * weights[first]).flatten(1)  # unit k d + i
            x = torch.relu(x) if kind == "relu" else x
        x = x @ weights[first + step - 1].T
        if first + step < len(weights):
            x = torch.relu(x)
    return x


def descend(
    torch: Any,
    outputs: Callable[[Any], Any],
    parameters: Sequence[Any],
    data: LabelledInputs,
    settings: TrainingSettings,
    rng: np.random.Generator,
    device: Any,
) -> float:
    """Train parameters in place; return the best accuracy on the test inputs after any epoch."""
    x, y, x_test, y_test = (
        torch.from_numpy(np.ascontiguousarray(array)).to(device)
        for array in (data.train, data.train_labels, data.test, data.test_labels)
    )
    optimiser = torch.optim.SGD(
        parameters, lr=settings.rate, momentum=settings.momentum, weight_decay=settings.decay
    )
    best = 0.0
    for epoch in range(settings.epochs):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1 + math.cos(math.pi * epoch / settings.epochs)) / 2
        order = torch.from_numpy(rng.permutation(len(x))).to(device)
        for start in range(0, len(x), settings.batch):
            batch = order[start : start + settings.batch]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(outputs(x[batch]), y[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            best = max(best, float((outputs(x_test).argmax(dim=1) == y_test).double().mean()))
    return best


@cache
def _keep_largest() -> Callable[[Any, int], Any]:
    """Return the function that is 1 where a size is among the largest, else 0, and whose gradient is 1."""
    torch = torch_here()

    base: Any = torch.autograd.Function

    class KeepLargest(base):  # type: ignore[misc]
        @staticmethod
        def forward(_: Any, sizes: Any, removed: int) -> Any:
            if not removed:
                return torch.ones_like(sizes)
            return (sizes > torch.kthvalue(sizes.flatten(), removed).values).to(sizes.dtype)

        @staticmethod
        def backward(_: Any, gradient: Any) -> tuple[Any, None]:
            return gradient, None

    function: Callable[[Any, int], Any] = KeepLargest.apply
    return function


@contextmanager
def one_thread(torch: Any) -> Iterator[None]:
    """Use one thread: at these sizes more of them only wait, and runs are the same on any machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
