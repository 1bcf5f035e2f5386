"""Layout select with three hidden layers: complete multiples of single inputs, exact, and few."""

import itertools

import numpy as np
import pytest
from constructions.test_binary import check_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from solvers import solve_many
from subsetsum_nets import Box, Dense, ReluNetwork, load_network, prune
from subsetsum_nets.constructions import EXACT
from subsetsum_nets.constructions.binary import chains, covering, selecting
from subsetsum_nets.constructions.binary.integers import integer_layers
from subsetsum_nets.constructions.binary.network import GrownNetwork
from subsetsum_nets.networks import shipped_network
from subsetsum_nets.networks.rounding import rounded
from subsetsum_nets.verification import collapse

UNIT = Box(0, 1)
DIGITS = load_network(shipped_network("digits-64-32-10"))


def grown(weight, seed=0, domain=UNIT):
    target = ReluNetwork([Dense(np.asarray(weight, dtype=float))])
    return GrownNetwork(target, integer_layers(target, [0], domain), 2, seed, [0], ["select-3"])


def sums(items):
    found = {0}
    for item in items:
        found |= {total + item for total in found}
    return found


def test_each_pattern_of_signs_makes_what_its_subsets_say():
    for pattern, signs in enumerate(itertools.product([-1, 1], repeat=3)):
        reachable = sums((np.array(signs) * chains.MIDDLE).tolist())
        made = {a for a in range(8) if chains.MADE[pattern, a] >= 0}
        assert made == {a for a in reachable if 0 < a < 8}
        for a in made:
            assert (np.array(signs) * chains.MIDDLE)[chains.SUBSETS[chains.MADE[pattern, a]]].sum() == a


@given(st.integers(0, 2**32), st.sampled_from([3, 20, 100]), st.booleans())
@settings(max_examples=6, deadline=None)
def test_every_weight_between_the_ends_is_a_subset_sum(seed, largest, signed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-largest, largest + 1, (3, 2)) * (rng.random((3, 2)) < 0.8)
    network = grown(weight, seed % 7, Box(-1, 1) if signed else UNIT)
    (block,) = network.rows
    for row, (output, place) in enumerate(zip(*block.places, strict=True)):
        items = block.items[row][block.valid[row]].astype(int)
        low, high = items[items < 0].sum(), items[items > 0].sum()
        assert sums(items.tolist()) == set(range(low, high + 1))
        assert low <= block.layer.weight[output, place] <= high


@pytest.mark.slow
@pytest.mark.parametrize("domain", [UNIT, Box(-1, 1)])
def test_the_pruned_network_is_the_rounded_target(domain):
    rng = np.random.default_rng(1)
    first = Dense(rng.uniform(-1, 1, (24, 24)), rng.uniform(-1, 1, 24))
    target = ReluNetwork([first, Dense(rng.uniform(-1, 1, (2, 24)), [0.5, -0.25])])
    pruned = prune(target, construction="binary", bits=(8, 5), layout="select", domain=domain, epsilon=9.0)
    assert "select-3" in pruned.certificate.exact["layouts"]
    check_equal(pruned)
    for layer, wanted in zip(pruned.collapse().layers, rounded(target, (8, 5)).layers, strict=True):
        assert np.array_equal(layer.weight, wanted.weight)


def test_the_smaller_of_both_kinds_is_taken():
    one = ReluNetwork([DIGITS.layers[0]], domain=UNIT)
    taken = {bits: EXACT["binary"].plan(one, [bits], UNIT, 2, "select")[0][0] for bits in (3, 5, 7, 8, 11)}
    assert taken == {3: "select", 5: "select", 7: "select-3", 8: "select-3", 11: "select"}
    assert EXACT["binary"].plan(one, [7], UNIT, 2)[0] == ["select-3"]


@pytest.mark.slow
def test_digits_at_eight_bits_are_no_wider_than_planned():
    one = ReluNetwork([DIGITS.layers[0]], domain=UNIT)
    for seed in range(5):
        network = EXACT["binary"].grow(one, [8], UNIT, 2, seed, layout="select")
        assert [layer.d_out for layer in network.layers[:2]] == [183, 183]
        assert network.layers[2].d_out <= 1_085
        assert len(network.layers) == 4


# ---------------------------------------------------------------- planted mistakes

BLOCK = chains.ChainBlock
MISTAKES = [
    (BLOCK.keep_structure, "np.cumsum(plus[:, 0], axis=1) <= 1", "np.cumsum(plus[:, 0], axis=1) <= 2"),
    (BLOCK.keep_structure, "self.multiples[units]", "(self.multiples[units] + 1) % 8"),
    (BLOCK.keep_structure, "self.second[self.served[units]]", "self.second[self.served[units] - 1]"),
    (chains._patterns, "(1 << np.arange(COPIES)[::-1])", "(1 << np.arange(COPIES))"),
    (chains._grown, "counts >= 1", "counts >= 0"),
    (
        chains._grown,
        "np.stack([counts >= 1, counts == COPIES, counts == COPIES], axis=1)",
        "np.stack([counts >= 1, counts >= 2, counts == COPIES], axis=1)",
    ),
    (chains._chosen, "values[:, np.arange(8) > limits[:, np.newaxis] + 1] = 0", "pass"),
    (covering.fill, "np.flatnonzero(served < 0)", "np.arange(len(served))"),
    (covering.fill, "np.abs(weight)", "np.abs(weight) // 2"),
    (selecting.SelectBlock.items, "self.multiples[self.copies[inputs]]", "1.0"),
]


def wrong():
    """Whether some network is not its target, or some multiples are not complete."""
    rng = np.random.default_rng(0)
    try:
        for seed in range(6):
            weight = rng.integers(-40, 41, (4, 5)) * rng.choice([1, 1, 0.1], (1, 5))
            weight = np.trunc(weight)
            network = grown(weight, seed)
            (block,) = network.rows
            for row, (output, place) in enumerate(zip(*block.places, strict=True)):
                items = block.items[row][block.valid[row]].astype(int)
                if sums(items.tolist()) != set(range(items[items < 0].sum(), items[items > 0].sum() + 1)):
                    return True
                if block.layer.weight[output, place] not in sums(items.tolist()):
                    return True
            solved = solve_many(block.items, block.targets, valid=block.valid, tolerance=0.5)
            pruned = network.masks(solved.masks).apply(network.random(UNIT))
            if not np.array_equal(collapse(pruned, UNIT).layers[0].weight, weight):
                return True
    except Exception:  # noqa: BLE001 - a mistake may end in any way
        return True
    return False


def test_nothing_is_wrong_without_a_mistake():
    assert not wrong()


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "old", "new"), MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_mistake_is_seen(monkeypatch, function, old, new):
    plant(monkeypatch, getattr(function, "fget", function), old, new)
    assert wrong()
