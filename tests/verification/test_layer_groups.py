"""Any number of random layers for a layer of the target: groups found, composed, bounded, replayed."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plain_python, plant
from verification.tiny_groups import (
    BY_LAYERS,
    DOMAINS,
    FAST,
    SEARCHING,
    check_any_network,
    check_bounds,
    check_effective,
    check_relu,
    check_seed,
    grouped_pair,
    passing,
)
from verification.tiny_networks import NORMS, exact_pair, random_pair

from subsetsum_nets import prune
from subsetsum_nets.audit import audit
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import Box, Conv2d, Dense, ReluNetwork, network_digest
from subsetsum_nets.networks import layer_groups as groups_module
from subsetsum_nets.networks.layer_groups import LayerGroup, groupings, layer_groups
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.verification import UnsupportedStructureError, effective_layers, verify
from subsetsum_nets.verification.enclosures import effective
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.replay.layers import exact_effective_layers


def sizes(f, g):
    return [len(group.layers) for group in layer_groups(f, g)]


# ---------------------------------------------------------------- bounds


@pytest.mark.slow
@settings(max_examples=12)
@given(st.integers(0, 2**32))
def test_every_method_bounds_groups_of_any_size(seed):
    check_seed(seed)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_many_groups_of_any_size(seed):
    check_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_searches_bound_groups_of_any_size(seed):
    f, g = grouped_pair(seed)
    check_bounds(f, g, DOMAINS[seed % len(DOMAINS)], NORMS[seed % 3], SEARCHING, limit=1.0)
    for method in SEARCHING:
        result = verify(f, g, method=method, time_limit=0.5, exact=True)
        assert Fraction(result.replayed) <= Fraction(result.upper)


@pytest.mark.parametrize("places", [(0,), (0, 1)])
@pytest.mark.parametrize("method", BY_LAYERS)
def test_a_deeper_network_equal_to_its_target_is_proven_equal(method, places):
    f, _ = random_pair(len(places), (2, 4, 3, 2), final_relu=len(places) > 1)
    g = passing(f, *places)
    limit = 0.2 if method in SEARCHING else None
    result = verify(f, g, method=method, time_limit=limit, exact=True, epsilon=1e-12)
    assert (result.method, result.verified, result.replayed) == (method, True, 0.0)


@pytest.mark.thinned
@pytest.mark.parametrize("seed", range(3))
def test_layers_that_pass_values_on_change_no_bound(seed):
    f, g = random_pair(seed, (2, 3, 2), error=0.2, final_relu=True)
    for places in ((0,), (1,), (0, 2), (0, 1, 2)):
        for method in FAST:
            two, more = (
                verify(f, h, norm=NORMS[seed], method=method, exact=True) for h in (g, passing(g, *places))
            )
            assert more.upper == pytest.approx(two.upper, rel=1e-13)
            assert more.replayed == two.replayed


def test_convolutions_are_grouped_too():
    rng = np.random.default_rng(0)
    layers = [Conv2d(rng.uniform(-1, 1, (3, 3, 1, 2)), [0.1, 0.2]), Conv2d(rng.uniform(-1, 1, (1, 1, 2, 1)))]
    f = ReluNetwork(layers, input_shape=(4, 3, 1))
    passes = Conv2d(np.eye(2)[np.newaxis, np.newaxis])
    g = ReluNetwork([layers[0], passes, passes, layers[1]], input_shape=(4, 3, 1))
    assert sizes(f, g) == [1, 3]
    for method in ("norms", "differential", "propagated", "zonotope"):
        assert verify(f, g, method=method, epsilon=1e-12, exact=True).verified


def test_a_ticket_of_three_layers_is_audited(tmp_path):
    ticket = prune(ReluNetwork([Dense([[0.5, -0.25], [0.75, 0.5]]), Dense([[0.75, -1.0]])]), epsilon=0.05)
    random, network = passing(ticket.random, 0), passing(ticket.network, 0)
    masks = ticket.all_masks
    kept = np.eye(random.layers[1].d_out, dtype=bool)
    masks = NetworkMasks(
        [masks.weights[0], kept, *masks.weights[1:]], [masks.biases[0], None, *masks.biases[1:]]
    )
    certificate = replace(
        ticket.certificate,
        random_digest=network_digest(random),
        masks_digest=masks.digest(),
        pruned_digest=network_digest(sparse_form(network)),
        seed=None,
        recipe=None,
        counts=ticket.certificate.counts
        | {"random_parameters": random.parameters, "kept_parameters": masks.kept},
    )
    deeper = replace(
        ticket,
        random=random,
        all_masks=masks,
        network=network,
        seed=None,
        recipe=None,
        certificate=certificate,
    )
    deeper.save(tmp_path / "ticket")
    found = audit(tmp_path / "ticket", exact=True)
    assert found.verified
    assert found.result.upper == pytest.approx(ticket.certificate.bound, rel=1e-12)


# ---------------------------------------------------------------- groupings


def test_groupings_come_in_the_order_of_preference():
    everything = list(groupings(2, 4, lambda layer, start, stop: True))
    assert [tuple(map(len, ranges)) for ranges in everything] == [(2, 2), (1, 3), (3, 1)]
    assert list(groupings(3, 2, lambda layer, start, stop: True)) == []
    asked = []

    def never(layer, start, stop):
        asked.append((layer, start, stop))
        return stop < 40

    assert next(groupings(20, 40, never), None) is None
    assert len(asked) < 20 * 40 * 40  # and not one for each of the groupings


def test_sizes_that_leave_a_choice_are_settled_by_structure():
    rng = np.random.default_rng(3)
    mixing = Dense(rng.uniform(-1, 1, (3, 3)))
    one = Dense(np.eye(3))
    f = ReluNetwork([mixing, mixing])
    assert sizes(f, ReluNetwork([mixing, one, mixing])) == [1, 2]
    assert sizes(f, ReluNetwork([one, mixing, mixing])) == [2, 1]  # at least it is one; the bound is large
    assert sizes(f, ReluNetwork([mixing, one, one, mixing])) == [1, 3]
    assert sizes(f, ReluNetwork([*exact_pair(mixing.weight, mixing.weight), mixing])) == [2, 1]
    assert sizes(f, ReluNetwork([mixing, one, one, mixing], linear_after=[1])) == [1, 3]
    assert sizes(f, ReluNetwork([one, one, one, one])) == [2, 2]


def test_values_behind_a_relu_may_be_mixed_with_one_sign():
    f = ReluNetwork([Dense(np.eye(2)), Dense([[3.0, 2.0]], [0.5])])
    group = Dense([[1.0, 2.0], [1.0, 0.0], [-1.0, -2.0]], [0.5, 0.0, -1.0]), Dense([[1.0, 2.0, 9.0]])
    g = ReluNetwork([Dense(np.eye(2)), *group])
    assert sizes(f, g) == [1, 2]
    result = verify(f, g, method="differential", exact=True)
    assert result.replayed == 0.0
    with pytest.raises(UnsupportedStructureError, match="unit 0 of hidden layer 0 has 2 nonzero"):
        effective_layers(ReluNetwork([Dense([[3.0, 2.0]], [0.5])]), ReluNetwork(group))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Dense([[1.0]]), Dense([[1.0]], [-0.5]), Dense([[1.0]])], "unit 0 of hidden layer 1 has both"),
        (
            [Dense([[1.0], [-1.0]]), Dense(np.eye(2), [0.0, -1.0]), Dense([[1.0, 1.0]])],
            "unit 1 of hidden layer 1 has both",
        ),
    ],
)
def test_units_that_bend_elsewhere_are_named(layers, message):
    f = ReluNetwork([Dense([[1.0]])])
    with pytest.raises(UnsupportedStructureError, match=message):
        layer_groups(f, ReluNetwork(layers))


def test_no_network_is_taken_for_what_it_is_not():
    taken = [check_any_network(seed) for seed in range(150)]
    assert 20 < sum(taken) < 130


def test_the_replay_reads_structure_for_itself():
    check_refusals(exact_effective_layers)


def check_refusals(exact_layers):
    """Check that a grouping that lets a bent unit through does not deceive the replay."""
    f = ReluNetwork([Dense([[1.0, 1.0]])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LayerGroup, "refusal", None)
        for hidden in (Dense([[1.0, 1.0]]), Dense([[1.0, 0.0]], [0.5])):
            with pytest.raises(UnsupportedStructureError, match="unit 0 of hidden layer 0 depends on"):
                exact_layers(f, ReluNetwork([hidden, Dense([[1.0]])]))


# ---------------------------------------------------------------- planted mistakes


def all_checks(exact_layers=exact_effective_layers):
    for seed in range(40):
        check_effective(*grouped_pair(seed), seed, exact_layers)
    for seed in range(150):
        check_any_network(seed, exact_layers)
    check_relu(MidRad.relu)
    check_refusals(exact_layers)
    check_bounds(*inexact_pair(), Box(-1, 1), "linf", ("differential",))


def inexact_pair():
    """Return networks whose effective weights are rounded: weights with all their bits, in five layers."""
    rng = np.random.default_rng(2)
    f, g = random_pair(2, (1, 2, 1), error=1e-12, bias=False)
    layers = [
        Dense(layer.weight * s) for layer, s in zip(g.layers, (3.1, 1 / 3.1, 0.7, 1 / 0.7), strict=True)
    ]
    for index in (0, 3):
        stretch = rng.uniform(0.5, 1, layers[index].d_out)
        layers.insert(index + 1, Dense(np.diag(stretch)))
        layers[index + 2] = Dense(layers[index + 2].weight / stretch)
    return f, ReluNetwork(layers)


MUTANTS = [
    (effective._relu, "-(-negative).relu()", "-negative.relu()"),
    (effective._relu, "-(-negative).relu()", "(-negative).relu()"),
    (
        effective._relu,
        "[positive.relu(), -(-negative).relu(), constant.relu()]",
        "[positive, -(-negative).relu(), constant.relu()]",
    ),
    (
        effective._relu,
        "[positive.relu(), -(-negative).relu(), constant.relu()]",
        "[positive.relu(), -(-negative).relu(), constant]",
    ),
    (effective._relu, "_halves(constant)[0]", "constant"),
    (effective._matrices, "constant.plus(layer.offset[:, np.newaxis])", "constant"),
    (
        effective._matrices,
        "[first.weight, first.offset[:, np.newaxis]]",
        "[first.weight, 0.0 * first.offset[:, np.newaxis]]",
    ),
    (effective._matrices, "parts[-2]", "parts[0]"),
    (effective._times, "affine(weight, part)", "MidRad.point(weight @ part.mid)"),
    (effective._times, "affine(weight, part)", "MidRad(weight @ part.mid, 0.1 * abs(weight) @ part.rad)"),
    (
        MidRad.relu,
        "np.where(low >= 0.0, self.rad, mixed.rad)",
        "np.where(low >= 0.0, 0.0 * self.rad, mixed.rad)",
    ),
    (MidRad.relu, "low, high = self.bounds()\n...\nnp.maximum(high, 0.0)", "np.maximum(low, 0.0)"),
    (MidRad.relu, "np.where(low >= 0.0, self.mid, mixed.mid)", "self.mid"),
    (groups_module._first_bend, "inputs + used[:, -1] > 1", "inputs > 1"),
    (groups_module._first_bend, "inputs + used[:, -1] > 1", "used[:, -1] > 1"),
    (
        groups_module._signs,
        "(up @ above + down @ below, up @ below + down @ above)",
        "(up @ above + down @ below, up @ below)",
    ),
    (groups_module._signs, "(bias > 0.0, bias < 0.0)", "(bias > 0.0, bias > 0.0)"),
    (groups_module._first_bend, "not group.nonnegative", "False"),
    (layer_groups, "start > 0 and relu_after[start - 1]", "start > 0"),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "formula", "broken"), MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_is_caught(monkeypatch, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises((AssertionError, UnsupportedStructureError)):
            all_checks()


REPLAY_MUTANTS = [
    ("_relu", "len(inputs) > 1", "False"),
    ("_relu", "-value if column in minus else value", "value"),
    (
        "_relu",
        "{c: row[c] for c, r in entries.items() if r > 0}",
        "{c: row[c] for c, r in entries.items() if r}",
    ),
    ("_relu", "not (nonnegative and c in minus)", "c not in minus"),
    ("_through", "total[one] = bias << finer - bias_scale", "total[one] = 0"),
    ("_through", "number << shift", "number"),
    ("_through", "total[column] += weight * value", "total[column] = weight * value"),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("where", "formula", "broken"), REPLAY_MUTANTS, ids=range(len(REPLAY_MUTANTS)))
def test_every_mutant_of_the_replay_is_caught(monkeypatch, where, formula, broken):
    mutant = plain_python(monkeypatch, "subsetsum_nets.verification.replay.layers", where, formula, broken)
    with pytest.raises((AssertionError, UnsupportedStructureError, pytest.fail.Exception)):
        all_checks(mutant.exact_effective_layers)


def test_the_checks_pass_as_things_are():
    all_checks()
