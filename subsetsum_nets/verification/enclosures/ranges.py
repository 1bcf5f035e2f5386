"""Ranges: rigorous interval bounds of the units of one network over a domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    MidRad,
    affine,
    finite,
    inflate,
    row_norms_up,
    times_up,
)

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.convolution import AffineConvolution
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


class Range(NamedTuple):
    """All vectors x with ``low <= x <= high``; float64 arrays of shape (n,)."""

    low: FloatArray
    high: FloatArray

    def relu(self) -> Range:
        """Return the range of max(x, 0)."""
        return Range(np.maximum(self.low, 0.0), np.maximum(self.high, 0.0))

    def meet(self, other: Range) -> Range:
        """Return the range of what lies in both."""
        return Range(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    @np.errstate(over="ignore")
    def widened(self, down: FloatArray, up: FloatArray | None = None) -> Range:
        """Return the range of all y with ``-down <= y - x <= up``, rounded outward; ``up`` None: ``down``."""
        up = down if up is None else up
        low, high = self.low - down, self.high + up
        return Range(
            finite(np.where(down == 0.0, low, np.nextafter(low, -np.inf))),
            finite(np.where(up == 0.0, high, np.nextafter(high, np.inf))),
        )


@np.errstate(over="ignore")
def domain_range(domain: Domain, dimension: int) -> Range:
    """Return the smallest box around the domain, rounded outward.

    Raises
    ------
    InvalidNetworkError
        If the domain has another dimension.
    BoundOverflowError
        If the box exceeds the range of float64.

    """
    low, high = domain.bounds(dimension)
    return Range(finite(low), finite(high))


def layer_range(layer: Dense | AffineConvolution, x: Range) -> Range:
    """Return the range of ``layer`` over a box."""
    return Range(*affine(layer.weight, MidRad.from_bounds(*x), layer.bias).bounds())


def first_layer_range(layer: Dense | AffineConvolution, domain: Domain) -> Range:
    """Return the range of ``layer`` over a domain.

    Over a ball also by Cauchy-Schwarz, ``|w x - w center| <= radius ||w||_2``, row by row.
    """
    box = layer_range(layer, domain_range(domain, layer.d_in))
    if (ball := domain.ball) is None:
        return box
    middle = affine(layer.weight, MidRad.point(ball.centre(layer.d_in)), layer.bias)
    reach = times_up(row_norms_up(layer.weight), np.array(ball.radius))
    return box.meet(Range(*MidRad(middle.mid, inflate(middle.rad + reach, 1)).bounds()))


def network_ranges(network: ReluNetwork, domain: Domain) -> list[Range]:
    """Return the range of every layer of ``network`` before its ReLU.

    Raises
    ------
    InvalidNetworkError
        If the domain has another dimension than the network's input, or that of a convolutional network is
        not known.
    BoundOverflowError
        If a range exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> (only,) = network_ranges(ReluNetwork([Dense([[1.0, -2.0]])]), Box(0, 1))
    >>> bool(only.low[0] <= -2.0), bool(only.high[0] >= 1.0)
    (True, True)

    """
    first, *others = network.affine_layers
    ranges = [first_layer_range(first, domain)]
    for index, layer in enumerate(others):
        before = ranges[index]
        ranges.append(layer_range(layer, before.relu() if network.relu_after[index] else before))
    return ranges
