"""A network of signs given with into=: idle layers, spare units, what is too small, what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from constructions.test_binary import SMALL, check_equal, points_of, small_target
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets import Box, Dense, PrunedNetwork, ReluNetwork, load_network, prune
from subsetsum_nets.allocation.fitting import FinestFit, shown_widths
from subsetsum_nets.audit import audit
from subsetsum_nets.constructions import EXACT, GivenNetwork
from subsetsum_nets.constructions.binary import blocks
from subsetsum_nets.constructions.binary import given as given_networks
from subsetsum_nets.constructions.binary.growing import Lack, Plan
from subsetsum_nets.constructions.binary.integers import integer_layers
from subsetsum_nets.networks import InvalidNetworkError, shipped_network
from subsetsum_nets.networks.rounding import rounded
from subsetsum_nets.verification.replay.evaluation import exact_value

BINARY, UNIT = EXACT["binary"], Box(0, 1)


def signs(widths, seed=0, *, scale=0, biased=True, final_relu=False):
    """A network of random signs; the last layer is +-2^-scale."""
    rng, layers = np.random.default_rng(seed), []
    for index, (before, after) in enumerate(pairwise(widths)):
        size = 2.0**-scale if index + 2 == len(widths) else 1.0
        bias = rng.choice([-size, size], after) if biased and not index else None
        layers.append(Dense(rng.choice([-size, size], (after, before)), bias))
    return ReluNetwork(layers, final_relu=final_relu)


@pytest.mark.thinned
@pytest.mark.parametrize("scale", [0, 7, 9])
@pytest.mark.parametrize("domain", [Box(-1, 1), Box(0, 1)])
def test_a_deep_wide_network_holds_the_rounded_target(tmp_path, scale, domain):
    into = signs([6, *[70] * 14, 3], scale=scale)
    pruned = prune(SMALL, construction="binary", bits=(4, 3), into=into, domain=domain, epsilon=9.0)
    exact = pruned.certificate.exact
    assert exact["bits"] == [4, 3 + max(0, scale - 7)]
    assert exact.get("outputs", 0) == max(0, 7 - scale)
    assert pruned.seed is pruned.recipe is pruned.shortfall is None
    assert pruned.random is into
    wanted = rounded(SMALL, exact["bits"])
    for point in points_of(domain, 6, 3):
        assert exact_value(pruned.compared, point) == exact_value(wanted, point)
    pruned.save(tmp_path / "ticket")
    found = audit(tmp_path / "ticket")
    assert found.result.upper == pruned.certificate.bound
    assert PrunedNetwork.load(tmp_path / "ticket").random.widths == into.widths


@st.composite
def cases(draw):
    """A tiny target and a network of signs, most often with room for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hidden = draw(st.lists(st.integers(1, 3), max_size=1))
    widths, layers = [2, *hidden, draw(st.integers(1, 2))], []
    for before, after in pairwise(widths):
        weight = rng.uniform(-1.5, 1.5, (after, before)) * (rng.random((after, before)) < 0.8)
        layers.append(Dense(weight, rng.uniform(-1, 1, after) if draw(st.booleans()) else None))
    depth = draw(st.integers(1, 14))
    given_widths = [2, *rng.integers(25, 50, depth - 1).tolist(), widths[-1]]
    return ReluNetwork(layers), signs(given_widths, draw(st.integers(0, 99)), scale=draw(st.integers(0, 4)))


@given(cases(), st.integers(0, 3), st.sampled_from([None, "accumulate", "select"]), st.booleans())
@settings(max_examples=4, deadline=None)
def test_what_fits_is_the_rounded_target(case, bits, layout, signed):
    target, into = case
    domain = Box(-1, 1) if signed else UNIT
    asked = {"bits": bits, "layout": layout, "domain": domain, "into": into, "epsilon": 50.0}
    try:
        pruned = prune(target, construction="binary", **asked)
    except InvalidNetworkError as error:
        assert "holds no rounding" in str(error)  # noqa: PT017
        return
    wanted = rounded(target, pruned.certificate.exact["bits"])
    for point in points_of(domain, 2, 3):
        assert exact_value(pruned.compared, point) == exact_value(wanted, point)
    assert (pruned.shortfall is None) == all(s >= bits for s in pruned.certificate.exact["bits"])


def test_unequal_widths_and_wide_block_ends_serve():
    into = signs([6, 30, 45, 60, 61, 44, 80, 33, 50, 47, 29, 60, 3], seed=5, scale=5)
    pruned = prune(SMALL, construction="binary", bits=(3, 2), into=into, domain=UNIT, epsilon=9.0)
    assert pruned.certificate.exact["bits"] == [3, 2]
    check_equal(pruned)


