"""Following a network operation by operation: each is folded where that is exact, else kept as a layer.

The one place that decides what is folded. Nothing here knows of files: readers of ONNX, of traced PyTorch
modules and of others call it, and :mod:`~subsetsum_nets.networks.lowering.chains` makes the chain of layers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor, exact_sum, factor_of, product
from subsetsum_nets.networks.lowering.index_maps import IndexMap
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Core, Matrix, Scaling
from subsetsum_nets.networks.lowering.notes import Rounding
from subsetsum_nets.networks.lowering.values import (
    Affine,
    Atom,
    Term,
    Value,
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

_MOST_SUMMED = 64  # terms about one atom


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
        self._left = numbers

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
        """Return ``max(value, 0)`` as what a layer computes, even if the value is known not to be negative."""
        return _as_atom(value, relu=True)

    def cut(self, value: Value) -> Value:
        """Return a value as what a layer without a ReLU computes."""
        if value.atom is not None:
            return value
        if value.cut is None:
            value.cut = _as_atom(value, relu=False)
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
            outside = [size + a + b for size, a, b in zip(core.takes[1:], core.pads, core.pads[2:], strict=False)]
            check_demand(8 * max(math.prod(outside), math.prod(core.gives)), f"{self.where}: its images")
        self._charge(core.size)
        affine = value.settled
        terms = _folded(affine, core)
        if terms is None:
            affine = self.cut(value).settled
            terms = _folded(affine, core)
        if terms is None:  # an entry goes to two places, where weights would have to be added
            terms = (Term(_atom_of(affine), IndexMap(affine.shape, affine.shape), core),)
        self._charge(core.size * (len(terms) - 1))
        return Value(Affine(core.gives, terms))

    def scale(self, value: Value, factor: Factor, what: str = "its factors") -> Value:
        """Return a value times numbers that broadcast to its shape, entry by entry.

        ``what`` is what the notes call the numbers if they must be rounded.
        """
        affine, moved, numbers = _unmoved(value, factor)
        found = None if _shifts_input(affine) else _scaled(affine, numbers)
        if found is None and value.atom is None:
            return self.scale(self.cut(value), factor, what)
        if found is None:  # so large or small that the nearest numbers are all that can be promised
            scaled = _scaled(affine, Factor(numbers.high))
            found = None if scaled is None else (scaled[0], 2.0**-53)
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
        affine, moved, numbers = _unmoved(value, Factor(constant))
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
        scaled = self.scale(Value(affine, value.moved), factor_of(scales, tuple(places)), what)
        totals, bound = [], 0.0
        for s, b, m, t in zip(scales, before, centres, shifts, strict=True):
            total = s * (b - m) + t
            near = float(total)
            totals.append(near)
            if near != total:
                size = abs(s * (b - m)) + abs(t)
                bound = max(bound, 2.0**-53 + float(size / abs(total)) * 2.0**-118)
        if bound:
            self.note("its constants", bound)
        return self.shift(scaled, np.array(totals).reshape(places))

    def _constant_along(self, value: Value, axis: int) -> list[Fraction] | None:
        """Return the constant of a value for every place of an axis; None if it is not one number for each."""
        from fractions import Fraction

        length = value.shape[axis]
        if value.affine.constant is None:
            return [Fraction(0)] * length
        constant = compact(moved_constant(value.affine.constant, value.moved))
        if _shifts_input(value.affine) or constant.size not in (1, constant.shape[axis]):
            return None
        return [Fraction(number) for number in np.broadcast_to(constant.ravel(), (length,)).tolist()]

    # -- two values ----------------------------------------------------------------------------------

    def add(self, a: Value, b: Value) -> Value:
        """Return the sum of two values of one shape.

        Where weights about one atom would be added up, or two constants, and may round, a value is computed
        by a layer of its own first.
        """
        for cut_a, cut_b in ((False, False), (False, True), (True, False), (True, True)):
            found = _summed(self.cut(a) if cut_a else a, self.cut(b) if cut_b else b)
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
            part = self.rearrange(value, lambda p, w=widths: np.pad(p, w, constant_values=-1), count)
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
                f"{self.where} makes the layers hold many times the numbers that are in the file; it is refused"
            )


def _as_atom(value: Value, *, relu: bool) -> Value:
    """Return a value as the atom of its sum; leading axes of one entry are left out, beyond an image's.

    A map that leaves entries out acts before, so that only what is used is computed; others act behind.
    """
    if value.moved.size < math.prod(value.affine.shape):
        value = Value(value.settled)
    affine = value.affine
    shape = affine.shape
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    constant = affine.constant
    if constant is not None:
        constant = constant.reshape(constant.shape[len(affine.shape) - len(shape) :])
    argument = Affine(shape, affine.terms, constant)
    atom = Atom(shape, argument, relu, relu or is_nonnegative(affine))
    return bare(atom, value.moved.from_shape(shape))


def _atom_of(affine: Affine) -> Atom:
    """Return a moved atom as a linear layer that moves it."""
    return Atom(affine.shape, affine, nonnegative=is_nonnegative(affine))


def _folded(affine: Affine, core: Matrix | Convolution) -> tuple[Term, ...] | None:
    """Return the terms of a linear map of a sum, or None where the sum has to be computed first."""
    atoms = {term.atom for term in affine.terms}
    if affine.constant is not None or len(atoms) < len(affine.terms):
        return None
    terms = []
    for term in affine.terms:
        if isinstance(term.core, Matrix | Convolution) or not term.pre.injective:
            return None
        folded: Core = core
        if term.core is not None:
            found = None if term.atom.scales_input else core.of_scaled(term.core.numbers, affine.shape)
            if found is None:
                return None
            folded = found[0]
        terms.append(Term(term.atom, term.pre.shaped(core.takes), folded))
    return tuple(terms)


def _unmoved(value: Value, factor: Factor) -> tuple[Affine, IndexMap | None, Factor]:
    """Return a value's sum, the map behind it, and numbers that act on the value as they act on the sum."""
    if value.moved.bijective:
        back = value.moved.inverse
        rank = len(value.shape)
        return (
            value.affine,
            value.moved,
            factor.changed(lambda part: moved_constant(part.reshape((1,) * (rank - part.ndim) + part.shape), back)),
        )
    return value.settled, None, factor.changed(
        lambda part: part.reshape((1,) * (len(value.shape) - part.ndim) + part.shape)
    )


