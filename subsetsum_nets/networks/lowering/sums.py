"""The sum of two sums of terms, where no weights or constants are added up that float64 would round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.lowering.exact_arithmetic import exact_sum
from subsetsum_nets.networks.lowering.linear_maps import Scaling
from subsetsum_nets.networks.lowering.values import Affine, Term, Value

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.lowering.index_maps import IndexMap

_MOST_SUMMED = 64  # terms about one atom


def summed(a: Value, b: Value) -> Value | None:
    """Return the sum of two values, or None if it is not known to be exact."""
    first, second, moved = _aligned(a, b)
    terms: tuple[Term, ...] | None = first.terms
    for term in second.terms:
        terms = None if terms is None else _with_term(terms, term)
    constant = second.constant if first.constant is None else first.constant
    if first.constant is not None and second.constant is not None:
        constant = exact_sum(first.constant, second.constant)
        if constant is None:
            return None
    return None if terms is None else Value(Affine(first.shape, terms, constant), moved)


def _aligned(a: Value, b: Value) -> tuple[Affine, Affine, IndexMap | None]:
    """Return two values as sums of one shape, and the map behind both."""
    if a.affine.shape == b.affine.shape and a.moved.same(b.moved):
        return a.affine, b.affine, a.moved
    for one, other, swapped in ((a, b, False), (b, a, True)):
        if one.moved.bijective:
            back = Value(other.affine, other.moved.then(one.moved.inverse)).settled
            return (back, one.affine, one.moved) if swapped else (one.affine, back, one.moved)
    return a.settled, b.settled, None


def _with_term(terms: tuple[Term, ...], term: Term) -> tuple[Term, ...] | None:
    """Return terms and one more, or None if weights would be added up that may round."""
    others = [other for other in terms if other.atom is term.atom]
    for other in others:
        joined = _joined(other, term)
        if joined is not None:
            return tuple(joined if each is other else each for each in terms)
    if others and not all(_disjoint(other, term) for other in others) and not _adds_exactly(others, term):
        return None
    return (*terms, term)


def _joined(a: Term, b: Term) -> Term | None:
    """Return two terms that only scale the same entries as one, where that is exact."""
    first, second = _numbers(a), _numbers(b)
    if first is None or second is None or not a.pre.same(b.pre):
        return None
    numbers = exact_sum(first, second)
    if numbers is None:
        return None
    return Term(
        a.atom, a.pre, Scaling(numbers.reshape((1,) * (len(a.pre.shape) - numbers.ndim) + numbers.shape))
    )


def _disjoint(a: Term, b: Term) -> bool:
    supports = a.support, b.support
    if supports[0] is None or supports[1] is None:
        return False
    return not bool(np.any(supports[0] & supports[1]))


def _adds_exactly(others: list[Term], term: Term) -> bool:
    """Tell whether weights 1 and -1 are all that is added up, or two numbers whose sums are exact."""
    numbers = [_numbers(each) for each in (*others, term)]
    if len(numbers) > _MOST_SUMMED:
        return False
    if all(each is not None and bool((np.abs(each) == 1.0).all()) for each in numbers):
        return True
    first, second = numbers[0], numbers[1]
    return (
        len(numbers) == 2
        and first is not None
        and second is not None
        and exact_sum(first, second) is not None
    )


def _numbers(term: Term) -> FloatArray | None:
    """Return what the entries of an atom are multiplied by; None for a matrix or a convolution."""
    if term.core is None:
        return np.ones(1)
    return term.core.numbers if isinstance(term.core, Scaling) else None
