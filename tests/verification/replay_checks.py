"""What a replay must satisfy on tiny networks: at least the truth, just below the floating bound."""

from fractions import Fraction
from functools import cache

import numpy as np
from verification.propagated_checks import float_traps, pointed, unstable_cases
from verification.tiny_networks import power, random_cases, tight_cases, truth

from subsetsum_nets.verification import Comparison
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix
from subsetsum_nets.verification.replay.replay import REPLAYED_METHODS

WITHOUT_SEARCH = tuple(method for method in REPLAYED_METHODS if method not in ("splitting", "milp"))
CANCELLING = ("lost", "trap")  # names of cases in which float64 loses most digits of the bound


def floating_bound(method, case):
    """Return a method's bound in floating point, with its record."""
    return TABLE[method].bound(compared(case))


def compared(case):
    return Comparison(case.f, case.g, case.domain, case.norm)


def has_structure(case):
    return len(case.g.layers) >= len(case.f.layers) and case.method != "interval"


@cache
def known(which):
    """Return (case, true value, methods with their floating bounds), computed once."""
    families = {
        "unstable": unstable_cases,
        "traps": float_traps,
        "tight": lambda: one_norm_each([pointed(case) for case in tight_cases()]),
        "random": lambda: random_cases(range(400, 440), ["propagated"]),
        "few": lambda: random_cases(range(24), ["propagated"]),
    }
    cases = [
        (case, truth(case), {method: floating_bound(method, case) for method in methods_of(case)})
        for case in families[which]()
    ]
    assert cases
    return cases


def one_norm_each(cases):
    """Return every third of cases that come in triples of norms, each norm in turn."""
    alike = {}
    for case in cases:
        alike.setdefault((case.name, case.method), []).append(case)
    return [family[k % len(family)] for k, family in enumerate(alike.values())]


def methods_of(case):
    return WITHOUT_SEARCH if has_structure(case) else ("interval",)


def check_replay(replayed_bound, case, true, bounds, methods=WITHOUT_SEARCH):
    """Check the methods' replays on a case."""
    p = power(case.norm)
    for method in set(bounds) & set(methods):
        upper = bounds[method].upper
        replayed = replayed_bound(method, compared(case), bounds[method].record)
        assert isinstance(replayed, Fraction)
        assert replayed <= Fraction(upper), f"{case}, {method}: the replay is above {upper}"
        assert true <= replayed**p, f"{case}, {method}: {float(true)} exceeds the replayed bound"
        # Where nearly all of the bound is rounding, there is nothing to compare.
        if upper > 1e-12 and not case.name.startswith(CANCELLING):
            gap = Fraction(upper) - replayed
            assert gap <= Fraction(upper) / 10**9, f"{case}, {method}: {float(replayed)} is far below {upper}"


def check_spectral(spectral_norm_up):
    """Check proven spectral norms from both sides: rows of known norm, singular vectors, and clusters."""
    rng = np.random.default_rng(8)
    matrices = [
        np.diag([3.0, 1.0]),
        np.array([[3.0, 4.0]]),
        np.array([[3.0], [4.0]]),
        np.zeros((2, 3)),
        np.array([[1.0, 1.0], [-1.0, 1.0]]),
        np.diag([1.0, 1.0 - 2.0**-52, 1.0 - 2.0**-51])
        @ np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0, 0, 1.0]]),
        np.full((4, 4), 0.1),
        np.array([[1e300, 1.0], [1.0, 1e-300]]),
        np.array([[5e-324, 0.0], [0.0, 5e-324]]),
        *(rng.uniform(-1, 1, shape) for shape in ((5, 9), (9, 5), (6, 6))),
    ]
    for matrix in matrices:
        exact = ExactMatrix.from_floats(matrix)
        norm = spectral_norm_up(exact)
        scale = np.abs(matrix).max() or 1.0
        right = np.linalg.svd(matrix / scale)[2]
        images = [ExactMatrix.from_floats(v) for v in (right[0], np.ones(matrix.shape[1]))]
        best = Fraction(0)
        for x in images:
            y = exact @ x
            (above,), (below,) = (y.T @ y).fractions(), (x.T @ x).fractions()
            best = max(best, above / below)
        assert best <= norm**2, "a vector is stretched by more than the norm"
        assert norm**2 <= best * (1 + Fraction(1, 2**45)), "the norm is not tight"


def check_eigenvalues(exceeds_eigenvalues):
    """Check that a number is proven to exceed all eigenvalues just when it does."""
    rng = np.random.default_rng(6)
    for n in (1, 2, 3, 7):
        root = rng.uniform(-1, 1, (n, n))
        gram = ExactMatrix.from_floats(root) @ ExactMatrix.from_floats(root).T
        largest = Fraction(float(np.linalg.norm(root, 2))) ** 2
        assert exceeds_eigenvalues(largest * (1 + Fraction(1, 10**12)), gram)
        assert not exceeds_eigenvalues(largest * (1 - Fraction(1, 10**12)), gram)
    for diagonal in ((3.0, 1.0), (1.0, 3.0), (2.0, 1.0), (3.0, 3.0), (1.0, 3.0, 1.0)):
        assert not exceeds_eigenvalues(Fraction(2), ExactMatrix.from_floats(np.diag(diagonal)))
    assert exceeds_eigenvalues(Fraction(2), ExactMatrix.from_floats(np.eye(3)))
    assert not exceeds_eigenvalues(Fraction(0), ExactMatrix.from_floats(np.zeros((2, 2))))


def check_slope_interval(slope_interval):
    """Check D (z' - z) = relu(z') - relu(z) for many pairs of units, in rational arithmetic."""
    ends = [Fraction(n, 4) for n in (-6, -1, 0, 2, 7)]
    ranges = [(a, b) for a in ends for b in ends if a <= b]
    for f in ranges:
        for g in ranges:
            points = [(z, y) for z in (*f, sum(f) / 2) for y in (*g, sum(g) / 2)]
            low, high = slope_interval(*f, *g, max(abs(y - z) for z, y in points))
            assert 0 <= low <= high <= 1
            for z, y in points:
                after = max(y, Fraction(0)) - max(z, Fraction(0))
                assert min(low * (y - z), high * (y - z)) <= after <= max(low * (y - z), high * (y - z))
