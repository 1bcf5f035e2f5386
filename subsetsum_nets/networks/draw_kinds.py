"""Every kind of layer that a recipe may ask for, and how it is read from JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.block_draws import BlocksDraw, ConvBlocksDraw
from subsetsum_nets.networks.convolution_draws import ConvDraw, FixedConvDraw
from subsetsum_nets.networks.distributions import (
    Distribution,
    distribution_from_json,
    json_fields,
    json_kind,
)
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.layer_draws import DenseDraw, LinkDraw, OnesDraw, ScalingDraw

if TYPE_CHECKING:
    from subsetsum_nets.networks.layer_draws import LayerDraw
    from subsetsum_nets.networks.layer_shapes import Layer

KINDS: dict[str, type[LayerDraw]] = {
    draw.kind: draw
    for draw in (
        DenseDraw,
        LinkDraw,
        OnesDraw,
        ScalingDraw,
        ConvDraw,
        FixedConvDraw,
        BlocksDraw,
        ConvBlocksDraw,
    )
}
"""By the name that a kind has in JSON."""


def layer_draw_from_json(description: Any) -> LayerDraw:
    """Read back what :meth:`~subsetsum_nets.networks.layer_draws.LayerDraw.to_json` wrote.

    Raises
    ------
    InvalidNetworkError
        For a kind that is not in :data:`KINDS`, and for fields that are missing, unknown or no such layer's.

    Examples
    --------
    >>> layer_draw_from_json({"kind": "ones", "d_out": 2, "d_in": 1, "per_link": 3, "bias": False})
    OnesDraw(d_out=2, d_in=1, per_link=3, bias=False)

    """
    kind = json_kind(description, "a layer of a recipe")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidNetworkError(f"unknown kind of layer {kind!r}; known are {', '.join(KINDS)}")
    names = [field.name for field in fields(KINDS[kind])]
    values = dict(zip(names, json_fields(description, names), strict=True))
    if "distribution" in values:
        values["distribution"] = distribution_from_json(values["distribution"])
    return KINDS[kind](**values)


def pair_draws(layer: Layer, units: int, distribution: Distribution) -> tuple[LayerDraw, LayerDraw]:
    """Return two layers that map as ``layer`` does, by way of so many hidden units (a pixel, of images).

    The first is dense, or 1x1; it has a bias where the layer has one, the second none. ``distribution`` is
    that of the second.

    >>> from subsetsum_nets.networks import Dense
    >>> from subsetsum_nets.networks.distributions import UNIT_UNIFORM
    >>> [draw.shape for draw in pair_draws(Dense([[1.0, 2.0]]), 6, UNIT_UNIFORM)]
    [(6, 2), (1, 6)]
    """
    bias, inputs = layer.bias is not None, layer.takes[-1] or 0
    first = (
        DenseDraw(units, inputs, bias) if len(layer.takes) == 1 else ConvDraw(1, 1, inputs, units, bias=bias)
    )
    return first, _second(layer, units, distribution)


def block_pair_draws(
    layer: Layer, per_block: int, first: Distribution, second: Distribution
) -> tuple[LayerDraw, LayerDraw]:
    """Return two layers as :func:`pair_draws` does, of which the first is drawn by blocks.

    There are ``per_block`` hidden units for each input or channel, and as many for a bias.

    >>> from subsetsum_nets.networks import Dense
    >>> from subsetsum_nets.networks.distributions import UNIT_UNIFORM
    >>> pair = block_pair_draws(Dense([[1.0, 2.0]], [3.0]), 4, UNIT_UNIFORM, UNIT_UNIFORM)
    >>> [draw.shape for draw in pair], pair[0].random_parameters
    ([(12, 2), (1, 12)], 12)
    """
    bias, inputs = layer.bias is not None, layer.takes[-1] or 0
    kind = BlocksDraw if len(layer.takes) == 1 else ConvBlocksDraw
    blocks = kind(inputs, per_block, bias, first)
    return blocks, _second(layer, blocks.units, second)


def _second(layer: Layer, units: int, distribution: Distribution) -> LayerDraw:
    """Return the second layer of a pair: the windows of ``layer``, and one group."""
    if len(layer.takes) == 1:
        return DenseDraw(layer.stored.shape[0], units, distribution=distribution)
    rows, columns, _, outputs = layer.stored.shape
    windows = {name: value for name, value in layer.options.items() if name not in ("groups", "fixed")}
    return ConvDraw(rows, columns, units, outputs, **windows, distribution=distribution)
