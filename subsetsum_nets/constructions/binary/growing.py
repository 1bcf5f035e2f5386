"""Layout *accumulate*: a block of random layers, grown layer by layer, that computes one integer layer.

Hidden layer j of the block (from 1) has copies of g^(j-1) v_i for every input v_i with a digit left, and from
layer 2 accumulators P_o, N_o that pick up digit j - 2 from the copies before. One more layer has accumulators
alone, and the last, whose rows are the outputs, takes P_o - N_o. A layer in which what is needed cannot be
found is drawn again, wider.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.binary.choosing import Side, cover, matched
from subsetsum_nets.constructions.binary.remainders import MOST_DIGIT, Remainders

if TYPE_CHECKING:
    from collections.abc import Callable

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
    growth : int
        g, which is also the number of copies of an input.
    digits : int array, shape (inputs,)
        How many digits are picked up from each input.
    widths : list of int
        Of the hidden layers.

    """

    growth: int
    digits: Ints
    widths: list[int]

    @classmethod
    def of(cls, layer: IntegerLayer, growth: int) -> Plan:
        """Plan a block for a layer."""
        outputs = len(layer.weight)
        digits = _digits(np.abs(layer.weight).max(axis=0, initial=0), growth)
        depth = int(digits.max(initial=0))
        digits = np.minimum(digits + 1, depth)  # one more frees remainders; the last layer has room instead
        widths = []
        for level in range(1, depth + 1):
            live = int((digits >= level).sum())
            spare = max(0, (_FEW_INPUTS - live) * 3 // 4) if level > 1 else max(0, 6 - live)
            first = 3 if len(digits) > _MANY_INPUTS and level == 2 else 2
            widths.append(growth * live + (first * outputs if level > 1 else 0) + spare)
        if depth:
            units = _LAST[int(np.searchsorted(_LAST_DIGITS, (digits == depth).sum()))]
            widths.append(units * outputs + max(0, (_FEW_INPUTS - outputs) // 3))
        return cls(growth, digits, widths)


@dataclass(frozen=True, eq=False)
class Level:
    """What the units of one hidden layer carry.

    Attributes
    ----------
    copies : int array, shape (inputs, g)
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
    layer: IntegerLayer, growth: int, reads: Callable[[Bools], Bools], draw: Callable[[int, int], Bools]
) -> Block:
    """Grow a block.

    Parameters
    ----------
    layer : IntegerLayer
    growth : int
    reads : callable
        Turns the + edges of the block's first layer into the inputs that each of its units can be a copy of:
        (units, units before) to (units, inputs).
    draw : callable
        ``draw(index, width)`` draws layer ``index`` of the block with so many units, forgets those behind it,
        and returns its + edges, (units, units before).

    """
    plan = Plan.of(layer, growth)
    outputs = len(layer.weight)
    block = Block(layer, plan)
    remaining = Remainders.of(layer.weight, growth)
    for number, planned in enumerate(plan.widths):
        width, level = planned, None
        for _ in range(_MOST_TRIES):
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
            raise RuntimeError(f"no layer of up to {width} units carries what hidden layer {number} has to")
        block.levels.append(level)
    if not plan.widths:
        draw(0, outputs)  # nothing is kept
    return block


def _first_level(plan: Plan, plus: Bools, eligible: Bools, outputs: int) -> Level | None:
    copies = matched(eligible, plan.growth)
    none = [np.zeros(0, np.int64)] * outputs
    return None if copies is None else Level(copies, (none, list(none)), plus)


def _next_level(
    block: Block, remaining: Remainders, plus: Bools, outputs: Bools | None
) -> tuple[Level | None, Remainders]:
    """Choose accumulators, then copies, among the units of a layer; None if there are none."""
    plan, before = block.plan, block.levels[-1]
    digit = len(block.levels) - 1
    live = plan.digits > digit
    columns = np.flatnonzero(live)
    edges = plus[:, before.copies[columns]].sum(axis=2, dtype=np.int8)  # (units, live inputs)
    more = plan.digits[columns] > digit + 1
    eligible = edges[:, more] >= plan.growth
    useful = eligible.sum(axis=1)
    part = Remainders(plan.growth, remaining.base[:, columns], remaining.words[:, columns])
    needed = [np.minimum(fewest, _MANY_EDGES).astype(np.int8) for fewest in part.least_digits(last=~more)]
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
    copies = np.full(before.copies.shape, -1, np.int64)
    open_units = np.flatnonzero(free)
    match = matched(eligible[open_units], plan.growth)
    if match is None:
        return None, remaining
    copies[columns[more]] = open_units[match]
    after = part.after(*(np.minimum(count, MOST_DIGIT) for count in counts))
    base, words = remaining.base.copy(), remaining.words.copy()
    base[:, columns], words[:, columns] = after.base, after.words
    return Level(copies, chosen, plus), Remainders(plan.growth, base, words)


def _digits(largest: Ints, growth: int) -> Ints:
    """Return how many digits integers have in base g; 0 has none."""
    count, left = np.zeros_like(largest), largest.copy()
    while left.any():
        count += left > 0
        left //= growth
    return count
