"""Equal items are one item with a multiplicity: problems of few values are proven, and counted."""

import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from solvers import (
    CertificateError,
    InvalidProblemError,
    Proof,
    Solution,
    Status,
    SubsetSum,
    UnsupportedProblemError,
    count,
    solutions,
    solve,
)
from solvers.backend import copies
from solvers.backend.copies import Copies, _by_value, copies_of
from solvers.backend.mip import floating_mip, floating_model
from solvers.backend.mitm import distinct_sums, vector_halves
from solvers.backend.protocol import Limits
from solvers.backend.registry import BACKENDS
from solvers.instances.files import read_instance, write_instance
from solvers.instances.instance import Instance

MERGING = ["mitm", "mitm-nd", "distinct-sums", "few-items", "schroeppel-shamir"]


def multisets(items, target, uses, sizes):
    """Return {counts: (size, error)} of all allowed multisets, by brute force."""
    rows = [item if isinstance(item, tuple) else (item,) for item in items]
    goal = target if isinstance(target, tuple) else (target,)
    found = {}
    for counts in itertools.product(*(range(m + 1) for m in uses)):
        size = sum(counts)
        if sizes is None or sizes[0] <= size <= sizes[1]:
            sums = (
                sum(c * Fraction(row[k]) for c, row in zip(counts, rows, strict=True))
                for k in range(len(goal))
            )
            found[counts] = size, max(abs(s - Fraction(t)) for s, t in zip(sums, goal, strict=True))
    return found


NUMBERS = [
    st.integers(-3, 3),
    st.sampled_from([0.1, -0.1, 0.30000000000000004, 0.2, 0.0]),
    st.sampled_from([2**70, 2**70 + 1, -(2**70), 3, -3, 0]),
    st.sampled_from([1e30, -1e30, 1e-30, 0.5, 0.0, 3.0]),
]


@st.composite
def repeated(draw):
    """Draw (items, target, uses or None, sizes or None, tolerance) with few values, opposites and zeros."""
    d = draw(st.integers(1, 3))
    number = draw(st.sampled_from(NUMBERS))
    item = number if d == 1 else st.tuples(*[number] * d)
    values = draw(st.lists(item, min_size=1, max_size=3))
    with_uses = draw(st.booleans())
    items = draw(st.lists(st.sampled_from(values), min_size=1, max_size=4 if with_uses else 7))
    signs = draw(st.lists(st.sampled_from([1, 1, -1]), min_size=len(items), max_size=len(items)))
    items = [sign * x if d == 1 else tuple(sign * c for c in x) for x, sign in zip(items, signs, strict=True)]
    uses = draw(st.lists(st.integers(0, 3), min_size=len(items), max_size=len(items))) if with_uses else None
    if uses is not None and not sum(uses):
        uses[0] = 2
    total = sum(uses) if uses else len(items)
    chosen = [draw(st.integers(0, m)) for m in uses or [1] * len(items)]
    off = draw(st.sampled_from([0, 0, Fraction(1, 3), Fraction(1, 10**40), 7]))
    target = tuple(
        sum((c * Fraction(x if d == 1 else x[k]) for c, x in zip(chosen, items, strict=True)), Fraction(off))
        for k in range(d)
    )
    sizes = draw(st.one_of(st.none(), st.tuples(st.integers(0, total), st.integers(0, total)).map(sorted)))
    tolerance = draw(st.sampled_from([0, Fraction(1, 2), Fraction(1, 10**39), 5, 10**31]))
    return items, target[0] if d == 1 else target, uses, sizes and tuple(sizes), tolerance


def complaint(case, backend):
    """Say how a backend's answers disagree with brute force, None when they don't."""
    items, target, uses, sizes, tolerance = case
    problem = SubsetSum(items, target, tolerance=tolerance, cardinality=sizes, multiplicity=uses)
    truth = multisets(items, target, uses or [1] * len(items), sizes)
    accepted = sorted(outcome for outcome in truth.values() if outcome[1] <= tolerance)
    for objective in ("nearest", "within", "sparsest"):
        try:
            answer = solve(problem, objective=objective, backend=backend, threads=1)
        except UnsupportedProblemError:
            continue
        if answer.proof is not Proof.EXACT:
            return f"{objective}: nothing proven: {answer}"
        if (answer.status is Status.INFEASIBLE) != (not accepted):
            return f"{objective}: {answer.status}, of {len(accepted)} acceptable"
        if objective == "nearest" and accepted and answer.error != min(e for _, e in truth.values()):
            return f"nearest: {answer.error}"
        if objective == "sparsest" and accepted and (answer.size, answer.error) != accepted[0]:
            return f"sparsest: {answer.size}, {answer.error} instead of {accepted[0]}"
    try:
        number = count(problem, backend=backend)
    except UnsupportedProblemError:
        return None
    if number != len(accepted):
        return f"counted {number} instead of {len(accepted)}"
    listed = [tuple(answer.counts.tolist()) for answer in solutions(problem, backend=backend)]
    return None if sorted(listed) == sorted(k for k, v in truth.items() if v[1] <= tolerance) else f"{listed}"


