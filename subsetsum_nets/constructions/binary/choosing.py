"""Which units of a layer carry what: copies of inputs by matching, accumulators of outputs by covering.

An *accumulator* P_o or N_o adds up digits of output o: what enters through it counts + or -. It must see
every earlier accumulator of its kind through a + edge, and for each input whose weight needs a digit here
enough + edges from the copies of the input, on either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Bools, Ints

    Small = NDArray[np.int8]

_PROMISING = (32, 512)  # units of each side that are tried with each other
_ALL = (512, 512)  # the same, where none of those leave nothing open
_MOST_UNITS = 6  # accumulators of one output on one side
_NEVER = 1e30  # the cost of a unit that may not be chosen
_MANY = 1 << 40  # more than anything leaves open
_OPEN = 1e6  # the cost of what a unit leaves open, beside how useful it is elsewhere


class Side(NamedTuple):
    """What U units could do as accumulators of one side of an output."""

    allowed: Bools  # (U,): which of them may be chosen
    edges: Small  # (U, R): + edges from the copies of each input that needs a digit
    needed: Small  # (R,): how many of these are enough, on this side alone
    sees: Bools  # (U, K): + edges from the earlier accumulators of this side


@dataclass(eq=False)
class _Cover:
    """Accumulators chosen so far for one output, and what is not covered yet."""

    sides: tuple[Side, Side]
    useful: Ints  # of every unit: how useful it is elsewhere
    partner: int = 0  # how useful a unit is for each other one with which it leaves nothing open

    def __post_init__(self) -> None:
        self.chosen: tuple[list[int], list[int]] = ([], [])
        self.needed = [side.needed.astype(np.int16) for side in self.sides]
        self.unseen = [np.ones(side.sees.shape[1], dtype=bool) for side in self.sides]

    def open_inputs(self) -> Ints:
        """Return the inputs whose digit neither side can make yet."""
        first, second = self.needed
        return np.flatnonzero((first > 0) & (second > 0))

    def left(self) -> int:
        """Return how much is not covered yet."""
        return len(self.open_inputs()) + int(self.unseen[0].sum() + self.unseen[1].sum())

    def misses(self, index: int) -> tuple[Bools, Ints]:
        """Return which open digits each unit would leave open, and how many earlier accumulators."""
        side, rows = self.sides[index], self.open_inputs()
        digits = side.edges[:, rows] < self.needed[index][rows]
        return digits, (~side.sees[:, self.unseen[index]]).sum(axis=1)

    def take(self, index: int, unit: int) -> None:
        """Choose a unit for a side."""
        side = self.sides[index]
        self.chosen[index].append(unit)
        self.needed[index] = self.needed[index] - side.edges[unit]
        self.unseen[index] = self.unseen[index] & ~side.sees[unit]
        for each in self.sides:
            each.allowed[unit] = False

    def pair(self) -> None:
        """Choose the units, one a side, that leave the least open together; of equals the least useful."""
        best = self._best_pair(*_PROMISING)
        if best is not None and best[0] >= _OPEN:  # there may be better ones among all, which take longer
            best = self._best_pair(*_ALL)
        if best is not None:
            self.take(0, best[1])
            self.take(1, best[2])

    def _best_pair(self, *most: int) -> tuple[float, int, int] | None:
        """Return the cost of the best pair among so many promising units of each side, and the pair."""
        pools = [self._promising(index, count) for index, count in enumerate(most)]
        (units_p, words_p, unseen_p), (units_n, words_n, unseen_n) = pools
        if not (len(units_p) and len(units_n)):
            return None
        common = np.bitwise_count(words_p[:, np.newaxis] & words_n).sum(axis=2, dtype=np.int64)
        common += unseen_p[:, np.newaxis] + unseen_n
        cost = _OPEN * common + self.useful[units_p, np.newaxis] + self.useful[units_n]
        if self.partner:
            whole = common == 0
            cost += self.partner * (whole.sum(axis=1)[:, np.newaxis] + whole.sum(axis=0))
        cost[units_p[:, np.newaxis] == units_n] = _NEVER
        first, second = np.unravel_index(int(np.argmin(cost)), cost.shape)
        least = float(cost[first, second])
        return (least, int(units_p[first]), int(units_n[second])) if least < _NEVER else None

    def _promising(self, index: int, most: int) -> tuple[Ints, NDArray[np.uint64], Ints]:
        """Return the units of a side that alone leave the least open, with what they leave."""
        digits, unseen = self.misses(index)
        alone = np.count_nonzero(digits, axis=1) + (digits.shape[1] + 1) * unseen
        alone[~self.sides[index].allowed] = _MANY
        units = np.argsort(alone, kind="stable")[:most]
        units = units[alone[units] < _MANY]
        return units, _words(digits[units]), unseen[units]

    def single(self) -> bool:
        """Choose one more unit, that which leaves the least open; False if none helps."""
        best, least = None, _OPEN * self.left()
        for index, side in enumerate(self.sides):
            if len(self.chosen[index]) == _MOST_UNITS:
                continue
            digits, unseen = self.misses(index)
            cost = _OPEN * (digits.sum(axis=1) + unseen + self.unseen[1 - index].sum()) + self.useful
            cost[~side.allowed] = _NEVER
            unit = int(np.argmin(cost))
            if cost[unit] < least:
                best, least = (index, unit), float(cost[unit])
        if best is not None:
            self.take(*best)
        return best is not None

    def units(self) -> tuple[Ints, Ints]:
        """Return the units chosen."""
        first, second = (np.array(units, dtype=np.int64) for units in self.chosen)
        return first, second


def cover(sides: tuple[Side, Side], useful: Ints, partner: int = 0) -> tuple[Ints, Ints] | None:
    """Return few units for P_o and N_o that cover all digits and earlier accumulators; None if none do.

    Of units that do as well those are chosen that are the least useful: elsewhere, and, by ``partner`` for
    each other unit with which they leave nothing open, as accumulators of another output.
    """
    found = _Cover(sides, useful, partner)
    if found.left() and not (found.unseen[0].any() and found.unseen[1].any()):
        copies = [side._replace(allowed=side.allowed.copy()) for side in sides]
        alone = _Cover((copies[0], copies[1]), useful)
        if alone.single() and not alone.left():
            return alone.units()
    if found.left():
        found.pair()
    while found.left():
        if not found.single():
            return None
    return found.units()


def _words(bits: Bools) -> NDArray[np.uint64]:
    """Return the rows of a table of bits as words, shape (rows, words)."""
    packed = np.packbits(bits, axis=1)
    wide = np.zeros((len(bits), -(-packed.shape[1] // 8) * 8), np.uint8)
    wide[:, : packed.shape[1]] = packed
    return wide.view(np.uint64)


def matched(eligible: Bools, slots: int) -> Ints | None:
    """Give each input ``slots`` units of its own that can carry it.

    Parameters
    ----------
    eligible : bool array, shape (units, inputs)

    Returns
    -------
    int array, shape (inputs, slots), or None
        None if there are none: by Hall's theorem some inputs have too few units together.

    """
    units = matched_places(np.repeat(eligible.T, slots, axis=0))
    return None if units is None else units.reshape(eligible.shape[1], slots)


def matched_places(places: Bools) -> Ints | None:
    """Give each place, a row of the table (places, units), a unit of its own that is True there; or None."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not len(places):
        return np.zeros(0, np.int64)
    units = maximum_bipartite_matching(csr_array(places), perm_type="column")
    return None if (units < 0).any() else units.astype(np.int64)
