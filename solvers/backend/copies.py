"""Equal items as one item that may be taken several times, and what is chosen when so many are taken.

A hundred items of six values have 21^6 sums at most, not 2^100. Where the number of chosen items does not
matter, an item -x is "not leaving out x": with the negative ones chosen to begin with, to take x means to
leave one of them out or to choose a positive one, and zeros change nothing. So opposites are equal, too.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.grid import WORD_BITS, Grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from solvers.problem import SubsetSum

    Vector = tuple[int, ...]

_MOST_VALUES = 256  # beyond, sums are too many for lists of any kind


@dataclass(frozen=True)
class Copies:
    """The items of a problem by value, in whole units.

    ``members[k]`` are the original items behind value k. With ``counts[k]`` taken, the first so many of them
    change sides: chosen if they were not to begin with (``flipped``), and else left out.
    """

    values: tuple[Vector, ...]
    members: tuple[tuple[int, ...], ...]
    flipped: frozenset[int]
    free: tuple[int, ...]  # zeros, where the number of items does not matter
    target: Vector  # what the items taken add up to
    largest: int  # no more items may be chosen at all, where their number matters
    # which item of the user's an item is a copy of, where copies are not told apart; else None
    origins: Sequence[int] | None

    @cached_property
    def most(self) -> tuple[int, ...]:
        """How often each value may be taken."""
        return tuple(min(len(members), self.largest) for members in self.members)

    @cached_property
    def merged(self) -> bool:
        """Whether any two items are one here."""
        return bool(self.free) or any(len(members) > 1 for members in self.members)

    @cached_property
    def bits(self) -> float:
        """The logarithm, to base 2, of the number of choices."""
        if max(self.most, default=1) == 1:
            return float(sum(self.most))
        return sum(math.log2(m + 1) for m in self.most)

    @cached_property
    def halves(self) -> tuple[list[int], list[int]]:
        """The values in two halves of about as many choices each."""
        if max(self.most, default=1) == 1:
            middle = len(self.values) // 2
            return list(range(middle)), list(range(middle, len(self.values)))
        return balanced(self.most, range(len(self.most)))

    @cached_property
    def half_sums(self) -> int:
        """The number of choices of the larger half."""
        return max(math.prod(self.most[k] + 1 for k in half) for half in self.halves)

    def grid(self, bits: int = WORD_BITS) -> Grid:
        """Round the values so that all they may add up to takes ``bits`` bits."""
        many = [max(m, 1) * max(map(abs, x)) for m, x in zip(self.most, self.values, strict=True)]
        magnitude = sum(many) + max(map(abs, self.target))
        shift = max(0, magnitude.bit_length() - bits)
        return Grid(
            np.array([[x >> shift for x in value] for value in self.values], np.int64).reshape(
                -1, len(self.target)
            ),
            np.array([t >> shift for t in self.target], np.int64),
            shift,
            sum(self.most) if shift else 0,
        )

    # -- from counts to subsets ----------------------------------------------------------------------

    def subset(self, counts: dict[int, int]) -> list[int]:
        """Return one of the subsets behind these counts (by value; missing ones are 0), sorted."""
        changed = [i for k, count in counts.items() for i in self.members[k][:count]]
        return sorted(self.flipped.symmetric_difference(changed))

    def subsets(self, counts: dict[int, int]) -> Iterator[list[int]]:
        """Yield each of the subsets behind these counts; where copies count once, one of their kind."""
        groups = [(self.members[k], count) for k, count in counts.items()]
        for taken in range(len(self.free) + 1) if self.free else ():
            yield from self._spread([*groups, (self.free, taken)], [])
        if not self.free:
            yield from self._spread(groups, [])

    def _spread(self, groups: list[tuple[tuple[int, ...], int]], changed: list[int]) -> Iterator[list[int]]:
        if not groups:
            yield sorted(self.flipped.symmetric_difference(changed))
            return
        (members, count), *others = groups
        for some in self._choices(members, count):
            yield from self._spread(others, [*changed, *some])

    def _choices(self, members: tuple[int, ...], count: int) -> Iterator[tuple[int, ...]]:
        """Yield the ways to take so many of these; of copies of one item, the first ones."""
        if self.origins is None or len({self.origins[i] for i in members}) == len(members):
            yield from combinations(members, count)
            return
        first = [i for i in members if self.origins[i] == self.origins[members[0]]]
        others = tuple(i for i in members if self.origins[i] != self.origins[members[0]])
        for some in range(max(0, count - len(others)), min(len(first), count) + 1):
            for rest in self._choices(others, count - some):
                yield (*first[:some], *rest)

    @cached_property
    def ways(self) -> list[list[int]]:
        """The number of subsets behind each count of each value."""
        return [self._ways(members) for members in self.members]

    @cached_property
    def free_ways(self) -> int:
        """The number of choices among the zeros that change nothing."""
        return sum(self._ways(self.free))

    def _ways(self, members: tuple[int, ...]) -> list[int]:
        if self.origins is None:
            return [math.comb(len(members), count) for count in range(len(members) + 1)]
        ways = [1]
        for many in Counter(self.origins[i] for i in members).values():
            longer = [0] * (len(ways) + many)
            for count, number in enumerate(ways):
                for more in range(many + 1):
                    longer[count + more] += number
            ways = longer
        return ways


def balanced(most: Sequence[int], which: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide values into two halves of about as many choices each: the largest first, to the smaller half."""
    halves: tuple[list[int], list[int]] = [], []
    bits = [0.0, 0.0]
    for k in sorted(which, key=lambda k: -most[k]):
        side = int(bits[1] < bits[0])
        halves[side].append(k)
        bits[side] += math.log2(most[k] + 1)
    return halves


