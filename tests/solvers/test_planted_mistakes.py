"""The comparison with brute force is itself tested: it must notice every mistake planted in the solvers.

Modules are copied, changed in one place, and run as plain Python in place of the original.
"""

import sys
from fractions import Fraction

import numpy as np
import pytest
from strategies import Case, batch_contradiction, contradiction
from support.planting import plain_python

from solvers import CertificateError, UnsupportedProblemError, solve, solve_many
from solvers.backend import registry
from solvers.batch import chunks
from solvers.kernels import half_sums, two_pointers

OBJECTIVES = ["nearest", "within", "sparsest"]


ROW_MODULES = ["cells", "row_numbers", "half_sums", "row_pairs", "row_sorting", "row_sizes", "batch_rows"]


def plain_rows(monkeypatch, mistaken="", *mistake):
    """Put plain Python in place of the kernels for rows, in which even the smallest rows are filtered."""
    copies = {}
    for name in ROW_MODULES:
        full = f"solvers.kernels.{name}"
        copies[name] = plain_python(monkeypatch, full, *(mistake if name == mistaken else ()))
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


@pytest.mark.slow
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
        "nearest_pair",
        "i, j = 0, len(right) - 1",
        "i, j = 0, max(0, len(right) - 2)",
    ),
    "the left half's last sum is dropped": (
        two_pointers,
        "nearest_pair",
        "i < len(left)",
        "i < max(1, len(left) - 1)",
    ),
    "the right half's first sum is dropped": (
        two_pointers,
        "nearest_pair",
        "i, j = 0, len(right) - 1\n...\nj >= 0",
        "j >= min(1, len(right) - 1)",
    ),
    "pointers move the wrong way": (two_pointers, "nearest_pair", "difference > 0", "difference < 0"),
    "only sums above the target count": (
        two_pointers,
        "nearest_pair",
        "distance = abs(difference)",
        "distance = difference if difference >= 0 else 1 << 61",
    ),
    "stops one too early": (two_pointers, "nearest_pair", "best <= stop", "best <= stop + 1"),
    "the window's upper end is open": (
        two_pointers,
        "pairs_in_window",
        "left[i] + right[top] > high",
        "left[i] + right[top] >= high - 2",
    ),
    "the window forgets a pair": (
        two_pointers,
        "pairs_in_window",
        "while j >= 0 and left[i] + right[j] >= low: ...\n...\nj -= 1",
        "j -= 2",
    ),
    "the wrong bit": (
        half_sums,
        "merge_with_item",
        "np.uint32(flag)",
        "np.uint32(flag + flag * (flag > 2))",
    ),
    "the item is not added": (
        half_sums,
        "merge_with_item",
        "sums[out] = with_sums[j] + item\nmasks[out] = with_masks[j] + digit",
        "sums[out] = with_sums[j]\nmasks[out] = with_masks[j] + digit",
    ),
    "not sorted": (
        half_sums,
        "merge_with_item",
        "without_sums[i] <= with_sums[j] + item",
        "without_sums[i] <= with_sums[j]",
    ),
}


@pytest.mark.thinned
@pytest.mark.parametrize("mistake", KERNEL_MISTAKES)
def test_mistakes_in_the_kernels_are_noticed(monkeypatch, mistake):
    module, *planted = KERNEL_MISTAKES[mistake]
    copy = plain_python(monkeypatch, module.__name__, *planted)
    for name, function in vars(module).items():
        if hasattr(function, "py_func"):
            monkeypatch.setattr(module, name, getattr(copy, name))
    assert first_contradiction("mitm") is not None


