"""verify(): the public entry, its choices and every error path."""

import dataclasses
import importlib
import math
import subprocess
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from verification.tiny_networks import check_bound, exact_pair, random_cases, random_pair

from subsetsum_nets import Certificate, prune
from subsetsum_nets.networks import Ball, Box, Dense, InvalidNetworkError, ReluNetwork
from subsetsum_nets.verification import (
    METHODS,
    MethodBound,
    SoundnessError,
    UnsupportedStructureError,
    VerificationResult,
    verify,
)

F = ReluNetwork([Dense([[1.0]])])
G = ReluNetwork(exact_pair([[1.25]], [[0.5]]))
GENERIC = ReluNetwork([Dense([[1.0]]), Dense([[1.0]], [-0.5]), Dense([[1.0]])])


@pytest.mark.thinned
@pytest.mark.parametrize("case", random_cases(range(300, 330)), ids=str)
def test_auto_on_random_tiny_networks(case):
    result = check_bound(case)
    assert result.method in METHODS


def test_the_result_says_it_all():
    result = verify(F, G, epsilon=0.5001)
    assert isinstance(result, VerificationResult)
    assert result.lower <= 0.5 <= result.upper <= 0.5 * (1 + 1e-12)
    assert result.lower == pytest.approx(0.5, rel=1e-12)
    assert result.witness.tolist() == [-1.0]
    assert (result.verified, result.falsified) == (True, False)
    assert (result.domain, result.norm, result.epsilon) == (Box(-1, 1), "l2", 0.5001)
    assert [layer.index for layer in result.layers] == [0]
    assert result.seconds > 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.upper = 0.0


def test_decisions():
    assert verify(F, G, epsilon=0.4).falsified
    assert not verify(F, G, epsilon=0.4).verified
    undecided = verify(F, G, epsilon=0.6, method="interval")  # interval arithmetic alone cannot tell
    assert (undecided.verified, undecided.falsified) == (False, False)
    unasked = verify(F, G)
    assert (unasked.verified, unasked.falsified, unasked.epsilon) == (None, None, None)


@pytest.fixture(scope="module")
def ticket():
    target = ReluNetwork([Dense([[1.0, -0.5], [0.25, 0.75]]), Dense([[1.0, -1.0]])])
    return prune(target, domain=Ball(0.25), epsilon=0.05)


def test_what_is_not_given_comes_from_the_ticket(ticket):
    result = verify(ticket.target, ticket)
    assert (result.domain, result.norm, result.epsilon) == (Ball(0.25), "l2", 0.05)
    assert result.verified is True
    assert result.falsified is False
    assert result.upper <= ticket.certificate.bound
    maximum = Certificate.from_json(ticket.certificate.to_json())
    maximum = dataclasses.replace(ticket, certificate=dataclasses.replace(maximum, norm="linf"))
    assert verify(ticket.target, maximum).norm == "linf"


def test_what_is_given_counts_whatever_the_ticket_says(ticket):
    result = verify(ticket.target, ticket, domain=Box(0, 2), norm="l1", epsilon=1e-9)
    assert (result.domain, result.norm, result.epsilon) == (Box(0, 2), "l1", 1e-9)
    assert result.verified is False
    plain = verify(ticket.target, ticket.network)
    assert (plain.domain, plain.epsilon, plain.verified) == (Box(-1, 1), None, None)
    bare = dataclasses.replace(ticket, certificate=None)
    assert verify(ticket.target, bare).verified is None


def test_the_domain_stored_with_the_target_comes_before_the_unit_box():
    target = ReluNetwork([Dense([[1.0]])], domain=Box(0, 3))
    assert verify(target, G).domain == Box(0, 3)
    assert verify(target, G).upper == pytest.approx(0.75)
    assert verify(G, target).domain == Box(-1, 1)


def test_auto_takes_the_smallest():
    uppers = {m: verify(F, G, method=m).upper for m in METHODS}
    result = verify(F, G)
    assert result.upper == uppers[result.method] <= min(uppers.values()) * (1 + 1e-8)


def test_auto_names_interval_where_bounding_each_alone_wins():
    f, g = random_pair(1, (2, 3, 2), error=3.0)
    domain = Box(0.5, 0.5)  # a single point
    result = verify(f, g, domain=domain)
    assert result.method == "interval"
    assert result.upper == pytest.approx(result.lower, rel=1e-9)


def test_a_network_may_come_wrapped():
    assert verify(F, SimpleNamespace(network=G)).upper == verify(F, G).upper


def test_equal_networks_are_proven_equal():
    f, _ = random_pair(2, (2, 3, 2))
    result = verify(f, f, epsilon=1e-300)
    assert (result.upper, result.lower, result.verified) == (0.0, 0.0, True)


def test_unsupported_structure():
    alone = verify(F, GENERIC, method="interval").upper
    assert alone >= 1.0
    for method in ("auto", "zonotope", "splitting", "milp"):
        assert verify(F, GENERIC, method=method, time_limit=1.0).upper <= alone * (1 + 1e-9)
    for method in ("differential", "norms", "propagated"):
        with pytest.raises(UnsupportedStructureError, match="unit 0 of hidden layer 1 has both"):
            verify(F, GENERIC, method=method)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "simplex"},
            "unknown method 'simplex'; available are auto, differential, norms, interval, propagated",
        ),
        ({"norm": "l3"}, "unknown norm 'l3'"),
        ({"epsilon": 0.0}, "epsilon must be a positive number, got 0.0"),
        ({"epsilon": -1.0}, "epsilon must be a positive number"),
        ({"epsilon": math.nan}, "epsilon must be a positive number, got nan"),
        ({"time_limit": 0.0}, "time_limit must be a positive number of seconds, got 0.0"),
        ({"time_limit": math.nan}, "time_limit must be a positive number of seconds"),
        ({"domain": Box([0, 0], [1, 1])}, "2 coordinates"),
        ({"domain": Ball(1.0, [0.0, 0.0])}, "2 coordinates"),
    ],
)
def test_value_errors(options, message):
    with pytest.raises(ValueError, match=message):
        verify(F, G, **options)


