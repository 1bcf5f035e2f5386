"""Following a network operation by operation: each is folded where that is exact, else kept as a layer.

The one place that decides what is folded. Nothing here knows of files: readers of ONNX, of traced PyTorch
modules and of others call it, and :mod:`~subsetsum_nets.networks.lowering.chains` makes the chain of layers.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.exact_arithmetic import ROUNDING, Factor, exact_sum, factor_of
from subsetsum_nets.networks.lowering.folds import folded, scaled, shifts_input, unmoved
from subsetsum_nets.networks.lowering.index_maps import IndexMap
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix
from subsetsum_nets.networks.lowering.notes import Rounding
from subsetsum_nets.networks.lowering.sums import summed
from subsetsum_nets.networks.lowering.values import (
    Affine,
    Atom,
    Term,
    Value,
    as_atom,
    bare,
    compact,
    is_nonnegative,
    moved_constant,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray, Ints

    Sizes = tuple[int, ...]

_MOST_MOVED = 1 << 29  # entries in all steps: a bound on time


class Tracer:
    """The state of following a network: what had to be rounded, and how much may still be asked for.

    Parameters
    ----------
    numbers : int, optional
        How many weights the layers may hold, so that a small file cannot ask for large ones.

    Attributes
    ----------
    where : str
        The operation being followed, for messages.
    roundings : list of Rounding
    cuts : list of str
        The operations before which a layer without a ReLU was put, since folding would have rounded.

    Examples
    --------
    >>> from subsetsum_nets.networks.lowering.chains import network_of
    >>> tracer = Tracer()
    >>> x = tracer.input((2,))
    >>> hidden = tracer.relu(tracer.linear(x, Matrix(np.array([[1.0, -1.0]]))))
    >>> network_of(tracer.add(hidden, tracer.linear(x, Matrix(np.array([[0.5, 0.0]])))))
    ReluNetwork(2-3-1, 9 parameters)

    """

    def __init__(self, numbers: int | None = None) -> None:
        self.where = "the network"
        self.roundings: list[Rounding] = []
        self.cuts: list[str] = []
        self._left = numbers
        self._moved = 0

    # -- atoms ---------------------------------------------------------------------------------------

    def input(self, shape: Sizes) -> Value:
        """Return the input of the network."""
        return bare(Atom(shape))

    def relu(self, value: Value) -> Value:
        """Return ``max(value, 0)``; a sum of values that are known not to be negative is returned itself."""
        weighs = any(isinstance(term.core, Matrix | Convolution) for term in value.affine.terms)
        if not weighs and is_nonnegative(value.affine):
            return value
        if value.rectified is None:
            value.rectified = self.held(value)
        return value.rectified

    def held(self, value: Value) -> Value:
        """Return ``max(value, 0)`` as what a layer computes, even if it is the value itself."""
        return as_atom(value, relu=True)

    def cut(self, value: Value) -> Value:
        """Return a value as what a layer without a ReLU computes."""
        if value.atom is not None:
            return value
        if value.cut is None:
            value.cut = as_atom(value, relu=False)
            self.cuts.append(self.where)
        return value.cut

    # -- moving entries ------------------------------------------------------------------------------

    def move(self, value: Value, by: IndexMap) -> Value:
        """Return a value with its entries moved."""
        return Value(value.affine, value.moved.then(by))

    def reshape(self, value: Value, shape: Sizes) -> Value:
        """Return a value in another shape of as many entries."""
        return Value(value.affine, value.moved.shaped(shape))

    def rearrange(self, value: Value, move: Callable[[Ints], NDArray[np.int64]], size: int) -> Value:
        """Return what ``move`` does with arrays of the value's shape; -1 stands for 0.

        ``size`` is how many entries the result has.
        """
        check_demand(32 * max(size, math.prod(value.shape)), f"{self.where}: moving {size:,} values")
        self._moved += max(size, math.prod(value.shape))
        if self._moved > _MOST_MOVED:
            raise NetworkFileError(f"{self.where} and those before it move {self._moved:,} values in all")
        return self.move(value, IndexMap.of(value.shape, move))

    def expand(self, value: Value, shape: Sizes) -> Value:
        """Return a value broadcast to a shape."""
        if value.shape == shape:
            return value
        if math.prod(value.shape) == math.prod(shape):
            return self.reshape(value, shape)
        return self.rearrange(value, lambda places: np.broadcast_to(places, shape), math.prod(shape))

    # -- linear maps ---------------------------------------------------------------------------------

    def linear(self, value: Value, core: Matrix | Convolution) -> Value:
        """Return a matrix on the flattened value, or a convolution of it; the shape must be ``core.takes``.

        Folded with what scales the value where that is exact.
        """
        if isinstance(core, Convolution):
            outside = [
                size + a + b for size, a, b in zip(core.takes[1:], core.pads, core.pads[2:], strict=False)
            ]
            check_demand(8 * max(math.prod(outside), math.prod(core.gives)), f"{self.where}: its images")
        self._charge(core.size)
        affine = value.settled
        terms = folded(affine, core)
        if terms is None:
            affine = self.cut(value).settled
            terms = folded(affine, core)
        if terms is None:  # an entry goes to two places, where weights would have to be added
            terms = (Term(_atom_of(affine), IndexMap(affine.shape, affine.shape), core),)
        self._charge(core.size * (len(terms) - 1))
        return Value(Affine(core.gives, terms))

    def scale(self, value: Value, factor: Factor, what: str = "its factors") -> Value:
        """Return a value times numbers that broadcast to its shape, entry by entry.

        ``what`` is what the notes call the numbers if they must be rounded.
        """
        affine, moved, numbers = unmoved(value, factor)
        found = None if shifts_input(affine) else scaled(affine, numbers)
        if found is None and value.atom is None:
            return self.scale(self.cut(value), factor, what)
        if found is None:  # so large or small that the nearest numbers are all that can be promised
            nearest = scaled(affine, Factor(numbers.high))
            found = None if nearest is None else (nearest[0], 2.0**-53)
        if found is None:
            raise NetworkFileError(f"{self.where} scales by numbers out of the range of float64")
        if found[1]:
            self.note(what, found[1])
        return Value(found[0], moved)

    def negate(self, value: Value) -> Value:
        """Return minus a value."""
        return self.scale(value, Factor(np.full((1,) * len(value.shape), -1.0)))

    def shift(self, value: Value, constant: FloatArray) -> Value:
        """Return a value plus numbers that broadcast to its shape."""
        affine, moved, numbers = unmoved(value, Factor(constant))
        total: FloatArray | None = numbers.high
        if affine.constant is not None:
            total = exact_sum(affine.constant, numbers.high)
        if total is None:
            return self.shift(self.cut(value), constant)
        return Value(Affine(affine.shape, affine.terms, compact(total)), moved)

    def constant(self, like: Value, numbers: FloatArray) -> Value:
        """Return numbers that broadcast to the shape of another value as a value; zeros are nothing."""
        shape = like.shape
        spread = numbers.reshape((1,) * (len(shape) - numbers.ndim) + numbers.shape)
        return Value(Affine(shape, (), compact(spread) if spread.any() else None))

    def constant_of(self, numbers: FloatArray) -> Value:
        """Return numbers as a value of their own shape."""
        return Value(Affine(numbers.shape, (), compact(numbers)))

    def scale_and_shift(
        self, value: Value, scales: list[Fraction], centres: list[Fraction], shifts: list[Fraction], axis: int
    ) -> Value:
        """Return ``scale (value - centre) + shift`` with a number of each for every place of an axis.

        Scales may be approximations, within 2**-120 of what is meant, relatively. What float64 cannot hold is
        rounded once: each weight, and each constant with all that is added to it.
        """
        places = [1] * len(value.shape)
        places[axis] = len(scales)
        before = self._constant_along(value, axis)
        if before is None:
            return self.scale_and_shift(self.cut(value), scales, centres, shifts, axis)
        affine = Affine(value.affine.shape, value.affine.terms)
        what = "weights times a factor that float64 cannot hold"
        product = self.scale(Value(affine, value.moved), factor_of(scales, tuple(places)), what)
        totals, bound = [], 0.0
        for s, b, m, t in zip(scales, before, centres, shifts, strict=True):
            total = s * (b - m) + t
            near = float(total)
            totals.append(near)
            if near != total:
                size = abs(s * (b - m)) + abs(t)
                bound = max(bound, ROUNDING + float(size / abs(total)) * 2.0**-118)
        if bound:
            self.note("its constants", bound)
        return self.shift(product, np.array(totals).reshape(places))

    def _constant_along(self, value: Value, axis: int) -> list[Fraction] | None:
        """Return the constant of a value for every place of an axis; None if it varies there."""
        from fractions import Fraction

        length = value.shape[axis]
        if value.affine.constant is None:
            return [Fraction(0)] * length
        constant = compact(moved_constant(value.affine.constant, value.moved))
        if shifts_input(value.affine) or constant.size not in (1, constant.shape[axis]):
            return None
        return [Fraction(number) for number in np.broadcast_to(constant.ravel(), (length,)).tolist()]

    # -- two values ----------------------------------------------------------------------------------

    def add(self, a: Value, b: Value) -> Value:
        """Return the sum of two values of one shape.

        Where weights about one atom would be added up, or two constants, and may round, a value is computed
        by a layer of its own first.
        """
        for cut_a, cut_b in ((False, False), (False, True), (True, False), (True, True)):
            found = summed(self.cut(a) if cut_a else a, self.cut(b) if cut_b else b)
            if found is not None:
                return found
        raise NetworkFileError(f"{self.where} adds up values that cannot be told apart")

    def subtract(self, a: Value, b: Value) -> Value:
        """Return the difference of two values of one shape."""
        return self.add(a, self.negate(b))

    def maximum(self, a: Value, b: Value) -> Value:
        """Return the larger of two values of one shape, ``a + max(b - a, 0)``."""
        return self.add(a, self.relu(self.subtract(b, a)))

    def concatenate(self, values: list[Value], axis: int) -> Value:
        """Return values one behind the other along an axis."""
        sizes = [value.shape[axis] for value in values]
        total = sum(sizes)
        result: Value | None = None
        start = 0
        for value, size in zip(values, sizes, strict=True):
            widths = [(0, 0)] * len(value.shape)
            widths[axis] = (start, total - start - size)
            count = math.prod(value.shape) // max(size, 1) * total
            part = self.rearrange(
                value, functools.partial(np.pad, pad_width=widths, constant_values=-1), count
            )
            result = part if result is None else self.add(result, part)
            start += size
        if result is None:
            raise NetworkFileError(f"{self.where} joins no values")
        return result

    # -- accounts ------------------------------------------------------------------------------------

    def note(self, what: str, bound: float) -> None:
        """Keep that something was rounded here."""
        self.roundings.append(Rounding(self.where, what, bound))

    def _charge(self, numbers: int) -> None:
        if self._left is None:
            return
        self._left -= numbers
        if self._left < 0:
            raise NetworkFileError(
                f"{self.where} makes the layers hold many times the numbers that are in the file"
            )


def _atom_of(affine: Affine) -> Atom:
    """Return a moved atom as a linear layer that moves it."""
    return Atom(affine.shape, affine, nonnegative=is_nonnegative(affine))
