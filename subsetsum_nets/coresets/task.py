"""What a method is asked: a target, points, a size, and where randomness comes from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.coresets.edges import size_of

if TYPE_CHECKING:
    from subsetsum_nets.choices import Norm
    from subsetsum_nets.coresets.paper_sizes import Budget
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


class TooFewEdgesError(ValueError):
    """A method cannot leave so few parameters."""


class WholeLayerWarning(UserWarning):
    """A layer would have lost all its edges, and was kept whole."""


@dataclass(frozen=True)
class Size:
    """How large the result may be; exactly one of these is given.

    Parameters
    ----------
    edges : int, optional
        Non-zero parameters to keep.
    samples : int, optional
        m, the same for every neuron and sign.
    budget : Budget, optional
        m as in Algorithm 2.

    """

    edges: int | None = None
    samples: int | None = None
    budget: Budget | None = None


class Sparser(NamedTuple):
    """What a method found: new layers, and how many parameters they have."""

    matrices: list[FloatArray]
    size: int

    @classmethod
    def of(cls, matrices: list[FloatArray]) -> Sparser:
        """Return layers with the number of their edges."""
        return cls(matrices, size_of(matrices))


@dataclass(frozen=True, eq=False)
class Task:
    """A target and what a method may look at.

    Parameters
    ----------
    target : ReluNetwork
    matrices : list of float arrays (d_out, d_in + 1)
        Its layers.
    points : float array (n, d_0)
        All data.
    sample, trial_points : int arrays
        Indices of S and T in it.
    seed : int
    trials : int
        tau; 1 where nothing is amplified.
    threads : int or None
    domain : Box or Ball or None
    norm : str

    """

    target: ReluNetwork
    matrices: list[FloatArray]
    points: FloatArray
    sample: Ints
    trial_points: Ints
    seed: int = 0
    trials: int = 1
    threads: int | None = None
    domain: Domain | None = None
    norm: Norm = "linf"

    @property
    def sampled(self) -> FloatArray:
        """The points of S, (``|S|``, d_0)."""
        return self.points[self.sample]

    @property
    def size(self) -> int:
        """Non-zero parameters of the target."""
        return size_of(self.matrices)

    def relu_after(self, index: int) -> bool:
        """Whether a ReLU follows a layer."""
        return self.target.relu_after[index]

    def hidden(self, index: int) -> bool:
        """Whether a layer's units are hidden ones, no outputs."""
        return index < len(self.matrices) - 1

    def generator(self, *place: int) -> np.random.Generator:
        """Return the source of randomness of one place: a layer, a trial."""
        return np.random.default_rng([self.seed, *place])


def never_empty(matrix: FloatArray, sparser: FloatArray, index: int) -> FloatArray:
    """Return ``sparser``, or the whole layer where that has no edge left, which a warning says."""
    if sparser.any() or not matrix.any():
        return sparser
    warnings.warn(
        f"layer {index} would lose all its edges; it is kept whole: keep more",
        WholeLayerWarning,
        stacklevel=2,
    )
    return matrix


def edges_of_layers(matrices: list[FloatArray], edges: int) -> list[int]:
    """Return how many edges each layer keeps of ``edges``, in proportion to what it has; exact in sum."""
    sizes = np.array([np.count_nonzero(matrix) for matrix in matrices])
    reached = np.rint(np.cumsum(sizes) * (edges / sizes.sum())).astype(int)
    return [int(one) for one in np.diff(reached, prepend=0)]


def largest_of(scores: list[FloatArray], edges: int, among: list[Bools]) -> list[Bools]:
    """Return masks of the ``edges`` largest scores of all layers, of equal ones those that come first.

    Only where ``among`` allows it.
    """
    flat = np.concatenate([score.ravel() for score in scores])
    allowed = np.concatenate([mask.ravel() for mask in among])
    kept = np.zeros(flat.size, dtype=bool)
    kept[np.argsort(np.where(allowed, -flat, np.inf), kind="stable")[: max(edges, 0)]] = True
    parts = np.split(kept & allowed, np.cumsum([score.size for score in scores])[:-1])
    return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]