def choice_bits(problem: SubsetSum, *, sized: bool) -> float:
    """Return the logarithm, to base 2, of the number of different choices; inf for hundreds of values."""
    items, most = problem.image.items, 2 * _MOST_VALUES
    if problem.n > _MOST_VALUES and (len(set(items[: 4 * most])) > most or len(set(items)) > most):
        return math.inf
    return copies_of(problem, sized=sized).bits


def apart(problem: SubsetSum) -> Copies:
    """Return every item as a value of its own, in ascending order of the first coordinate."""
    return _alone(problem, sorted(range(problem.n), key=problem.image.items.__getitem__))


def _alone(problem: SubsetSum, order: Sequence[int]) -> Copies:
    items = problem.image.items
    values = tuple([items[i] for i in order])
    members = tuple([(i,) for i in order])
    copies = Copies(values, members, frozenset(), (), problem.image.target, problem.n, problem.origins)
    vars(copies).update(most=(1,) * problem.n, merged=False, bits=float(problem.n))  # known without a look
    return copies


def copies_of(problem: SubsetSum, *, sized: bool) -> Copies:
    """Return the items by value; found once, for every backend is asked what it costs and whether it can.

    ``sized``: the number of chosen items matters, so that neither opposites nor zeros are left out.
    """
    known = problem.known
    if ("copies", sized) not in known:
        known["copies", sized] = _by_value(problem, sized=sized)
    return known["copies", sized]  # type: ignore[no-any-return]


def _by_value(problem: SubsetSum, *, sized: bool) -> Copies:
    items = problem.image.items
    if problem.d == 1 and len(sizes := {abs(item[0]) for item in items}) == problem.n and 0 not in sizes:
        return _alone(problem, range(problem.n))
    members: dict[Vector, list[int]] = {}
    for i, item in enumerate(items):
        members.setdefault(item, []).append(i)
    free: tuple[int, ...] = ()
    flipped: list[int] = []
    target = problem.image.target
    if not sized:
        free = tuple(members.pop((0,) * problem.d, ()))
        for item in [item for item in members if item > (0,) * problem.d]:
            opposite = tuple(-x for x in item)
            if opposite in members:
                flipped += members[opposite]
                target = tuple(t + len(members[opposite]) * x for t, x in zip(target, item, strict=True))
                members[item] = members.pop(opposite) + members[item]
    return Copies(
        tuple(members),
        tuple(map(tuple, members.values())),
        frozenset(flipped),
        free,
        target,
        problem.sizes[1] if sized else problem.n,
        problem.origins,
    )