def test_growths_are_as_large_as_widths_permit():
    layer = integer_layers(ReluNetwork([Dense(np.full((2, 30), 255.0))]), [0], UNIT)[0]
    narrow, wide = (Plan.within(layer, 4, [width] * 12) for width in (64, 130))
    assert set(narrow.growths) == {2}
    assert wide.growths == [4, 4, 4, 4]
    mixed = Plan.within(layer, 4, [64, 130, 96, *[130] * 9])
    assert mixed.growths[:3] == [2, 4, 3]
    assert isinstance(Plan.within(layer, 4, [64, 64, 50]), Lack)
    into = signs([30, 70, 130, 100, *[130] * 3, 2], biased=False)
    target = ReluNetwork([Dense(np.random.default_rng(0).integers(-63, 64, (2, 30)).astype(float))])
    found = BINARY.fit(target, [0], UNIT, into)
    assert isinstance(found, GivenNetwork)
    (placed,) = found.blocks
    assert len(set(placed.rows.block.plan.growths)) > 1
    pruned = prune(target, construction="binary", into=into, domain=UNIT)
    assert pruned.certificate.bound == 0.0


@pytest.mark.slow
def test_too_small_a_network_holds_the_finest_precision_that_fits():
    into = signs([6, *[45] * 9, 3])
    pruned = prune(SMALL, construction="binary", epsilon=0.01, into=into, domain=UNIT)
    first, second = pruned.certificate.exact["bits"]
    assert not pruned.certificate.verified
    check = rounded(SMALL, (first, second))
    for point in points_of(UNIT, 6, 2):
        assert exact_value(pruned.compared, point) == exact_value(check, point)
    text = str(pruned.shortfall)
    assert f"bits are [{first}, {second}]" in text
    assert "of into has 45 units and lacks" in text or "into has 10 layers and lacks one of" in text
    for bits in ((first + 1, second), (first, second + 1)):
        assert not isinstance(BINARY.fit(SMALL, bits, UNIT, into), GivenNetwork)
    widths = text.partition("widths ")[2].partition(" should")[0]
    enough = [
        w for part in widths.split("-") for w in [int(part.split("x")[0])] * int((part + "x1").split("x")[1])
    ]
    wider = prune(SMALL, construction="binary", epsilon=0.01, into=signs(enough, seed=1), domain=UNIT)
    assert wider.certificate.verified
    assert wider.shortfall is None


def test_a_network_that_holds_nothing_is_refused_with_what_lacks():
    with pytest.raises(
        InvalidNetworkError,
        match=r"holds no rounding.*into has 1 layers, and at least 4 are needed; widths 6-",
    ):
        prune(SMALL, construction="binary", into=signs([6, 3]), domain=UNIT)
    asked = {"construction": "binary", "bits": 0, "layout": "accumulate", "domain": UNIT}
    with pytest.raises(InvalidNetworkError, match=r"layer 1 of into has 2 units and lacks .*widths 6-"):
        prune(SMALL, into=signs([6, 40, 2, *[40] * 8, 3]), **asked)


