"""Tiny random networks whose true sup is known: no method may fall below it, each reaches it somewhere."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from verification.tiny_networks import NORMS, exact_sizes, power, random_pair, single_pair
from verification.true_sup import true_sup

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import METHODS, Comparison, SearchOptions, UnsupportedStructureError, verify
from subsetsum_nets.verification.methods.milp.milp import milp_bound

DOMAINS = [Box(-1, 1), Box(-0.25, 1.0), Box(0, 1), Ball(1.0), Ball(0.5, 0.25), Ball(0.25, -1.0)]
EXACT = 1 + 1e-9
SLOW = [method for method in METHODS if method in {"milp", "splitting"}]  # they take what time there is
FAST = [method for method in METHODS if method not in SLOW]


def random_problem(seed, *, widest=6):
    """Return a random pair of 1-3 layers of width 1-6 with one or two inputs, a domain and a norm."""
    rng = np.random.default_rng([7, seed])
    d = int(rng.integers(1, 3))
    widest = widest if d == 1 else min(widest, 4)  # the exact oracle cuts a plane into many cells
    widths = (d, *(int(w) for w in rng.integers(1, widest + 1, rng.integers(1, 4))))
    kinds = [str(kind) for kind in rng.choice(["relu", "linear"], len(widths) - 1, p=[0.8, 0.2])]
    f, g = random_pair(
        seed,
        widths,
        error=float(10.0 ** -rng.integers(0, 6)),
        bias=bool(rng.random() < 0.7),
        kinds=kinds,
        final_relu=bool(rng.random() < 0.3),
        sparse=bool(rng.random() < 0.2) and "linear" not in kinds,
    )
    return f, g, DOMAINS[int(rng.integers(len(DOMAINS)))], NORMS[int(rng.integers(3))]


def check(problem, methods, ratios, limit=None):
    """Check all methods on one problem, and note upper / truth."""
    f, g, domain, norm = problem
    p = power(norm)
    least, most = true_sup(f, g, domain, norm, sides=16)
    for method in methods:
        try:
            result = verify(f, g, domain=domain, norm=norm, method=method, time_limit=limit)
        except UnsupportedStructureError:
            continue
        assert Fraction(result.upper) ** p >= least, f"{method}: {result.upper} is below the truth"
        assert Fraction(result.lower) ** p <= most, f"{method}: {result.lower} is above the truth"
        assert domain.contains(result.witness)
        if least > 0:
            ratios[method].append(result.upper / float(least) ** (1 / p))


def exact_somewhere():
    """Return problems on which the recursions lose nothing."""
    f, g = single_pair([[1.0]], [[1.5]], [[0.25]])
    yield f, g, Box(-1, 1), "linf"
    f, g = ReluNetwork([Dense([[1.0, 2.0]])]), ReluNetwork([Dense([[-1.0, -3.0]])])
    yield f, g, Box(-1, 1), "l2"
    yield f, g, Box(-1, 1), "linf"


def reached(ratios, methods):
    for method in methods:
        assert min(ratios[method]) <= EXACT, f"{method} never reaches the truth: {min(ratios[method])}"


def test_no_method_falls_below_the_truth():
    ratios = defaultdict(list)
    for problem in exact_somewhere():
        check(problem, METHODS, ratios, limit=2.0)
    for seed in range(20):
        check(random_problem(seed), FAST, ratios)
    for seed in range(120, 124):
        check(random_problem(seed, widest=3), SLOW, ratios, limit=0.3)
    reached(ratios, METHODS)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_many_hundreds(batch):
    ratios = defaultdict(list)
    for seed in range(1000 + 50 * batch, 1050 + 50 * batch):
        check(random_problem(seed), FAST, ratios)
    for method in ratios:
        assert min(ratios[method]) < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_milp_on_random_problems(seed):
    f, g, domain, norm = random_problem(5000 + seed)
    result = milp_bound(Comparison(f, g, domain, norm), SearchOptions(time_limit=10.0))
    p = power(norm)
    least, most = true_sup(f, g, domain, norm)
    assert least <= Fraction(result.upper) ** p
    assert Fraction(result.lower) ** p <= most


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_more_inputs_with_milp_as_the_truth(seed):
    rng = np.random.default_rng(seed)
    f, g = random_pair(seed, (3 + seed % 2, 4, 3, 2), error=float(10.0 ** -rng.integers(1, 5)))
    domain, norm = Box(-1, 1), NORMS[seed % 3]
    truth = milp_bound(Comparison(f, g, domain, norm), SearchOptions(time_limit=20.0))
    (there,) = exact_sizes(f, g, truth.witness[np.newaxis], norm)
    for method in FAST:
        result = verify(f, g, domain=domain, norm=norm, method=method)
        assert Fraction(result.upper) ** power(norm) >= there
        assert result.lower <= truth.upper
        assert not truth.closed or result.lower >= 0.75 * truth.upper  # a search may end in a local maximum
