"""Training a small classifier with numpy, as the first paper trains its networks, where there is no torch."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray, Ints

    Floats32 = NDArray[np.float32]

CLASSES = 10
_LARGE = 50_000  # images


@dataclass(frozen=True)
class TrainingSettings:
    """Those of Pensia et al. 2020, section 5: SGD with momentum, weight decay, cosine annealing."""

    epochs: int
    batch: int = 64
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 5e-4

    @classmethod
    def for_images(cls, count: int) -> TrainingSettings:
        """Return the paper's 10 epochs for 50,000 images or more, else 30."""
        return cls(epochs=10 if count >= _LARGE else 30)


def train_classifier(
    images: FloatArray,
    labels: Ints,
    hidden: Sequence[int],
    *,
    settings: TrainingSettings | None = None,
    seed: int = 0,
) -> ReluNetwork:
    """Train a network without biases to tell ten classes apart, in float32, by cross-entropy.

    Parameters
    ----------
    images : float array, shape (n, d)
        Inputs in [0, 1].
    labels : integer array, shape (n,)
        0..9.
    hidden : sequence of int
        Units of each hidden layer.
    settings : TrainingSettings, optional
        As the number of images suggests, if not given.
    seed : int
        Of the first weights, U[-1/sqrt(d), 1/sqrt(d)] as PyTorch's, and of the order of the images.

    Returns
    -------
    ReluNetwork
        Of widths d, hidden.., 10, over Box(0, 1).

    Raises
    ------
    FloatingPointError
        If training diverges.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((200, 2))
    >>> labels = (x[:, 0] > x[:, 1]).astype(int)
    >>> network = train_classifier(x, labels, [8])
    >>> bool((network(x).argmax(axis=1) == labels).mean() > 0.95)
    True

    """
    chosen = settings or TrainingSettings.for_images(len(images))
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    widths = (images.shape[1], *hidden, CLASSES)
    weights = [
        rng.uniform(-1 / math.sqrt(d_in), 1 / math.sqrt(d_in), (d_out, d_in)).astype(np.float32)
        for d_in, d_out in pairwise(widths)
    ]
    with _one_thread():
        _descend(weights, images.astype(np.float32), labels, chosen, rng)
    if not all(np.isfinite(weight).all() for weight in weights):
        raise FloatingPointError(f"training {'-'.join(map(str, widths))} diverged with seed {seed}")
    return ReluNetwork([Dense(weight) for weight in weights], domain=Box(0, 1))


def accuracy(network: ReluNetwork, inputs: FloatArray, labels: Ints) -> float:
    """Return the share of inputs whose largest output is at their label."""
    return float(np.mean(network(inputs).argmax(axis=1) == labels))


def _one_thread() -> AbstractContextManager[object]:
    """Keep products of matrices in one thread, where the extra experiments is installed.

    With more of them sums are added up in another order, and at these sizes it takes longer.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limited: AbstractContextManager[object] = threadpool_limits(1)
    return limited


def _descend(
    weights: list[Floats32], images: Floats32, labels: Ints, settings: TrainingSettings, rng: Any
) -> None:
    """Change the weights in place, batch by batch."""
    speeds = [np.zeros_like(weight) for weight in weights]
    starts = range(0, len(images), settings.batch)
    step, steps = 0, settings.epochs * len(starts)
    for _ in range(settings.epochs):
        order = rng.permutation(len(images))
        for start in starts:
            rate = settings.rate * (1 + math.cos(math.pi * step / steps)) / 2
            batch = order[start : start + settings.batch]
            slopes = _gradients(weights, images[batch], labels[batch])
            for index, slope in enumerate(slopes):
                speeds[index] *= settings.momentum
                speeds[index] += slope + np.float32(settings.decay) * weights[index]
                weights[index] -= np.float32(rate) * speeds[index]
            step += 1


def _gradients(weights: list[Floats32], inputs: Floats32, labels: Ints) -> list[Floats32]:
    """Return the gradients of the mean cross-entropy, by backpropagation."""
    values = [inputs]
    for weight in weights[:-1]:
        values.append(np.maximum(values[-1] @ weight.T, 0))
    logits = values[-1] @ weights[-1].T
    logits -= logits.max(axis=1, keepdims=True)
    errors = np.exp(logits)
    errors /= errors.sum(axis=1, keepdims=True)
    errors[np.arange(len(labels)), labels] -= 1
    errors /= len(labels)
    slopes = []
    for index in range(len(weights) - 1, -1, -1):
        slopes.append(errors.T @ values[index])
        if index:
            errors = (errors @ weights[index]) * (values[index] > 0)
    return slopes[::-1]
