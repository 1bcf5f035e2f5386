"""Target weights as subset sums of the edges of a grown block, and what is kept of it.

Row (o, i) stands for one target weight: an edge from a copy of input i in layer j to an accumulator of output
o in layer j + 1 adds G_j units to it, or takes as many away; G_j is the product of the growths before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.constructions.binary.growing import Block, Level
    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


@dataclass(frozen=True, eq=False)
class BlockRows:
    """The subset sums of a block: a row for each weight that counts.

    Attributes
    ----------
    outputs, inputs : int array, shape (N,)
        Of the integer layer.
    items : float64, shape (N, m)
    valid : bool, shape (N, m)
        Where the edge is +.
    targets : float64, shape (N,)

    """

    block: Block
    layout = "accumulate"

    @property
    def layer(self) -> IntegerLayer:
        """The integer layer."""
        return self.block.layer

    @cached_property
    def places(self) -> tuple[Ints, Ints]:
        """Outputs and inputs of the rows."""
        outputs, inputs = np.nonzero(self.block.layer.counted)
        return outputs, inputs

    @property
    def unit(self) -> float:
        """What one unit of the integer weights is worth."""
        return 2.0**-self.block.layer.scale

    @property
    def targets(self) -> FloatArray:
        """The weights of the target, shape (N,)."""
        return self.block.layer.wanted[self.places]

    @property
    def free(self) -> Bools:
        """Which rows may be met less exactly, shape (N,): not the one that carries the constant."""
        return self.layer.free[self.places]

    @cached_property
    def edges(self) -> tuple[Ints, Ints, Ints]:
        """(hidden layer of the receiver, receiver, sender) of every item, shapes (m,), (N, m), (N, m).

        -1 where a row has fewer.
        """
        outputs, inputs = self.places
        levels, receivers, senders = [], [], []
        for index, level in enumerate(self.block.levels[1:], 1):
            copies = self.block.levels[index - 1].copies[inputs]  # (N, g)
            for units in level.accumulators:
                table = _padded(units)[outputs]  # (N, most units)
                size = table.shape[1] * copies.shape[1]
                levels.append(np.full(size, index))
                receivers.append(np.repeat(table, copies.shape[1], axis=1))
                senders.append(np.tile(copies, (1, table.shape[1])))
        if not levels:
            none = np.zeros((len(outputs), 0), np.int64)
            return np.zeros(0, np.int64), none, none
        return np.concatenate(levels), np.concatenate(receivers, axis=1), np.concatenate(senders, axis=1)

    @cached_property
    def values(self) -> FloatArray:
        """What an edge of each column adds to a weight, shape (m,)."""
        worth, values = self.unit, []
        for level, growth in zip(self.block.levels[1:], self.block.plan.growths, strict=True):
            for sign, units in zip((1.0, -1.0), level.accumulators, strict=True):
                values.append(np.full(_padded(units).shape[1] * growth, sign * worth))
            worth *= growth
        return np.concatenate(values) if values else np.zeros(0)

    @property
    def items(self) -> FloatArray:
        """What each edge adds to a weight, shape (N, m)."""
        return np.broadcast_to(self.values, self.valid.shape)

    @cached_property
    def valid(self) -> Bools:
        """Which items a row has: + edges, shape (N, m)."""
        levels, receivers, senders = self.edges
        valid = (receivers >= 0) & (senders >= 0)
        for index in np.unique(levels):
            at = levels == index
            plus = self.block.levels[index].plus
            valid[:, at] &= plus[receivers[:, at], senders[:, at]]
        return valid

    @cached_property
    def held(self) -> int:
        """The largest W such that the same block holds every integer layer of weights up to W in size.

        Where either side of every output has g_j - 1 edges from every input, all digits from 1 - g_j to
        g_j - 1 are there, and all integers up to G - 1 in size, G the product of these growths.
        """
        if not self.layer.whole:
            return 0
        found, first = 1, 0
        for level, growth in zip(self.block.levels[1:], self.block.plan.growths, strict=True):
            for units in level.accumulators:
                last = first + growth * max(map(len, units), default=0)
                if (self.valid[:, first:last].sum(axis=1) < growth - 1).any():
                    return found - 1
                first = last
            found *= growth
        return found - 1

    def keep(self, masks: list[Bools], kept: Bools) -> None:
        """Keep the edges of the solved subsets, shape (N, m), in the masks of the block's layers."""
        levels, receivers, senders = self.edges
        for index in np.unique(levels):
            at = np.flatnonzero(levels == index)
            rows, columns = np.nonzero(kept[:, at])
            masks[index][receivers[rows, at[columns]], senders[rows, at[columns]]] = True

    def keep_structure(self, masks: list[Bools], keep_sources: Callable[[Ints], None]) -> None:
        """Keep the edges that carry; in the first layer ``keep_sources`` keeps those of copies."""
        keep_structure(self.block, masks, keep_sources)


def keep_structure(block: Block, masks: list[Bools], sources: Callable[[Ints], None]) -> None:
    """Keep the edges that copy inputs and carry accumulators, in the masks of the block's layers.

    Parameters
    ----------
    block : Block
    masks : list of bool arrays
        One a layer, (units, units before); written to.
    sources : callable
        ``sources(units)`` keeps, in the first layer, the one edge of each copy, (inputs, g).

    """
    for index, level in enumerate(block.levels):
        if index == 0:
            sources(level.copies)
            continue
        _keep_copies(level, block.levels[index - 1], block.plan.growths[index - 1], masks[index])
        for new, old in zip(level.accumulators, block.levels[index - 1].accumulators, strict=True):
            for mine, earlier in zip(new, old, strict=True):
                if not earlier.size:
                    continue
                seen = level.plus[np.ix_(mine, earlier)]
                masks[index][mine[seen.argmax(axis=0)], earlier] = True
    if block.levels:
        for side in block.levels[-1].accumulators:
            for output, units in enumerate(side):
                masks[-1][output, units] = True


def _keep_copies(level: Level, before: Level, growth: int, mask: Bools) -> None:
    """Keep, for each copy, g of its + edges from the copies before."""
    inputs = np.flatnonzero((level.copies >= 0).any(axis=1))
    for units in level.copies[inputs].T:
        edges = level.plus[units[:, np.newaxis], before.copies[inputs]]  # (inputs, g before)
        kept = edges & (np.cumsum(edges, axis=1) <= growth)
        rows, columns = np.nonzero(kept)
        mask[units[rows], before.copies[inputs[rows], columns]] = True


def forget_idle_units(weights: list[Bools], biases: list[Bools | None]) -> None:
    """Take out, in place, edges from units that are always 0 and to hidden units that nobody looks at."""
    for index, mask in enumerate(weights[:-1]):
        bias = biases[index]
        idle = ~mask.any(axis=1) if bias is None else ~(mask.any(axis=1) | bias)
        weights[index + 1][:, idle] = False
    for index in range(len(weights) - 1, 0, -1):
        unseen = ~weights[index].any(axis=0)
        weights[index - 1][unseen] = False
        bias = biases[index - 1]
        if bias is not None:
            bias[unseen] = False


def _padded(units: list[Ints]) -> Ints:
    """Return lists of units as a table, -1 where one is shorter."""
    table = np.full((len(units), max(map(len, units), default=0)), -1, np.int64)
    for row, mine in zip(table, units, strict=True):
        row[: len(mine)] = mine
    return table
