"""SubsetSum: what it accepts, what it refuses, and that it keeps every number exactly."""

import copy
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from strategies import cases, exact, vector

from solvers import InvalidProblemError, SubsetSum


@given(cases(dimensions=(1, 2, 3)))
def test_every_number_is_kept_exactly(case):
    problem = case.problem
    assert (problem.n, problem.d) == (len(case.items), len(vector(case.target)))
    assert problem.items.shape[0] == problem.n
    stored = [vector(x) for x in (problem.items.tolist() if problem.d == 1 else problem.items)]
    assert stored == [vector(x) for x in case.items]
    unit = problem.image.unit
    assert [tuple(x * unit for x in row) for row in problem.image.items] == stored
    assert vector(problem.target) == vector(case.target)
    assert problem.tolerance == (None if case.tolerance is None else exact(case.tolerance))


@pytest.mark.parametrize(
    ("items", "dtype"),
    [
        ([0.1, 0.2], np.float64),
        (np.array([0.1, 0.2], dtype=np.float32), np.float64),
        (np.array([0.1, 0.2], dtype=np.float16), np.float64),
        (np.array([0.1, 0.2], dtype=">f8"), np.float64),
        ([np.float32(0.1), 0.1], np.float64),
        ([1, 2], np.int64),
        ([np.int64(1), np.uint8(2)], np.int64),
        (np.array([-(2**63), 2**63 - 1]), np.int64),
        (np.array([1, 200], dtype=np.uint8), np.int64),
        (range(3, 6), np.int64),
        (np.array([2**63, 2**64 - 1], dtype=np.uint64), object),
        ([np.uint64(2**63), -1], object),
        ([2**63, 1], object),
        ([-(2**63) - 1, 1], object),
        ([2**200, -(2**200) + 1], object),
        ([2**53 + 1, 0.5], object),
        ([Fraction(1, 3), 0.1, 2**70], object),
        ([Decimal("0.1"), 1], object),
        (np.array([Fraction(1, 3), 2], dtype=object), object),
        (np.array([1, 3], dtype=np.longdouble) / 7, object),
        ([(1, 2), np.array([0.5, 0.25])], object),
        (np.array([[2**62 + 1, 1], [3, 4]]), np.int64),
        (np.array([[0.1, 1], [3, 4]], dtype=np.float32), np.float64),
    ],
    ids=repr,
)
def test_items_of_every_kind_are_never_rounded(items, dtype):
    given_numbers = [x for row in items for x in (row if np.ndim(row) else [row])]
    target = (0, 0) if np.ndim(items[0]) else 0
    problem = SubsetSum(items, target)
    assert problem.items.dtype == dtype
    kept = [exact_ratio(x) for x in problem.items.ravel().tolist()]
    assert kept == [exact_ratio(x) for x in given_numbers]
    scaled = [x * problem.image.unit for row in problem.image.items for x in row]
    assert scaled == kept


def exact_ratio(x):
    return Fraction(int(x)) if isinstance(x, (int, np.integer)) else Fraction(*x.as_integer_ratio())


@pytest.mark.parametrize("target", [np.int64(7), np.float32(0.1), 2**90 + 1, Fraction(1, 7), Decimal("0.1")])
def test_targets_and_tolerances_are_kept_exactly(target):
    problem = SubsetSum([1], target, tolerance=target)
    assert problem.target == problem.tolerance == exact_ratio(target)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 0), "at least one item"),
        ((np.empty((0, 2)), (0, 0)), "at least one item"),
        (([[]], ()), "no dimensions"),
        ((np.empty((2, 0)), ()), "no dimensions"),
        (([1.0, NAN], 0), "item 1 is nan"),
        (([1.0, INF], 0), "item 1 is inf"),
        ((np.array([[1.0, -INF]]), (0, 0)), "coordinate 1 of item 0"),
        (([Decimal("NaN")], 0), "finite"),
        (([1], NAN), "target is nan"),
        (([1], INF), "target is inf"),
        (([[1, 2]], (0, NAN)), "target is nan"),
        (([[1, 2], [3]], (0, 0)), "ragged"),
        (([[1, 2], 3], (0, 0)), "ragged"),
        (([3, [1, 2]], (0, 0)), "ragged"),
        ((np.ones((2, 2, 2)), (0, 0)), "not a number"),
        (([[1, 2]], (1,)), "2 dimensions, the target has 1"),
        (([[1, 2]], (1, 2, 3)), "2 dimensions, the target has 3"),
        (([[1, 2]], 5), "must be an array"),
        (([[1]], 5), "must be an array"),
        (([1, 2], (5,)), "one number as target"),
        (([1, 2], [5]), "one number as target"),
        (([1, 2], np.array([5, 6])), "one number as target"),
        (([True, 2], 0), "not a number"),
        ((np.array([True, False]), 0), "not a number"),
        (([1], True), "not a number"),
        ((["1", "2"], 0), "not a number"),
        (("12", 0), "must be an array"),
        ((b"12", 0), "must be an array"),
        ((np.array(["1"]), 0), "not a number"),
        (([1], "1"), "not a number"),
        (([1j], 0), "not a number"),
        ((np.array([1j]), 0), "not a number"),
        (([1], 1j), "not a number"),
        (([None], 0), "not a number"),
        ((None, 0), "must be an array"),
        ((5, 0), "must be an array"),
        ((np.array(5), 0), "single number"),
        (({1, 2}, 0), "must be an array"),
        (({"a": 1}, 0), "must be an array"),
        ((iter([1, 2]), 0), "must be an array"),
        (([1], None), "not a number"),
    ],
)
def test_senseless_items_and_targets_are_refused(arguments, message):
    with pytest.raises(InvalidProblemError, match=message):
        SubsetSum(*arguments)


