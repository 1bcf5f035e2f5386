"""The generators follow their published recipes, and the same arguments give the same instance."""

import inspect
from fractions import Fraction

import numpy as np
import pytest

from solvers import InvalidProblemError, Proof, Status, solve
from solvers.instances import families as hard_families
from solvers.instances.files import read_instance, write_instance

RANDOM = [
    "pthree", "psix", "evenodd", "evenodd6", "evenodd8", "tenfive6", "tenfive8", "uniform", "products",
    "ties", "zeros", "huge", "tiny", "mixed_magnitudes", "out_of_reach", "off_the_grid",
]  # fmt: skip
FIXED = ["avis", "todd"]


def family(name):
    return getattr(hard_families, name)


def items_of(instance):
    return instance.problem.items.tolist()


def test_every_public_function_is_tested():
    public = {
        n
        for n, f in inspect.getmembers(hard_families, inspect.isfunction)
        if f.__module__.endswith("families")
    }
    assert {n for n in public if n[0] != "_"} == {
        *RANDOM,
        *FIXED,
        "uniform_integers",
        "nsn_vectors",
        "too_tight",
    }


@pytest.mark.parametrize("name", RANDOM)
def test_same_seed_same_instance_other_seed_another(name):
    make = family(name)
    assert items_of(make(20, 3)) == items_of(make(20, 3))
    assert items_of(make(20, 3)) != items_of(make(20, 4))
    assert items_of(make(20, 3)) != items_of(make(21, 3))[:20]
    assert make(20).problem.n == 20
    assert make(20).name == f"{name.replace('_', '-')}-20"


@pytest.mark.parametrize("name", [*RANDOM, *FIXED])
@pytest.mark.parametrize("n", [0, -3])
def test_sizes_are_checked(name, n):
    with pytest.raises(InvalidProblemError, match=str(n)):
        family(name)(n)


@pytest.mark.parametrize("name", [*RANDOM, *FIXED])
@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_any_size_can_be_stored_and_solved(tmp_path, name, n):
    instance = family(name)(n)
    write_instance(instance, tmp_path / "x.json")
    assert read_instance(tmp_path / "x.json").problem.image == instance.problem.image
    assert solve(instance.problem).proof is Proof.EXACT


@pytest.mark.parametrize("seed", [-1])
def test_negative_seeds_are_refused(seed):
    with pytest.raises(InvalidProblemError, match="seed"):
        hard_families.pthree(5, seed)


@pytest.mark.parametrize(
    ("name", "step", "largest", "target"),
    [
        ("pthree", 1, 10**3, 7750),
        ("psix", 1, 10**6, 7_750_000),
        ("evenodd", 2, 10**3, 7751),
        ("evenodd6", 2, 10**6, 258_333),
    ],
)
def test_items_and_fixed_capacities_of_the_recipes(name, step, largest, target):
    instance = family(name)(31)
    assert all(0 < x <= largest and x % step == 0 for x in items_of(instance))
    assert instance.problem.target == target
    assert max(items_of(instance)) > largest / 2


@pytest.mark.parametrize(
    ("n", "published"), [(100, 833333), (3000, 25000001), (8000, 66666667), (20000, 166666667)]
)
def test_capacity_of_evenodd6_is_that_of_the_published_instances(n, published):
    assert hard_families.evenodd6(n).problem.target == published


@pytest.mark.parametrize(
    ("name", "step", "largest", "share", "rest"),
    [("evenodd8", 2, 10**8, 2, 1), ("tenfive6", 10, 10**6, 60, 5), ("tenfive8", 10, 10**8, 2, 5)],
)
def test_items_and_capacities_that_follow_the_sum(name, step, largest, share, rest):
    instance = family(name)(31)
    assert all(0 < x <= largest and x % step == 0 for x in items_of(instance))
    assert instance.problem.target % step == rest
    assert abs(instance.problem.target - Fraction(sum(items_of(instance)), share)) <= step


def test_todd_and_avis_by_hand():
    assert items_of(hard_families.todd(3)) == [37, 41, 49]
    assert hard_families.todd(3).problem.target == 63
    assert items_of(hard_families.avis(5)) == [31, 32, 33, 34, 35]
    assert hard_families.avis(5).problem.target == 30 * 2 + 10


@pytest.mark.parametrize("n", [5, 8, 13, 20])
def test_avis_answer_by_hand(n):
    """The nearest sum is that of the k largest or the k + 1 smallest items, k = floor((n - 1) / 2)."""
    instance = hard_families.avis(n)
    items, target, k = items_of(instance), instance.problem.target, (n - 1) // 2
    below, above = sum(items[n - k :]), sum(items[: k + 1])
    assert below < target < above
    assert solve(instance.problem).error == min(target - below, above - target)


@pytest.mark.parametrize(("name", "error"), [("evenodd", 1), ("evenodd8", 1), ("tenfive8", 5)])
def test_common_divisor_forbids_a_hit(name, error):
    assert solve(family(name)(24).problem).error >= error


def test_uniform_integers_hide_a_solution():
    instance = hard_families.uniform_integers(24, 70)
    assert all(1 <= x <= 2**70 for x in items_of(instance))
    assert max(items_of(instance)) > 2**68
    assert solve(instance.problem).error == 0


def test_products_are_exact():
    items = items_of(hard_families.products(30))
    assert all(isinstance(x, Fraction) and abs(x) <= 1 for x in items)
    assert max(x.denominator.bit_length() for x in items) > 100


def test_nsn_rows_share_their_scale():
    rows = np.array(items_of(hard_families.nsn_vectors(4000, 3)))
    assert rows.shape == (4000, 3)
    assert abs(rows.var() - 1) < 0.2  # E[Z^2 Z_i^2] = 1
    squares = rows**2
    assert (
        np.mean(squares[:, 0] * squares[:, 1]) > 2
    )  # E[Z^4] = 3, where independent coordinates would give 1
    assert hard_families.nsn_vectors(9, 2, cardinality=4).problem.cardinality == (4, 4)


def test_edge_cases_are_what_they_say():
    assert len(set(items_of(hard_families.ties(50)))) == 4
    assert items_of(hard_families.zeros(10)).count(0.0) == 5
    assert max(map(abs, items_of(hard_families.huge(24)))) > 1e307
    assert 0 < max(map(abs, items_of(hard_families.tiny(24)))) < 2.0**-1022
    sizes = [abs(x) for x in items_of(hard_families.mixed_magnitudes(50))]
    assert min(sizes) < 1e-200
    assert max(sizes) > 1e200


@pytest.mark.parametrize("name", ["out_of_reach", "off_the_grid"])
def test_infeasible_ones_are(name):
    assert solve(family(name)(20).problem).status is Status.INFEASIBLE


def test_too_tight_is_infeasible():
    instance = hard_families.uniform(15)
    nearest = solve(instance.problem).error
    tight = hard_families.too_tight(instance, nearest)
    answer = solve(tight.problem)
    assert (answer.status, answer.error) == (Status.INFEASIBLE, nearest)
    assert tight.name == "too-tight-uniform-15"
