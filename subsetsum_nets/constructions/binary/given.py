"""A network of weights +-1 that a user gives: blocks are found a place in it, whatever its widths.

Layers that are left over carry the inputs of the block behind them; units that are left over are there to be
chosen. The outputs of a block are the first units of the layer in which it ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.constructions.binary.blocks import BlockNetwork, Placed, carriers_of
from subsetsum_nets.constructions.binary.growing import Lack, Plan, grow
from subsetsum_nets.constructions.binary.rows import BlockRows
from subsetsum_nets.constructions.binary.selecting import SelectBlock, grow_selecting
from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from subsetsum_nets.constructions.binary.blocks import Rows
    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, Ints
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.relu_network import ReluNetwork

_MOST_ATTEMPTS = 60  # blocks grown in one search


def output_scale(target: ReluNetwork, into: ReluNetwork, name: str) -> int:
    """Return c, where the last layer of a given network is +-2^-c; all others are +-1.

    Raises
    ------
    InvalidNetworkError
        If they are not, or inputs, outputs, the last ReLU or biases are not those that the target needs.

    """
    ends = (target.widths[0], target.widths[-1]), (into.widths[0], into.widths[-1])
    if ends[0] != ends[1]:
        raise InvalidNetworkError(
            f"into maps {ends[1][0]} inputs to {ends[1][1]} outputs, the target {ends[0][0]} to {ends[0][1]}"
        )
    if into.final_relu != target.final_relu:
        raise InvalidNetworkError("of into and the target one ends with a ReLU, and the other does not")
    size = 1.0
    for index, layer in enumerate(into.dense_layers):
        if is_sparse(layer.weight):
            raise InvalidNetworkError(
                f"layer {index} of into is sparse; construction {name!r} takes dense ones"
            )
        weight = np.asarray(layer.weight)
        size = abs(float(weight.flat[0])) if index + 1 == len(into.layers) else 1.0
        for what, numbers in (("weight", weight), ("bias", layer.bias)):
            if numbers is not None and (np.abs(numbers) != size).any():
                found = float(numbers[np.abs(numbers) != size][0])
                raise InvalidNetworkError(
                    f"layer {index} of into has a {what} of {found!r}; construction {name!r} takes +-1, "
                    "and one power of two, with either sign, in the last layer"
                )
    mantissa, exponent = math.frexp(size)
    if mantissa != 0.5:
        raise InvalidNetworkError(f"the last layer of into is +-{size!r}, no power of two")
    return 1 - exponent


class GivenNetwork(BlockNetwork):
    """A given network with a block for each layer of the target.

    Parameters
    ----------
    target, into : ReluNetwork
    blocks : list of Placed
    scale : int
        c: the last layer is +-2^-c.

    """

    def __init__(self, target: ReluNetwork, into: ReluNetwork, blocks: list[Placed], scale: int) -> None:
        super().__init__(target)
        self.layers: list[Dense] = list(into.dense_layers)
        self.blocks: list[Placed] = blocks
        self.ends: tuple[int, ...] = (*[0] * (len(blocks) - 1), scale)


class Misfit(NamedTuple):
    """Which layer of a given network has too few units for what; ``lack.units`` 0 where there is none."""

    lack: Lack
    depth: int  # of the network
    least: int  # that it needs

    def __str__(self) -> str:
        layer, needed, units, inputs, outputs = self.lack
        parts = [f"copies of {inputs} inputs"] if inputs else []
        parts += [f"accumulators of {outputs} outputs"] if outputs else []
        what = " and ".join(parts) or "its outputs"
        if self.depth < self.least:
            return f"into has {self.depth} layers, and at least {self.least} are needed"
        if not units:
            return f"into has {self.depth} layers and lacks one of {needed} units before the last, for {what}"
        return f"layer {layer} of into has {units} units and lacks {max(1, needed - units)} for {what}"


class _Choice(NamedTuple):
    """A way to represent a layer: by a plan, or, None, by selecting; in so many layers."""

    plan: Plan | None
    depth: int


class Fit:
    """The search for a place for every block.

    Parameters
    ----------
    target : ReluNetwork
    layers : sequence of IntegerLayer
    into : ReluNetwork
        As :func:`output_scale` wants it.
    growths : sequence of int
        The largest growths of a layer, in the order in which they are tried.
    layouts : sequence of {"accumulate", "select"}
    universal : bool
        Whether either side of every output has to see every input.

    Attributes
    ----------
    misfit : Misfit or None
        What stood in the way at the last layer that was reached.

    """

    def __init__(
        self,
        target: ReluNetwork,
        layers: Sequence[IntegerLayer],
        into: ReluNetwork,
        growths: Sequence[int],
        layouts: Sequence[str],
        *,
        universal: bool = False,
    ) -> None:
        self._universal = universal
        self._layers, self._growths, self._layouts = layers, growths, layouts
        self._plus = [np.asarray(layer.weight) > 0 for layer in into.dense_layers]
        self._widths = into.widths[1:]
        self._network = BlockNetwork(target)
        self._network.layers = list(into.dense_layers)
        self._least = [self._least_depth(layer) for layer in layers]
        self._left = _MOST_ATTEMPTS
        self._hopeless: set[tuple[int, int]] = set()
        self.misfit: Misfit | None = None

    def run(self) -> list[Placed] | None:
        """Return the blocks in their places; None where none were found."""
        return self._from(0, 0)

    def _least_depth(self, layer: IntegerLayer) -> int:
        depths = [len(Plan.of(layer, growth).widths) + 1 for growth in self._growths]
        if SelectBlock.layout not in self._layouts:
            return min(depths)
        return min(2, *depths)

    def _from(self, number: int, start: int) -> list[Placed] | None:
        """Return blocks for the layers of the target from ``number`` on, behind layer ``start``."""
        depth = len(self._plus)
        if number == len(self._layers):
            return [] if start == depth else None
        if (number, start) in self._hopeless:
            return None
        behind = sum(self._least[number + 1 :])
        for idle in range(max(0, depth - behind - start - self._least[number]) + 1):
            if idle and self._widths[start + idle - 1] < self._layers[number].weight.shape[1]:
                break
            for choice in self._choices(number, start + idle, depth - behind):
                end = start + idle + choice.depth
                if number + 1 == len(self._layers) and end != depth:
                    continue
                placed = self._placed(number, start, idle, choice)
                following = None if placed is None else self._from(number + 1, end)
                if placed is not None and following is not None:
                    return [placed, *following]
        self._hopeless.add((number, start))
        return None

    def _choices(self, number: int, at: int, stop: int) -> Iterator[_Choice]:
        """Yield ways to represent a layer from layer ``at`` on, that may fit before layer ``stop``."""
        layer, room = self._layers[number], self._widths[at : max(stop - 1, at)]
        seen: list[list[int]] = []
        by_digits = "accumulate" in self._layouts or not layer.weight.any()  # zeros have no layout
        for growth in self._growths if by_digits else ():
            plan = Plan.within(layer, growth, room, universal=self._universal)
            if isinstance(plan, Lack):
                self._note(plan, at)
            elif plan.growths not in seen and self._ends(number, at + len(plan.widths)):
                seen.append(plan.growths)
                yield _Choice(plan, len(plan.widths) + 1)
        needed = int(np.abs(layer.weight).max(axis=0, initial=0).sum())
        if SelectBlock.layout in self._layouts and needed:
            units = room[0] if room else 0
            if needed > units:
                self._note(Lack(0, needed, units, layer.weight.shape[1], 0), at)
            elif self._ends(number, at + 1):
                yield _Choice(None, 2)

    def _ends(self, number: int, at: int) -> bool:
        """Whether a block's outputs have units in layer ``at``."""
        outputs = len(self._layers[number].weight)
        if at < len(self._widths) and self._widths[at] >= outputs:
            return True
        self._note(Lack(0, outputs, self._widths[at] if at < len(self._widths) else 0, 0, 0), at)
        return False

    def _placed(self, number: int, start: int, idle: int, choice: _Choice) -> Placed | None:
        """Grow a block behind ``idle`` layers that carry; None, with a note, where it does not fit."""
        if not self._left:
            return None
        self._left -= 1
        layer, at = self._layers[number], start + idle
        outputs, inputs = layer.weight.shape
        carriers: list[Ints] = []

        def draw(index: int, width: int) -> Bools:
            plus = self._plus[at + index]
            return plus[:outputs] if index + 1 == choice.depth and width == outputs else plus

        def reads(plus: Bools) -> Bools:
            return plus[:, carriers[-1]] if carriers else self._network.reads(layer, start, plus)

        if idle:
            eligible = self._network.reads(layer, start, self._plus[start])
            found = carriers_of(eligible, self._plus[start + 1 : at])
            if found is None:
                self._note(Lack(0, 2 * inputs, self._widths[start], inputs, 0), start)
                return None
            carriers = found
        rows: Rows | Lack
        if choice.plan is None:
            rows = grow_selecting(layer, reads, draw, tries=1)
        else:
            block = grow(layer, choice.plan, reads, draw, tries=1)
            rows = block if isinstance(block, Lack) else BlockRows(block)
        if isinstance(rows, Lack):
            self._note(rows, at)
            return None
        return Placed(start, carriers, rows)

    def _note(self, lack: Lack, at: int) -> None:
        found = Misfit(lack._replace(layer=at + lack.layer), len(self._plus), sum(self._least))
        if self.misfit is None or found.lack.layer > self.misfit.lack.layer:
            self.misfit = found