@pytest.mark.parametrize("tolerance", [-1, -5e-324, Fraction(-1, 10**400), NAN, INF, True, "1", 1j, [1], "x"])
def test_senseless_tolerances_are_refused(tolerance):
    with pytest.raises(InvalidProblemError, match="the tolerance"):
        SubsetSum([1], 0, tolerance=tolerance)


@pytest.mark.parametrize(
    "cardinality",
    [
        -1,
        4,
        (2, 1),
        (-1, 2),
        (4, 4),
        (4, 9),
        (1,),
        (1, 2, 3),
        (),
        1.0,
        (1, 2.0),
        True,
        (False, 1),
        "1",
        "12",
        (None, 1),
        np.array([1, 2]),
    ],
    ids=repr,
)
def test_impossible_cardinalities_are_refused(cardinality):
    with pytest.raises(InvalidProblemError, match="cardinality"):
        SubsetSum([1, 2, 3], 0, cardinality=cardinality)


@pytest.mark.parametrize(
    ("cardinality", "kept", "sizes"),
    [
        (None, None, (0, 3)),
        (0, (0, 0), (0, 0)),
        (3, (3, 3), (3, 3)),
        (np.int64(2), (2, 2), (2, 2)),
        ((1, 2), (1, 2), (1, 2)),
        ([1, 2], (1, 2), (1, 2)),
        ((1, 99), (1, 3), (1, 3)),
    ],
)
def test_cardinalities(cardinality, kept, sizes):
    problem = SubsetSum([1, 2, 3], 0, cardinality=cardinality)
    assert (problem.cardinality, problem.sizes) == (kept, sizes)


@pytest.mark.parametrize("name", ["items", "target", "tolerance", "cardinality", "n", "d", "image", "other"])
def test_nothing_can_be_set_or_deleted(name):
    problem = SubsetSum([1.0, 2.0], 3, tolerance=1, cardinality=1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        setattr(problem, name, 1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        delattr(problem, name)


@pytest.mark.parametrize(
    "duplicate",
    [lambda p: p, lambda p: pickle.loads(pickle.dumps(p)), copy.copy, copy.deepcopy],  # noqa: S301 - our own
    ids=["itself", "pickled", "copied", "deeply copied"],
)
@pytest.mark.parametrize("items", [[0.1, 0.2], [2**80, Fraction(1, 3)], [[1, 2], [3, 4]]], ids=repr)
def test_copies_are_equal_and_read_only(duplicate, items):
    target = (1, 2) if isinstance(items[0], list) else 0.3
    original = SubsetSum(items, target, tolerance=0.5, cardinality=(1, 2))
    image = original.image
    twin = duplicate(original)
    assert twin.items.tolist() == original.items.tolist()
    assert (twin.items.dtype, twin.image) == (original.items.dtype, image)
    assert (twin.target, twin.tolerance, twin.sizes) == (original.target, original.tolerance, (1, 2))
    with pytest.raises(ValueError, match="read-only"):
        twin.items[0] = 9


def test_the_callers_array_stays_the_callers():
    items = np.array([0.1, 0.2])
    problem = SubsetSum(items, 0.3)
    items[0] = 9.0
    assert problem.items.tolist() == [0.1, 0.2]
    assert items.flags.writeable


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (SubsetSum([1, 2], 3), "SubsetSum(n=2, d=1)"),
        (SubsetSum([1, 2], 3, tolerance=0), "SubsetSum(n=2, d=1, tolerance=0)"),
        (SubsetSum([[1, 2]], (3, 4), cardinality=1), "SubsetSum(n=1, d=2, cardinality=(1, 1))"),
    ],
)
def test_repr(problem, text):
    assert repr(problem) == text


def test_vectors_of_one_dimension_keep_their_shape():
    problem = SubsetSum([[1], [2]], (3,))
    assert problem.items.shape == (2, 1)
    assert problem.target == (Fraction(3),)
