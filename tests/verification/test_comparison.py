"""A comparison is checked once, read layer by layer once, and attacked once; every method takes it."""

from dataclasses import replace

import numpy as np
import pytest
from verification.tiny_networks import random_pair

from subsetsum_nets.networks import Box, Dense, ReluNetwork
from subsetsum_nets.verification import (
    METHODS,
    BoundOverflowError,
    Comparison,
    SearchOptions,
    UnsupportedStructureError,
    comparison,
    falsifier,
    verify,
)
from subsetsum_nets.verification.methods.milp.milp import milp_bound
from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.replay.replay import replayed_bound
from subsetsum_nets.verification.results import Bracket, LowerBound

F, G = random_pair(1, (2, 3, 2), error=0.3)
DEEP = ReluNetwork([Dense(np.ones((2, 2))), *G.layers])

# Of F and G over Box(-1, 1) in linf, as proven before comparisons were records of their own.
PROVEN = {
    "differential": 1.6990321303806024,
    "norms": 2.8079997991248433,
    "interval": 4.49234010164809,
    "propagated": 1.040802677534785,
    "zonotope": 0.8128800314518513,
    "milp": 0.3479732299786739,
    "splitting": 0.4196897791319873,
}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target": "f"}, TypeError, "target must be a ReluNetwork"),
        ({"pruned": None}, TypeError, "pruned must be a ReluNetwork .* got NoneType"),
        ({"domain": [-1, 1]}, TypeError, "must be a Box or a Ball, got list"),
        ({"norm": "l3"}, ValueError, "unknown norm 'l3'; available are l2, linf, l1"),
        ({"pruned": ReluNetwork([Dense([[1.0]])])}, ValueError, "maps 2 inputs to 2 outputs, .* 1 to 1"),
        ({"known": ()}, ValueError, "got 0 effective layers, the target has 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        Comparison(**({"target": F, "pruned": G, "domain": Box(-1, 1)} | changes))


def test_options_of_a_search_are_checked():
    for name in ("time_limit", "node_limit", "epsilon", "threads"):
        for wrong in (0, -1.0, float("nan"), True, "1"):
            with pytest.raises(ValueError, match=f"{name} must be .*, got"):
                SearchOptions(**{name: wrong})
    assert SearchOptions().attack_limit is None
    assert SearchOptions(time_limit=5.0).attack_limit == 1.0


def test_networks_without_effective_layers():
    deep = Comparison(F, DEEP, Box(-1, 1))
    assert deep.effective_or_none is None
    for wanted in ("effective", "errors"):
        with pytest.raises(UnsupportedStructureError, match="2 nonzero input weights"):
            getattr(deep, wanted)
    huge = ReluNetwork([Dense([[1e200]]), Dense([[1e200]])])
    overflown = Comparison(ReluNetwork([Dense([[1.0]])]), huge, Box(-1, 1))
    assert overflown.effective_or_none is None
    with pytest.raises(BoundOverflowError):
        overflown.effective  # noqa: B018


@pytest.mark.parametrize("method", METHODS)
def test_bounds_are_those_proven_before(method):
    asked = Comparison(F, G, Box(-1, 1), "linf")
    given = (SearchOptions(node_limit=12, record=True),) if TABLE[method].anytime else ()
    bound = TABLE[method].bound(asked, *given)
    assert bound.upper == pytest.approx(PROVEN[method], rel=1e-12)
    assert float(replayed_bound(method, asked, bound.record)) == pytest.approx(PROVEN[method], rel=1e-9)


def test_layers_are_read_once(monkeypatch):
    read = counted(monkeypatch, comparison, "effective_layers")
    assert verify(F, G, time_limit=2.0).upper > 0.0
    assert len(read) == 1
    given = Comparison(F, F, Box(-1, 1), known=Comparison(F, G, Box(-1, 1)).effective)
    assert TABLE["norms"].bound(given).upper == TABLE["norms"].bound(Comparison(F, G, Box(-1, 1))).upper


# ---------------------------------------------------------------- one attack, from which searches start


def counted(monkeypatch, owner, name):
    """Return a list that grows by one with every call of a function."""
    calls, original = [], getattr(owner, name)

    def counting(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


@pytest.mark.thinned
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("time_limit", [None, 1.0])
def test_a_pair_is_attacked_once(monkeypatch, method, time_limit):
    attacks = counted(monkeypatch, falsifier.Search, "run")
    result = verify(F, G, method=method, time_limit=time_limit)
    assert len(attacks) == 1
    assert 0.0 < result.lower <= result.upper


@pytest.mark.slow
def test_auto_goes_on_to_the_searches_after_one_attack(monkeypatch):
    attacks = counted(monkeypatch, falsifier.Search, "run")
    f, g = random_pair(3, (3, 12, 12, 2), error=0.3)
    starts = []
    for method in [entry for entry in TABLE.values() if entry.anytime]:

        def noted(asked, options, method=method):
            starts.append((method.name, options.found))
            return method.bound(asked, options)

        monkeypatch.setitem(TABLE, method.name, replace(method, bound=noted))
    result = verify(f, g, time_limit=2.0)
    assert [name for name, _ in starts] == ["milp", "splitting"]
    assert len(attacks) == 1
    assert starts[0][1].lower <= starts[1][1].lower <= result.lower


@pytest.mark.parametrize("bound", [milp_bound, splitting_bound])
def test_a_search_starts_from_what_was_found(monkeypatch, bound):
    attacks = counted(monkeypatch, falsifier.Search, "run")
    asked = Comparison(F, G, Box(-1, 1), "linf")
    best = milp_bound(asked)
    attacks.clear()
    found = bound(asked, SearchOptions(node_limit=40, found=LowerBound(best.lower, best.witness)))
    assert not attacks
    assert isinstance(found, Bracket)
    assert found.lower >= best.lower
    assert bound is milp_bound or found.witness is best.witness
