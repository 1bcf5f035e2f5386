"""What a tracer was told is computed exactly, in rational arithmetic and for weights of any length."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets.networks.files.budget import memory_allowed
from subsetsum_nets.networks.lowering import exact_arithmetic, folds, linear_maps, sums
from subsetsum_nets.networks.lowering import tracer as tracer_module
from subsetsum_nets.networks.lowering.activations import clipped, two_slopes
from subsetsum_nets.networks.lowering.chains import network_of
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor, factor_of
from subsetsum_nets.networks.lowering.linear_maps import Matrix
from subsetsum_nets.networks.lowering.maxima import largest_of_rows
from subsetsum_nets.networks.lowering.tracer import Tracer

# Short numbers fold, long ones do not, and both meet in one network.
numbers = st.one_of(st.integers(-4, 4).map(lambda k: k / 4), st.sampled_from([0.1, -1.7, 1 / 3, 3e5, -7e-9]))
exact = np.vectorize(Fraction, otypes=[object])
POINTS = exact(np.array([[0.3, -1.25, 2.0], [-0.7, 0.5, -3.0]]))
STEPS = ["linear", "scale", "shift", "relu", "add", "subtract", "join", "leaky", "clip", "move", "largest"]


def arrays(draw, *shape):
    return np.array(
        draw(st.lists(numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    ).reshape(shape)


def step(tracer, draw, pool):
    """Return a new value of one made before, and what it is at the points."""
    (value, known), (other, there) = (draw(st.sampled_from(pool[-4:])) for _ in range(2))
    n = value.shape[0]
    how = draw(st.sampled_from(STEPS))
    if how in ("add", "subtract") and other.shape != value.shape:
        how = "join"
    if how == "linear":
        weight = arrays(draw, draw(st.integers(1, 3)), n)
        return tracer.linear(value, Matrix(weight)), known @ exact(weight).T
    if how in ("scale", "shift"):
        vector = arrays(draw, n)
        if how == "scale":
            return tracer.scale(value, Factor(vector)), known * exact(vector)
        return tracer.shift(value, vector), known + exact(vector)
    if how == "relu":
        return tracer.relu(value), np.maximum(known, 0)
    if how == "add":
        return tracer.add(value, other), known + there
    if how == "subtract":
        return tracer.subtract(value, other), known - there
    if how == "join":
        return tracer.concatenate([value, other], 0), np.concatenate([known, there], axis=1)
    if how == "leaky":
        slope = draw(numbers)
        return two_slopes(tracer, value, slope), np.maximum(known, 0) - Fraction(slope) * np.maximum(
            -known, 0
        )
    if how == "clip":
        low, high = sorted(draw(st.tuples(numbers, numbers)))
        return clipped(tracer, value, low, high), np.minimum(np.maximum(known, Fraction(low)), Fraction(high))
    if how == "move":
        places = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=4))
        return tracer.rearrange(value, lambda p: p[places], len(places)), known[:, places]
    rows = largest_of_rows(tracer, tracer.reshape(value, (1, n)))
    return rows, known.max(axis=1, keepdims=True)


def evaluated(network, points):
    values = points
    for layer, relu in zip(network.layers, network.relu_after, strict=True):
        weight = layer.weight if isinstance(layer.weight, np.ndarray) else layer.weight.toarray()
        values = values @ exact(weight).T + exact(layer.offset)
        values = np.maximum(values, 0) if relu else values
    return values


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_chains_are_what_was_traced_exactly(data):
    tracer = Tracer()
    pool = [(tracer.input((3,)), POINTS)]
    for _ in range(data.draw(st.integers(0, 8))):
        pool.append(step(tracer, data.draw, pool))
        if pool[-1][0].shape[0] > 6:
            pool.pop()
    value, known = pool[-1]
    assert not tracer.roundings
    if all(term.atom.argument is None for term in value.affine.terms) and not value.affine.terms:
        return
    network = network_of(value)
    assert (evaluated(network, POINTS) == known).all()


def test_short_weights_are_folded_and_long_ones_kept_as_layers():
    for weight, layers in ((0.5, 2), (0.1, 3)):
        tracer = Tracer()
        hidden = tracer.relu(tracer.linear(tracer.input((2,)), Matrix(np.array([[1.0, -1.0]]))))
        scaled = tracer.scale(hidden, Factor(np.array([weight])))
        network = network_of(tracer.linear(scaled, Matrix(np.array([[0.7]]))))
        assert len(network.layers) == layers
        assert network.linear_after == (() if layers == 2 else (1,))
        assert len(tracer.cuts) == layers - 2


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**40), numbers)
def test_products_with_factors_that_float64_cannot_hold_are_within_their_bound(
    numerator, denominator, weight
):
    factor = Fraction(numerator, denominator)
    found = exact_arithmetic.product(np.array([weight]), factor_of([factor], (1,)))
    if found is None:
        assert factor.denominator & (factor.denominator - 1) == 0, "only exact factors are not rounded"
        return
    product, bound = Fraction(found[0][0]), found[1]
    wanted = factor * Fraction(weight)
    assert abs(product - wanted) <= Fraction(bound) * abs(product)


def test_what_would_take_too_much_memory_is_refused():
    tracer = Tracer()
    value = tracer.input((100_000,))
    with memory_allowed(10**6), pytest.raises(ValueError, match=r"bytes of memory"):
        tracer.rearrange(value, lambda places: places[::-1], 100_000)


# ---------------------------------------------------------------- planted mistakes

W, U = np.array([[0.1, -1.7, 1 / 3], [0.7, 0.3, -0.9]]), np.array([[0.3, 0.7, 1e-9], [-1.1, 1 / 7, 0.2]])


def hidden(tracer):
    return tracer.relu(tracer.linear(tracer.input((3,)), Matrix(W)))


def two_constants(tracer):
    value = tracer.linear(tracer.input((3,)), Matrix(W))
    for constant in (1.0, 2.0**-60):
        value = tracer.shift(value, np.full(1, constant))
    return value, POINTS @ exact(W).T + 1 + Fraction(2) ** -60


def long_scale(tracer):
    value = tracer.linear(tracer.scale(hidden(tracer), Factor(np.full(1, 0.1))), Matrix(U[:, :2]))
    return value, np.maximum(POINTS @ exact(W).T, 0) * Fraction(0.1) @ exact(U[:, :2]).T


def twice(tracer):
    value = hidden(tracer)
    both = tracer.concatenate([value, value], 0)
    known = np.maximum(POINTS @ exact(W).T, 0)
    return tracer.linear(both, Matrix(np.hstack([W, U])[:, :4])), np.hstack([known, known]) @ exact(
        np.hstack([W, U])[:, :4]
    ).T


def constant_behind(tracer):
    value = tracer.linear(tracer.shift(hidden(tracer), np.ones(1)), Matrix(U[:, :2]))
    return value, (np.maximum(POINTS @ exact(W).T, 0) + 1) @ exact(U[:, :2]).T


def repeated(tracer):
    value = tracer.rearrange(hidden(tracer), lambda places: places[[0, 0]], 2)
    known = np.maximum(POINTS @ exact(W).T, 0)[:, [0, 0]]
    return tracer.linear(value, Matrix(U[:, :2])), known @ exact(U[:, :2]).T


def two_weights(tracer):
    x = tracer.input((3,))
    value = tracer.subtract(tracer.linear(x, Matrix(W)), tracer.linear(x, Matrix(U)))
    return tracer.relu(value), np.maximum(POINTS @ exact(W).T - POINTS @ exact(U).T, 0)


def moved_apart(tracer):
    value = hidden(tracer)
    turned = tracer.rearrange(value, lambda places: places[::-1], 2)
    known = np.maximum(POINTS @ exact(W).T, 0)
    return tracer.subtract(value, turned), known - known[:, ::-1]


CASES = [moved_apart, two_constants, long_scale, twice, constant_behind, repeated, two_weights]
MISTAKES = [
    (exact_arithmetic, "exact_sum", "np.all(error == 0.0)", "np.all(error == error)"),
    (exact_arithmetic, "exact_product", "significant_bits(a) + significant_bits(b) <= 53", "a == a"),
    (folds, "folded", "len(atoms) < len(affine.terms)", "False"),
    (folds, "folded", "affine.constant is not None", "False"),
    (folds, "folded", "not term.pre.injective", "False"),
    (sums, "_with_term", "not all((_disjoint(other, term) for other in others))", "False"),
    (sums, "_joined", "not a.pre.same(b.pre)", "False"),
]


def holds(case):
    value, known = case(Tracer())
    return (evaluated(network_of(value), POINTS) == known).all()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_may_not_be_folded_is_not(case):
    assert holds(case)


@pytest.mark.parametrize(("module", "where", "old", "new"), MISTAKES)
def test_planted_mistakes_are_noticed(monkeypatch, module, where, old, new):
    copy = plain_python(monkeypatch, module.__name__, where, old, new)
    for user in (exact_arithmetic, folds, linear_maps, sums, tracer_module):
        for name in ("exact_sum", "exact_product", "product", "folded", "summed"):
            if hasattr(user, name) and hasattr(copy, name):
                monkeypatch.setattr(user, name, getattr(copy, name))
    results = []
    for case in CASES:
        try:
            results.append(holds(case))
        except ValueError:
            results.append(False)
    assert not all(results)