def _shifts_input(affine: Affine) -> bool:
    """Tell whether a sum is the input scaled and shifted: such steps stay layers of their own."""
    return affine.constant is not None and bool(affine.terms) and all(
        term.atom.scales_input and not isinstance(term.core, Matrix | Convolution) for term in affine.terms
    )


def _scaled(affine: Affine, factor: Factor) -> tuple[Affine, float] | None:
    """Return a sum times numbers and the rounding, or None if that is not exact and need not round."""
    terms, bounds = [], [0.0]
    for term in affine.terms:
        found = _scaled_term(term, factor, affine.shape)
        if found is None:
            return None
        terms.append(found[0])
        bounds.append(found[1])
    constant = affine.constant
    if constant is not None:
        scaled = product(*_broadcast(constant, factor))
        if scaled is None:
            return None
        constant = compact(scaled[0])
        bounds.append(scaled[1])
    return Affine(affine.shape, tuple(terms), constant), max(bounds)


def _scaled_term(term: Term, factor: Factor, shape: Sizes) -> tuple[Term, float] | None:
    if term.core is None:
        if factor.low is None:
            return Term(term.atom, term.pre, Scaling(factor.high)), 0.0
        found = product(np.ones_like(factor.high), factor)
        return None if found is None else (Term(term.atom, term.pre, Scaling(found[0])), found[1])
    if isinstance(term.core, Scaling) or term.post is None or factor.high.size == 1:
        inner = shape if term.post is None else term.core.gives
        part = factor if term.post is None else factor.changed(lambda p: p.reshape((1,) * len(inner)))
    else:
        if not term.post.injective:
            return None
        inner, part = term.core.gives, _through(term.post, factor, shape)
    found = term.core.scaled(part, inner)
    return None if found is None else (Term(term.atom, term.pre, found[0], term.post), found[1])


def _through(post: IndexMap, factor: Factor, shape: Sizes) -> Factor:
    """Return factors of moved entries as factors of the entries before they are moved; 1 where none is."""
    places = post.flat
    kept = places >= 0

    def back(part: FloatArray, rest: float) -> FloatArray:
        numbers = np.full(post.source, rest).ravel()
        numbers[places[kept]] = np.broadcast_to(part, shape).ravel()[kept]
        return compact(numbers.reshape(post.source))

    high = back(factor.high, 1.0)
    if factor.low is None:
        return Factor(high)
    return Factor(*np.broadcast_arrays(high, back(factor.low, 0.0)))


def _broadcast(numbers: FloatArray, factor: Factor) -> tuple[FloatArray, Factor]:
    shape = np.broadcast_shapes(numbers.shape, factor.high.shape)
    return np.broadcast_to(numbers, shape), factor.changed(lambda part: np.broadcast_to(part, shape))


def _summed(a: Value, b: Value) -> Value | None:
    """Return the sum of two values, or None if it is not known to be exact."""
    first, second, moved = _aligned(a, b)
    if not _add_exactly(first.terms, second.terms):
        return None
    constant = second.constant if first.constant is None else first.constant
    if first.constant is not None and second.constant is not None:
        constant = exact_sum(first.constant, second.constant)
        if constant is None:
            return None
    return Value(Affine(first.shape, first.terms + second.terms, constant), moved)


def _aligned(a: Value, b: Value) -> tuple[Affine, Affine, IndexMap | None]:
    """Return two values as sums of one shape, and the map behind both."""
    if a.affine.shape == b.affine.shape and a.moved.same(b.moved):
        return a.affine, b.affine, a.moved
    for one, other, swapped in ((a, b, False), (b, a, True)):
        if one.moved.bijective:
            back = Value(other.affine, other.moved.then(one.moved.inverse)).settled
            return (back, one.affine, one.moved) if swapped else (one.affine, back, one.moved)
    return a.settled, b.settled, None


def _add_exactly(first: tuple[Term, ...], second: tuple[Term, ...]) -> bool:
    """Tell whether no weights are added up in the sum of two sums, or such that do not round."""
    for term in second:
        others = [other for other in first if other.atom is term.atom]
        if others and not all(_disjoint(other, term) for other in others) and not _adds_exactly(others, term):
            return False
    return True


def _disjoint(a: Term, b: Term) -> bool:
    supports = a.support, b.support
    if supports[0] is None or supports[1] is None:
        return False
    return not bool(np.any(supports[0] & supports[1]))


def _adds_exactly(others: list[Term], term: Term) -> bool:
    """Tell whether weights 1 and -1 are all that is added up, or two numbers whose sums are exact."""
    terms = [*others, term]
    if any(isinstance(each.core, Matrix | Convolution) for each in terms) or len(terms) > _MOST_SUMMED:
        return False
    if all(each.core is None or bool((np.abs(each.core.numbers) == 1.0).all()) for each in terms):
        return True
    if len(terms) > 2:
        return False
    one, two = (np.ones(1) if each.core is None else each.core.numbers for each in terms)
    return exact_sum(one, two) is not None
