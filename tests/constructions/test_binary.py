"""Construction "binary": random signs pruned to equal the rounded target, exactly; and what it refuses."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets import Box, Dense, PrunedNetwork, ReluNetwork, load_network, prune
from subsetsum_nets.audit import audit
from subsetsum_nets.constructions import EXACT
from subsetsum_nets.constructions.binary import (
    blocks,
    choosing,
    covering,
    growing,
    integers,
    network,
    remainders,
    rows,
    selecting,
)
from subsetsum_nets.networks import Ball, InvalidNetworkError, shipped_network
from subsetsum_nets.networks.rounding import rounded
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError
from subsetsum_nets.verification.replay.evaluation import exact_value

DIGITS = load_network(shipped_network("digits-64-32-10"))
DOMAINS = {
    "signed": Box(-1, 1),
    "nonnegative": Box(0, 1),
    "one-sided": Box([-1.0, 0.0, -1.0], [0.0, 1.0, 1.0]),
    "ball": Ball(2.0),
}
GROWTHS, SEEDS = st.sampled_from([2, 2, 3]), st.integers(0, 9)
LAYOUTS = st.sampled_from(["auto", "accumulate", "accumulate", "select"])


def points_of(domain, d, count, seed=0):
    rng = np.random.default_rng(seed)
    low, high = domain.bounds(d)
    points = low + rng.integers(0, 9, (count, d)) / 8 * (high - low)
    return points / 2 if isinstance(domain, Ball) else points


def check_equal(pruned, count=4):
    """The pruned network is the rounded target at points of the domain, without any rounding."""
    wanted = rounded(pruned.target, pruned.certificate.exact["bits"])
    for point in points_of(pruned.domain, pruned.target.widths[0], count):
        assert exact_value(pruned.network, point) == exact_value(wanted, point)


@st.composite
def targets(draw):
    """Three inputs; layers with zeros, dead units, constants, with and without biases."""
    hidden = draw(st.lists(st.integers(1, 4), max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layers, before = [], 3
    for width in [*hidden, draw(st.integers(1, 3))]:
        weight = rng.uniform(-1.5, 1.5, (width, before)) * (rng.random((width, before)) < 0.8)
        weight *= rng.random((width, 1)) < 0.8
        weight *= rng.random((1, before)) < 0.9
        bias = rng.uniform(-1, 1, width) * (rng.random(width) < 0.7) if draw(st.booleans()) else None
        layers.append(Dense(weight, bias))
        before = width
    return ReluNetwork(layers, final_relu=draw(st.booleans()))


@given(targets(), st.sampled_from(sorted(DOMAINS)), st.integers(0, 5), GROWTHS, SEEDS, LAYOUTS)
@settings(max_examples=3, deadline=None)
def test_the_pruned_network_is_the_rounded_target(
    tmp_path_factory, target, domain, bits, growth, seed, layout
):
    options = {"bits": bits, "candidates": growth, "seed": seed, "layout": layout}
    pruned = prune(target, construction="binary", domain=DOMAINS[domain], **options)
    check_equal(pruned)
    check_signs(pruned)
    folder = tmp_path_factory.mktemp("ticket") / "ticket"
    pruned.save(folder)
    assert audit(folder).result.upper == pruned.certificate.bound
    assert (pruned.solution.errors <= 2.0 ** -(bits + 1)).all()


def check_signs(pruned):
    """All weights are +-1, those of the last layer +-2^-t; biases stand in the first layer alone."""
    total, (*hidden, last) = sum(pruned.certificate.exact["bits"]), pruned.random.layers
    assert all(set(np.unique(layer.weight)) <= {-1.0, 1.0} for layer in hidden)
    assert set(np.unique(last.weight)) <= {-(2.0**-total), 2.0**-total}
    assert all(layer.bias is None for layer in pruned.random.layers[1:])
    for layer, drawn, mask in zip(pruned.network.layers, pruned.random.layers, pruned.masks, strict=True):
        assert np.array_equal(layer.weight, np.where(mask, drawn.weight, 0.0))


def small_target(d_in=6, hidden=5, d_out=3, seed=0):
    rng = np.random.default_rng(seed)
    first = Dense(rng.uniform(-1, 1, (hidden, d_in)), rng.uniform(-1, 1, hidden))
    return ReluNetwork([first, Dense(rng.uniform(-1, 1, (d_out, hidden)), rng.uniform(-1, 1, d_out))])


SMALL = small_target()


def test_the_collapsed_network_is_the_rounded_target_bit_for_bit():
    pruned = prune(SMALL, construction="binary", bits=(6, 5), domain=Box(-1, 1))
    for layer, wanted in zip(pruned.collapse().layers, rounded(SMALL, (6, 5)).layers, strict=True):
        assert np.array_equal(layer.weight, wanted.weight)
        assert np.array_equal(layer.bias, wanted.bias)


def test_bits_are_as_few_as_verification_allows():
    pruned = prune(SMALL, construction="binary", epsilon=0.05, domain=Box(0, 1))
    first, second = pruned.certificate.exact["bits"]
    assert pruned.certificate.verified
    assert pruned.shortfall is None
    for fewer in ((first - 1, second), (first, second - 1)):
        cheaper = prune(SMALL, construction="binary", bits=fewer, epsilon=0.05, domain=Box(0, 1))
        assert not cheaper.certificate.verified
        assert "bits" in str(cheaper.shortfall)


def test_integer_targets_need_no_bits():
    target = ReluNetwork([Dense([[3.0, -7.0], [1.0, 2.0]]), Dense([[-5.0, 1.0]])])
    pruned = prune(target, construction="binary", domain=Box(0, 1), layout="accumulate")
    assert pruned.certificate.exact["bits"] == [0, 0]
    assert pruned.certificate.bound == 0.0
    assert set(np.unique(pruned.random.layers[-1].weight)) == {-1.0, 1.0}


def test_a_weight_of_34_bits():
    target = ReluNetwork([Dense([[2.0**33 + 1.0, -3.0]]), Dense([[1.0]])])
    pruned = prune(target, construction="binary", bits=0, domain=Box(0, 1))
    check_equal(pruned)
    assert pruned.certificate.bound == 0.0


@pytest.mark.slow
def test_ninety_layers_are_scaled_one_by_one():
    target = ReluNetwork([Dense([[0.75]], [0.1])] * 90)
    pruned = prune(target, construction="binary", bits=12, domain=Box(0, 1))
    assert sum(pruned.certificate.exact["bits"]) > 1022
    assert pruned.certificate.exact["ends"] == [12] * 90
    assert pruned.certificate.verified
    check_equal(pruned, count=1)


def test_every_layer_can_be_scaled_by_request():
    pruned = prune(SMALL, construction="binary", bits=(6, 5), scale="every", domain=Box(-1, 1))
    assert pruned.certificate.exact["ends"] == [6, 5]
    check_equal(pruned)
    assert {float(abs(layer.weight).max()) for layer in pruned.random.layers} == {1.0, 2.0**-6, 2.0**-5}


def test_the_certificate_says_for_which_inputs_it_is_exact():
    said = {
        name: prune(ReluNetwork([Dense(np.ones((1, 3)))]), construction="binary", bits=0, domain=domain)
        for name, domain in DOMAINS.items()
    }
    inputs = {name: pruned.certificate.exact["inputs"] for name, pruned in said.items()}
    assert inputs["signed"] == inputs["ball"] == "all real x"
    assert inputs["nonnegative"] == "x >= 0"
    assert "signs" in inputs["one-sided"]
    for name in ("signed", "ball"):  # also beyond the domain
        point = np.array([-1000.0, 3.0, 17.0])
        assert said[name].network(point) == said[name].target(point)


def test_the_same_seed_gives_the_same_masks_on_any_threads():
    first, second = (
        prune(SMALL, construction="binary", bits=5, seed=3, threads=threads) for threads in (1, 2)
    )
    assert first.all_masks.digest() == second.all_masks.digest()
    other = prune(SMALL, construction="binary", bits=5, seed=4)
    assert first.certificate.random_digest != other.certificate.random_digest


def test_a_checkpoint_is_resumed(tmp_path):
    first = prune(SMALL, construction="binary", bits=5, checkpoint=tmp_path)
    assert list(tmp_path.iterdir())
    again = prune(SMALL, construction="binary", bits=5, checkpoint=tmp_path)
    assert first.all_masks.digest() == again.all_masks.digest()


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["within", "sparsest"])
def test_other_objectives_meet_the_same_rounded_target(objective):
    pruned = prune(small_target(3, 2, 1), construction="binary", bits=3, objective=objective)
    check_equal(pruned)


def test_sparsest_takes_what_epsilon_leaves(tmp_path):
    asked = {"construction": "binary", "bits": (8, 7), "domain": Box(0, 1), "epsilon": 0.3}
    nearest, sparse = (prune(SMALL, objective=objective, **asked) for objective in ("nearest", "sparsest"))
    slack = sparse.certificate.exact["slack"]
    assert slack >= 1
    assert "slack" not in nearest.certificate.exact
    assert nearest.certificate.bound < sparse.certificate.bound <= 0.3
    assert sparse.certificate.counts["kept_parameters"] < nearest.certificate.counts["kept_parameters"]
    for mine, layer, bits in zip(sparse.collapse().layers, SMALL.layers, (8, 7), strict=True):
        for units, wanted in ((mine.weight, layer.weight), (mine.bias, layer.bias)):
            assert (abs(units - wanted) * 2.0**bits <= slack + 0.5).all()
            assert (np.rint(units * 2.0**bits) == units * 2.0**bits).all()
    sparse.save(tmp_path / "ticket")
    assert not [note for note in audit(tmp_path / "ticket").unchecked if "not proven" in note]
    for other in (slack - 1, -1, "1"):
        page = json.loads((tmp_path / "ticket" / "certificate.json").read_text())
        page["exact"]["slack"] = other
        names = {name for name in page if name not in ("format", "version", "semantics", "digest")}
        Certificate(**{name: page[name] for name in names}).save(tmp_path / "ticket" / "certificate.json")
        if other == slack - 1 > 0:
            assert [note for note in audit(tmp_path / "ticket").unchecked if "not proven" in note]
        else:
            with pytest.raises(CertificateFileError):
                audit(tmp_path / "ticket")


@pytest.mark.thinned
@pytest.mark.parametrize("layout", ["accumulate", "select"])
@pytest.mark.parametrize("objective", ["nearest", "within", "sparsest"])
def test_weights_halfway_between_multiples_are_rounded_as_is_claimed(tmp_path, layout, objective):
    halves = np.random.default_rng(5).integers(-9, 10, (3, 3)) / 2
    target = ReluNetwork([Dense(halves), Dense([[0.5, -1.5, 2.5]], [0.5])])
    asked = {"bits": 0, "layout": layout, "objective": objective, "domain": Box(0, 1)}
    pruned = prune(target, construction="binary", **asked)
    check_equal(pruned)
    pruned.save(tmp_path / "ticket")
    audit(tmp_path / "ticket")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layout": "diagonal"}, ValueError, "layout of construction 'binary' is one of .*'diagonal'"),
        ({"scale": "first"}, ValueError, "'last', 'every', 'none', got 'first'"),
        ({"candidates": 7}, ValueError, "candidates .* 2, 3, 4, got 7"),
        ({"allocation": "tight"}, ValueError, "no allocation, got allocation='tight'"),
        ({"bits": -1}, ValueError, "from 0 to 52.*got -1"),
        ({"bits": (3,)}, ValueError, r"one a layer \(2\), got \(3,\)"),
        ({"bits": 2.5}, ValueError, "got 2.5"),
        ({"bits": 52}, InvalidNetworkError, "layer 0 times 2.52 has a weight of .* fewer bits"),
        ({"into": SMALL}, InvalidNetworkError, "layer 0 of into has a weight of .*takes \\+-1"),
    ],
)
def test_what_it_does_not_take_is_refused_by_name(options, error, message):
    target = small_target() if options.get("bits") != 52 else ReluNetwork([Dense([[3.0]])] * 2)
    with pytest.raises(error, match=message):
        prune(target, construction="binary", **options)


@pytest.mark.parametrize("option", [{"bits": 3}, {"layout": "auto"}, {"scale": "last"}])
def test_its_options_are_refused_with_other_constructions(option):
    (name,) = option
    with pytest.raises(ValueError, match=f"construction 'relu' takes no {name}"):
        prune(SMALL, **option)


def test_layers_without_relu_are_refused():
    target = ReluNetwork([Dense([[1.0]])] * 2, linear_after=[0])
    with pytest.raises(InvalidNetworkError, match="no ReLU follows layer 0 of target"):
        prune(target, construction="binary")


# ---------------------------------------------------------------- tickets


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    folder = tmp_path_factory.mktemp("binary") / "ticket"
    prune(SMALL, construction="binary", epsilon=0.05, domain=Box(-1, 1)).save(folder)
    return folder


def test_a_ticket_is_loaded_and_audited(ticket):
    loaded = PrunedNetwork.load(ticket)
    assert loaded.certificate.exact == Certificate.load(ticket / "certificate.json").exact
    check_equal(loaded)
    found = audit(ticket, exact=True)
    assert found.verified
    assert found.result.replayed is not None


def test_a_certificate_of_other_bits_is_refused(ticket, tmp_path):
    import shutil

    shutil.copytree(ticket, tmp_path / "other")
    page = json.loads((ticket / "certificate.json").read_text())
    page.pop("digest")
    page["exact"]["bits"][0] -= 1
    names = {name for name in page if name not in ("format", "version", "semantics")}
    Certificate(**{name: page[name] for name in names}).save(tmp_path / "other" / "certificate.json")
    with pytest.raises(CertificateFileError, match="equals the target rounded to"):
        audit(tmp_path / "other")


# ---------------------------------------------------------------- planted mistakes

GROWN, ROWS, LEFT = network.GrownNetwork, rows.BlockRows, remainders.Remainders
BLOCKS = blocks.BlockNetwork
CUT = "edges & (np.cumsum(edges, axis=1) <= growth)"
ENDING = "np.where(last, whole, digit % growth)"
HALVES = "plus[:, self._sources(layer, start)] ^ layer.negative"
PLACED = "copies[columns[more]] = open_units[match]"
MISTAKES = {
    "a doubled digit": (ROWS.values, "worth *= growth", "worth *= growth + 1"),
    "P and N swapped": (ROWS.values, "sign * worth", "-sign * worth"),
    "an old accumulator not picked up": (
        rows.keep_structure,
        "earlier.size",
        "(earlier.size and earlier[0] % 3)",
    ),
    "a + edge kept where the sign is -": (ROWS.valid, "plus[receivers[:, at], senders[:, at]]", "True"),
    "a copy with an edge too few": (rows._keep_copies, CUT, "edges & (np.cumsum(edges, axis=1) < growth)"),
    "a copy with - edges": (growing._next_level, "edges[:, more] >= growth", "edges[:, more] >= 0"),
    "a channel dropped a layer early": (growing._next_level, PLACED, "pass"),
    "the last layer off by two": (GROWN.__init__, "2.0**-scale", "2.0 ** (1 - scale)"),
    "halves of signed inputs swapped": (BLOCKS.reads, HALVES, "plus[:, self._sources(layer, start)]"),
    "a half with the other's sign": (integers._integer_layer, "[1, -1]", "[1, 1]"),
    "the constant in another unit": (integers._integer_layer, "1 << scale", "1 << scale + 1"),
    "a digit that need not be there": (LEFT.least_digits, "digit % growth", "0 * digit"),
    "a last digit that need not end": (LEFT.least_digits, ENDING, "digit % growth"),
    "units in use taken for idle": (
        rows.forget_idle_units,
        "~(mask.any(axis=1) | bias)",
        "~mask.any(axis=1)",
    ),
    "an accumulator that is not seen": (choosing._Cover.left, "self.unseen[0].sum()", "0"),
    "a copy at the wrong unit": (growing._next_level, PLACED, "copies[columns[more]] = match"),
    "biases of the first layer forgotten": (BLOCKS._first_edges, "bias[made[made >= 0]]", "bias[made[:0]]"),
    "signs of selected edges swapped": (
        selecting.SelectBlock.items,
        "np.where(signs, self.unit, -self.unit)",
        "np.where(signs, -self.unit, self.unit)",
    ),
    "a selected unit that sees another input": (
        selecting.assigned,
        "eligible.astype(np.int64)",
        "np.ones_like(eligible, np.int64)",
    ),
    "a weight with too few units": (covering.fill, "np.abs(weight)", "np.abs(weight) // 2"),
}


def covered(weight, eligible, plus, served):
    """Whether units serve inputs that they can carry, so that every weight has enough edges of its sign."""
    proper = all(i < 0 or eligible[u, i] for u, i in enumerate(served))
    right = (plus[:, :, None] == (weight > 0)[:, None, :]) & (
        np.asarray(served)[:, None] == range(weight.shape[1])
    )
    return proper and (right.sum(axis=1) >= abs(weight)).all()


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=60)
def test_units_are_shared_out_as_all_ways_to_do_it_say(seed, planted):
    rng = np.random.default_rng(seed)
    units, inputs, outputs = 5, 2, 2
    eligible, plus = rng.random((units, inputs)) < 0.7, rng.random((outputs, units)) < 0.5
    weight = rng.integers(-2, 3, (outputs, inputs))
    if planted:  # whole columns of units: greedy finds what is plenty
        eligible, plus = np.tile(eligible | True, (4, 1)), np.tile(plus, 4)
        plus[:, :4] = [[True, True, False, False], [True, False, True, False]]
        eligible, plus = np.tile(eligible, (3, 1)), np.tile(plus, 3)
    found = selecting.assigned(weight, eligible, plus)
    if found is not None:
        assert covered(weight, eligible, plus, found)
    else:
        assert not planted
    ways = [] if planted else itertools.product(range(-1, inputs), repeat=units)
    if not planted and not any(covered(weight, eligible, plus, way) for way in ways):
        assert found is None


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=60)
def test_accumulators_are_covers_and_a_planted_pair_is_found(seed, planted):
    rng = np.random.default_rng(seed)
    units, rows_, old = 8, 5, 2
    edges, allowed = rng.integers(0, 3, (units, rows_)).astype(np.int8), np.ones(units, dtype=bool)
    needed = rng.integers(1, 3, (2, rows_)).astype(np.int8)
    sees = rng.random((2, units, old)) < 0.4
    if planted:
        first, second = rng.permutation(units)[:2]
        half = rng.random(rows_) < 0.5
        edges[first], edges[second] = np.where(half, needed[0], 0), np.where(half, 0, needed[1])
        sees[0, first] = sees[1, second] = True
    sides = [choosing.Side(allowed.copy(), edges, needed[k], sees[k]) for k in range(2)]
    found = choosing.cover((sides[0], sides[1]), np.zeros(units, np.int64))
    if found is None:
        assert not planted
        return
    counts = [edges[chosen].sum(axis=0, dtype=int) for chosen in found]
    assert ((counts[0] >= needed[0]) | (counts[1] >= needed[1])).all()
    assert all(sees[k][chosen].any(axis=0).all() for k, chosen in enumerate(found))
    assert not set(found[0]) & set(found[1])
    assert not planted or len(found[0]) == len(found[1]) == 1


@given(st.integers(0, 2**32), st.integers(-40, 40), st.sampled_from([2, 3, 4]))
@settings(max_examples=60)
def test_remainders_are_those_of_all_digits(seed, weight, growth):
    rng = np.random.default_rng(seed)
    sets, exact = remainders.Remainders.of(np.array([[weight]])), {weight}
    for _ in range(4):
        plus, minus = (int(number) for number in rng.integers(0, 4, 2))
        exact = {(r - d) // growth for r in exact for d in range(-minus, plus + 1) if (r - d) % growth == 0}
        sets = sets.after(growth, np.array([[plus]]), np.array([[minus]]))
        word, base = int(sets.words[0, 0]), int(sets.base[0, 0])
        held = {
            base + k
            for k in range(-remainders.REACH, remainders.REACH + 1)
            if word >> remainders.MIDDLE + k & 1
        }
        assert held == exact
        for last in (False, True):
            fewest, most = sets.least_digits(growth, np.array([last]))
            for got, sign in ((int(fewest[0, 0]), 1), (int(most[0, 0]), -1)):
                digits = [sign * r if last else sign * r % growth for r in exact]
                digits = [d for d in digits if d >= 0]
                assert got == min(digits, default=remainders.IMPOSSIBLE)


def caught(tmp_path):
    """Whether an error, or the audit of a ticket, tells that something is wrong."""
    for number, domain in enumerate(("signed", "nonnegative")):
        target = small_target(3, 4, 2, seed=number)
        try:
            for layout in ("accumulate", "select"):
                options = {"bits": (4, 3), "domain": DOMAINS[domain], "layout": layout}
                pruned = prune(target, construction="binary", **options)
                pruned.save(tmp_path / domain)
                audit(tmp_path / domain)
        except Exception:  # noqa: BLE001 - a mistake may end in any way
            return True
    return False


def test_nothing_is_caught_without_a_mistake(tmp_path):
    assert not caught(tmp_path)


@pytest.mark.thinned
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_mistake_is_caught(monkeypatch, tmp_path, mistake):
    function, right, wrong = MISTAKES[mistake]
    plant(monkeypatch, getattr(function, "func", function), right, wrong)
    assert caught(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("d_in", "d_out", "least"), [(64, 32, 10), (32, 10, 7), (8, 1, 6)])
def test_planned_widths_do_at_the_first_try_for_most_seeds(d_in, d_out, least):
    met = 0
    for seed in range(10):
        weight = np.random.default_rng(seed).integers(-255, 256, (d_out, d_in)).astype(float)
        target = ReluNetwork([Dense(weight)], domain=Box(0, 1))
        grown = EXACT["binary"].grow(target, [0], Box(0, 1), 2, seed)
        _, (planned,) = EXACT["binary"].plan(target, [0], Box(0, 1), 2)
        met += [draw.d_out for draw in grown.draws] == planned
    assert met >= least


@pytest.mark.slow
def test_digits_need_fourteen_and_thirteen_bits():
    pruned = prune(DIGITS, construction="binary", epsilon=0.01)
    assert pruned.certificate.exact["bits"] == [14, 13]
    assert pruned.certificate.verified
    assert pruned.certificate.counts["random_parameters"] <= 574_860
    assert pruned.certificate.counts["kept_parameters"] <= 16_807
    check_equal(pruned, count=2)
