"""The random networks of Experiment 2: Figure 1c with and without ReLU, and a wide one of as many parameters.

In a structured network every layer (d_out, d) of the target has two random ones: each input goes to r units,
w1 of shape (r, d), and these to all outputs, w2 of shape (d_out, r d), where unit k d + i is the k-th of
input i. Units are the identity ("linear") or a ReLU ("relu").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Bools

    Floats32 = NDArray[np.float32]

Structure = Literal["linear", "relu", "wide"]
STRUCTURES: tuple[Structure, ...] = ("linear", "relu", "wide")


@dataclass(frozen=True)
class RandomStructure:
    """Random weights, layer by layer: w1, w2, w1, w2, .. or, of a wide network, one a layer."""

    kind: Structure
    redundancy: int
    weights: list[Floats32]

    @property
    def parameters(self) -> int:
        """How many random weights there are."""
        return sum(weight.size for weight in self.weights)

    def deviations(self) -> list[float]:
        """Return the standard deviations of the weights: Kaiming's, with a fan-in of 1 for w1."""
        if self.kind == "wide":
            return [math.sqrt(2 / weight.shape[1]) for weight in self.weights]
        return [
            math.sqrt(2 / (weight.shape[1] // self.redundancy)) if index % 2 else math.sqrt(2)
            for index, weight in enumerate(self.weights)
        ]

    def score_ranges(self) -> list[float]:
        """Return how far scores go at first: the standard deviations; in a wide network 1 / sqrt(fan-in)."""
        if self.kind == "wide":
            return [1 / math.sqrt(weight.shape[1]) for weight in self.weights]
        return self.deviations()

    def network(self) -> ReluNetwork:
        """Return the random network before pruning."""
        if self.kind == "wide":
            return ReluNetwork([Dense(weight) for weight in self.weights])
        layers = [
            Dense(_spread(weight) if index % 2 == 0 else weight) for index, weight in enumerate(self.weights)
        ]
        linear = range(0, len(layers), 2) if self.kind == "linear" else ()
        return ReluNetwork(layers, linear_after=linear)

    def masks(self, kept: Sequence[Bools]) -> NetworkMasks:
        """Return masks of the shapes of :attr:`weights` as masks of :meth:`network`."""
        shaped = [
            _spread(mask) if self.kind != "wide" and index % 2 == 0 else np.asarray(mask)
            for index, mask in enumerate(kept)
        ]
        return NetworkMasks(shaped, [None] * len(shaped))


def draw_structure(kind: Structure, widths: Sequence[int], redundancy: int, seed: int = 0) -> RandomStructure:
    """Draw the random network of a structure for a target of these widths.

    Weights are Kaiming normal: fan-in 1 for w1, and for w2 that of the target's layer.

    Parameters
    ----------
    kind : "linear", "relu" or "wide"
    widths : sequence of int
        d, hidden.., outputs of the target.
    redundancy : int
        r; the wide network has as many parameters as the structured ones, as nearly as can be.
    seed : int
        Structures of equal seed, "linear" and "relu", have the same weights.

    Examples
    --------
    >>> draw_structure("relu", (64, 100, 10), 5).parameters
    37820
    >>> draw_structure("wide", (64, 100, 10), 5).parameters
    37814

    """
    key = STRUCTURES.index("wide") if kind == "wide" else 0
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
    shapes: list[tuple[int, int]] = []
    if kind == "wide":
        shapes = [(d_out, d) for d, d_out in pairwise(wide_widths(widths, redundancy))]
    else:
        for d, d_out in pairwise(widths):
            shapes += [(redundancy, d), (d_out, redundancy * d)]
    structure = RandomStructure(kind, redundancy, [np.empty(shape, np.float32) for shape in shapes])
    for weight, deviation in zip(structure.weights, structure.deviations(), strict=True):
        weight[:] = rng.standard_normal(weight.shape) * deviation
    return structure


def wide_widths(widths: Sequence[int], redundancy: int) -> tuple[int, ...]:
    """Return widths, hidden ones all times the same, with as many parameters as a structured network.

    >>> wide_widths((64, 100, 10), 5)
    (64, 511, 10)
    """
    wanted = sum(redundancy * d * (1 + d_out) for d, d_out in pairwise(widths))
    hidden = widths[1:-1]
    inner = sum(a * b for a, b in pairwise(hidden))
    outer = widths[0] * hidden[0] + hidden[-1] * widths[-1]
    # inner t^2 + outer t = wanted
    times = 2 * wanted / (outer + math.sqrt(outer**2 + 4 * inner * wanted))
    return (widths[0], *(round(times * size) for size in hidden), widths[-1])


def _spread(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return (r, d) entries as the matrix (r d, d) from d inputs to r units each."""
    rows, columns = values.shape
    matrix = np.zeros((rows * columns, columns), values.dtype)
    matrix[np.arange(rows * columns), np.tile(np.arange(columns), rows)] = values.ravel()
    return matrix
