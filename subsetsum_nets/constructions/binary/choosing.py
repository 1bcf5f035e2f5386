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
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Bools, Ints

_PROMISING = 32  # units of one side that are tried with all of the other
_MOST_UNITS = 6  # accumulators of one output on one side


class Side(NamedTuple):
    """What units could do as accumulators of one side of an output, a row for each that may be chosen."""

    units: Ints  # (U,)
    edges: Ints  # (U, R): + edges from the copies of each input that needs a digit
    needed: Ints  # (R,): how many of these are enough, on this side alone
    sees: Bools  # (U, K): + edges from the earlier accumulators of this side


@dataclass(eq=False)
class _Cover:
    """Accumulators chosen so far for one output, and what is not covered yet."""

    sides: tuple[Side, Side]
    spare: Ints  # of every unit: how useful it is elsewhere

    def __post_init__(self) -> None:
        self.chosen: tuple[list[int], list[int]] = ([], [])  # places in units
        self.needed = [side.needed.copy() for side in self.sides]
        self.unseen = [np.ones(side.sees.shape[1], dtype=bool) for side in self.sides]

    @property
    def open(self) -> Bools:
        """Inputs whose digit neither side can make yet."""
        first, second = self.needed
        return (first > 0) & (second > 0)

    def is_done(self) -> bool:
        """Whether nothing is left to cover."""
        return not (self.open.any() or self.unseen[0].any() or self.unseen[1].any())

    def misses(self, index: int) -> tuple[Bools, Bools]:
        """Return what each unit of a side leaves open: digits (U, R'), and earlier accumulators (U, K')."""
        side, rows = self.sides[index], np.flatnonzero(self.open)
        digits = side.edges[:, rows] < self.needed[index][rows]
        return digits, ~side.sees[:, self.unseen[index]]

    def take(self, index: int, place: int) -> None:
        """Choose a unit."""
        side = self.sides[index]
        self.chosen[index].append(place)
        self.needed[index] = self.needed[index] - side.edges[place]
        self.unseen[index] &= ~side.sees[place]

    def pair(self) -> None:
        """Choose the units, one a side, that leave the least open together; of equals the least useful."""
        (digits_p, seen_p), (digits_n, seen_n) = self.misses(0), self.misses(1)
        units_p, units_n = self.sides[0].units, self.sides[1].units
        alone = digits_p.sum(axis=1) + (digits_p.shape[1] + 1) * seen_p.sum(axis=1)
        tried = np.argsort(alone, kind="stable")[:_PROMISING]
        common = digits_p[tried].astype(np.float32) @ digits_n.T.astype(np.float32)
        left = common + seen_p[tried].sum(axis=1)[:, np.newaxis] + seen_n.sum(axis=1)
        left = left * 1e6 + self.spare[units_p[tried]][:, np.newaxis] + self.spare[units_n]
        left[units_p[tried][:, np.newaxis] == units_n] = np.inf
        first, second = np.unravel_index(int(np.argmin(left)), left.shape)
        self.take(0, int(tried[first]))
        self.take(1, int(second))

    def single(self) -> bool:
        """Choose one more unit, that which leaves the least open; False if none helps."""
        best, least = None, int(self.open.sum() + self.unseen[0].sum() + self.unseen[1].sum()) * 1e6
        before = least
        for index, side in enumerate(self.sides):
            if not side.units.size or len(self.chosen[index]) == _MOST_UNITS:
                continue
            digits, seen = self.misses(index)
            left = (digits.sum(axis=1) + seen.sum(axis=1) + self.unseen[1 - index].sum()) * 1e6
            left = left + self.spare[side.units]
            taken = [
                int(s.units[p]) for s, places in zip(self.sides, self.chosen, strict=True) for p in places
            ]
            left[np.isin(side.units, taken)] = np.inf
            place = int(np.argmin(left))
            if left[place] < least:
                best, least = (index, place), float(left[place])
        if best is None or least >= before:
            return False
        self.take(*best)
        return True

    @property
    def units(self) -> tuple[Ints, Ints]:
        first, second = (
            side.units[np.array(places, dtype=np.int64)]
            for side, places in zip(self.sides, self.chosen, strict=True)
        )
        return first, second


def cover(sides: tuple[Side, Side], spare: Ints) -> tuple[Ints, Ints] | None:
    """Return few units for P_o and N_o that cover all digits and earlier accumulators; None if none do."""
    found = _Cover(sides, spare)
    if found.is_done():
        return found.units
    if not any(len(side.units) for side in sides):
        return None
    both = found.unseen[0].any() and found.unseen[1].any()
    if not both:
        alone = _Cover(sides, spare)
        if alone.single() and alone.is_done():
            return alone.units
    if all(len(side.units) for side in sides) and len(np.union1d(sides[0].units, sides[1].units)) > 1:
        found.pair()
    while not found.is_done():
        if not found.single():
            return None
    return found.units


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
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    inputs = eligible.shape[1]
    if not inputs:
        return np.zeros((0, slots), np.int64)
    places = csr_array(np.repeat(eligible.T, slots, axis=0))
    units = maximum_bipartite_matching(places, perm_type="column")
    return None if (units < 0).any() else units.astype(np.int64).reshape(inputs, slots)


def eligible_counts(eligible: Bools, free: Bools) -> Ints:
    """Return for each unit how many inputs it can carry; -1 for those that are taken."""
    return np.where(free, eligible.sum(axis=1), -1)


def free_units(width: int, taken: Sequence[Ints]) -> Bools:
    """Return which units of a layer nobody has."""
    free = np.ones(width, dtype=bool)
    for units in taken:
        free[units] = False
    return free
