"""How many bits each layer of a target needs: the cheapest that verification proves to be enough.

Sreenivasan et al. 2021, Lemmas 1, 2, 8 and 9 say that about log(d^2 l / epsilon) decimal digits do, for
layers of norm 1. Here the bound of the very network decides: a layer's part of it falls as 2^-s, which tells
what to try, and what is taken is verified.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.allocation.compile_task import ALLOWANCE, NORM
from subsetsum_nets.networks.arguments import is_integer
from subsetsum_nets.networks.arrays import added, dense_array
from subsetsum_nets.networks.rounding import rounded, truncated
from subsetsum_nets.verification import proven_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from subsetsum_nets.constructions import RandomSigns
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

_PROBE = 8  # bits beyond log2(1 / epsilon) at which a layer's part of the bound is measured
_HOPEFUL = 1.25  # times epsilon: what is predicted to be more is not tried
_MORE_BITS = 5  # of a layer, beyond the least that could do
_MOST_CHOICES = 5_000  # beyond, layers are refined one after the other
_MOST_BITS = 52
_MOST_DECIMALS = 17


@dataclass(eq=False)
class Precision:
    """Bits for every layer of a target, where its own bound decides.

    In place of Lemma 1, Lemma 8 and Lemma 9 of Sreenivasan et al. (2021).

    Parameters
    ----------
    construction : RandomSigns
    target : ReluNetwork
    domain : Box or Ball
    epsilon : float
    growth, layout
        For the cost: planned random parameters.

    """

    construction: RandomSigns
    target: ReluNetwork
    domain: Domain
    epsilon: float
    growth: int
    layout: str | None = None
    _bounds: dict[tuple[int, ...], float] = field(default_factory=dict)
    _widths: dict[int, list[list[int]]] = field(default_factory=dict)

    def bound(self, bits: Sequence[int]) -> float:
        """Return the proven sup ||f - f^|| for the target with layer l rounded to multiples of 2^-s_l."""
        key = tuple(bits)
        if key not in self._bounds:
            network = rounded(self.target, bits)
            self._bounds[key] = proven_bound(self.target, network, domain=self.domain, norm=NORM)
        return self._bounds[key]

    def cheapest(self) -> tuple[int, ...]:
        """Return the cheapest bits whose bound is proven to be within epsilon; else the finest there are."""
        for bits in self._hopeful():
            if self._proven(bits):
                return bits
        return self._refined()

    def cost(self, bits: Sequence[int]) -> int:
        """Return the number of random parameters planned for these bits, nearly."""
        widths = [self.target.widths[0]]
        for layer, number in enumerate(bits):
            widths += self._planned(number)[layer]
        return sum(before * after for before, after in pairwise(widths))

    def _planned(self, bits: int) -> list[list[int]]:
        """Return the widths of the blocks where all layers have so many bits."""
        if bits not in self._widths:
            layers = len(self.target.layers)
            _, self._widths[bits] = self.construction.plan(
                self.target, [bits] * layers, self.domain, self.growth, self.layout
            )
        return self._widths[bits]

    def _proven(self, bits: Sequence[int]) -> bool:
        return self.bound(bits) <= self.epsilon * ALLOWANCE

    @cached_property
    def _finest(self) -> tuple[int, ...]:
        """The most bits of each layer that integers of 52 bits allow."""
        finest = []
        for layer in self.target.dense_layers:
            largest = max(float(np.abs(dense_array(layer.weight)).max()), float(np.abs(layer.offset).max()))
            finest.append(max(0, _MOST_BITS - math.frexp(largest)[1] - 1))
        return tuple(min(bits, _MOST_BITS) for bits in finest)

    @cached_property
    def _parts(self) -> list[float]:
        """Of each layer, the bound when it alone is rounded, times 2^bits; inf where nothing is proven."""
        probe = max(0, math.ceil(-math.log2(self.epsilon))) + _PROBE
        parts = []
        for layer, most in enumerate(self._finest):
            bits = list(self._finest)
            bits[layer] = min(probe, most)
            others = self.bound(self._finest)
            parts.append(max(self.bound(bits) - others, 0.0) * 2.0 ** bits[layer])
        return parts

    def _predicted(self, bits: Sequence[int]) -> float:
        return added(part * 2.0**-number for part, number in zip(self._parts, bits, strict=True))

    def _hopeful(self) -> Iterator[tuple[int, ...]]:
        """Yield choices of bits that may do, the cheapest first."""
        ranges = []
        for part, most in zip(self._parts, self._finest, strict=True):
            if not math.isfinite(part):
                return
            least = max(0, math.floor(math.log2(max(part / (_HOPEFUL * self.epsilon), 1e-300))))
            ranges.append(range(min(least, most), min(least + _MORE_BITS, most) + 1))
        if math.prod(map(len, ranges)) > _MOST_CHOICES:
            return
        choices = [b for b in itertools.product(*ranges) if self._predicted(b) <= _HOPEFUL * self.epsilon]
        yield from sorted(choices, key=lambda bits: (self.cost(bits), bits))

    def _refined(self) -> tuple[int, ...]:
        """Return bits from which no single one can be taken; the finest ones where these prove too little."""
        if not self._proven(self._finest):
            return self._finest
        share = self.epsilon / len(self._finest)
        bits = [
            min(most, max(0, math.ceil(math.log2(max(part / share, 1e-300)))))
            for part, most in zip(self._parts, self._finest, strict=True)
        ]
        while not self._proven(bits):
            bits = [min(number + 1, most) for number, most in zip(bits, self._finest, strict=True)]
        for layer in sorted(range(len(bits)), key=lambda k: -max(self._planned(bits[k])[k])):
            while bits[layer] and self._proven([*bits[:layer], bits[layer] - 1, *bits[layer + 1 :]]):
                bits[layer] -= 1
        return tuple(bits)


def decimals_enough(target: ReluNetwork, domain: Domain, epsilon: float) -> int | None:
    """Return the fewest decimal digits that verification proves to be enough, cut off as in the paper.

    All layers have the same number of digits; sup ||f - f^|| is then proven to be at most epsilon. None where
    17, which is all that a float64 of size 1 has, do not do.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> decimals_enough(ReluNetwork([Dense([[0.123456]])]), Box(0, 1), 1e-3)
    3

    """
    low, high = 0, _MOST_DECIMALS + 1
    while low < high:
        middle = (low + high) // 2
        bound = proven_bound(target, truncated(target, middle), domain=domain, norm=NORM)
        low, high = (low, middle) if bound <= epsilon else (middle + 1, high)
    return low if low <= _MOST_DECIMALS else None


def given_bits(bits: int | Sequence[int], target: ReluNetwork) -> tuple[int, ...]:
    """Check the bits that a user gives: one number, or one for each layer.

    Raises
    ------
    ValueError
        If they are not integers from 0 to 52, or not as many as layers.
    InvalidNetworkError
        If an integer weight would be larger than 2^52.

    """
    layers = len(target.layers)
    numbers: Any = [bits] * layers if is_integer(bits) else bits
    proper = isinstance(numbers, list | tuple) and len(numbers) == layers
    if not proper or not all(is_integer(n) and 0 <= n <= _MOST_BITS for n in numbers):
        raise ValueError(
            f"bits must be an integer from 0 to {_MOST_BITS}, or one a layer ({layers}), got {bits!r}"
        )
    found = tuple(int(number) for number in numbers)
    rounded(target, found)
    return found
