"""Limits, counts and seeds: the same error, in the same words and with the value, wherever they are given."""

import inspect
import math
import re
from fractions import Fraction

import numpy as np
import pytest

from solvers import InvalidProblemError, SubsetSum, count, covering_radius, solutions, solve, solve_many
from solvers.instances import families

PROBLEM = SubsetSum([3, 5, 9], 10, tolerance=2)
ENTRIES = {
    "solve": lambda **given: solve(PROBLEM, **given),
    "solve_many": lambda **given: solve_many([[1.0, 2.0]], [1.5], **given),
    "count": lambda **given: count(PROBLEM, **given),
    "solutions": lambda **given: list(solutions(PROBLEM, **given)),
    "covering_radius": lambda **given: covering_radius([1, 2], 0, 3, **given),
}
TAKEN = {
    "solve": ("time_limit", "memory_limit", "threads", "seed"),
    "solve_many": ("time_limit", "threads", "seed", "chunk_size"),
    "count": ("time_limit", "memory_limit", "threads"),
    "solutions": ("time_limit", "memory_limit", "threads", "limit"),
    "covering_radius": ("time_limit",),
}
NO_COUNTS = [
    0,
    -1,
    1.5,
    2.0,
    True,
    np.True_,
    "1",
    b"1",
    [1],
    (1,),
    math.nan,
    1j,
    np.float64(2),
    np.ones(1),
]
BAD = dict.fromkeys(("memory_limit", "threads", "chunk_size", "limit"), NO_COUNTS)
BAD["seed"] = [None, *(value for value in NO_COUNTS if value is not NO_COUNTS[0])]
BAD["time_limit"] = [
    *(0, -1, 0.0, -0.5, math.nan, math.inf, -math.inf, 10**400, True, np.True_, "1", [1], 1j),
    *(np.float64("nan"), np.float32("inf"), Fraction(-1, 2), np.ones(1)),
]
GOOD = {
    "time_limit": [5, 5.0, np.float32(5), np.int64(5), Fraction(11, 2)],
    "memory_limit": [2**33, np.int64(2**33)],
    "threads": [1, np.int8(2)],
    "chunk_size": [1, np.uint16(7)],
    "limit": [1, np.int32(2)],
    "seed": [0, np.uint8(3), 2**80],
}
PATTERNS = {"time_limit": "a finite positive number of seconds", "seed": "an integer of at least 0"}


def refusal_of(name, value):
    wanted = PATTERNS.get(name, "an integer of at least 1")
    return re.escape(f"{name} must be {wanted}, got {value!r}") + "$"


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [(entry, name, value) for entry, names in TAKEN.items() for name in names for value in BAD[name]],
    ids=repr,
)
def test_a_senseless_value_is_refused_alike_everywhere(entry, name, value):
    with pytest.raises(InvalidProblemError, match=refusal_of(name, value)):
        ENTRIES[entry](**{name: value})


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        (entry, name, value)
        for entry, names in TAKEN.items()
        for name in names
        for value in [None, *GOOD[name]]
    ],
    ids=repr,
)
def test_numbers_of_every_kind_are_taken(entry, name, value):
    if value is None and name == "seed":
        return
    assert ENTRIES[entry](**{name: value}) is not None


FAMILIES = {
    name: function
    for name, function in vars(families).items()
    if inspect.isfunction(function)
    and not name.startswith("_")
    and "n" in inspect.signature(function).parameters
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families_refuse_sizes_and_seeds_in_the_same_words(name):
    family, parameters = FAMILIES[name], inspect.signature(FAMILIES[name]).parameters
    sizes = [size for size in ("n", "d", "bits") if size in parameters]
    right = dict.fromkeys(sizes, 6)
    assert len(family(**right).problem.items) == 6
    for size in sizes:
        for value in NO_COUNTS:
            with pytest.raises(
                InvalidProblemError, match=r"a size of .* must be an integer of at least 1, got "
            ):
                family(**{**right, size: value})
    for value in BAD["seed"] if "seed" in parameters else ():
        with pytest.raises(InvalidProblemError, match=refusal_of("seed", value)):
            family(**right, seed=value)


@pytest.mark.parametrize("value", [True, 1.5, "2", (1, 2.0), (True, 2), (1, 2, 3), [1], np.float64(1)])
def test_a_cardinality_consists_of_integers(value):
    with pytest.raises(InvalidProblemError, match=re.escape(f"(k_min, k_max), got {value!r}")):
        SubsetSum([1, 2, 3], 3, cardinality=value)
    assert SubsetSum([1, 2, 3], 3, cardinality=(np.int64(1), np.uint8(2))).cardinality == (1, 2)
