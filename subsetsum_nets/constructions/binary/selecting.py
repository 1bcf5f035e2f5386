"""Layout *select*: two random layers for an integer layer, of which only the last one knows the weights.

Every hidden unit carries one input. A row (o, i) may then use the edges from the units of input i to output
o: +1 and -1, so that every integer from -(number of - edges) to the number of + edges is a subset sum. Which
input a unit serves is chosen when both layers are drawn, so that every weight is within these ends: a
covering problem, which a greedy search solves with a tenth more units than the columns' largest weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from subsetsum_nets.constructions.binary.covering import fill
from subsetsum_nets.constructions.binary.growing import Lack

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints

_MORE = 1.12  # times the least number of units
_SPARE = 6  # units more, for small layers
_WIDER = 1.05
_MOST_TRIES = 60
_URGENCY = 2.0  # how much more one unit of a weight counts that is larger by 1


def selecting_widths(layer: IntegerLayer) -> list[int]:
    """Return the planned width of the one hidden layer; none for a layer of zeros."""
    least = int(np.abs(layer.weight).max(axis=0, initial=0).sum())
    return [int(least * _MORE) + _SPARE] if least else []


@dataclass(frozen=True, eq=False)
class SelectBlock:
    """A grown block of two layers.

    Attributes
    ----------
    layer : IntegerLayer
    served : int array, shape (units,)
        The input that each hidden unit carries; -1 for none.
    plus : bool array, shape (outputs, units)
        Where the edges of the last layer are +.
    times : int array, shape (units,), optional
        How many times it carries it; once if not given. Those of an input are complete: sorted, each is at
        most 1 more than the sum of those before.

    """

    layer: IntegerLayer
    served: Ints
    plus: Bools
    times: Ints | None = None
    layout: ClassVar[str] = "select"

    @cached_property
    def multiples(self) -> Ints:
        """How many times each unit carries its input."""
        return np.ones_like(self.served) if self.times is None else self.times

    @cached_property
    def copies(self) -> Ints:
        """The units of every input, shape (inputs, most units); -1 where there are fewer."""
        units = [np.flatnonzero(self.served == i) for i in range(self.layer.weight.shape[1])]
        table = np.full((len(units), max(map(len, units), default=0)), -1, np.int64)
        for row, mine in zip(table, units, strict=True):
            row[: len(mine)] = mine
        return table

    @cached_property
    def places(self) -> tuple[Ints, Ints]:
        """Outputs and inputs of the rows."""
        outputs, inputs = np.nonzero(self.layer.counted)
        return outputs, inputs

    @property
    def unit(self) -> float:
        """What one unit of the integer weights is worth."""
        return 2.0**-self.layer.scale

    @property
    def targets(self) -> FloatArray:
        """The weights of the target, shape (N,)."""
        return self.layer.wanted[self.places]

    @property
    def free(self) -> Bools:
        """Which rows may be met less exactly, shape (N,): not the one that carries the constant."""
        return self.layer.free[self.places]

    @cached_property
    def valid(self) -> Bools:
        """Which items a row has, shape (N, m)."""
        return self.copies[self.places[1]] >= 0

    @property
    def items(self) -> FloatArray:
        """What each edge adds to a weight, shape (N, m)."""
        outputs, inputs = self.places
        signs = self.plus[outputs[:, np.newaxis], self.copies[inputs]]
        return np.where(signs, self.unit, -self.unit) * self.multiples[self.copies[inputs]]

    @cached_property
    def held(self) -> int:
        """The largest W such that the same block holds every integer layer of weights up to W in size."""
        if not self.layer.whole or not len(self.targets):
            return 0
        units = np.where(self.valid, self.items / self.unit, 0.0)
        most = [np.maximum(units * sign, 0.0).sum(axis=1) for sign in (1.0, -1.0)]
        return int(np.minimum(*most).min())

    def keep(self, masks: list[Bools], kept: Bools) -> None:
        """Keep the edges of the solved subsets, shape (N, m), in the masks of the block's layers."""
        outputs, inputs = self.places
        rows, columns = np.nonzero(kept)
        masks[-1][outputs[rows], self.copies[inputs[rows], columns]] = True

    def keep_structure(self, masks: list[Bools], keep_sources: Callable[[Ints], None]) -> None:  # noqa: ARG002
        """Keep the one edge of each unit, as ``keep_sources`` does for units of each input."""
        keep_sources(self.copies)


def grow_selecting(
    layer: IntegerLayer,
    reads: Callable[[Bools], Bools],
    draw: Callable[[int, int], Bools],
    *,
    tries: int = _MOST_TRIES,
) -> SelectBlock | Lack:
    """Grow a block; parameters as for :func:`~.growing.grow`."""
    outputs, planned = len(layer.weight), selecting_widths(layer)
    if not planned:
        draw(0, outputs)
        return SelectBlock(layer, np.zeros(0, np.int64), np.zeros((outputs, 0), bool))
    (width,) = planned
    for _ in range(tries):
        eligible = reads(draw(0, width))
        plus = draw(1, outputs)
        served = assigned(layer.weight, eligible, plus)
        if served is not None:
            return SelectBlock(layer, served, plus)
        width = int(width * _WIDER) + 2
    return Lack(0, width, len(eligible), layer.weight.shape[1], 0)


def assigned(weight: Ints, eligible: Bools, plus: Bools) -> Ints | None:
    """Say which input each unit serves, so that every weight has enough edges of its sign; None if none can.

    Parameters
    ----------
    weight : int64, shape (outputs, inputs)
    eligible : bool, shape (units, inputs)
        Which inputs a unit can carry.
    plus : bool, shape (outputs, units)

    """
    none = np.full(plus.shape[1], -1, np.int64)
    found = fill(weight, eligible.astype(np.int64), plus, none, np.zeros_like(none), _URGENCY)
    return None if found is None else found[0]