@pytest.mark.thinned
@pytest.mark.parametrize("backend", MERGING)
def test_answers_and_counts_are_those_of_brute_force(backend):
    @settings(max_examples=60, deadline=None)
    @given(repeated())
    def check(case):
        assert complaint(case, backend) is None

    check()


@pytest.mark.slow
@pytest.mark.parametrize("backend", [*MERGING, "auto", "cp-sat", "dp"])
def test_many_answers_and_counts_are_those_of_brute_force(backend):
    @settings(max_examples=150 if backend in MERGING else 60, deadline=None)
    @given(repeated())
    def check(case):
        assert complaint(case, backend) is None

    check()


@pytest.mark.parametrize(("values", "times"), [(6, 20), (4, 30), (2, 40)])
def test_many_copies_of_few_values_are_proven(values, times):
    rng = np.random.default_rng(values)
    items = np.repeat(rng.uniform(-1, 1, values), times).tolist()
    answer = solve(SubsetSum(items, 1.2345), time_limit=20)
    assert (answer.status, answer.proof) == (Status.OPTIMAL, Proof.EXACT)
    for backend in ("mitm-nd", "schroeppel-shamir"):
        once = solve(SubsetSum(items[::times], 1.2345, multiplicity=times), backend=backend)
        assert once.error == answer.error
    answer.check(SubsetSum(items, 1.2345))


def test_opposites_and_zeros_need_no_choices_of_their_own():
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 1, 5)
    items = [*values.tolist(), *(-values).tolist()] * 8 + [0.0] * 100
    problem = SubsetSum(items, 0.1234)
    assert copies_of(problem, sized=False).bits == pytest.approx(5 * math.log2(17))
    assert copies_of(problem, sized=True).bits > 30
    assert solve(problem, time_limit=20).status is Status.OPTIMAL


def test_equal_vectors_have_few_sums():
    ones = SubsetSum([[1, 1, 1]] * 100, [50, 50, 51], tolerance=1)
    answer = solve(ones, time_limit=20)
    assert (answer.status, answer.error) == (Status.OPTIMAL, 1)
    assert count(ones) == math.comb(100, 50) + math.comb(100, 51)
    assert count(ones, backend="mitm-nd") == math.comb(101, 51)


def test_subsets_are_counted_as_sets_of_indices_however_many():
    items = [0.1] * 150 + [0.7] * 150
    problem = SubsetSum(items, Fraction(0.1) * 60 + Fraction(0.7) * 2, tolerance=0, cardinality=62)
    ways = math.comb(150, 60) * math.comb(150, 2)
    assert count(problem) == count(problem, backend="mitm") == ways
    free = SubsetSum([*items, 0.0, 0.0], problem.target, tolerance=0)
    assert count(free, backend="distinct-sums") == count(free, backend="mitm") == 4 * ways
    few = list(solutions(free, limit=3))
    assert len({tuple(answer.subset) for answer in few}) == 3


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("n", [100, 300])
def test_levels_times_a_scale_are_proven(n, rounded):
    rng = np.random.default_rng(n)
    levels = rng.integers(-15, 16, n)
    items = levels * (0.01 if rounded else 0.0137)
    answer = solve(SubsetSum(items, Fraction(1, 3) if rounded else 0.1234567), time_limit=30)
    assert (answer.status, answer.proof, answer.gap) == (Status.OPTIMAL, Proof.EXACT, 0)


def test_where_all_sums_differ_they_are_not_compared():
    backend = BACKENDS["distinct-sums"]
    uniform = SubsetSum(np.random.default_rng(0).uniform(-1, 1, 200), 0.5)
    assert backend.seconds_to_proof(uniform, "nearest") is None
    assert "different sums" in backend.refusal(uniform, "nearest", Limits())


# -- multiplicity= -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_item_may_be_used_several_times():
    change = SubsetSum([1, 5, 10, 25], 99, tolerance=0, multiplicity=99)
    answer = solve(change, objective="sparsest")
    assert answer.counts.tolist() == [4, 0, 2, 3]
    assert answer.subset.tolist() == [0] * 4 + [2] * 2 + [3] * 3
    assert (answer.size, answer.mask.tolist()) == (9, [True, False, True, True])
    assert count(change) == 213, "ways to change 99 cents"
    assert repr(change) == "SubsetSum(n=4, d=1, tolerance=0, copies=396)"
    again = Solution.from_json(answer.to_json())
    again.check(change)
    with pytest.raises(CertificateError):
        again.check(SubsetSum([1, 5, 10, 25], 99, tolerance=0, multiplicity=[3, 99, 99, 99]))


def test_once_each_is_no_multiplicity():
    assert SubsetSum([1, 2], 3, multiplicity=1).multiplicity is None
    assert SubsetSum([1, 2], 3, multiplicity=[1, 1]).multiplicity is None
    zero = SubsetSum([5, 2], 7, multiplicity=[0, 1])
    assert solve(zero).subset.tolist() == [1]


