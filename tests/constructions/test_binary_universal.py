"""Networks of signs that hold every integer target: found by choice of units, sized, held by brute force."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from constructions.test_binary_into import signs
from support.planting import plant

from subsetsum_nets import Box, Dense, ReluNetwork, prune
from subsetsum_nets.constructions import EXACT, GivenNetwork, Misfit
from subsetsum_nets.constructions.binary import growing, rows, selecting
from subsetsum_nets.constructions.binary.integers import integer_layers
from subsetsum_nets.constructions.binary.universal import universal, universal_widths
from subsetsum_nets.networks import InvalidNetworkError
from subsetsum_nets.theory.binary_sizes import counting_size, planned_size, signs_by_counting

UNIT = Box(0, 1)


def sums(items):
    """All sums of some of these items."""
    found = {0.0}
    for item in items:
        found |= {total + item for total in found}
    return found


def held_by_brute_force(block):
    """The largest W such that all integers up to W in size are sums of items, in every row."""
    reachable = [sums(row[valid].tolist()) for row, valid in zip(block.items, block.valid, strict=True)]
    largest = 0
    while all({largest + 1, -largest - 1} <= found for found in reachable):
        largest += 1
    return largest


def found_with(widths, bits, seed, **options):
    return universal(signs(universal_widths(widths, bits, **options), seed), widths, bits, **options)


@pytest.mark.parametrize("seed", [0, 1, 4])
@pytest.mark.parametrize(
    ("widths", "options"),
    [([3, 2], {}), ([3, 2], {"domain": Box(-1, 1)}), ([3, 2, 1], {}), ([2, 2, 1], {"biases": True})],
)
def test_every_weight_is_a_subset_sum_where_the_network_is_universal(widths, options, seed):
    found = found_with(widths, 2, seed, **options)
    if isinstance(found, Misfit):
        assert "into" in str(found)
        return
    for block in found.rows:
        assert 3 <= block.held <= held_by_brute_force(block)


def test_some_networks_are_universal_and_hold_random_targets():
    rng = np.random.default_rng(0)
    for seed in range(20):
        found = found_with([3, 2], 2, seed)
        if isinstance(found, GivenNetwork):
            break
    network = ReluNetwork(found.layers)
    for _ in range(3):
        target = ReluNetwork([Dense(rng.integers(-3, 4, (2, 3)).astype(float))])
        pruned = prune(target, construction="binary", into=network, domain=UNIT, layout="accumulate", bits=0)
        assert pruned.certificate.bound == 0.0


@pytest.mark.slow
def test_planned_widths_are_universal_for_most_seeds():
    for widths, bits, least in (
        ([64, 32], 8, 9),
        ([64, 64], 8, 9),
        ([100, 20], 8, 9),
        ([32, 10], 8, 9),
        ([8, 1], 3, 6),
    ):
        met = sum(isinstance(found_with(widths, bits, seed), GivenNetwork) for seed in range(10))
        assert met >= least


def test_narrow_networks_are_not_universal():
    narrow = signs([16, 32, *[40] * 4, 8])
    found = universal(narrow, [16, 8], 3)
    assert isinstance(found, Misfit)
    assert "accumulators of 8 outputs" in str(found)


@pytest.mark.parametrize("bits", [0, 51, 2.5])
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ValueError, match="bits must be"):
        universal_widths([3, 2], bits)


def test_networks_that_are_none_of_signs_are_refused():
    with pytest.raises(InvalidNetworkError, match=r"weight of 0\.5"):
        universal(ReluNetwork([Dense(np.full((4, 3), 0.5)), Dense(np.ones((2, 4)))]), [3, 2], 2)


def test_certificates_say_which_layers_are_held():
    target = ReluNetwork([Dense([[3.0, -1.0]]), Dense([[2.0]])])
    for layout in ("accumulate", "select"):
        held = prune(target, construction="binary", layout=layout, bits=0, domain=UNIT).certificate.exact[
            "held"
        ]
        assert len(held) == 2
        assert all(type(most) is int and most >= 0 for most in held)
    dead = ReluNetwork([Dense([[3.0, 0.0]]), Dense([[2.0]])])
    pruned = prune(dead, construction="binary", layout="select", bits=0, domain=UNIT)
    assert pruned.certificate.exact["held"][0] == 0  # the second input is not carried


def test_what_is_held_is_what_brute_force_finds():
    rng = np.random.default_rng(0)
    layer = integer_layers(ReluNetwork([Dense(np.full((2, 2), 3.0))]), [0], UNIT)[0]
    for _ in range(10):
        served = np.repeat([0, 1], 4)
        block = selecting.SelectBlock(layer, served, rng.random((2, 8)) < 0.5)
        assert block.held == held_by_brute_force(block)


def test_sizes_are_those_of_the_plan():
    for d, layers, bits in ((64, 1, 8), (5, 3, 4), (400, 2, 6)):
        widths = universal_widths([d] * (layers + 1), bits)
        found = planned_size(d, layers, bits, universal=True)
        assert found.width == max(widths)
        assert found.depth == len(widths) - 1
        assert found.parameters == sum(a * b for a, b in pairwise(widths))
        assert planned_size(d, layers, bits).parameters < found.parameters
    assert counting_size(64, 1, 8).parameters == signs_by_counting(64, 64, 255)


# ---------------------------------------------------------------- planted mistakes

MISTAKES = [
    (rows.BlockRows.held, "(self.valid[:, first:last].sum(axis=1) < growth - 1).any()", "False"),
    (rows.BlockRows.held, "found *= growth", "found *= growth + 1"),
    (rows.BlockRows.held, "first = last", "pass"),
    (rows.BlockRows.held, "not self.layer.whole", "False"),
    (selecting.SelectBlock.held, "np.minimum(*signs)", "np.maximum(*signs)"),
    (selecting.SelectBlock.held, "not self.layer.whole or not len(self.targets)", "False"),
]


def grown_block(weights, seed, layout):
    target = ReluNetwork([Dense(weights)])
    return EXACT["binary"].grow(target, [0], UNIT, 2, seed, layout=layout).rows[0]


def claims_too_much(block, seed):
    """Whether more is held than brute force finds where edges are taken away, or anything of a part."""
    rng = np.random.default_rng(seed)
    for share in (0.05, 0.2, 0.5):
        damaged = replace(block)
        vars(damaged)["valid"] = block.valid & (rng.random(block.valid.shape) > share)
        if damaged.held > held_by_brute_force(damaged):
            return True
    return replace(block, block=replace(block.block, layer=replace(block.layer, whole=False))).held > 0


def wrong():
    """Whether ``held`` claims more than brute force finds, or less than was asked for."""
    try:
        for seed in range(12):
            found = found_with([3, 2], 2, seed)
            if isinstance(found, GivenNetwork):
                (block,) = found.rows
                if not 3 <= block.held <= held_by_brute_force(block) or claims_too_much(block, seed):
                    return True
        for seed in range(20):
            for weights in ([[3.0, 2.0], [-2.0, 3.0]], [[5.0], [-5.0], [4.0]]):
                block = grown_block(weights, seed, "select")
                if block.held > held_by_brute_force(block):
                    return True
            if grown_block([[3.0, 0.0], [-3.0, 0.0]], seed, "select").held:
                return True
    except Exception:  # noqa: BLE001 - a mistake may end in any way
        return True
    return False


def test_nothing_is_wrong_without_a_mistake():
    assert not wrong()


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "old", "new"), MISTAKES)
def test_a_planted_mistake_is_seen(monkeypatch, function, old, new):
    plant(monkeypatch, getattr(function, "func", function), old, new)
    assert wrong()


def test_a_cover_that_forgets_a_digit_is_seen(monkeypatch):
    needed = "np.full(side.edges.shape[1], digit, np.int8)"
    plant(monkeypatch, growing._for_every_digit, needed, "np.full(side.edges.shape[1], 0, np.int8)")
    assert wrong()
