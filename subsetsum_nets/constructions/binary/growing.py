"""Layout *accumulate*: a block of random layers, grown layer by layer, that computes one integer layer.

Hidden layer j of the block (from 1) has copies of G_j v_i for every input v_i with a digit left, where
G_1 = 1 and G_(j+1) = g_j G_j, and from layer 2 accumulators P_o, N_o that pick up digit j - 2 from the copies
before. One more layer has accumulators alone, and the last, whose rows are the outputs, takes P_o - N_o.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.constructions.binary.choosing import Side, cover, matched
from subsetsum_nets.constructions.binary.remainders import MOST_DIGIT, Remainders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, Ints

_FEW_INPUTS = 24  # below, matching the copies needs spare units
_MANY_INPUTS = 300  # above, three accumulators an output at first
_LAST = (3, 5, 6, 7)  # units an output in the layer of accumulators alone, ..
_LAST_DIGITS = (16, 128, 300)  # .. by the number of inputs that have their last digit there
_MANY_EDGES = 100  # more than any accumulators see
_WIDER = 1.1
_MOST_TRIES = 40


@dataclass(frozen=True, eq=False)
class Plan:
    """The widths of a block's hidden layers, before anything is drawn.

    Attributes
    ----------
    growths : list of int
        g_j of every hidden layer with copies, which is also how many of an input it has.
    digits : int array, shape (inputs,)
        How many digits are picked up from each input.
    widths : list of int
        Of the hidden layers.

    """

    growths: list[int]
    digits: Ints
    widths: list[int]

    @classmethod
    def of(cls, layer: IntegerLayer, growth: int) -> Plan:
        """Plan a block for a layer, with the same growth everywhere."""
        found = cls.within(layer, growth, None)
        if isinstance(found, Lack):
            raise TypeError(found)
        return found

    @classmethod
    def within(cls, layer: IntegerLayer, growth: int, room: Sequence[int] | None) -> Plan | Lack:
        """Plan a block for layers of given widths, with growths of up to ``growth`` where these have room.

        Parameters
        ----------
        layer : IntegerLayer
        growth : int
        room : sequence of int, optional
            The widths of the hidden layers that there are. None for as wide as need be.

        Returns
        -------
        Plan or Lack
            Lack names the first layer that is certainly too narrow, or missing.

        """
        outputs, left = len(layer.weight), np.abs(layer.weight).max(axis=0, initial=0)
        before, growths, widths, digits = left > 0, list[int](), list[int](), np.zeros(left.shape, np.int64)
        while (alive := left > 0).any():
            level = len(widths)
            live = int((alive | before).sum())  # one digit more frees remainders
            accumulators = 0 if not level else (3 if len(left) > _MANY_INPUTS and level == 1 else 2) * outputs
            spare = max(0, (_FEW_INPUTS - live) * 3 // 4) if level else max(0, 6 - live)
            planned = {g: g * live + accumulators + spare for g in range(2, growth + 1)}
            if room is None:
                g = growth
            elif level == len(room):
                return Lack(level, planned[2], 0, live, outputs if level else 0)
            elif (2 * live + (2 * outputs if level else 0)) > room[level]:
                return Lack(level, planned[2], room[level], live, outputs if level else 0)
            else:
                g = max((g for g in planned if planned[g] <= room[level]), default=2)
            growths.append(g)
            widths.append(planned[g])
            digits += alive
            before, left = alive, left // g
        depth = len(growths)
        digits = np.minimum(digits + 1, depth)
        if depth:
            units = _LAST[int(np.searchsorted(_LAST_DIGITS, (digits == depth).sum()))]
            widths.append(units * outputs + max(0, (_FEW_INPUTS - outputs) // 3))
            if room is not None and 2 * outputs > (have := room[depth] if depth < len(room) else 0):
                return Lack(depth, widths[-1], have, 0, outputs)
        return cls(growths, digits, widths)


class Lack(NamedTuple):
    """What a layer has too few units for."""

    layer: int
    needed: int  # units that would probably do
    units: int  # that there are; 0 for a layer that is missing
    inputs: int  # that need copies
    outputs: int  # that need accumulators


@dataclass(frozen=True, eq=False)
class Level:
    """What the units of one hidden layer carry.

    Attributes
    ----------
    copies : int array, shape (inputs, g_j)
        Units; -1 where the input has no digit left.
    accumulators : tuple of two lists of int arrays
        The units of P_o and of N_o, for every output.
    plus : bool array, shape (units, units before)
        Where the edges are +.

    """

    copies: Ints
    accumulators: tuple[list[Ints], list[Ints]]
    plus: Bools


@dataclass(frozen=True, eq=False)
class Block:
    """A grown block: its integer layer, its plan, and what its hidden layers carry."""

    layer: IntegerLayer
    plan: Plan
    levels: list[Level] = field(default_factory=list)


def grow(
    layer: IntegerLayer,
    plan: Plan,
    reads: Callable[[Bools], Bools],
    draw: Callable[[int, int], Bools],
    *,
    tries: int = _MOST_TRIES,
) -> Block | Lack:
    """Grow a block. A layer in which what is needed cannot be found is drawn again, wider.

    Parameters
    ----------
    layer : IntegerLayer
    plan : Plan
    reads : callable
        Turns the + edges of the block's first layer into the inputs that each of its units can be a copy of:
        (units, units before) to (units, inputs).
    draw : callable
        ``draw(index, width)`` draws layer ``index`` of the block with so many units, forgets those behind it,
        and returns its + edges, (units, units before).
    tries : int
        How often a layer is drawn.

    Returns
    -------
    Block or Lack
        The layer that does not have what is needed, after so many tries.

    """
    outputs = len(layer.weight)
    block = Block(layer, plan)
    remaining = Remainders.of(layer.weight)
    for number, planned in enumerate(plan.widths):
        width, level = planned, None
        for _ in range(tries):
            plus = draw(number, width)
            ends = draw(number + 1, outputs) if number + 1 == len(plan.widths) else None
            if number == 0:
                level = _first_level(plan, plus, reads(plus), outputs)
            else:
                level, remaining = _next_level(block, remaining, plus, ends)
            if level is not None:
                break
            width = int(width * _WIDER) + 2
        else:
            copied = int((plan.digits > number).sum())
            return Lack(number, max(width, len(plus) + 1), len(plus), copied, outputs if number else 0)
        block.levels.append(level)
    if not plan.widths:
        draw(0, outputs)  # nothing is kept
    return block


def _first_level(plan: Plan, plus: Bools, eligible: Bools, outputs: int) -> Level | None:
    copies = matched(eligible, plan.growths[0])
    none = [np.zeros(0, np.int64)] * outputs
    return None if copies is None else Level(copies, (none, list(none)), plus)


def _next_level(
    block: Block, remaining: Remainders, plus: Bools, outputs: Bools | None
) -> tuple[Level | None, Remainders]:
    """Choose accumulators, then copies, among the units of a layer; None if there are none."""
    plan, before = block.plan, block.levels[-1]
    digit = len(block.levels) - 1
    growth = plan.growths[digit]
    live = plan.digits > digit
    columns = np.flatnonzero(live)
    edges = plus[:, before.copies[columns]].sum(axis=2, dtype=np.int8)  # (units, live inputs)
    more = plan.digits[columns] > digit + 1
    eligible = edges[:, more] >= growth
    useful = eligible.sum(axis=1)
    part = Remainders(remaining.base[:, columns], remaining.words[:, columns])
    fewest = part.least_digits(growth, last=~more)
    needed = [np.minimum(edges_needed, _MANY_EDGES).astype(np.int8) for edges_needed in fewest]
    free = np.ones(len(plus), dtype=bool)
    chosen: tuple[list[Ints], list[Ints]] = ([], [])
    counts = [np.zeros(part.base.shape, np.int64) for _ in range(2)]
    for output in range(len(part.base)):
        rows = np.flatnonzero((needed[0][output] > 0) & (needed[1][output] > 0))
        seen = edges[:, rows]
        sides = []
        for side in (0, 1):
            allowed = free.copy() if outputs is None else free & (outputs[output] == (side == 0))
            old = before.accumulators[side][output]
            sides.append(Side(allowed, seen, needed[side][output, rows], plus[:, old]))
        found = cover((sides[0], sides[1]), useful)
        if found is None:
            return None, remaining
        for side, units in enumerate(found):
            free[units] = False
            chosen[side].append(units)
            counts[side][output] = edges[units].sum(axis=0)
    following = plan.growths[digit + 1] if digit + 1 < len(plan.growths) else 0
    copies = np.full((len(before.copies), following), -1, np.int64)
    open_units = np.flatnonzero(free)
    match = matched(eligible[open_units], following)
    if match is None:
        return None, remaining
    copies[columns[more]] = open_units[match]
    after = part.after(growth, *(np.minimum(count, MOST_DIGIT) for count in counts))
    base, words = remaining.base.copy(), remaining.words.copy()
    base[:, columns], words[:, columns] = after.base, after.words
    return Level(copies, chosen, plus), Remainders(base, words)
