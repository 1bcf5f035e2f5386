"""The comparison with brute force is itself tested: it must notice every mistake planted in the solvers.

Modules are copied as source text, changed in one place, and run as plain Python in place of the original.
"""

import importlib
import inspect
import sys
import types
from fractions import Fraction

import numpy as np
import pytest
from strategies import Case, batch_contradiction, contradiction

from solvers import CertificateError, UnsupportedProblemError, registry, solve, solve_many
from solvers import batch as batch_module
from solvers.kernels import batch_rows, half_sums, two_pointers

OBJECTIVES = ["nearest", "within", "sparsest"]


def plain_python(monkeypatch, name, old="", new=""):
    """Return a copy of a module with ``old`` replaced by ``new``, its kernels not compiled."""
    source = inspect.getsource(importlib.import_module(name))
    if old:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {name}"
    source = source.replace(old, new) if old else source
    source = source.replace(
        "from solvers.kernels.compiling import compiled", "compiled = lambda function: function"
    )
    copy = types.ModuleType(f"{name}_copy")
    monkeypatch.setitem(sys.modules, copy.__name__, copy)  # dataclasses look their module up
    exec(compile(source, copy.__name__, "exec"), copy.__dict__)  # noqa: S102 - our own source
    return copy


# -- the comparisons ---------------------------------------------------------------------------------


def some_cases():
    """Cases that, between them, reach every branch: narrow and wide, hit and missed, tight and loose."""
    rng = np.random.default_rng(7)

    def fractions(values):
        return [Fraction(x) for x in values.tolist()]

    for n in (1, 2, 5, 6, 7, 7, 8):
        twins = [2**90 + int(tail) for tail in rng.integers(-99, 99, n)]
        products = [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()]
        integers = [int(x) for x in rng.integers(-9, 10, n)]
        floats = fractions(rng.uniform(-1, 1, n))
        for items in (twins, products, integers, floats):
            subset = np.flatnonzero(rng.random(n) < 0.5)
            hit = sum((Fraction(items[i]) for i in subset), Fraction(0))
            off = abs(Fraction(items[0])) / 1000 + Fraction(1, 7)
            for target in (hit, hit + off, hit - off, hit + 40):
                nearest = Case(items, target).truth.nearest
                for tolerance in (
                    nearest,
                    nearest + off / 50,
                    nearest * 2 + off,
                    nearest * Fraction(99, 100),
                ):
                    yield Case(items, target, tolerance, (1, n) if len(subset) == 3 else None)
    for n in (5, 7):  # just missed, and neither range nor lattice says so
        items = [int(x) for x in rng.integers(100, 10_000, n)]
        for tolerance in (0, 1):
            yield Case(items, items[0] + items[-1] + 1, tolerance)
    # Objectives beyond 2^53, where doubles cannot tell the nearest from the next.
    yield Case(
        [[-(2**52)] * 3, [-(2**52)] * 3, [1 - 2**52, 2**52, 1 - 2**52], [2**52, 1 - 2**52, 2**52]],
        (20266198323167231,) * 3,
        0,
    )


CASES = list(some_cases())


def first_contradiction(backend):
    """Return what brute force objects to in a backend's answers; None when nothing."""
    for case in CASES:
        for objective in OBJECTIVES:
            try:
                solution = solve(case.problem, objective=objective, backend=backend, threads=1)
            except UnsupportedProblemError:  # vectors are not for all
                continue
            except (CertificateError, IndexError) as error:
                return f"noticed even without brute force: {error}"
            what = contradiction(case, objective, solution)
            if what is not None:
                return what
    return None


