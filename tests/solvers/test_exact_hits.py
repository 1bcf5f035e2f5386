"""Exact hits: every one, each once, and nothing else, in any dimension and of any magnitude."""

from itertools import combinations, islice
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases
from support.planting import plain_python

from solvers import SubsetSum
from solvers.backend.mitm import exact_hits as method
from solvers.backend.mitm.exact_hits import exact_hits, exact_hits_refusal
from solvers.backend.protocol import Limits
from solvers.kernels import modular_join

ONE = Limits(threads=1)
# Windows, chunks and buffers so small that a few items need many of each, and buffers overflow.
TINY = {
    "_PAIRS_PER_WINDOW": 3,
    "_CANDIDATES_PER_WINDOW": 2,
    "_LEAST_PAIRS_PER_CHUNK": 7,
    "_MOST_PAIRS_PER_CHUNK": 7,
}


def find_exact_hit(problem, limits):
    """Return the first hit, if any, and whether the search went as far as that."""
    try:
        return next(exact_hits(problem, limits), None), True
    except TimeoutError:
        return None, False


def true_hits(problem):
    """List all hits by trying every subset."""
    image, (low, high) = problem.image, problem.sizes
    sums = [((), (0,) * problem.d)]
    for i, item in enumerate(image.items):
        sums += [((*s, i), tuple(map(sum, zip(total, item, strict=True)))) for s, total in sums]
    return sorted(list(s) for s, total in sums if total == image.target and low <= len(s) <= high)


def shrink(monkeypatch):
    for name, value in TINY.items():
        monkeypatch.setattr(method, name, value)


def disagreement(problem, limits=ONE):
    """Say how the hits of a problem differ from the truth; None when they do not."""
    truth = true_hits(problem)
    found = list(exact_hits(problem, limits))
    if sorted(found) != truth:
        return f"{sorted(found)} instead of {truth}"
    first, complete = find_exact_hit(problem, limits)
    if first != (found[0] if found else None) or not complete:
        return f"the first of {found} is given as {first}, complete: {complete}"
    return None


# -- against all subsets -----------------------------------------------------------------------------


@settings(max_examples=250, deadline=None)
@given(cases(max_items=9, dimensions=(1, 2, 3)), st.booleans())
def test_hits_are_those_of_brute_force(case, tiny):
    with pytest.MonkeyPatch.context() as patch:
        if tiny:
            shrink(patch)
        assert disagreement(case.problem) is None