def test_mismatched_sizes():
    with pytest.raises(ValueError, match="maps 1 inputs to 1 outputs, the pruned network 2 to 1"):
        verify(F, ReluNetwork([Dense([[1.0, 1.0]])]))
    with pytest.raises(ValueError, match="1 to 2"):
        verify(F, ReluNetwork([Dense([[1.0], [1.0]])]))


def test_type_errors():
    for pruned in (None, 3, SimpleNamespace(network=None)):
        with pytest.raises(TypeError, match="pruned must be a ReluNetwork"):
            verify(F, pruned)
    with pytest.raises(TypeError, match="target must be a ReluNetwork"):
        verify("f", G)
    with pytest.raises(TypeError, match="must be a Box or a Ball, got list"):
        verify(F, G, domain=[-1, 1])
    assert issubclass(InvalidNetworkError, ValueError)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_overflow_gives_inf(method):
    f, g = ReluNetwork([Dense([[1e300]])]), ReluNetwork(exact_pair([[1e299]], [[1.0]]))
    result = verify(f, g, domain=Box(-1e10, 1e10), method=method, epsilon=1.0)
    assert result.upper == math.inf
    assert result.lower < math.inf
    assert not result.verified


def test_overflow_of_the_effective_weights_gives_inf():
    g = ReluNetwork([Dense([[1e200]]), Dense([[1e200]])])
    for method in ("auto", "differential"):
        assert verify(F, g, method=method).upper == math.inf


def test_the_largest_domains():
    for domain in (Box(-1.7e308, 1.7e308), Ball(1.7e308), Ball(1e300, 1e300)):
        result = verify(F, G, domain=domain)
        assert result.lower <= result.upper


def test_contradiction_is_an_error(monkeypatch):
    module = importlib.import_module("subsetsum_nets.verification.methods.table")
    wrong = dataclasses.replace(module.TABLE["differential"], bound=lambda comparison: MethodBound(0.25, ()))
    monkeypatch.setitem(module.TABLE, "differential", wrong)
    with pytest.raises(SoundnessError, match="method 'differential' proves"):
        verify(F, G)


def test_time_limit():
    hurried = verify(F, G, time_limit=1e-9)
    assert hurried.method == "differential"  # the first method always finishes
    assert hurried.upper == pytest.approx(verify(F, G).upper)


@pytest.mark.thinned
@pytest.mark.parametrize("method", METHODS)
def test_exact_replay_agrees_from_below(method):
    f, g = random_pair(3, (2, 4, 2))
    result = verify(f, g, method=method, exact=True)
    assert result.lower <= result.replayed <= result.upper


def test_auto_replays_a_search():
    f, g = random_pair(1, (2, 3, 2), error=0.3)
    result = verify(f, g, time_limit=3.0, exact=True)
    assert result.method in ("milp", "splitting")
    assert result.lower <= result.replayed <= result.upper


@pytest.mark.thinned
@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("domain", [Box(-1, 0.5), Ball(0.5, [0.25, 0.5])])
def test_exact_replay_of_milp_in_every_norm(norm, domain):
    f, g = random_pair(3, (2, 3, 2))
    result = verify(f, g, domain=domain, norm=norm, method="milp", exact=True)
    assert result.lower <= result.replayed <= result.upper
    assert result.upper <= result.replayed * (1 + 1e-12)


def test_a_method_that_cannot_be_replayed_says_so(monkeypatch):
    module = importlib.import_module("subsetsum_nets.verification.replay.replay")
    others = tuple(name for name in METHODS if name not in ("differential", "norms"))
    monkeypatch.setattr(module, "REPLAYED_METHODS", others)
    with pytest.raises(UnsupportedStructureError, match="'norms' cannot be replayed in exact arithmetic"):
        verify(F, G, method="norms", exact=True)
    assert verify(F, G).method == "differential"
    assert verify(F, G, exact=True).method in others  # "auto" leaves out what cannot be replayed


def test_a_replay_above_the_bound_is_an_error(monkeypatch):
    module = importlib.import_module("subsetsum_nets.verification.replay.replay")
    monkeypatch.setattr(module, "replayed_bound", lambda *args: Fraction(10))
    with pytest.raises(SoundnessError, match="in exact arithmetic"):
        verify(F, G, exact=True)


def test_a_time_limit_lets_auto_branch_until_the_bounds_meet():
    f, g = random_pair(1, (2, 3, 2), error=0.3)
    quick, patient = verify(f, g), verify(f, g, time_limit=20.0)
    assert patient.lower >= quick.lower
    assert patient.upper <= min(quick.upper, patient.lower * (1 + 2e-6))
    assert quick.upper > patient.upper * 1.01


def test_import_is_light():
    code = "import sys, subsetsum_nets.verification; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_wide_pairs_take_seconds():
    rng = np.random.default_rng(0)
    d_in, d_out, per_input = 64, 10, 400
    weight = rng.uniform(-0.1, 0.1, (d_out, d_in))
    units = np.arange(d_in * per_input)
    first = np.zeros((units.size, d_in))
    first[units, units // per_input] = rng.uniform(0.1, 1, units.size) * np.where(units % 2, 1, -1)
    g = ReluNetwork([Dense(first), Dense(rng.uniform(-0.01, 0.01, (d_out, units.size)))])
    assert verify(ReluNetwork([Dense(weight)]), g).seconds < 10.0