def some_batches():
    """Batches (items, targets, valid) that, between them, reach every branch of the kernel for rows."""
    rng = np.random.default_rng(5)
    shape = (40, 6)
    uniform = rng.uniform(-1, 1, shape)
    kinds = [
        uniform,
        np.ldexp(uniform, rng.integers(-60, 1, shape)),  # more bits than one limb takes
        rng.integers(-5, 6, shape).astype(float),
    ]
    # Beside an item of 1 the grid is 2^-60: twins that differ only below it.
    twins = np.ldexp(rng.integers(2**33, 2**34, (40, 1)) + rng.integers(-1, 2, shape).astype(float), -60)
    kinds.append(twins + np.ldexp(rng.integers(0, 2**15, shape).astype(float), -75))
    kinds[-1][:, 0] = rng.choice([-1.0, 1.0], 40)
    # Items of 2^-49 beside one of 1024: only the target has bits below the grid.
    kinds.append(np.ldexp(rng.integers(-9, 10, shape).astype(float), -49))
    kinds[-1][:, 0] = rng.choice([-1024.0, 1024.0], 40)
    for items in kinds:
        taken = rng.random(shape) < 0.5
        taken[:, 0] &= np.abs(items[:, 0]) < 1
        targets = (items * taken).sum(axis=1)
        finest = np.abs(items[:, 1:]).min(axis=1)
        targets[::3] += finest[::3] * np.ldexp(rng.uniform(-1, 1, 40), rng.integers(-40, 1, 40))[::3]
        targets[1::3] += 2.0**-49 * rng.choice([0.25, 0.5, 0.75], 40)[1::3]
        yield items, targets, rng.random(shape) < 0.9


BATCHES = list(some_batches())


def truth_of_rows(items, targets, valid, tolerances):
    rows = zip(items, targets.tolist(), valid, tolerances, strict=True)
    return [Case(x[v].tolist(), t, limit, None) for x, t, v, limit in rows]


TRUTHS = [truth_of_rows(*batch, [None] * 40) for batch in BATCHES]


def first_batch_contradiction():
    """Return what brute force objects to in solve_many()'s compiled answers; None when nothing."""
    for (items, targets, valid), truths in zip(BATCHES, TRUTHS, strict=True):
        attained = np.array([_up(case.truth.nearest) for case in truths])
        for tolerances in (None, attained, np.nextafter(attained, 0), attained * 3 + 0.01):
            limits = [None] * 40 if tolerances is None else tolerances.tolist()
            cases = truth_of_rows(items, targets, valid, limits)
            for objective in OBJECTIVES[:1] if tolerances is None else OBJECTIVES[:2]:
                try:
                    batch = solve_many(
                        items, targets, valid=valid, tolerance=tolerances, objective=objective, threads=1
                    )
                except (IndexError, OverflowError) as error:
                    return f"noticed even without brute force: {error}"
                what = batch_contradiction(cases, objective, batch, valid)
                if what is not None:
                    return what
    return None


def _up(value):
    number = float(value)
    return float(np.nextafter(number, np.inf)) if Fraction(number) < value else number


# -- nothing planted ---------------------------------------------------------------------------------


def test_the_compiled_kernels_are_right():
    assert first_contradiction("mitm") is None
    assert first_batch_contradiction() is None


def test_the_kernel_for_rows_ranks_rivals_and_leaves_few_rows_to_others(monkeypatch):
    """Otherwise the mistakes below would be planted in code that no test row runs."""
    ranked, left = [], []
    copy = plain_python(monkeypatch, "solvers.kernels.batch_rows")
    ranking, solving = copy._best_rival, batch_module._solve_row
    copy._best_rival = lambda *arguments: ranked.append(1) or ranking(*arguments)
    monkeypatch.setattr(batch_rows, "solve_rows", copy.solve_rows)
    monkeypatch.setattr(batch_module, "_solve_row", lambda *arguments: left.append(1) or solving(*arguments))
    assert first_batch_contradiction() is None
    rows = 40 * len(BATCHES) * 7  # seven questions are asked of each batch
    assert len(ranked) > rows / 20
    assert len(left) < rows / 5


# -- mistakes in the kernels -------------------------------------------------------------------------