ROW_MISTAKES = {
    "invalid items are used": ("row_numbers", "read_row", "if valid[row, column]: ...", "if True: ..."),
    "low limbs are ignored": (
        "row_numbers",
        "_split",
        "high[k], low[k] = whole, fine",
        "high[k], low[k] = whole, 0",
    ),
    "numbers of three limbs are cut": ("row_numbers", "_split", "held & (float(fine) == rest)", "held"),
    "tiny numbers become zero": (
        "row_numbers",
        "_split",
        "held & (float(fine) == rest) & ((value == 0.0) == (values[k] == 0.0))",
        "held & (float(fine) == rest)",
    ),
    "a target's low limb is negative": ("row_numbers", "_split", "low[count - 1] < 0", "False"),
    "images are exact": ("row_numbers", "slack_of", "return count // 2 + 2", "return 0"),
    "images are scaled too much": (
        "row_numbers",
        "",
        "_LARGEST_IMAGE = 2147483584.0",
        "_LARGEST_IMAGE = 2.0**33",
    ),
    "errors are rounded inward": ("row_numbers", "_bounds_as_floats", "mantissa + 1", "mantissa"),
    "bounds are rounded outward": (
        "row_numbers",
        "_bounds_as_floats",
        "down = math.ldexp(float(mantissa), exponent)",
        "down = math.ldexp(float(mantissa + 1), exponent)",
    ),
    "the last dropped bits do not count": (
        "row_numbers",
        "_bounds_as_floats",
        "sticky or (mantissa & ((1 << excess) - 1)) != 0",
        "sticky and (mantissa & ((1 << excess) - 1)) != 0",
    ),
    "an attained tolerance is refused": ("row_numbers", "is_within", "error[1] <= fine", "error[1] < fine"),
    "a tolerance is rounded up": (
        "row_numbers",
        "is_within",
        "int((value - float(whole)) * _LOW_UNIT)",
        "1 + int((value - float(whole)) * _LOW_UNIT)",
    ),
    "masks are written in the wrong places": ("row_numbers", "write_row", "(row, columns[k])", "(row, k)"),
    "'within' claims to be optimal": (
        "row_numbers",
        "write_row",
        "status[row] = FEASIBLE",
        "status[row] = OPTIMAL",
    ),
    "'within' claims a bound": ("row_numbers", "write_row", "lower[row] = 0.0", "pass"),
    "only the nearest of images is ranked": (
        "row_pairs",
        "nearest_pair",
        "least if least <= enough else least + 2 * slack",
        "least if least <= enough else least",
    ),
    "the first reach is believed": (
        "row_pairs",
        "nearest_pair",
        "least <= enough or least + 2 * slack <= reach or limit <= reach",
        "True or least + 2 * slack <= reach or limit <= reach",
    ),
    "any near hit is an exact hit": ("row_pairs", "nearest_pair", "error == (0, 0)", "error[0] == 0"),
    "halves of a mask are mixed up": (
        "row_pairs",
        "nearest_pair",
        "int(right_masks[right_places[j]]) << middle",
        "int(right_masks[right_places[j]]) << (middle + 1)",
    ),
    "rivals are ranked by high limbs alone": (
        "row_pairs",
        "nearest_pair",
        "error < best or (error == best and mask < best_mask)",
        "error[0] < best[0] or (error == best and mask < best_mask)",
    ),
    "'within' stops too early": (
        "batch_rows",
        "nearest_rows",
        "image_of_tolerance(tolerances[row], p, scale) - slack - 1",
        "image_of_tolerance(tolerances[row], p, scale) + slack + 1",
    ),
    "'within' tries the wrong items": (
        "batch_rows",
        "_sum_within",
        "subset_sums(images, middle, min(m, middle + _MORE_ITEMS), 1, 0, right)",
        "subset_sums(images, 0, min(m, middle + _MORE_ITEMS), 1, 0, right)",
    ),
    "'within' takes the other half": (
        "batch_rows",
        "_sum_within",
        "return i | (j << middle)",
        "return j | (i << middle)",
    ),
    "an item of the right half is left out": (
        "batch_rows",
        "nearest_rows",
        "subset_sums(images, middle, m, 1, 0, right)",
        "subset_sums(images, middle, max(middle, m - 1), 1, 0, right)",
    ),
    "the right pointer starts one early": (
        "row_sorting",
        "_nearest_sums",
        "rights - 1",
        "max(0, rights - 2)",
    ),
    "the left half's last sum is dropped": (
        "row_sorting",
        "_nearest_sums",
        "i < lefts and j >= 0",
        "i < max(1, lefts - 1) and j >= 0",
    ),
    "only sums below the target count": (
        "row_sorting",
        "_nearest",
        (
            "below_i, below_j, above_i, above_j = _nearest_sums(left, lefts, right, rights, "
            "target_high)\n"
            "...\n"
            "above < error"
        ),
        "below_i < 0",
    ),
    "sums above win ties of the high limb": (
        "row_sorting",
        "_nearest",
        "above < error",
        "above[0] <= error[0]",
    ),
    "sorting ignores low limbs": ("row_sorting", "_nearest", "error = error_of(mask, limbs)", "pass"),
    "sorted rivals are ranked by high limbs alone": (
        "row_sorting",
        "_best_rival",
        "taken(low, mask, m)",
        "0",
    ),
    "sorted rivals are not ranked": ("row_sorting", "_nearest", "found[0] < 2", "True"),
    "the window is too narrow": (
        "row_sorting",
        "_nearest",
        "window = (target_high - error[0] - 2 - m, target_high + error[0] + 2 + m)",
        "window = (target_high - error[0], target_high + error[0])",
    ),
    "masks have another sum": (
        "row_sorting",
        "_mask_with_sum",
        "total == wanted",
        "abs(total - wanted) < 1 << 20",
    ),
    "the empty subset is not sparse": ("row_sizes", "sparsest_rows", "range(m + 1)", "range(1, m + 1)"),
    "the sparsest has room to spare": (
        "row_sizes",
        "sparsest_rows",
        "for size in range(m + 1): ...\n...\nmask >= 0",
        "size > 1",
    ),
    "all items on the left are no way to split": (
        "row_sizes",
        "_nearest_of_size",
        "min(size, middle) + 1",
        "min(size, middle)",
    ),
    "the last way to split a size wins": (
        "row_sizes",
        "_nearest_of_size",
        "error < best or (error == best and mask < best_mask)",
        "True or (error == best and mask < best_mask)",
    ),
    "the sparsest may miss the tolerance": (
        "row_sizes",
        "sparsest_rows",
        "mask >= 0 and is_within(error, tolerances[row], p)",
        "mask >= 0",
    ),
    "attained tolerances are cut off": (
        "row_sizes",
        "sparsest_rows",
        "image_of_tolerance(tolerances[row], p, scale) + slack + 1",
        "image_of_tolerance(tolerances[row], p, scale) - slack",
    ),
    "groups by size are mixed up": (
        "row_sizes",
        "sparsest_rows",
        (
            "lefts = subset_sums(images, 0, middle, -1, images[m], sums)\n"
            "...\n"
            "for i in range(lefts):\n"
            "    left[0][i] = sums[left[1][i]]"
        ),
        "for i in range(lefts):\n    left[0][i] = sums[i]",
    ),
    "the sparsest claim a bound": ("row_sizes", "sparsest_rows", "lower[row] = 0.0", "pass"),
}


