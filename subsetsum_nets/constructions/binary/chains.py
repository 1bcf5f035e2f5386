"""Layout *select* with three hidden layers: units carry multiples of single inputs, up to seven times.

The first hidden layer has three copies of every input, the second carries it once, 3 times and 3 times, the
third any of the signed sums of these that are positive, 1 to 7 times, as the signs of a unit allow. The
last layer alone knows the weights. If the multiples a of an input, sorted, are *complete*, each at most 1
more than the sum of those before, then row (o, i) reaches exactly the integers from -N to P, the sums of the
a behind edges - and + (of signed items, those behind a - change sides). So it is a covering problem.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from subsetsum_nets.constructions.binary.choosing import matched, matched_places
from subsetsum_nets.constructions.binary.covering import fill
from subsetsum_nets.constructions.binary.growing import Lack
from subsetsum_nets.constructions.binary.selecting import SelectBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, Ints

COPIES = 3
MIDDLE = (1, 3, 3)  # what the units of an input in the second hidden layer carry
BASE = (1, 2, 4, 7)  # complete, and with more of at most 7 too
MOST = 300  # of a weight: rows have some 60 items then
_SPARE, _FEW = 6, 40  # units more; inputs, below which the second layer needs more
_FILL = 5.0  # what a unit of the third layer beyond the base covers, about
_MORE, _WIDER, _MOST_TRIES = 0.9, 1.03, 60
_URGENCY = 2.0 ** (1 / 4)  # how much more one unit of a weight counts that is larger by 1


SUBSETS = np.array(list(itertools.product([False, True], repeat=COPIES)))


def _sums() -> Ints:
    """Return, for each pattern of signs, the subset of MIDDLE that makes each of 0 to 7; -1 for none."""
    made = np.full((2**COPIES, 8), -1)
    for pattern, signs in enumerate(itertools.product([-1, 1], repeat=COPIES)):
        for number, subset in enumerate(SUBSETS):
            total = int((np.array(signs) * MIDDLE * subset).sum())
            if 0 < total < 8:
                made[pattern, total] = number
    return made


MADE = _sums()


def base_size(largest: int) -> int:
    """Return how many units of the base an input needs whose largest weight is this."""
    return next((size for size in range(len(BASE)) if sum(BASE[:size]) >= largest), len(BASE))


def chain_widths(layer: IntegerLayer) -> list[int]:
    """Return the planned widths of the three hidden layers; none for a layer of zeros."""
    largest = np.abs(layer.weight).max(axis=0, initial=0)
    live = int((largest > 0).sum())
    if not live:
        return []
    bases = [base_size(int(most)) for most in largest]
    rest = sum(max(0, int(most) - sum(BASE[:size]) // 2) for most, size in zip(largest, bases, strict=True))
    last = int(sum(bases) + _MORE * rest / _FILL) + _SPARE
    return [COPIES * live + max(0, 6 - live), COPIES * live + max(0, _FEW - live), last]


@dataclass(frozen=True, eq=False)
class ChainBlock(SelectBlock):
    """A grown block of four layers.

    Attributes
    ----------
    first, second : int array, shape (inputs, 3)
        The units of each input in the first two hidden layers; those of the second carry MIDDLE.
    edges : tuple of two bool arrays, (units, units before)
        Where those of the second and third hidden layers are +.

    """

    first: Ints = field(default_factory=lambda: np.zeros((0, COPIES), np.int64))
    second: Ints = field(default_factory=lambda: np.zeros((0, COPIES), np.int64))
    edges: tuple[Bools, ...] = ()
    layout: ClassVar[str] = "select-3"

    def keep_structure(self, masks: list[Bools], keep_sources: Callable[[Ints], None]) -> None:
        """Keep the edges that carry the inputs to the units of the third hidden layer."""
        keep_sources(self.first)
        plus = self.edges[0][
            self.second[:, :, np.newaxis], self.first[:, np.newaxis, :]
        ]  # (inputs, to, from)
        plus[:, 0] &= np.cumsum(plus[:, 0], axis=1) <= 1  # the first carries its input once
        inputs, to, of = np.nonzero(plus)
        masks[1][self.second[inputs, to], self.first[inputs, of]] = True
        units = np.flatnonzero(self.served >= 0)
        mine = self.second[self.served[units]]  # (units, 3)
        chosen = SUBSETS[MADE[_patterns(self.edges[1][units[:, np.newaxis], mine]), self.multiples[units]]]
        rows, places = np.nonzero(chosen)
        masks[2][units[rows], mine[rows, places]] = True


def _patterns(plus: Bools) -> Ints:
    """Return the number of each pattern of three signs, the last axis."""
    found: Ints = plus @ (1 << np.arange(COPIES)[::-1])
    return found


def grow_chain(
    layer: IntegerLayer, reads: Callable[[Bools], Bools], draw: Callable[[int, int], Bools]
) -> ChainBlock | Lack:
    """Grow a block; parameters as for :func:`~.growing.grow`."""
    widths, outputs = chain_widths(layer), len(layer.weight)
    if not widths:
        draw(0, outputs)
        return ChainBlock(layer, np.zeros(0, np.int64), np.zeros((outputs, 0), bool))
    for _ in range(_MOST_TRIES):
        found = _grown(layer, reads, draw, widths)
        if isinstance(found, ChainBlock):
            return found
        widths[found] = int(widths[found] * _WIDER) + 2
    return Lack(2, widths[2], widths[2], layer.weight.shape[1], 0)


def _grown(
    layer: IntegerLayer,
    reads: Callable[[Bools], Bools],
    draw: Callable[[int, int], Bools],
    widths: list[int],
) -> ChainBlock | int:
    """Draw all layers once; return a block, or which of the hidden layers is too narrow."""
    first = matched(reads(draw(0, widths[0])), COPIES)
    if first is None:
        return 0
    to_second = draw(1, widths[1])
    counts = to_second[:, first].sum(axis=2).T  # (inputs, units)
    second = matched_places(
        np.stack([counts >= 1, counts == COPIES, counts == COPIES], axis=1).reshape(-1, widths[1])
    )
    if second is None:
        return 1
    second = second.reshape(-1, COPIES)
    to_third, plus = draw(2, widths[2]), draw(3, len(layer.weight))
    possible = MADE[_patterns(to_third[:, second])] >= 0  # (units, inputs, multiples)
    found = _chosen(layer.weight, possible, plus)
    if found is None:
        return 2
    return ChainBlock(layer, found[0], plus, found[1], first, second, (to_second, to_third))


def _chosen(weight: Ints, possible: Bools, plus: Bools) -> tuple[Ints, Ints] | None:
    """Return which input each unit serves, and how many times it carries it; None if that is too little."""
    largest = np.abs(weight).max(axis=0)
    wanted = [(i, a) for i, most in enumerate(largest) for a in BASE[: base_size(int(most))]]
    units = matched_places(np.array([possible[:, i, a] for i, a in wanted]))
    if units is None:
        return None
    served, multiples = np.full(len(possible), -1, np.int64), np.zeros(len(possible), np.int64)
    served[units], multiples[units] = np.array(wanted).T
    limits = np.zeros(len(largest), np.int64)  # what keeps an input's multiples complete
    np.add.at(limits, served[units], multiples[units])
    values = np.where(possible, np.arange(8), 0)
    values[:, np.arange(8) > limits[:, np.newaxis] + 1] = 0
    return fill(weight, values.max(axis=2), plus, served, multiples, _URGENCY)