KERNEL_MISTAKES = {
    "the right pointer starts one early": (
        two_pointers,
        "i, j = 0, right.size - 1",
        "i, j = 0, max(0, right.size - 2)",
    ),
    "the left half's last sum is dropped": (
        two_pointers,
        "while i < left.size and j >= 0:",
        "while i < max(1, left.size - 1) and j >= 0:",
    ),
    "the right half's first sum is dropped": (
        two_pointers,
        "while i < left.size and j >= 0:",
        "while i < left.size and j >= min(1, right.size - 1):",
    ),
    "pointers move the wrong way": (two_pointers, "if difference > 0:", "if difference < 0:"),
    "only sums above the target count": (
        two_pointers,
        "distance = abs(difference)",
        "distance = difference if difference >= 0 else 1 << 61",
    ),
    "stops one too early": (two_pointers, "if best <= stop:", "if best <= stop + 1:"),
    "the window's upper end is open": (
        two_pointers,
        "left[i] + right[top] > high",
        "left[i] + right[top] >= high - 2",
    ),
    "the window forgets a pair": (
        two_pointers,
        "            j -= 1\n    return found",
        "            j -= 2\n    return found",
    ),
    "the wrong bit": (
        half_sums,
        "np.uint32(1) << np.uint32(bit)",
        "np.uint32(1) << np.uint32(bit + (bit > 1))",
    ),
    "the item is not added": (
        half_sums,
        "sums[out] = with_sums[j] + item",
        "sums[out] = with_sums[j] + (item if j else 0)",
    ),
    "not sorted": (half_sums, "without_sums[i] <= with_sums[j] + item", "without_sums[i] <= with_sums[j]"),
}


@pytest.mark.parametrize("mistake", KERNEL_MISTAKES)
def test_mistakes_in_the_kernels_are_noticed(monkeypatch, mistake):
    module, old, new = KERNEL_MISTAKES[mistake]
    copy = plain_python(monkeypatch, module.__name__, old, new)
    for name, function in vars(module).items():
        if hasattr(function, "py_func"):
            monkeypatch.setattr(module, name, getattr(copy, name))
    assert first_contradiction("mitm") is not None


ROW_MISTAKES = {
    "the right pointer starts one early": (
        "i, j = 0, rights - 1\n    below,",
        "i, j = 0, max(0, rights - 2)\n    below,",
    ),
    "the left half's last sum is dropped": (
        "while i < lefts and j >= 0:\n        difference",
        "while i < max(1, lefts - 1) and j >= 0:\n        difference",
    ),
    "only sums below the target count": ("if h2 < h or (h2 == h and d2 < d):", "if below_i < 0:"),
    "sums above win ties of the high limb": ("if h2 < h or (h2 == h and d2 < d):", "if h2 <= h:"),
    "low limbs are ignored": ("_distance(total, _low_sum(low, 0, mask),", "_distance(total, 0,"),
    "the target's low limb is ignored": (
        "        limit = tolerances[row]\n",
        "        target_low = 0\n        limit = tolerances[row]\n",
    ),
    "rivals are ranked by high limbs alone": (
        "_distance(left[i] + right[j], _low_sum(low, 0, mask),",
        "_distance(left[i] + right[j], 0,",
    ),
    "rivals are not ranked": ("if not done and not _alone", "if False and not _alone"),
    "the window is too narrow": (
        "window = (target_high - h - 1 - m, target_high + h + 2)",
        "window = (target_high - h, target_high + h)",
    ),
    "errors are rounded inward": (
        "float(mantissa + 1), exponent) if sticky",
        "float(mantissa), exponent) if sticky",
    ),
    "bounds are rounded outward": (
        "down = math.ldexp(float(mantissa), exponent)",
        "down = math.ldexp(float(mantissa + 1), exponent)",
    ),
    "the last dropped bits do not count": (
        "sticky = sticky or (mantissa &",
        "sticky = sticky and (mantissa &",
    ),
    "'within' stops too early": ("stop = limit_high - 1 - m if", "stop = limit_high + 1 + m if"),
    "an attained tolerance is refused": (
        "acceptable = h < limit_high or (h == limit_high and d <= limit_low)",
        "acceptable = h < limit_high or (h == limit_high and d < limit_low)",
    ),
    "a tolerance is rounded up": ("return high, rest << -finer", "return high + 1, rest << -finer"),
    "invalid items are used": ("if valid[row, column] and fits:", "if fits:"),
    "masks are written in the wrong places": ("masks[row, places[k]] = True", "masks[row, k] = True"),
    "masks have another sum": ("        if total == wanted:\n", "        if abs(total - wanted) < 2:\n"),
    "'within' claims to be optimal": ("status[row] = _FEASIBLE", "status[row] = _OPTIMAL"),
    "'within' claims a bound": ("lower[row] = 0.0", "lower[row] = upper[row]"),
}


