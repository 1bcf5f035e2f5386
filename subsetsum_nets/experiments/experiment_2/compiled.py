"""What the paper left out: exact subset sums in the very same random network, without any training.

An effective weight (j, i) of a structured layer is the sum of w2[j, k, i] w1[k, i] over the units k that are
kept: a subset sum of r items. With ReLUs only units of w1 > 0 pass inputs >= 0, and they pass them unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import Status, solve_many
from subsetsum_nets.networks.arrays import dense_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.experiments.experiment_2.structures import RandomStructure
    from subsetsum_nets.networks.arrays import Bools
    from subsetsum_nets.networks.relu_network import ReluNetwork

_MOST_ITEMS = 32


@dataclass(frozen=True)
class CompiledMasks:
    """Masks of the shapes of the random weights, and how near the effective weights came."""

    masks: list[Bools]
    worst_error: float
    missed: int
    """Weights without a subset within the tolerance: the nearest was taken."""

    @property
    def kept(self) -> int:
        """How many random weights stay, w1 and w2."""
        return sum(int(mask.sum()) for mask in self.masks)


def compile_masks(
    target: ReluNetwork,
    structure: RandomStructure,
    *,
    tolerance: float | None = None,
    threads: int | None = None,
) -> CompiledMasks:
    """Prune a structured random network to a target of dense layers without biases, for inputs >= 0.

    The structure is that of Figure 1c of Pensia et al. (2020).

    Parameters
    ----------
    target : ReluNetwork
    structure : RandomStructure
        "linear" or "relu", of the target's widths.
    tolerance : float, optional
        The fewest items whose sum is this near each weight, and the nearest sum where there is none; if not
        given, the nearest sums.
    threads : int, optional

    Raises
    ------
    ValueError
        If there are more than 32 units an input, or shapes do not go together.

    """
    rows = structure.weights[0].shape[0]
    if rows > _MOST_ITEMS:
        raise ValueError(f"the redundancy may be at most {_MOST_ITEMS} for exact subset sums, got {rows}")
    pairs = list(pairwise(structure.weights))[::2]
    if structure.kind == "wide" or len(pairs) != len(target.layers):
        raise ValueError(f"a {structure.kind} network is not of the target's structure")
    masks: list[Bools] = []
    worst, missed = 0.0, 0
    for layer, (w1, w2) in zip(target.layers, pairs, strict=True):
        items, valid = _items(w1, w2, structure.kind == "relu")
        found, errors, fallen = _subsets(items, valid, dense_array(layer.stored).ravel(), tolerance, threads)
        kept = found.reshape(w2.shape[0], w1.shape[1], rows).transpose(0, 2, 1)  # (d_out, r, d)
        used: Bools = np.asarray(kept.any(axis=0))
        masks += [used, kept.reshape(w2.shape)]
        worst, missed = max(worst, float(errors.max())), missed + fallen
    return CompiledMasks(masks, worst, missed)


def _items(w1: NDArray[np.float32], w2: NDArray[np.float32], relu: bool) -> tuple[NDArray[np.float64], Bools]:
    """Return the products (d_out d, r), exact in float64, and which of them count."""
    rows, columns = w1.shape
    products = w2.reshape(-1, rows, columns).astype(np.float64) * w1
    items = products.transpose(0, 2, 1).reshape(-1, rows)
    usable = (w1 > 0) if relu else np.ones(w1.shape, dtype=bool)
    valid: Bools = np.tile(usable.T, (w2.shape[0], 1))
    return items, valid


def _subsets(
    items: Any, valid: Bools, targets: Any, tolerance: float | None, threads: int | None
) -> tuple[Bools, NDArray[np.float64], int]:
    """Return masks, errors, and how many rows have no subset within the tolerance."""
    options: dict[str, Any] = {"threads": threads}
    nearest = solve_many(items, targets, valid=valid, **options)
    _check_settled(nearest.status)
    if tolerance is None:
        return nearest.masks, nearest.errors, 0
    sparsest = solve_many(items, targets, valid=valid, objective="sparsest", tolerance=tolerance, **options)
    _check_settled(sparsest.status)
    missed = sparsest.status == Status.INFEASIBLE
    masks = np.where(missed[:, None], nearest.masks, sparsest.masks)
    return masks, np.where(missed, nearest.errors, sparsest.errors), int(missed.sum())


def _check_settled(status: Any) -> None:
    if (status == Status.UNKNOWN).any():
        raise RuntimeError("some subset sums are not settled")
