"""The comparison with brute force is itself tested: it must notice every mistake planted in the solvers.

Modules are copied as source text, changed in one place, and run as plain Python in place of the original.
"""

import sys
from fractions import Fraction

import numpy as np
import pytest
from planting import plain_python
from strategies import Case, batch_contradiction, contradiction

from solvers import CertificateError, UnsupportedProblemError, solve, solve_many
from solvers.backend import registry
from solvers.batch import chunks
from solvers.kernels import half_sums, two_pointers

OBJECTIVES = ["nearest", "within", "sparsest"]


ROW_MODULES = ["cells", "row_numbers", "half_sums", "row_pairs", "row_sorting", "row_sizes", "batch_rows"]


def plain_rows(monkeypatch, mistaken="", old="", new=""):
    """Put plain Python in place of the kernels for rows, in which even the smallest rows are filtered."""
    copies = {}
    for name in ROW_MODULES:
        full = f"solvers.kernels.{name}"
        copies[name] = plain_python(monkeypatch, full, *((old, new) if name == mistaken else ()))
        if name == "cells":
            copies[name].FEW_PAIRS = 4
        monkeypatch.setitem(sys.modules, full, copies[name])  # the modules after it import from the copy
    return copies


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
    uniform[:4] *= 2.0**300
    uniform[:4, 1] = 2.0**-1040  # less than float64 holds of a row of this size
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
            for objective in OBJECTIVES[:1] if tolerances is None else OBJECTIVES:
                try:
                    batch = solve_many(
                        items, targets, valid=valid, tolerance=tolerances, objective=objective, threads=1
                    )
                except (IndexError, ValueError, OverflowError, RuntimeWarning) as error:
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


def test_the_kernels_for_rows_are_right_and_used(monkeypatch):
    """Otherwise the mistakes below would be planted in code that no test row runs."""
    copies = plain_rows(monkeypatch)
    calls = dict.fromkeys(
        ["_mark", "nearest_pair", "_best_rival", "_nearest", "_sum_within", "_solve_row"], 0
    )

    def counted(name, function):
        def call(*arguments):
            calls[name] += 1
            return function(*arguments)

        return call

    for name in calls:
        for module in [*copies.values(), chunks]:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    assert first_batch_contradiction() is None
    rows = 40 * len(BATCHES) * 10  # ten questions are asked of each batch
    least = {"_mark": 0.2, "nearest_pair": 1, "_best_rival": 0.02, "_nearest": 0.1, "_sum_within": 0.05}
    for name, share in least.items():
        assert calls[name] > share * rows, calls
    assert calls["_solve_row"] < 0.05 * rows, calls
    copies["row_pairs"]._EXPECTED_PAIRS = 0.5
    assert first_batch_contradiction() is None


# -- mistakes in the kernels -------------------------------------------------------------------------

