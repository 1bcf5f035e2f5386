"""Which subset sum belongs to which target weight: the rows of a solution, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers import Status
from subsetsum_nets.constructions import CONSTRUCTIONS, EXACT, integer_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.pruned_network import PrunedNetwork


@dataclass(frozen=True, eq=False)
class LayerRows:
    """The subset sums of one target layer, or of all layers together."""

    name: str  # "Layer 1", or "All layers"
    errors: NDArray[np.float64]  # shape (N,); inf where no subset was found
    tolerances: NDArray[np.float64]  # shape (N,); inf where none was asked for
    missed: NDArray[np.bool_]  # shape (N,): no subset within the tolerance was found
    sizes: NDArray[np.int64]  # shape (N,): items kept
    # shape (rows, columns) of the layer's matrix: items kept for each target weight (and bias, the last
    # column), the sums of both signs together; for a vector, the same number for each of its outputs
    picture: NDArray[np.float64] | None = None
    biased: bool = False  # whether the last column is the bias

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
    if pruned.construction in EXACT:
        return _exact_rows_by_layer(pruned)
    if pruned.construction not in CONSTRUCTIONS:
        return None
    whole = all_rows(pruned)
    places = CONSTRUCTIONS[pruned.construction].places(pruned.target, pruned.domain)
    counts = np.array([place.rows for place in places], dtype=np.int64)
    numbers = np.repeat(np.arange(len(places)), counts)  # of the place of every row
    if len(numbers) != len(whole.errors):
        return None
    found = []
    for index, layer in enumerate(pruned.target.layers):
        rows, columns = layer.matrix.shape
        picture = np.zeros((rows, columns + (layer.bias is not None)))
        part = np.zeros(len(numbers), dtype=bool)
        for number, place in enumerate(places):
            if place.layer == index:
                part |= numbers == number
                sizes = whole.sizes[numbers == number].reshape(place.shape)
                picture[place.entries] += np.repeat(sizes, place.dimension, axis=0)
        found.append(_of_layer(index, whole, part, picture, biased=layer.bias is not None))
    return found


def _of_layer(
    index: int, whole: LayerRows, part: NDArray[np.bool_], picture: NDArray[np.float64], *, biased: bool
) -> LayerRows:
    """Return some of all rows as those of a layer."""
    rows = (whole.errors[part], whole.tolerances[part], whole.missed[part], whole.sizes[part])
    return LayerRows(f"Layer {index + 1}", *rows, picture, biased)


def _exact_rows_by_layer(pruned: PrunedNetwork) -> list[LayerRows] | None:
    """Return the rows of an exact construction: block by block, of each the weights that count."""
    certificate = pruned.certificate
    if certificate is None or certificate.exact is None:
        return None
    whole, found, first = all_rows(pruned), [], 0
    blocks = integer_layers(pruned.target, certificate.exact["bits"], pruned.domain)
    numbers = np.arange(len(whole.errors))
    for index, (layer, block) in enumerate(zip(pruned.target.dense_layers, blocks, strict=True)):
        outputs, inputs = np.nonzero(block.counted)
        part = (numbers >= first) & (numbers < first + len(outputs))
        first += len(outputs)
        biased = layer.bias is not None
        picture = np.zeros((layer.d_out, layer.d_in + biased))
        columns, sizes = block.columns[inputs], whole.sizes[part]
        if len(sizes) == len(outputs):
            shown = (outputs < layer.d_out) & (columns < picture.shape[1])  # not the constant that is carried
            np.add.at(picture, (outputs[shown], columns[shown]), sizes[shown])
        found.append(_of_layer(index, whole, part, picture, biased=biased))
    return found if first == len(numbers) else None