@pytest.mark.parametrize("mistake", ROW_MISTAKES)
def test_mistakes_in_the_kernel_for_rows_are_noticed(monkeypatch, mistake):
    copy = plain_python(monkeypatch, "solvers.kernels.batch_rows", *ROW_MISTAKES[mistake])
    monkeypatch.setattr(batch_rows, "solve_rows", copy.solve_rows)
    assert first_batch_contradiction() is not None


# -- mistakes in the methods -------------------------------------------------------------------------

MITM, CP_SAT = "solvers.methods.meet_in_the_middle", "solvers.methods.cp_sat"
METHOD_MISTAKES = {
    "mitm: rivals are not ranked": (MITM, "candidates += self._rivals(left, right, units)", "pass"),
    "mitm: the window is too narrow": (
        MITM,
        "low, high = self.grid.window(units)\n",
        "low, high = 0, 0\n",
    ),
    "mitm: groups are given up too soon": (MITM, "return units - slack <= best", "return units + 2 <= best"),
    "mitm: stops on the coarse grid": (MITM, "if not self.grid.shift else -1", "if True else -1"),
    "mitm: cardinalities are not heeded": (MITM, "if low <= a + b <= high:", "if low <= a + b + 1 <= high:"),
    "mitm: a size is skipped": (
        MITM,
        "for size in range(low, high + 1):",
        "for size in range(low + 1, high + 1):",
    ),
    "mitm: tolerances are not heeded": (
        MITM,
        "            if units <= tolerance:",
        "            if units <= 2 * tolerance + 1:",
    ),
    "mitm: 'within' claims too little": (
        MITM,
        "stopped_early = stop is not None and 0 < units <= stop",
        "stopped_early = True",
    ),
    "cp-sat: rivals are not ranked": (CP_SAT, "[answer.subset, *rivals]", "[answer.subset]"),
    "cp-sat: the window is too narrow": (
        CP_SAT,
        "low, high = self.grid.window(units)\n",
        "low, high = -(units >> self.grid.shift), units >> self.grid.shift\n",
    ),
    "cp-sat: a bound short of the error is taken for it": (
        CP_SAT,
        "bound = min(self._exact_bound(answer.bound), units)",
        "bound = units",
    ),
    "cp-sat: cardinalities are not heeded": (
        CP_SAT,
        "sum(chosen), low, high)",
        "sum(chosen), low, high + 1)",
    ),
    "cp-sat: INFEASIBLE claims too much": (
        CP_SAT,
        "(tolerance + 1) * self.problem.image.unit, low)\n        return",
        "(tolerance + 10**40) * self.problem.image.unit, low)\n        return",
    ),
}


@pytest.mark.parametrize("mistake", METHOD_MISTAKES)
def test_mistakes_in_the_methods_are_noticed(monkeypatch, mistake):
    name, old, new = METHOD_MISTAKES[mistake]
    copy = plain_python(monkeypatch, name, old, new)
    backend = copy.MeetInTheMiddle() if name == MITM else copy.CpSat()
    monkeypatch.setitem(registry.BACKENDS, backend.name, backend)
    assert first_contradiction(backend.name) is not None