@pytest.mark.parametrize("layout", ["auto", "accumulate", "select"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("widths", [[2, 1], [2, 9, 1], [2, 9, 9, 9, 1]])
def test_layers_of_zeros_and_networks_that_are_too_shallow(layout, weight, widths):
    target = ReluNetwork([Dense(np.full((1, 2), weight))])
    asked = {"construction": "binary", "bits": 0, "layout": layout, "domain": UNIT}
    if weight and (len(widths) == 2 or (len(widths) == 3 and layout == "accumulate")):
        with pytest.raises(InvalidNetworkError, match="holds no rounding"):
            prune(target, into=signs(widths, biased=False), **asked)
    else:
        assert prune(target, into=signs(widths, biased=False), **asked).certificate.bound == 0.0


HALF = Dense(0.5 * signs([6, 9]).layers[0].weight)
NINE = signs([6, 9]).layers[0]


@pytest.mark.parametrize(
    ("into", "message"),
    [
        (signs([5, *[70] * 14, 3]), "into maps 5 inputs to 3 outputs, the target 6 to 3"),
        (signs([6, *[70] * 14, 4]), "into maps 6 inputs to 4 outputs, the target 6 to 3"),
        (signs([6, *[70] * 14, 3], biased=False), "into has none there"),
        (signs([6, *[70] * 14, 3], final_relu=True), "ends with a ReLU, and the other does not"),
        (ReluNetwork([HALF, Dense(np.ones((3, 9)))]), "layer 0 of into has a weight of -?0.5;"),
        (ReluNetwork([NINE, Dense(3.0 * np.ones((3, 9)))]), r"\+-3.0, no power of two"),
        (ReluNetwork([NINE, Dense([*[[1.0] * 9] * 2, [0.0] * 9])]), "layer 1 of into has a weight of 0.0"),
        (ReluNetwork([Dense(NINE.weight, np.full(9, 2.0)), Dense(np.ones((3, 9)))]), "a bias of 2.0"),
    ],
)
def test_networks_of_another_kind_are_refused_by_name(into, message):
    with pytest.raises(InvalidNetworkError, match=message):
        prune(SMALL, construction="binary", bits=2, into=into)


def test_scales_that_a_given_network_does_not_have_are_refused():
    into = signs([6, *[70] * 14, 3])
    with pytest.raises(
        ValueError, match="scale of construction 'binary' is one of 'last', 'none', got 'every'"
    ):
        prune(SMALL, construction="binary", bits=2, into=into, scale="every")
    with pytest.raises(InvalidNetworkError, match=r"\+-2\^-0, and bits \[2, 2\] need \+-2\^-4"):
        prune(SMALL, construction="binary", bits=2, into=into, scale="last")


def test_widths_are_shown_with_their_number():
    assert shown_widths([64, 9, 9, 9, 10]) == "64-9x3-10"


@pytest.mark.slow
def test_digits_fit_into_thirty_layers_of_256_units():
    digits = load_network(shipped_network("digits-64-32-10"))
    for seed in range(10):
        found = BINARY.fit(digits, (11, 9), UNIT, signs([64, *[256] * 30, 10], seed))
        assert isinstance(found, GivenNetwork)


# ---------------------------------------------------------------- planted mistakes

MISTAKES = {
    "an idle layer forgotten": (
        blocks.BlockNetwork.masks,
        "keep_carriers(placed.carriers, mine, keep_first)",
        "pass",
    ),
    "a carrier that sees another input": (
        blocks.carriers_of,
        "plus[number - 1][:, found[-1]] if number else eligible",
        "(plus[number - 1][:, found[-1]] if number else eligible) | True",
    ),
    "a carrier in the wrong layer": (blocks.keep_carriers, "carriers[number - 1]", "carriers[number]"),
    "a block that reads the layer before": (
        blocks.BlockNetwork.masks,
        "_edges_from(mine[carrying], placed.carriers[-1])",
        "_edges_from(mine[carrying], placed.carriers[0])",
    ),
    "outputs at other units": (given_networks.Fit._placed, "plus[:outputs]", "plus[-outputs:]"),
    "the last layer off by two": (given_networks.output_scale, "1 - exponent", "2 - exponent"),
    "too few bits to sum up": (FinestFit._summing_up, "max(0, min(more, _MOST_BITS - wanted[-1]))", "0"),
    "biases that are none": (blocks.BlockNetwork._first_edges, "bias[made[made >= 0]] = True", "pass"),
    "growths that are not the plan's": (Plan.within, "left // g", "left // 2"),
}


def caught():
    """Whether an error, or exact values, tell that something is wrong."""
    cases = (([6, *[70] * 16, 3], 7, Box(-1, 1)), ([6, *[130] * 9, 3], 0, UNIT))
    for number, (widths, scale, domain) in enumerate(cases):
        target = small_target(6, 4, 3, seed=number)
        asked = {"bits": (4, 3), "domain": domain, "layout": "accumulate", "epsilon": 50.0}
        try:
            pruned = prune(target, construction="binary", into=signs(widths, scale=scale), **asked)
            wanted = rounded(target, (4, 3))
            for point in points_of(domain, 6, 3):
                if exact_value(pruned.compared, point) != exact_value(wanted, point):
                    return True
            if pruned.certificate.exact.get("outputs", 0) != 7 - scale:
                return True
            pruned = prune(target, construction="binary", into=signs(widths, scale=9), **asked)
            if "outputs" in pruned.certificate.exact:
                return True
        except Exception:  # noqa: BLE001 - a mistake may end in any way
            return True
    return False


@pytest.mark.slow
def test_nothing_is_caught_without_a_mistake():
    assert not caught()


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_mistake_is_caught(monkeypatch, mistake):
    plant(monkeypatch, *MISTAKES[mistake])
    assert caught()
