"""Which subset sum belongs to which target weight: the rows of a solution, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import Status
from subsetsum_nets.constructions import CONSTRUCTIONS, InputSigns
from subsetsum_nets.networks.domains import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.pruned_network import PrunedNetwork


@dataclass(frozen=True, eq=False)
class LayerRows:
    """The subset sums of one target layer, or of all layers together.

    Attributes
    ----------
    name : str
        "Layer 1", or "All layers".
    errors, tolerances : float64, shape (N,)
        A tolerance is inf where none was asked for; an error is inf where no subset was found.
    missed : bool, shape (N,)
        No subset within the tolerance was found.
    sizes : int, shape (N,)
        Items kept.
    picture : float64, shape (d_out, columns), or None
        Items kept for each target weight (and bias, the last column), the sums of both signs together.
    biased : bool
        Whether the last column is the bias.

    """

    name: str
    errors: NDArray[np.float64]
    tolerances: NDArray[np.float64]
    missed: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    picture: NDArray[np.float64] | None = None
    biased: bool = False

    @property
    def worst_ratio(self) -> float | None:
        """The largest error as a multiple of its own tolerance; None when none is positive and finite."""
        counts = (self.tolerances > 0) & np.isfinite(self.tolerances)
        return float(np.max(self.errors[counts] / self.tolerances[counts])) if counts.any() else None


def all_rows(pruned: PrunedNetwork) -> LayerRows:
    """Return all subset sums as one group."""
    solution = pruned.solution
    tolerances = solution.tolerances
    return LayerRows(
        "All layers",
        solution.errors,
        np.full(len(solution), np.inf) if tolerances is None else tolerances,
        ~np.isin(solution.status, (Status.OPTIMAL, Status.FEASIBLE)),
        solution.sizes,
    )


def rows_by_layer(pruned: PrunedNetwork) -> list[LayerRows] | None:
    """Return the subset sums of every target layer; None where the construction's order is not known.

    The solution stores rows in the order of the construction's groups: layer by layer, side by side, output
    by output.
    """
    if pruned.construction not in CONSTRUCTIONS:
        return None
    whole, method = all_rows(pruned), CONSTRUCTIONS[pruned.construction]
    domain: Any = pruned.target.domain or Box(-1, 1)
    if pruned.certificate is not None:
        domain = pruned.certificate.domain_set
    found, first = [], 0
    for index, (layer, signs) in enumerate(
        zip(pruned.target.dense_layers, InputSigns.of_layers(pruned.target, domain), strict=True)
    ):
        start, width = first, len(signs.positive)
        picture = np.zeros((layer.d_out, width))
        for side in method.sides(signs):
            columns = method.columns(signs, side)
            last = first + layer.d_out * len(columns)
            if last > len(whole.errors):
                return None
            picture[:, columns] += whole.sizes[first:last].reshape(layer.d_out, -1)
            first = last
        part = slice(start, first)
        found.append(
            LayerRows(
                f"Layer {index + 1}",
                whole.errors[part],
                whole.tolerances[part],
                whole.missed[part],
                whole.sizes[part],
                picture,
                layer.bias is not None,
            )
        )
    return found if first == len(whole.errors) else None
