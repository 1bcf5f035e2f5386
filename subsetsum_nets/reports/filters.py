"""The masks of hidden channels: a strip for each block, of what is kept of every filter of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.constructions import CONSTRUCTIONS, BlockConstruction, block_units
from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.input_scaling import kept_layers, starts
from subsetsum_nets.pictures import draw_map, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.pruned_network import PrunedNetwork

    Floats = NDArray[np.float64]

_MOST_PANELS = 4
_MOST_CELLS = (64, 256)  # of a picture: blocks, and filters of a block
_STRIP = 0.16  # inches, of a block


class Strips(NamedTuple):
    """What is kept of the filters of the pair that stands for one target layer.

    Attributes
    ----------
    layer : int
        Of the target.
    shares : float64 array, shape (blocks, filters of a block)
        The share of the second layer's weights on a filter that is kept; 0 for a filter that is removed, NaN
        behind the last filter of a smaller block.
    biased : bool
        Whether the last block is that of the bias.

    """

    layer: int
    shares: Floats
    biased: bool


def filter_strips(pruned: PrunedNetwork) -> list[Strips]:
    """Return the strips of every target layer that a pair of blocks stands for; none of other networks.

    Examples
    --------
    >>> from subsetsum_nets import Dense, ReluNetwork, prune
    >>> [strips] = filter_strips(prune(ReluNetwork([Dense([[0.25, 0.5]])]), candidates=12))
    >>> strips.shares.shape, bool(strips.shares.any())
    ((2, 24), True)

    """
    construction = CONSTRUCTIONS.get(pruned.construction)
    if not isinstance(construction, BlockConstruction):
        return []
    found, first_layers = [], starts(pruned.target)
    for index, (layer, kept) in enumerate(zip(pruned.target.layers, kept_layers(pruned.target), strict=True)):
        if not kept:
            first = pruned.random.layers[first_layers[index]]
            units = block_units(layer, first)
            share = _kept_of_filters(pruned, first_layers[index])
            found.append(Strips(index, np.where(units < 0, np.nan, share[units]), layer.bias is not None))
    return found


def _kept_of_filters(pruned: PrunedNetwork, start: int) -> Floats:
    """Return the share of each filter's weights in the second layer of a pair that is kept, (hidden,)."""
    mask = pruned.masks[start + 1]
    if is_sparse(mask):
        return np.asarray(mask.astype(np.float64).mean(axis=0)).ravel()
    share: Floats = mask.mean(axis=(0, 1, 3) if mask.ndim == 4 else 0)
    return share


def has_filters(pruned: PrunedNetwork) -> bool:
    """Say whether strips tell something: of convolutions, or of filters that are removed whole."""
    construction = CONSTRUCTIONS.get(pruned.construction)
    if not isinstance(construction, BlockConstruction):
        return False
    drawn = (
        layer
        for layer, kept in zip(pruned.target.layers, kept_layers(pruned.target), strict=True)
        if not kept
    )
    return construction.one_pass or any(len(layer.takes) > 1 for layer in drawn)


def filters_figure(pruned: PrunedNetwork) -> Figure:
    """Draw the strips of the first target layers, a panel a layer."""
    strips = filter_strips(pruned)[:_MOST_PANELS]
    heights = [min(_MOST_CELLS[0], len(one.shares)) * _STRIP for one in strips]
    heights = [min(max(height, 2 * _STRIP), 2.4) for height in heights]
    figure = new_figure(sum(heights) + 0.62 * len(strips) + 0.75)
    rows = [*heights, 0.09]
    grid = figure.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": rows})[:, 0]
    pictures = [averaged(one.shares) for one in strips]
    most = max((float(np.nanmax(picture)) for picture in pictures), default=0.0) or 1.0
    for axes, one, picture in zip(grid, strips, pictures, strict=False):
        draw_map(axes, picture, one.shares.shape, largest=most, colours="cividis")
        _label(axes, one, pruned.target.layers[one.layer])
    grid[len(strips) - 1].set_xlabel("filter of a block")
    _key(grid[-1], most)
    return figure


def _label(axes: Axes, strips: Strips, layer: Layer) -> None:
    blocks = len(strips.shares)
    removed = int((strips.shares == 0).sum())
    there = int(np.isfinite(strips.shares).sum())
    last = " (last: bias)" if strips.biased else ""
    kind = "filters" if len(layer.takes) > 1 else "units"
    axes.set_title(
        f"Layer {strips.layer + 1}, {blocks:,} blocks{last}, {there - removed:,} of {there:,} {kind} kept"
    )
    axes.set_ylabel("block")
    axes.spines[:].set_visible(False)


def _key(axes: Axes, most: float) -> None:
    ramp = np.linspace(0, most, 256)[np.newaxis]
    axes.imshow(ramp, cmap="cividis", aspect="auto", interpolation="none", extent=(0, most, 0, 1))
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_xlabel("share of a filter's outgoing weights that is kept")


def averaged(shares: Floats) -> Floats:
    """Return averages over cells of nearly equal size, at most 64 x 256 of them, of what is there.

    Examples
    --------
    >>> averaged(np.array([[1.0, np.nan], [0.0, 1.0]])).tolist()
    [[1.0, nan], [0.0, 1.0]]
    >>> averaged(np.tile([1.0, 0.0], (3, 256))).shape
    (3, 256)

    """
    there, values = np.isfinite(shares).astype(np.float64), np.nan_to_num(shares)
    for axis, most in enumerate(_MOST_CELLS):
        size = shares.shape[axis]
        if size > most:
            starts_of_cells = np.arange(most) * size // most
            there, values = (np.add.reduceat(part, starts_of_cells, axis=axis) for part in (there, values))
    means: Any = np.divide(values, there, out=np.full(values.shape, np.nan), where=there > 0)
    return np.asarray(means)