@pytest.mark.slow
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
    "sums are added up wrongly": (
        "subset_sums",
        "sums[size + k] = sums[k] + item",
        "sums[size + k] = sums[0] + item",
    ),
    "a sign is lost": (
        "subset_sums",
        "item = sign * items[index]",
        "item = items[index] * (-1 if index else 1)",
    ),
    "cells are too narrow": ("filtered", "(1 << shift) <= 2 * reach", "(1 << shift) <= reach // 2"),
    "cells are marked above only": ("_mark_all", "int(numbers[i]) - reach", "int(numbers[i])"),
    "only one cell is marked": ("_mark_all", "table[place + np.uint32(1)] = 1", "pass"),
    "cells do not wrap around": ("_mark_all", "table[0] |= table[size]", "pass"),
    "later cells are marked above only": (
        "_mark",
        "cell = (int(numbers[some[i]]) - reach) >> shift",
        "cell = int(numbers[some[i]]) >> shift",
    ),
    "later only one cell is marked": ("_mark", "(cell + 1) * scatter", "cell * scatter"),
    "cells are looked up elsewhere": (
        "_look_up",
        "for i in range(count): ...\n...\ncell = int(numbers[place]) >> shift",
        "cell = int(numbers[i]) >> shift",
    ),
    "hits are overwritten": ("_look_up", "hits[found] = place", "hits[max(0, found - 1)] = place"),
    "first hits are overwritten": ("_look_all_up", "hits[found] = i", "hits[max(0, found - 1)] = i"),
    "hits of the look back are overwritten": ("_look_back", "hits[found] = i", "hits[max(0, found - 1)] = i"),
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
    "mitm: rivals are not ranked": (MITM, "_Search._scan", "self._rivals(left, right, units)", "()"),
    "mitm: the window is too narrow": (
        MITM,
        "_Search._rivals",
        "low, high = self.grid.window(units)",
        "low, high = 0, 0",
    ),
    "mitm: groups are given up too soon": (
        MITM,
        "_Search._may_beat",
        "return units - slack <= best",
        "return units + 2 <= best",
    ),
    "mitm: stops on the coarse grid": (MITM, "_Search._nearest_on_grid", "not self.grid.shift", "True"),
    "mitm: cardinalities are not heeded": (
        MITM,
        "_Search._group_pairs",
        "low <= a + b <= high",
        "low <= a + b + 1 <= high",
    ),
    "mitm: a size is skipped": (MITM, "_Search.sparsest", "range(low, high + 1)", "range(low + 1, high + 1)"),
    "mitm: tolerances are not heeded": (
        MITM,
        "_Search.sparsest",
        "units <= tolerance",
        "units <= 2 * tolerance + 1",
    ),
    "mitm: 'within' claims too little": (
        MITM,
        "_Search.nearest",
        "stopped_early = stop is not None and 0 < units <= stop",
        "stopped_early = True",
    ),
    "cp-sat: rivals are not ranked": (
        CP_SAT,
        "_Search.nearest",
        "[answer.subset, *rivals]",
        "[answer.subset]",
    ),
    "cp-sat: the window is too narrow": (
        CP_SAT,
        "_Search._window",
        "low, high = self.grid.window(units)",
        "low, high = -(units >> self.grid.shift), units >> self.grid.shift",
    ),
    "cp-sat: a bound short of the error is taken for it": (
        CP_SAT,
        "_Search._confirmed",
        "bound = min(self._exact_bound(answer.bound), units)",
        "bound = units",
    ),
    "cp-sat: cardinalities are not heeded": (
        CP_SAT,
        "_Search._model",
        "model.add_linear_constraint(sum(chosen), low, high)",
        "model.add_linear_constraint(sum(chosen), low, high + 1)",
    ),
    "cp-sat: INFEASIBLE claims too much": (CP_SAT, "_Search.within", "tolerance + 1", "tolerance + 10**40"),
}


@pytest.mark.thinned
@pytest.mark.parametrize("mistake", METHOD_MISTAKES)
def test_mistakes_in_the_methods_are_noticed(monkeypatch, mistake):
    name, *planted = METHOD_MISTAKES[mistake]
    copy = plain_python(monkeypatch, name, *planted)
    backend = copy.MeetInTheMiddle() if name == MITM else copy.CpSat()
    monkeypatch.setitem(registry.BACKENDS, backend.name, backend)
    assert first_contradiction(backend.name) is not None
