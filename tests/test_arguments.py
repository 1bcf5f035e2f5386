"""One check an argument: every entry refuses the same bad numbers in the same words, and takes numpy's."""

import math
from fractions import Fraction

import numpy as np
import pytest

from subsetsum_nets import Dense, ReluNetwork, prune, random_network, verify
from subsetsum_nets.audit import audit
from subsetsum_nets.exchange import export_pair, masks_from_scores
from subsetsum_nets.experiments.intervals import clopper_pearson, resampled_interval
from subsetsum_nets.experiments.packing.run import run_packing
from subsetsum_nets.experiments.per_weight.run import run_per_weight
from subsetsum_nets.experiments.random_subset_sum.run import run_random_subset_sum
from subsetsum_nets.experiments.requirements.measured import measured_requirement, random_target
from subsetsum_nets.networks import keyed_words
from subsetsum_nets.networks.arguments import checked_integer, checked_number, checked_positive
from subsetsum_nets.theory import network_sizes, random_subset_sum, structured_sizes, subset_sizes
from subsetsum_nets.theory.packings import lattice_packing
from subsetsum_nets.theory.prunings.prunings import decide_prunings, different_prunings

ONE = ReluNetwork([Dense([[0.5]])])
PAIR = ReluNetwork([Dense([[1.0]]), Dense([[1.0]])])
RSSP = {"sizes": [3], "samples": 2}
PACKING = {"trials": 1, "width_to": 1}

# kind of number -> (the name that is shown, a call with the number), every entry that takes one
ENTRIES = {
    "integer": [
        ("candidates", lambda n: prune(ONE, candidates=n)),
        ("seed", lambda n: prune(ONE, seed=n)),
        ("seed", lambda n: prune(ONE, into=prune(ONE).random, seed=n)),
        ("threads", lambda n: prune(ONE, threads=n)),
        ("seed", lambda n: random_network([2, 1], seed=n)),
        ("seed", lambda n: keyed_words(n, 0, 0, 0, 1)),
        ("width", lambda n: network_sizes.pensia_2020(n, 1, 0.1, 0.1)),
        ("depth", lambda n: network_sizes.pensia_2020(1, n, 0.1, 0.1)),
        ("dimension", lambda n: network_sizes.pensia_2020_lower(n, 0.1)),
        ("units", lambda n: structured_sizes.kept_filters(n, 1, 0.1)),
        ("kernel 0", lambda n: structured_sizes.da_cunha_2023([n], [1, 1], 0.1)),
        ("n", lambda n: random_subset_sum.predicted_served(n, 0.1, 1.0)),
        ("the number of items", subset_sizes.nearest_size),
        ("dimension", lambda n: lattice_packing(n, 0.5)),
        ("width", lambda n: different_prunings(n, 1)),
        ("seed", lambda n: decide_prunings(PAIR, [[[0.5]]], 0.1, seed=n)),
        ("trials", lambda n: clopper_pearson(0, n)),
        ("successes", lambda n: clopper_pearson(n, 3)),
        ("width", lambda n: random_target(n, 1)),
        ("seed", lambda n: random_target(1, 1, n)),
        ("trials", lambda n: run_packing(1, [0.5], **{**PACKING, "trials": n})),
        ("width_to", lambda n: run_packing(1, [0.5], **{**PACKING, "width_to": n})),
        ("members", lambda n: run_packing(1, [0.5], **PACKING, members=n)),
        ("seed", lambda n: run_packing(1, [0.5], **PACKING, seed=n)),
        ("items", lambda n: run_per_weight(ONE, n)),
        ("seed", lambda n: run_per_weight(ONE, 3, seed=n)),
        ("sizes", lambda n: run_random_subset_sum(**{**RSSP, "sizes": [n]})),
        ("samples", lambda n: run_random_subset_sum(**{**RSSP, "samples": n})),
        ("seed", lambda n: run_random_subset_sum(**RSSP, seed=n)),
        ("processes", lambda n: run_random_subset_sum(**RSSP, processes=n)),
    ],
    "positive": [
        ("epsilon", lambda x: prune(ONE, epsilon=x)),
        ("epsilon", lambda x: verify(ONE, ONE, epsilon=x)),
        ("time_limit", lambda x: verify(ONE, ONE, time_limit=x)),
        ("time_limit", lambda x: decide_prunings(PAIR, [[[0.5]]], 0.1, time_limit=x)),
        ("time_limit", lambda x: run_packing(1, [0.5], **PACKING, time_limit=x)),
        ("epsilon", lambda x: run_per_weight(ONE, 3, epsilon=x)),
        ("scale", lambda x: run_per_weight(ONE, 3, scale=x)),
        ("second_moment", lambda x: subset_sizes.empty_chance(5, 0.1, x)),
        ("second_moment", lambda x: random_subset_sum.predicted_served(3, 0.1, x)),
        ("epsilons", lambda x: run_random_subset_sum(**RSSP, epsilons=[x])),
        ("epsilon", lambda x: export_pair(ONE, ONE, "nowhere", epsilon=x)),
    ],
    "in": [
        ("delta", lambda x: prune(ONE, delta=x)),
        ("epsilon", lambda x: network_sizes.pensia_2020(1, 1, x, 0.1)),
        ("delta", lambda x: network_sizes.pensia_2020(1, 1, 0.1, x)),
        ("C", lambda x: network_sizes.pensia_2020(1, 1, 0.1, 0.1, constant=x)),
        ("epsilon", lambda x: structured_sizes.kept_filters(1, 1, x)),
        ("zeros", lambda x: random_subset_sum.product_component(zeros=x)),
        ("half_width", random_subset_sum.product_component),
        ("numerator", lambda x: random_subset_sum.items_enough(0.1, 0.1, constant=1, numerator=x)),
        ("epsilon", random_subset_sum.items_needed),
        ("low", lambda x: random_subset_sum.items_needed(0.1, x)),
        ("target_square", lambda x: subset_sizes.nearest_size_deviation(5, x)),
        ("epsilon", lambda x: subset_sizes.predicted_sparsest_sizes(3, x, [0.1])),
        ("epsilon", lambda x: lattice_packing(1, x)),
        ("epsilon", lambda x: decide_prunings(PAIR, [[[0.5]]], x)),
        ("epsilon", lambda x: measured_requirement(1, 1, [x])),
        ("confidence", lambda x: clopper_pearson(1, 3, confidence=x)),
        ("confidence", lambda x: resampled_interval(np.ones(3), x)),
        ("epsilon", lambda x: run_random_subset_sum(**RSSP, epsilon=x)),
        ("delta", lambda x: run_random_subset_sum(**RSSP, delta=x)),
        ("high", lambda x: run_random_subset_sum(**RSSP, high=x)),
        ("sparsity", lambda x: masks_from_scores([np.ones(2)], x)),
    ],
}
WORDS = {
    "integer": "must be an integer",
    "positive": "must be a positive number",
    "in": "must be a number in",
}
BAD = {
    "integer": ["a", 1.5, math.nan, math.inf, True, -1, [1], "3", np.float64(2)],
    "positive": ["a", math.nan, math.inf, True, -1, 0, 0.0, [1.0], "0.1", 10**400, Fraction(1, 10**400)],
    "in": ["a", math.nan, math.inf, True, [0.5], "0.1", 1j, 10**400],
}
CASES = [
    pytest.param(f"{name} {WORDS[kind]}", call, value, id=f"{kind}-{number}-{name}-{value!r:.9}")
    for kind, entries in ENTRIES.items()
    for number, (name, call) in enumerate(entries)
    for value in BAD[kind]
]