KERNEL_MISTAKES = {
    "the right pointer starts one early": (
        two_pointers,
        "i, j = 0, len(right) - 1",
        "i, j = 0, max(0, len(right) - 2)",
    ),
    "the left half's last sum is dropped": (
        two_pointers,
        "while i < len(left) and j >= 0:",
        "while i < max(1, len(left) - 1) and j >= 0:",
    ),
    "the right half's first sum is dropped": (
        two_pointers,
        "while i < len(left) and j >= 0:",
        "while i < len(left) and j >= min(1, len(right) - 1):",
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
        "np.uint32(flag)",
        "np.uint32(flag + flag * (flag > 2))",
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
    "invalid items are used": ("row_numbers", "if valid[row, column]:", "if True:"),
    "low limbs are ignored": ("row_numbers", "high[k], low[k] = whole, fine", "high[k], low[k] = whole, 0"),
    "numbers of three limbs are cut": ("row_numbers", "held = held & (float(fine) == rest)", "held = held"),
    "tiny numbers become zero": ("row_numbers", " & ((value == 0.0) == (values[k] == 0.0))", ""),
    "a target's low limb is negative": ("row_numbers", "if low[count - 1] < 0:", "if False:"),
    "images are exact": ("row_numbers", "return count // 2 + 2", "return 0"),
    "images are scaled too much": (
        "row_numbers",
        "_LARGEST_IMAGE = 2147483584.0",
        "_LARGEST_IMAGE = 2.0**33",
    ),
    "errors are rounded inward": (
        "row_numbers",
        "float(mantissa + 1), exponent) if sticky",
        "float(mantissa), exponent) if sticky",
    ),
    "bounds are rounded outward": (
        "row_numbers",
        "down = math.ldexp(float(mantissa), exponent)",
        "down = math.ldexp(float(mantissa + 1), exponent)",
    ),
    "the last dropped bits do not count": (
        "row_numbers",
        "sticky = sticky or (mantissa &",
        "sticky = sticky and (mantissa &",
    ),
    "an attained tolerance is refused": ("row_numbers", "error[1] <= fine", "error[1] < fine"),
    "a tolerance is rounded up": ("row_numbers", "fine = int((value", "fine = 1 + int((value"),
    "masks are written in the wrong places": (
        "row_numbers",
        "masks[row, columns[k]] = (mask",
        "masks[row, k] = (mask",
    ),
    "'within' claims to be optimal": ("row_numbers", "status[row] = FEASIBLE", "status[row] = OPTIMAL"),
    "'within' claims a bound": ("row_numbers", "        lower[row] = 0.0\n", ""),
    "only the nearest of images is ranked": ("row_pairs", "else least + 2 * slack", "else least"),
    "the first reach is believed": ("row_pairs", "if least <= enough or", "if True or"),
    "any near hit is an exact hit": ("row_pairs", "if error == (0, 0):", "if error[0] == 0:"),
    "halves of a mask are mixed up": ("row_pairs", "<< middle)", "<< (middle + 1))"),
    "rivals are ranked by high limbs alone": ("row_pairs", "if error < best or", "if error[0] < best[0] or"),
    "'within' stops too early": ("batch_rows", "- slack - 1 if within", "+ slack + 1 if within"),
    "'within' tries the wrong items": ("batch_rows", "images, middle, min(", "images, 0, min("),
    "'within' takes the other half": ("batch_rows", "return i | (j << middle)", "return j | (i << middle)"),
    "an item of the right half is left out": (
        "batch_rows",
        "subset_sums(images, middle, m, 1, 0, right)",
        "subset_sums(images, middle, max(middle, m - 1), 1, 0, right)",
    ),
    "the right pointer starts one early": (
        "row_sorting",
        "i, j = 0, rights - 1\n    below,",
        "i, j = 0, max(0, rights - 2)\n    below,",
    ),
    "the left half's last sum is dropped": (
        "row_sorting",
        "while i < lefts and j >= 0:\n        difference",
        "while i < max(1, lefts - 1) and j >= 0:\n        difference",
    ),
    "only sums below the target count": ("row_sorting", "if above < error:", "if below_i < 0:"),
    "sums above win ties of the high limb": ("row_sorting", "if above < error:", "if above[0] <= error[0]:"),
    "sorting ignores low limbs": ("row_sorting", "    error = error_of(mask, limbs)\n", ""),
    "sorted rivals are ranked by high limbs alone": ("row_sorting", "taken(low, mask, m),", "0,"),
    "sorted rivals are not ranked": ("row_sorting", "if _alone_in_window(", "if True or _alone_in_window("),
    "the window is too narrow": (
        "row_sorting",
        "window = (target_high - error[0] - 2 - m, target_high + error[0] + 2 + m)",
        "window = (target_high - error[0], target_high + error[0])",
    ),
    "masks have another sum": (
        "row_sorting",
        "        if total == wanted:\n",
        "        if abs(total - wanted) < 1 << 20:\n",
    ),
    "the empty subset is not sparse": ("row_sizes", "in range(m + 1):", "in range(1, m + 1):"),
    "the sparsest has room to spare": (
        "row_sizes",
        "if mask >= 0 and is_within",
        "if size > 1 and is_within",
    ),
    "all items on the left are no way to split": (
        "row_sizes",
        "min(size, middle) + 1):",
        "min(size, middle)):",
    ),
    "the last way to split a size wins": ("row_sizes", "and (error < best or", "and (True or"),
    "the sparsest may miss the tolerance": ("row_sizes", " and is_within(error, tolerances[row], p)", ""),
    "attained tolerances are cut off": ("row_sizes", "+ slack + 1, ANY", "- slack, ANY"),
    "groups by size are mixed up": ("row_sizes", "left[0][i] = sums[left[1][i]]", "left[0][i] = sums[i]"),
    "the sparsest claim a bound": ("row_sizes", "                lower[row] = 0.0\n", ""),
}


@pytest.mark.parametrize("mistake", ROW_MISTAKES)
def test_mistakes_in_the_kernels_for_rows_are_noticed(monkeypatch, mistake):
    copies = plain_rows(monkeypatch, *ROW_MISTAKES[mistake])
    found = first_batch_contradiction()
    if (
        found is None
    ):  # most of these small rows were sorted; filter them with a reach that is often too short
        copies["row_pairs"]._EXPECTED_PAIRS = 0.5
        found = first_batch_contradiction()
    assert found is not None


def lost_pair(cells, rng):
    """Return a pair within reach that the filter loses, or a sum of items that is not there; None if none."""
    for _ in range(60):
        count = int(rng.integers(1, 7))
        items = rng.integers(-(2**31), 2**31, 2 * count) // (2 * count + 1)
        items = items.astype(np.int32)
        left, right = np.zeros(1 << count, np.int32), np.zeros(1 << count, np.int32)
        cells.subset_sums(items, 0, count, -1, 0, left)
        cells.subset_sums(items, count, 2 * count, 1, 0, right)
        every = [
            sum(int(items[count + k]) for k in range(count) if mask >> k & 1) for mask in range(1 << count)
        ]
        if sorted(right.tolist()) != sorted(every):
            return "sums"
        if rng.random() < 0.5:  # neighbours at all distances, and at the ends of the table
            right[:] = np.clip(left.astype(np.int64) + rng.integers(-99, 100, left.size), -(2**31), 2**31 - 1)
        reach = int(rng.choice([1, 7, 50, 64, 99]))
        places = [np.zeros(1 << count, np.int32) for _ in range(2)]
        table = np.zeros(cells.LARGEST_TABLE + 1, np.uint8)
        found = cells.filtered(left, left.size, right, right.size, reach, 2, table, *places)
        listed = [set(place[:number].tolist()) for place, number in zip(places, found, strict=True)]
        distances = np.abs(left.astype(np.int64)[:, None] - right.astype(np.int64))
        for i, j in np.argwhere(distances <= reach).tolist():
            if found[0] >= 0 and (i not in listed[0] or j not in listed[1]):
                return i, j
    return None


CELL_MISTAKES = {
    "sums are added up wrongly": ("sums[size + k] = sums[k] + item", "sums[size + k] = sums[0] + item"),
    "a sign is lost": ("item = sign * items[index]", "item = items[index] * (-1 if index else 1)"),
    "cells are too narrow": ("while (1 << shift) <= 2 * reach:", "while (1 << shift) <= reach // 2:"),
    "cells are marked above only": (
        "place = np.uint32(((int(numbers[i]) - reach)",
        "place = np.uint32(((int(numbers[i]))",
    ),
    "only one cell is marked": ("        table[place + np.uint32(1)] = 1\n", ""),
    "cells do not wrap around": ("    table[0] |= table[size]\n", ""),
    "later cells are marked above only": (
        "cell = (int(numbers[some[i]]) - reach) >> shift",
        "cell = int(numbers[some[i]]) >> shift",
    ),
    "later only one cell is marked": ("(((cell + 1) * scatter)", "((cell * scatter)"),
    "cells are looked up elsewhere": (
        "cell = int(numbers[place]) >> shift",
        "cell = int(numbers[i]) >> shift",
    ),
    "hits are overwritten": ("        hits[found] = place\n", "        hits[max(0, found - 1)] = place\n"),
    "first hits are overwritten": (
        "        hits[found] = i\n        found += int(np.int64(table[np.uint32(",
        "        hits[max(0, found - 1)] = i\n        found += int(np.int64(table[np.uint32(",
    ),
    "hits of the look back are overwritten": (
        "        hits[found] = i\n        found += int(np.int64(table[_folded(",
        "        hits[max(0, found - 1)] = i\n        found += int(np.int64(table[_folded(",
    ),
}


def test_the_filter_loses_no_pair(monkeypatch):
    copy = plain_python(monkeypatch, "solvers.kernels.cells")
    assert lost_pair(copy, np.random.default_rng(1)) is None


@pytest.mark.parametrize("mistake", CELL_MISTAKES)
def test_mistakes_in_the_filter_are_noticed(monkeypatch, mistake):
    copy = plain_python(monkeypatch, "solvers.kernels.cells", *CELL_MISTAKES[mistake])
    assert lost_pair(copy, np.random.default_rng(1)) is not None


# -- mistakes in the methods -------------------------------------------------------------------------

MITM, CP_SAT = "solvers.backend.mitm.meet_in_the_middle", "solvers.backend.mip.cp_sat"
METHOD_MISTAKES = {
    "mitm: rivals are not ranked": (MITM, "self._rivals(left, right, units) if", "() if"),
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
