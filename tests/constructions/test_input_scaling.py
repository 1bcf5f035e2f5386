"""Input scaling written as a layer is kept as it is: no subset sums for it, and nothing of it is lost."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from support.planting import plain_python

from subsetsum_nets import Ball, Box, Dense, PrunedNetwork, ReluNetwork, prune
from subsetsum_nets.audit import audit
from subsetsum_nets.constructions.protocol import InputSigns
from subsetsum_nets.networks import InvalidNetworkError, ScalingDraw, input_scaling, random_recipe_from_json
from subsetsum_nets.networks.input_scaling import scaling_layers

RANDOM = np.random.default_rng(0)
CORE = [
    Dense(RANDOM.normal(size=(4, 3)) / 2, RANDOM.normal(size=4) / 4),
    Dense(RANDOM.normal(size=(2, 4)) / 2),
]
RESCALING = Dense(np.diag([1 / 255] * 3))
STANDARD = Dense(csr_array(np.diag([0.3, 1.7, 0.01])), [-0.1, 0.2, -3.0])
NAMES = ("linear", "relu", "relu-paper")


def scaled(*first):
    return ReluNetwork([*first, *CORE], linear_after=range(len(first)))


CASES = {
    "Rescaling": (scaled(RESCALING), Box(0, 255)),
    "StandardScaler": (scaled(STANDARD), Box([0, -1, 250], [1, 1, 300])),
    "two layers": (scaled(Dense(np.eye(3), [-0.5, 0.0, 0.25]), RESCALING), Box(0, 255)),
    "over a ball": (scaled(STANDARD), Ball(0.5)),
    "a feature that is left out": (scaled(Dense(np.diag([0.5, 0.0, 2.0]), [0.0, 1.0, 0.0])), Box(-1, 1)),
}


@pytest.mark.thinned
@pytest.mark.parametrize("construction", NAMES)
@pytest.mark.parametrize("name", CASES)
def test_no_subset_sums_stand_for_scalings_and_the_ticket_verifies(name, construction, tmp_path):
    target, domain = CASES[name]
    kept = len(target.layers) - 2
    ticket = prune(target, construction=construction, epsilon=0.1, domain=domain)
    assert ticket.certificate.verified
    weights = sum(layer.weight.size + (0 if layer.bias is None else layer.d_out) for layer in CORE)
    assert ticket.certificate.counts["subset_sums"] <= 2 * weights
    for mine, theirs in zip(target.layers[:kept], ticket.network.layers[:kept], strict=True):
        assert (dense(mine) == dense(theirs)).all()
        assert (mine.offset == theirs.offset).all()
    ticket.save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified
    again = PrunedNetwork.load(tmp_path / "ticket")
    assert again.certificate == ticket.certificate
    assert random_recipe_from_json(json.loads(json.dumps(ticket.recipe.to_json()))) == ticket.recipe
    step = 2 if construction == "linear" else 1
    assert ticket.recipe.random_layers == tuple(range(kept, len(ticket.random.layers), step))


def dense(layer):
    return layer.weight.toarray() if hasattr(layer.weight, "toarray") else layer.weight


@pytest.mark.parametrize("allocation", ["tight", "recursion"])
def test_tolerances_are_those_without_the_scaling(allocation):
    bare = prune(ReluNetwork(CORE), epsilon=0.05, domain=Box(0, 1), allocation=allocation)
    target = scaled(Dense(np.diag([2.0**-8] * 3)))
    own = prune(target, epsilon=0.05, domain=Box(0, 256), allocation=allocation)
    assert own.certificate.verified
    assert own.certificate.counts["subset_sums"] == bare.certificate.counts["subset_sums"]
    assert own.candidates <= 2 * bare.candidates


@pytest.mark.parametrize("construction", NAMES)
def test_given_networks_start_with_the_same_scaling(construction):
    target, domain = CASES["StandardScaler"]
    drawn = prune(target, construction=construction, epsilon=0.1, domain=domain)
    again = prune(target, construction=construction, epsilon=0.1, domain=domain, into=drawn.random)
    assert again.certificate.masks_digest == drawn.certificate.masks_digest
    other = ReluNetwork(
        [RESCALING, *drawn.random.layers[1:]], linear_after=drawn.random.linear_after, final_relu=False
    )
    with pytest.raises(InvalidNetworkError, match="layer 0 of the target only scales its inputs"):
        prune(target, construction=construction, epsilon=0.1, domain=domain, into=other)


def test_what_is_no_scaling_is_approximated_as_ever():
    for layers, linear in (
        ([Dense(np.eye(3)), *CORE], []),
        ([Dense(np.eye(3) + np.eye(3, k=1)), *CORE], [0]),
        ([Dense(np.ones((3, 3))), *CORE], [0]),
        ([Dense([[0.5]]), Dense([[1.0]])], [0]),
    ):
        assert scaling_layers(ReluNetwork(layers, linear_after=linear)) == 0
    assert scaling_layers(ReluNetwork([Dense(np.eye(2)), Dense(np.eye(2))], linear_after=[0])) == 1


numbers = st.floats(-4, 4) | st.sampled_from([0.0, 1.0, -1.0, 2.0**-1074, 1e300])


@given(
    st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=2, max_size=3),
)
def test_signs_behind_a_scaling_are_exact(columns):
    factors, shifts, a, b = (np.array(part) for part in zip(*columns, strict=True))
    low, high = np.minimum(a, b), np.maximum(a, b)
    target = ReluNetwork(
        [Dense(np.diag(factors), shifts), Dense(np.ones((1, len(columns))))], linear_after=[0]
    )
    signs = InputSigns.of_layers(target, Box(low, high))[1]
    for column in range(len(columns)):
        ends = [
            Fraction(factors[column]) * Fraction(end) + Fraction(shifts[column])
            for end in (low[column], high[column])
        ]
        assert signs.positive[column] == (max(ends) > 0)
        assert signs.negative[column] == (min(ends) < 0)


@pytest.mark.parametrize(
    "fields", [((), ()), ((1.0,), (1.0, 2.0)), ((float("nan"),), ()), ((True,), ()), (("1",), ()), (1.0, ())]
)
def test_scalings_of_a_recipe_are_checked(fields):
    with pytest.raises(InvalidNetworkError):
        ScalingDraw(*fields)


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        ("_scales", "(entries.row == entries.col).all()", "(entries.row <= entries.col).all()"),
        ("scaling_layers", "relu or not _scales(layer)", "not _scales(layer)"),
        ("scaling_layers", "network.layers[:-1]", "network.layers"),
        ("scaled_ends", "(min(images), max(images))", "images"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, where, old, new):
    copy = plain_python(monkeypatch, input_scaling.__name__, where, old, new)
    networks = [
        ReluNetwork([Dense(np.eye(3) + np.eye(3, k=1)), *CORE], linear_after=[0]),
        ReluNetwork([Dense(np.eye(3)), *CORE]),
        ReluNetwork([Dense(np.eye(2))]),
        scaled(STANDARD),
    ]
    ends = [[Fraction(0), Fraction(0)], [Fraction(1), Fraction(2)]]
    turned = Dense(np.diag([-1.0, 1.0]))
    found = [copy.scaling_layers(network) for network in networks], copy.scaled_ends(turned, ends)
    assert found != ([0, 0, 0, 1], [[-1, 0], [0, 2]])


def test_the_planted_mistakes_are_measured_against_the_truth():
    ends = [[Fraction(0), Fraction(0)], [Fraction(1), Fraction(2)]]
    assert input_scaling.scaled_ends(Dense(np.diag([-1.0, 1.0])), ends) == [[-1, 0], [0, 2]]
    assert scaling_layers(scaled(STANDARD)) == 1
