"""How the values between two layers of a chain lie in memory, and what the next layer does with each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.networks.lowering.index_maps import IndexMap
from subsetsum_nets.networks.lowering.values import Affine, Atom, Term

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.lowering.levels import Level

    Sizes = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Values of an atom: itself (sign 1, alone), or relu(atom) and relu(-atom), signs 1 and -1.

    ``view`` leads from the atom to the block, ``start`` is its first value, or channel.
    """

    atom: Atom
    sign: float
    view: IndexMap
    start: int


@dataclass(frozen=True, eq=False)
class State:
    """The blocks that make up the values between two layers; ``image`` is (h, w) of images, else None."""

    blocks: tuple[Block, ...]
    image: tuple[int, int] | None

    @property
    def width(self) -> int:
        """Number of values, or of channels."""
        return sum(block.view.shape[0] if self.image else block.view.size for block in self.blocks)

    def columns(self, block: Block) -> Ints:
        """Return the place of each of an atom's entries among the values, images in the order (h, w, c)."""
        places = block.view.inverse.flat
        if self.image is None:
            return block.start + places
        channel, pixel = np.divmod(places, math.prod(self.image))
        return pixel * self.width + block.start + channel

    def of(self, atom: Atom) -> list[Block]:
        """Return the blocks of an atom."""
        return [block for block in self.blocks if block.atom is atom]


class Part(NamedTuple):
    """What a block adds to an output: ``sign * term``, where the term is a linear map of the atom."""

    block: Block
    term: Term
    sign: float


@dataclass(frozen=True, eq=False)
class Output:
    """Values that a layer gives: an atom or one sign of it, as parts and a constant."""

    atom: Atom
    sign: float
    view: IndexMap
    parts: tuple[Part, ...]
    constant: FloatArray | None = None

    @property
    def shape(self) -> Sizes:
        """The shape of the values."""
        return self.view.shape


def outputs_of(level: Level, state: State, views: dict[Atom, IndexMap]) -> list[Output]:
    """Return what the layer of a level gives, made of what the values before it are."""
    outputs = [
        _computed(atom, affine, sign, state, views[atom])
        for atom, affine in level.computed
        for sign in ((1.0,) if atom.relu or atom.nonnegative or not level.relu else (1.0, -1.0))
    ]
    return outputs + [output for atom in level.passed for output in _passed(atom, level, state)]


def state_of(outputs: list[Output], image: tuple[int, int] | None) -> State:
    """Return how the values of a layer lie that gives these outputs."""
    blocks, start = [], 0
    for output in outputs:
        blocks.append(Block(output.atom, output.sign, output.view, start))
        start += output.shape[0] if image else output.view.size
    return State(tuple(blocks), image)


def _computed(atom: Atom, affine: Affine, sign: float, state: State, view: IndexMap) -> Output:
    parts = tuple(
        Part(block, term, sign * block.sign) for term in affine.terms for block in state.of(term.atom)
    )
    constant = affine.constant
    if constant is not None and sign < 0:
        constant = -constant
    return Output(atom, sign, view, parts, constant)


def _passed(atom: Atom, level: Level, state: State) -> list[Output]:
    blocks = state.of(atom)
    still = IndexMap(atom.shape, atom.shape)

    def output(block: Block, of: float, sign: float) -> Output:
        return Output(atom, sign, block.view, (Part(block, Term(atom, still.then(block.view)), of),))

    if len(blocks) == 1 and level.relu and not atom.nonnegative:
        return [output(blocks[0], sign, sign) for sign in (1.0, -1.0)]
    return [output(block, 1.0, block.sign) for block in blocks]
