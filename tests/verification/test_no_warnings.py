"""Near the ends of float64 bounds are proven, or are inf; no warning leaks (all are errors in tests)."""

import math
from contextlib import suppress

import numpy as np
import pytest

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import (
    METHODS,
    BoundOverflowError,
    Comparison,
    SearchOptions,
    UnsupportedStructureError,
    verify,
)
from subsetsum_nets.verification.methods.differential import DifferentialRecursion
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.replay.evaluation import exact_difference_down

SIZES = [1.3e154, 1.7e308]
MORE_SIZES = [5e-324, 1e154, 1e200, 3e307, 1e308]


def networks(size, *, biased):
    rng = np.random.default_rng(3)

    def numbers(*shape):
        return rng.uniform(-1, 1, shape) * size

    def one():
        return ReluNetwork(
            [Dense(rng.uniform(-1, 1, (3, 2)), numbers(3) if biased else None), Dense(numbers(3, 3))]
        )

    return one(), one()


@pytest.mark.parametrize(
    "size", [*SIZES, *(pytest.param(size, marks=pytest.mark.slow) for size in MORE_SIZES)]
)
@pytest.mark.parametrize("norm", ["l1", "l2", pytest.param("linf", marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_no_method_warns_and_every_bound_holds(method, norm, size):
    for domain in (Box(-1, 1), Ball(1.0)):
        f, g = networks(size, biased=domain.ball is None)
        limit = 0.02 if method in ("auto", "milp", "splitting") else None
        found = verify(f, g, domain=domain, norm=norm, method=method, time_limit=limit)
        assert not math.isnan(found.upper)
        assert found.lower <= exact_difference_down(f, g, found.witness, norm) <= found.upper


@pytest.mark.parametrize("name", METHODS)
def test_methods_asked_alone_do_not_warn_either(name):
    for size in SIZES:
        comparison = Comparison(*networks(size, biased=True), Box(-1, 1), "l1")
        method = TABLE[name]
        options = (SearchOptions(time_limit=0.02),) if method.anytime else ()
        with suppress(BoundOverflowError, UnsupportedStructureError):
            assert method.bound(comparison, *options).upper >= 0.0


def test_the_recursion_does_not_warn():
    f, g = networks(1e154, biased=True)
    errors = [error.magnitudes() for error in Comparison(f, g, Box(-1, 1)).errors]
    recursion = DifferentialRecursion(f, Box(-1, 1))
    with suppress(OverflowError):
        assert recursion.bound([error.scaled(1e153) for error in errors], "l1").upper > 0.0