def structured_problems():
    """Instances whose sums coincide, also modulo 2^64 and modulo the prime of the hash."""
    rng = np.random.default_rng(3)
    prime = method._PRIME
    for n in (1, 2, 3, 5, 8, 11):
        small = rng.integers(-3, 4, (n, 2)).tolist()
        for factor in (0, 2**64, prime):
            tails = rng.integers(-2, 3, (n, 2)).tolist()
            items = [
                tuple(x + factor * k for x, k in zip(a, b, strict=True))
                for a, b in zip(small, tails, strict=True)
            ]
            taken = [item for item in items if rng.random() < 0.5]
            hit = tuple(sum(item[k] for item in taken) for k in range(2))
            for target in (hit, (hit[0] + factor, hit[1] - factor), (hit[0], hit[1] + 1)):
                for cardinality in (None, len(taken), (len(taken) // 2, (n + len(taken)) // 2), (1, n)):
                    yield SubsetSum(items, target, cardinality=cardinality)
    for n in (4, 8, 10):
        for items in (rng.integers(1, 7, n).tolist(), [5 + prime * k for k in range(n)]):
            target = sum(items[::2])
            for cardinality in (None, n // 2, (1, n // 2), (n // 2, n)):
                yield SubsetSum(items, target, cardinality=cardinality)


PROBLEMS = list(structured_problems())


@pytest.mark.parametrize("tiny", [False, True])
def test_hits_where_many_sums_coincide(monkeypatch, tiny):
    if tiny:
        shrink(monkeypatch)
    assert [what for what in map(disagreement, PROBLEMS) if what is not None] == []


def market_split(m, n, seed, *, planted):
    """Cornuejols & Dawande's instances: uniform in [0, 99], a target of half the sum or of a known subset."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 100, (n, m))
    target = items[rng.random(n) < 0.5].sum(axis=0) if planted else items.sum(axis=0) // 2
    return SubsetSum(items.tolist(), tuple(target.tolist()))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("planted", [False, True])
def test_market_split_of_20_items_has_the_hits_that_all_2_to_the_20_sums_have(seed, planted):
    problem = market_split(3, 20, seed, planted=planted)
    sums = np.zeros((1, 3), np.int64)
    for item in problem.image.items:
        sums = np.concatenate([sums, sums + np.array(item)])
    masks = np.flatnonzero((sums == problem.image.target).all(axis=1)).tolist()
    truth = sorted([i for i in range(20) if mask >> i & 1] for mask in masks)
    assert sorted(exact_hits(problem, ONE)) == truth
    assert len(truth) >= planted


@pytest.mark.parametrize(("m", "n"), [(4, 30), (5, 40)])
def test_planted_hits_are_found(m, n):
    problem = market_split(m, n, 1, planted=True)
    subset, complete = find_exact_hit(problem, Limits(threads=2))
    assert complete
    assert problem.image.error(subset) == 0


def without_a_hit(m, n, seed):
    """Rows 0 and 1 agree modulo 2 in every item, but not in the target: a reason no bound sees."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 100, (n, m))
    items[:, 1] += (items[:, 0] + items[:, 1]) % 2
    target = items.sum(axis=0) // 2
    target[1] += (target[0] + target[1] + 1) % 2
    return SubsetSum(items.tolist(), tuple(target.tolist()))


@pytest.mark.parametrize(("m", "n"), [(3, 20), (5, 38)])
def test_nothing_is_found_where_parity_forbids_it(m, n):
    assert find_exact_hit(without_a_hit(m, n, 2), ONE) == (None, True)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_market_split_of_50_items(threads):
    problem = market_split(6, 50, 5, planted=True)
    subset, _ = find_exact_hit(problem, Limits(threads=threads))
    assert problem.image.error(subset) == 0
    assert find_exact_hit(without_a_hit(6, 50, 6), Limits(threads=threads)) == (None, True)


# -- many hits, threads, limits ----------------------------------------------------------------------


def test_hits_are_streamed():
    problem = SubsetSum([[0, 0]] * 60 + [[1, 2]], (1, 2))
    assert all(problem.image.error(s) == 0 for s in islice(exact_hits(problem, ONE), 1000))
    dense = SubsetSum(list(range(1, 45)), 400)
    some = [tuple(s) for s in islice(exact_hits(dense, ONE), 3000)]
    assert len(set(some)) == 3000
    assert all(dense.image.error(s) == 0 for s in some)


@pytest.mark.parametrize("cardinality", [7, (6, 7), (0, 3)])
def test_duplicates_are_counted_by_binomials(cardinality):
    hits = list(exact_hits(SubsetSum([[5, 1]] * 14, (35, 7), cardinality=cardinality), ONE))
    expected = comb(14, 7) if cardinality != (0, 3) else 0
    assert len(hits) == len(set(map(tuple, hits))) == expected


def test_a_cardinality_that_few_of_very_many_hits_have():
    problem = SubsetSum(list(range(1, 37)), 24, cardinality=(6, 9))
    truth = [[x - 1 for x in c] for c in combinations(range(1, 10), 6) if sum(c) == 24]  # 1 + .. + 6 = 21
    assert sorted(exact_hits(problem, ONE)) == sorted(truth)


def test_threads_change_nothing(monkeypatch):
    shrink(monkeypatch)
    problem = market_split(1, 12, 4, planted=True)
    alone = list(exact_hits(problem, ONE))
    assert len(alone) > 1
    for threads in (2, 5):
        assert list(exact_hits(problem, Limits(threads=threads))) == alone
        assert find_exact_hit(problem, Limits(threads=threads)) == (alone[0], True)


@pytest.mark.parametrize("threads", [1, 3])
def test_time_that_is_up_proves_nothing(threads):
    limits = Limits(seconds=0.0, threads=threads)
    problem = without_a_hit(3, 30, 1)
    assert find_exact_hit(problem, limits) == (None, False)
    with pytest.raises(TimeoutError):
        list(exact_hits(problem, limits))


def test_refusals_name_the_reason():
    assert "64 items" in exact_hits_refusal(SubsetSum([1] * 65, 3), ONE)
    assert "bytes" in exact_hits_refusal(SubsetSum([1] * 50, 3), Limits(memory=10**6))
    assert exact_hits_refusal(SubsetSum([1] * 64, 3), ONE) is None


# -- planted mistakes --------------------------------------------------------------------------------

KERNEL, METHOD = "solvers.kernels.modular_join", "solvers.backend.mitm.exact_hits"
MISTAKES = {
    "the last window is skipped": (
        KERNEL,
        "join_windows",
        "low, span = first, width\n...\nlow < last",
        "low + span < last",
    ),
    "a window that overflows is left out": (KERNEL, "join_windows", "lefts < 0 or rights < 0", "False"),
    "a run starts late": (KERNEL, "run_starts", "starts[i] = j", "starts[i] = j + 1"),
    "a run is not marked to its end": (KERNEL, "_mark_pairs", "inner[j] < bound", "inner[j + 1] < bound"),
    "a run is not read to its end": (KERNEL, "_pairs_on_marks", "inner[j] < bound", "inner[j + 1] < bound"),
    "the next window's runs start late": (
        KERNEL,
        "_pairs_on_marks",
        "for i in range(outer.size): ...\n...\nends[i] = j",
        "ends[i] = j + 1",
    ),
    "a tie on the left is dropped": (
        KERNEL,
        "_keep_equal_keys",
        "if left_keys[a] == right_keys[b]: ...\n...\n_keep_run(left, a, end_a, kept_left)",
        "_keep_run(left, a, a + 1, kept_left)",
    ),
    "a tie on the right is dropped": (
        KERNEL,
        "_keep_equal_keys",
        "if left_keys[a] == right_keys[b]: ...\n...\n_keep_run(right, b, end_b, kept_right)",
        "_keep_run(right, b, b + 1, kept_right)",
    ),
    "the largest allowed size is left out": (
        KERNEL,
        "_some_size_allowed",
        "min(62, most - size) + 1",
        "min(62, most - size)",
    ),
    "the smallest allowed size is left out": (
        KERNEL,
        "_some_size_allowed",
        "max(0, fewest - size)",
        "max(0, fewest - size + 1)",
    ),
    "marks go elsewhere": (KERNEL, "_mark_keys", "keys[k] & cell_mask", "keys[k] >> 1 & cell_mask"),
    "hits are not confirmed": (
        METHOD,
        "_Search.confirmed",
        "by_total.get(needed, {}).items()",
        "[x for sizes in by_total.values() for x in sizes.items()]",
    ),
    "equal residues pass for equal sums": (
        METHOD,
        "_quarter",
        "by_total[quarter.total(mask)].append",
        "by_total[()].append",
    ),
    "one subset of each sum": (
        METHOD,
        "_quarter",
        "quarter.members += by_total.values()",
        "quarter.members += [m[:1] for m in by_total.values()]",
    ),
    "sizes are not checked": (
        METHOD,
        "_Search.confirmed",
        "self.fewest <= other + size <= self.most",
        "True",
    ),
    "an exact size is off by one": (
        METHOD,
        "_Search.__init__",
        "(fewest,) if counted else ()",
        "(fewest + 1,) if counted else ()",
    ),
    "the last chunk is skipped": (
        METHOD,
        "_Search.joined",
        "range(0, _PRIME, stride)",
        "range(0, _PRIME - stride, stride)",
    ),
    "a chunk is left after its first find": (METHOD, "_Search.joined", "found[0] == last", "True"),
}


FEW_CELLS = {"CELL_BITS": 7}


def first_disagreement(monkeypatch, name="", *mistake):
    """Return what brute force objects to with one mistake planted; None when nothing."""
    kernel = plain_python(monkeypatch, KERNEL, *(mistake if name == KERNEL else ()), constants=FEW_CELLS)
    copy = plain_python(monkeypatch, METHOD, *(mistake if name == METHOD else ()))
    monkeypatch.setattr(modular_join, "join_windows", kernel.join_windows)
    monkeypatch.setitem(globals(), "exact_hits", copy.exact_hits)
    for tiny in (False, True):
        for constant, value in TINY.items() if tiny else ():
            setattr(copy, constant, value)
        for problem in PROBLEMS[::-1] if tiny else PROBLEMS:
            try:
                what = disagreement(problem)
            except IndexError as error:
                what = f"noticed even without brute force: {error}"
            if what is not None:
                return what
    return None


def test_without_a_mistake_the_copies_are_right(monkeypatch):
    assert first_disagreement(monkeypatch) is None


@pytest.mark.thinned
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_noticed(monkeypatch, mistake):
    assert first_disagreement(monkeypatch, *MISTAKES[mistake]) is not None