@pytest.mark.parametrize(("words", "call", "value"), CASES)
def test_bad_numbers_are_refused_in_one_wording(words, call, value):
    with pytest.raises(ValueError, match=words) as refused:
        call(value)
    assert f", got {value!r}" in str(refused.value)


@pytest.mark.parametrize("number", [np.float32(0.125), np.float64(0.125), Fraction(1, 8), 0.125])
def test_numbers_of_any_library_are_numbers(number, tmp_path):
    assert checked_number(number, "delta", 0, 1) == checked_positive(number, "epsilon") == 0.125
    assert type(checked_number(number, "delta", 0, 1)) is float
    counts = {"seed": np.int64(3), "candidates": np.uint8(12), "threads": np.int8(1)}
    pruned = prune(ONE, epsilon=number, delta=number, **counts)
    assert pruned.certificate.epsilon == pruned.epsilon == 0.125
    pruned.save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified
    assert verify(ONE, pruned, epsilon=number, time_limit=number).verified


@pytest.mark.parametrize("integer", [np.uint8(7), np.int64(7), np.array(7), 7])
def test_integers_of_any_library_are_integers(integer):
    assert checked_integer(integer, "seed", 0) == 7
    assert type(checked_integer(integer, "seed", 0)) is int


def test_ends_of_intervals():
    for ends, taken in (("[]", (0, 1)), ("[)", (0,)), ("(]", (1,)), ("()", ())):
        assert checked_number(0.5, "share", 0, 1, ends) == 0.5
        for end in (0, 1):
            if end in taken:
                assert checked_number(end, "share", 0, 1, ends) == end
            else:
                with pytest.raises(ValueError, match="share must be a number in"):
                    checked_number(end, "share", 0, 1, ends)
    nearly = 1 - Fraction(1, 10**30)  # which float64 rounds to 1
    with pytest.raises(ValueError, match="delta"):
        checked_number(nearly, "delta", 0, 1, "()")


def test_limits_of_integers():
    assert [checked_integer(n, "n", 2, 4) for n in (2, 3, 4)] == [2, 3, 4]
    for n in (1, 5):
        with pytest.raises(ValueError, match=f"n must be an integer from 2 to 4, got {n}"):
            checked_integer(n, "n", 2, 4)
    assert checked_integer(10**30, "seed", 0) == 10**30
