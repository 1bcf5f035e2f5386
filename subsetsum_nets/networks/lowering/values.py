"""Values between the operations of a network: affine functions of ReLUs, of linear layers and of the input.

A *value* is a sum of terms and a constant, behind a map that moves its entries. A *term* is a linear map of
an *atom*, which is what a layer of the chain will compute: the input, a ReLU of a sum, or a sum that is kept
as a layer without a ReLU since folding it into the next one would round. Nothing here is computed: sums
refer to the arrays of the file.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.lowering.index_maps import IndexMap
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Core, Matrix, Scaling

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray

    Sizes = tuple[int, ...]

_serial = itertools.count()


@dataclass(frozen=True, eq=False)
class Atom:
    """What a layer computes: a ReLU of a sum, or the sum itself; the input has none.

    ``scales_input`` tells of the input, and of the input scaled, shifted and moved: nothing that was learned.
    """

    shape: Sizes
    argument: Affine | None = None
    relu: bool = False
    nonnegative: bool = False
    serial: float = field(default_factory=lambda: next(_serial))  # those that a sum refers to are older
    scales_input: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        if self.argument is not None:
            object.__setattr__(self, "scales_input", not self.relu and _only_scales_input(self.argument))


@dataclass(frozen=True, eq=False)
class Term:
    """``post(core(pre(atom)))``; a scaling has no post, and without a core there is none either."""

    atom: Atom
    pre: IndexMap
    core: Core | None = None
    post: IndexMap | None = None

    def moved(self, by: IndexMap) -> Term:
        """Return the term with its entries moved."""
        if isinstance(self.core, Matrix | Convolution):
            post = by.from_shape(self.core.gives) if self.post is None else self.post.then(by)
            return Term(self.atom, self.pre, self.core, post)
        core = self.core
        if core is not None:
            core = Scaling(moved_constant(core.numbers, by))
        return Term(self.atom, self.pre.then(by), core)

    @property
    def support(self) -> Bools | None:
        """The entries that are not 0 by construction, flat; None for all."""
        last = self.post if isinstance(self.core, Matrix | Convolution) else self.pre
        return None if last is None or last.places is None else last.places.ravel() >= 0


@dataclass(frozen=True, eq=False)
class Affine:
    """A sum of terms and a constant, which broadcasts with ``shape`` (as many axes), or None."""

    shape: Sizes
    terms: tuple[Term, ...]
    constant: FloatArray | None = None


class Value:
    """An affine sum behind a map that moves its entries. Made by a :class:`~.tracer.Tracer`."""

    __slots__ = ("affine", "cut", "moved", "rectified")

    def __init__(self, affine: Affine, moved: IndexMap | None = None) -> None:
        self.affine: Affine = affine
        self.moved: IndexMap = IndexMap(affine.shape, affine.shape) if moved is None else moved
        self.cut: Value | None = None  # as a linear layer, and behind a ReLU: made at most once
        self.rectified: Value | None = None

    @property
    def shape(self) -> Sizes:
        """The shape of the value."""
        return self.moved.shape

    @property
    def settled(self) -> Affine:
        """The value as a sum without a map behind it."""
        if self.moved.places is None and self.moved.source == self.moved.shape:
            return self.affine
        constant = self.affine.constant
        return Affine(
            self.shape,
            tuple(term.moved(self.moved) for term in self.affine.terms),
            None if constant is None else moved_constant(constant, self.moved),
        )

    @property
    def atom(self) -> Atom | None:
        """The atom whose entries, moved, the value is; None if it is anything else."""
        affine = self.settled
        if len(affine.terms) != 1 or affine.terms[0].core is not None or affine.constant is not None:
            return None
        return affine.terms[0].atom


def bare(atom: Atom, moved: IndexMap | None = None) -> Value:
    """Return an atom as a value, its entries moved."""
    term = Term(atom, IndexMap(atom.shape, atom.shape))
    return Value(Affine(atom.shape, (term,)), moved)


def as_atom(value: Value, *, relu: bool) -> Value:
    """Return a value as the atom of its sum; leading axes of one entry are left out, beyond an image's.

    A map that leaves entries out acts before, so that only what is used is computed; one that repeats entries
    or puts zeros beside what weights give acts behind.
    """
    weighs = any(isinstance(term.core, Matrix | Convolution) for term in value.affine.terms)
    if value.moved.size < math.prod(value.affine.shape) or not (weighs or value.moved.bijective):
        value = Value(value.settled)
    affine = value.affine
    shape = affine.shape
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    argument = affine if shape == affine.shape else Value(affine, IndexMap(affine.shape, shape)).settled
    atom = Atom(shape, argument, relu, relu or is_nonnegative(affine))
    return bare(atom, value.moved.from_shape(shape))


def moved_constant(numbers: FloatArray, by: IndexMap) -> FloatArray:
    """Return numbers that broadcast with the source of a map as numbers that broadcast with its result."""
    if numbers.size == 1 and (by.places is None or by.places.min(initial=0) >= 0):
        return numbers.reshape((1,) * len(by.shape))
    if by.places is None and _long(by.source) == _long(by.shape):
        sizes = iter([length for length, size in zip(numbers.shape, by.source, strict=True) if size > 1])
        return numbers.reshape([next(sizes) if size > 1 else 1 for size in by.shape])
    return compact(by.on(np.broadcast_to(numbers, by.source)))


def compact(numbers: FloatArray) -> FloatArray:
    """Return an array along whose axes nothing changes with one entry there: a number for each channel, say.

    >>> compact(np.ones((2, 3))).shape, compact(np.array([[1.0, 1.0], [2.0, 2.0]])).shape
    ((1, 1), (2, 1))
    """
    bits = np.asarray(numbers, np.float64).view(np.int64)  # so that -0.0 stays apart from 0.0
    for axis in range(bits.ndim):
        first = bits.take([0], axis=axis) if bits.size else bits
        if np.array_equal(np.broadcast_to(first, bits.shape), bits):
            bits = first
    return bits.view(np.float64)


def _only_scales_input(affine: Affine) -> bool:
    if len(affine.terms) != 1 or isinstance(affine.terms[0].core, Matrix | Convolution):
        return False
    return affine.terms[0].atom.scales_input


def is_nonnegative(affine: Affine) -> bool:
    """Tell whether a sum is known to be at least 0 everywhere."""
    if affine.constant is not None and not (affine.constant >= 0.0).all():
        return False
    return all(term.atom.nonnegative and _keeps_sign(term.core) for term in affine.terms)


def _keeps_sign(core: Core | None) -> bool:
    if core is None:
        return True
    return bool((core.numbers >= 0.0).all()) if isinstance(core, Scaling) else core.nonnegative()


def _long(shape: Sizes) -> list[int]:
    return [size for size in shape if size > 1]
