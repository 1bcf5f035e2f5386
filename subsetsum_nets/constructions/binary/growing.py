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
    from collections.abc import Callable, Iterator, Sequence

    from subsetsum_nets.constructions.binary.choosing import Small
    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, Ints

_FEW_INPUTS = 24  # below, matching the copies needs spare units
_MOST_FOR_PAIRS = 64  # inputs that two accumulators of one side see
_AT_EASE = 96  # inputs and outputs together; for more, accumulators that see all inputs are harder to find
_MANY_INPUTS = 300  # above, three accumulators an output at first
_LAST = (3, 5, 6, 7)  # units an output in the layer of accumulators alone, ..
_LAST_DIGITS = (16, 128, 300)  # .. by the number of inputs that have their last digit there
_PARTNER = 4  # inputs that a unit could be a copy of are as useful as one partner as an accumulator
_MANY_EDGES = 100  # more than any accumulators see
_WIDER = 1.1
_MOST_TRIES = 40
_ORDERS = 8  # of outputs, before a layer is drawn again


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
    universal : bool
        Whether either side of every output sees every input.

    """

    growths: list[int]
    digits: Ints
    widths: list[int]
    universal: bool = False

    @classmethod
    def of(cls, layer: IntegerLayer, growth: int, *, universal: bool = False) -> Plan:
        """Plan a block for a layer, with the same growth everywhere."""
        found = cls.within(layer, growth, None, universal=universal)
        if isinstance(found, Lack):
            raise TypeError(found)
        return found

    @classmethod
    def within(
        cls, layer: IntegerLayer, growth: int, room: Sequence[int] | None, *, universal: bool = False
    ) -> Plan | Lack:
        """Plan a block for layers of given widths, with growths of up to ``growth`` where these have room.

        Parameters
        ----------
        layer : IntegerLayer
        growth : int
        room : sequence of int, optional
            The widths of the hidden layers that there are. None for as wide as need be.
        universal : bool

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
            shape = len(left), outputs, level
            planned = {g: level_width(g, live, shape, universal=universal) for g in range(2, growth + 1)}
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
            ending = int((digits == depth).sum())
            widths.append(last_width(ending, len(left), outputs, universal=universal))
            if room is not None and 2 * outputs > (have := room[depth] if depth < len(room) else 0):
                return Lack(depth, widths[-1], have, 0, outputs)
        return cls(growths, digits, widths, universal)


def level_width(growth: int, live: int, shape: tuple[int, int, int], *, universal: bool) -> int:
    """Return the planned width of a hidden layer with copies of ``live`` inputs.

    ``shape`` has the inputs and outputs of the block, and the number of the hidden layer from 0.
    """
    inputs, outputs, level = shape
    if not level:
        return growth * live + max(0, 6 - live)
    spare = max(0, (_FEW_INPUTS - live) * 3 // 4)
    if universal:
        spare += max(0, live + outputs - _AT_EASE) // 2
        return growth * live + 2 * _a_side(inputs) * outputs + spare
    sides = 3 if inputs > _MANY_INPUTS and level == 1 else 2
    return growth * live + sides * outputs + spare


def last_width(ending: int, inputs: int, outputs: int, *, universal: bool) -> int:
    """Return the planned width of the layer of accumulators alone, where ``ending`` inputs end."""
    units = _LAST[int(np.searchsorted(_LAST_DIGITS, ending))]
    if universal:
        units = max(units, 3 * _a_side(inputs))
    return units * outputs + max(0, (_FEW_INPUTS - outputs) // 3)


def _a_side(inputs: int) -> int:
    """Return how many accumulators of one side see every input together, most likely."""
    return 2 if inputs <= _MOST_FOR_PAIRS else 3


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
    following = plan.growths[digit + 1] if digit + 1 < len(plan.growths) else 0
    offer = _Offer(plus, outputs, edges, needed, useful, growth)
    for order in _orders(len(part.base)):
        chosen = _accumulators(block, offer, order)
        if chosen is None:
            continue
        free = np.ones(len(plus), dtype=bool)
        free[np.concatenate([units for side in chosen for units in side])] = False
        open_units = np.flatnonzero(free)
        match = matched(eligible[open_units], following)
        if match is not None:
            break
    else:
        return None, remaining
    copies = np.full((len(before.copies), following), -1, np.int64)
    copies[columns[more]] = open_units[match]
    counts = [
        np.array([np.minimum(edges[units].sum(axis=0), MOST_DIGIT) for units in side]) for side in chosen
    ]
    after = part.after(growth, *counts)
    base, words = remaining.base.copy(), remaining.words.copy()
    base[:, columns], words[:, columns] = after.base, after.words
    return Level(copies, chosen, plus), Remainders(base, words)


class _Offer(NamedTuple):
    """What the U units of a layer offer, and what R inputs with a digit left need of accumulators."""

    plus: Bools  # (U, units before)
    outputs: Bools | None  # (outputs, U) of a layer of accumulators alone
    edges: Small  # (U, R): + edges from the copies of an input
    needed: list[Small]  # of P and of N, (outputs, R): how many edges are enough
    useful: Ints  # (U,): how many inputs a unit can be a copy of
    growth: int  # g: digits go up to g - 1


def _orders(outputs: int) -> Iterator[Ints]:
    """Yield orders in which outputs choose: what one cannot be given may be had in another."""
    yield np.arange(outputs)
    rng = np.random.default_rng(outputs)
    for _ in range(_ORDERS - 1 if outputs > 1 else 0):
        yield rng.permutation(outputs)


def _accumulators(block: Block, offer: _Offer, order: Ints) -> tuple[list[Ints], list[Ints]] | None:
    """Choose the units of P_o and of N_o for one output after the other; None if there are none."""
    plan, before = block.plan, block.levels[-1]
    free = np.ones(len(offer.plus), dtype=bool)
    none = [np.zeros(0, np.int64)] * len(order)
    chosen = (none, list(none))
    for output in order:
        open_rows = np.arange(offer.edges.shape[1])
        if not plan.universal:
            open_rows = np.flatnonzero((offer.needed[0][output] > 0) & (offer.needed[1][output] > 0))
        seen = offer.edges[:, open_rows]
        sides = []
        for side in (0, 1):
            allowed = free.copy() if offer.outputs is None else free & (offer.outputs[output] == (side == 0))
            old = before.accumulators[side][output]
            sides.append(Side(allowed, seen, offer.needed[side][output, open_rows], offer.plus[:, old]))
        if plan.universal:
            found = _for_every_digit((sides[0], sides[1]), offer.growth - 1, offer.useful)
        else:
            found = cover((sides[0], sides[1]), offer.useful)
        if found is None:
            return None
        for side, units in enumerate(found):
            free[units] = False
            chosen[side][output] = units
    return chosen


def _for_every_digit(sides: tuple[Side, Side], digit: int, useful: Ints) -> tuple[Ints, Ints] | None:
    """Choose units such that those of either side have ``digit`` edges from every input; None if none do."""
    chosen: list[Ints] = []
    for side in sides:
        allowed = side.allowed.copy()
        allowed[np.concatenate([*chosen, np.zeros(0, np.int64)])] = False
        needed = np.full(side.edges.shape[1], digit, np.int8)
        halves = [Side(allowed.copy(), side.edges, needed, side.sees[:, part::2]) for part in (0, 1)]
        found = cover((halves[0], halves[1]), useful, _PARTNER)
        if found is None:
            return None
        chosen.append(np.concatenate(found))
    return chosen[0], chosen[1]