def test_multiplicities_survive_pickling_and_files(tmp_path):
    problem = SubsetSum([3, 5], 21, cardinality=(2, 6), multiplicity=np.array([4, 7]))
    write_instance(Instance(problem, "change", ""), tmp_path / "change.json")
    for again in (pickle.loads(pickle.dumps(problem)), read_instance(tmp_path / "change.json").problem):  # noqa: S301
        assert again.multiplicity.tolist() == [4, 7]
        assert not again.multiplicity.flags.writeable
        assert again.sizes == (2, 6)
        assert solve(again).error == 0


@pytest.mark.parametrize("wrong", [-1, 0, [1], [1, 2, 3], 1.5, "2", [1, -1], [0, 0], 10**8, True])
def test_senseless_multiplicities_are_refused(wrong):
    with pytest.raises(InvalidProblemError, match="multiplicit"):
        SubsetSum([1, 2], 3, multiplicity=wrong)


def test_a_cardinality_counts_every_use():
    with pytest.raises(InvalidProblemError, match="cardinality"):
        SubsetSum([1, 2], 3, cardinality=6, multiplicity=2)
    answer = solve(SubsetSum([3, 10], 13, cardinality=4, multiplicity=4))
    assert (answer.counts.tolist(), answer.error) == ([4, 0], 1)


# -- planted mistakes --------------------------------------------------------------------------------

CASES = [
    ([0.1, -0.1, 0.1, 0.0], Fraction(0.1), None, None, 0),
    ([(1, 2), (-1, -2), (1, 2), (3, 1), (3, 1)], (1, 2), None, (1, 3), 2),
    ([3, -3, 3, 5, 5, 0], 8, None, (2, 4), 1),
    ([3, -3, 5], 6, [3, 2, 2], None, 1),
    ([(1, 2), (2, 1)], (5, 4), [3, 3], None, 2),
    ([2**70, 2**70 + 1, 2**70, -(2**70)], 2**71, None, None, 1),
    ([-4, -4, 6, 6, 6, 9], 7, None, None, 3),
]


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (_by_value, "t + len(members[opposite]) * x", "t"),
        (
            _by_value,
            "members.pop((0,) * problem.d, ())",
            "()[:len(members.pop((0,) * problem.d, ()))]",
        ),
        (Copies._ways, "math.comb(len(members), count)", "1"),
        (Copies.subset, "self.members[k][:count]", "self.members[k][:count - 1]"),
        (Copies._choices, "combinations(members, count)", "[members[:count]]"),
        (distinct_sums._Half.all_counts, "many - count if k in self.left_out else count", "count"),
        (distinct_sums._with_copies, "(many - 1) // 2", "many // 2 - 1"),
        (vector_halves.Halves.counts, "divmod(left, self.most[k] + 1)", "divmod(left, self.most[k] + 2)"),
    ],
)
def test_mistakes_are_noticed(monkeypatch, function, old, new):
    def complaints():
        distinct_sums._expected_sums.cache_clear()
        return [what for case in CASES for backend in MERGING if (what := complaint(case, backend))]

    assert complaints() == []
    plant(monkeypatch, function, old, new)
    try:
        noticed = complaints()
    except Exception as error:  # noqa: BLE001 - however it comes to light
        noticed = [error]
    assert noticed
    assert copies is not None


@pytest.mark.parametrize("backend", ["highs", "pulp"])
def test_floating_solvers_choose_how_many_of_equal_items(backend):
    rng = np.random.default_rng(3)
    values = rng.uniform(-1, 1, (4, 2))
    counts = [17, 3, 25, 11]
    problem = SubsetSum(np.repeat(values, 30, axis=0), counts @ values, tolerance=1e-6)
    for objective in ("nearest", "within", "sparsest"):
        answer = solve(problem, objective=objective, backend=backend, time_limit=30)
        assert answer.status in (Status.OPTIMAL, Status.FEASIBLE), objective  # 120 binaries take hours
        assert np.array_equal(answer.mask.reshape(4, 30).sum(axis=1), counts), objective
    assert copies_of(problem, sized=True).most == (30,) * 4


@pytest.mark.parametrize("backend", ["highs", "pulp"])
def test_subsets_that_only_seem_to_meet_the_tolerance_are_excluded_one_by_one(backend, monkeypatch):
    written = []

    def noted(*given):
        written.append(given[-1])
        return floating_model.model_of(*given)

    monkeypatch.setattr(floating_mip, "model_of", noted)
    items = (1 + np.array([1, 1, 3, 5, 11, 21, 43, 85]) * 2.0**-44).tolist()
    problem = SubsetSum(items, sum(items[i] for i in (0, 3, 5, 6)), tolerance=0)
    answer = solve(problem, objective="within", backend=backend)
    if answer.error == 0:
        assert answer.size == 4
    assert len(written) > 1
    assert all(len(subset) == 4 for subset in written[-1])
    assert len({tuple(subset) for subset in written[-1]}) == len(written[-1])
