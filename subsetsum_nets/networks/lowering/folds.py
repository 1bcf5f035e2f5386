"""Linear maps and factors folded into the terms of a sum, where that is exact: None where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.lowering.exact_arithmetic import Factor, product
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix, Scaling
from subsetsum_nets.networks.lowering.values import Affine, Term, Value, compact, moved_constant

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.lowering.index_maps import IndexMap
    from subsetsum_nets.networks.lowering.linear_maps import Core

    Sizes = tuple[int, ...]


def folded(affine: Affine, core: Matrix | Convolution) -> tuple[Term, ...] | None:
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


def unmoved(value: Value, factor: Factor) -> tuple[Affine, IndexMap | None, Factor]:
    """Return a value's sum, the map behind it, and numbers that act on the value as they act on the sum."""
    if value.moved.bijective:
        back = value.moved.inverse
        rank = len(value.shape)
        return (
            value.affine,
            value.moved,
            factor.changed(
                lambda part: moved_constant(part.reshape((1,) * (rank - part.ndim) + part.shape), back)
            ),
        )
    return (
        value.settled,
        None,
        factor.changed(lambda part: part.reshape((1,) * (len(value.shape) - part.ndim) + part.shape)),
    )


def shifts_input(affine: Affine) -> bool:
    """Tell whether a sum is the input scaled and shifted: such steps stay layers of their own."""
    return (
        affine.constant is not None
        and bool(affine.terms)
        and all(
            term.atom.scales_input and not isinstance(term.core, Matrix | Convolution)
            for term in affine.terms
        )
    )


def scaled(affine: Affine, factor: Factor) -> tuple[Affine, float] | None:
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
        changed = product(*_broadcast(constant, factor))
        if changed is None:
            return None
        constant = compact(changed[0])
        bounds.append(changed[1])
    return Affine(affine.shape, tuple(terms), constant), max(bounds)


def _scaled_term(term: Term, factor: Factor, shape: Sizes) -> tuple[Term, float] | None:
    core = term.core
    if core is None:
        core, shape = Scaling(np.ones((1,) * len(shape))), term.pre.shape
        if factor.low is None:
            return Term(term.atom, term.pre, Scaling(factor.high)), 0.0
    if isinstance(core, Matrix | Convolution) and term.post is not None:
        if not term.post.injective:
            return None
        factor, shape = _through(term.post, factor, shape), core.gives
    found = core.scaled(factor, shape)
    return None if found is None else (Term(term.atom, term.pre, found[0], term.post), found[1])


def _through(post: IndexMap, factor: Factor, shape: Sizes) -> Factor:
    """Return factors of moved entries as factors of the entries before they are moved; 1 where none is."""
    if factor.high.size == 1:
        return factor.changed(lambda part: part.reshape((1,) * len(post.source)))
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
