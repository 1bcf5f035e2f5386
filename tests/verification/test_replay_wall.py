"""The wall between floating and exact verification: a replay needs a record alone, and does not trust it."""

import importlib
import sys
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from verification.tiny_networks import exact_pair, power, random_pair
from verification.true_sup import true_sup

from subsetsum_nets import verification
from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import METHODS, Comparison, SearchOptions, UnsupportedStructureError
from subsetsum_nets.verification.methods.splitting import splitting
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.records import BoxProof, UnitProof
from subsetsum_nets.verification.replay.replay import REPLAYED_METHODS, replayed_bound
from subsetsum_nets.verification.replay.zonotope import ReplayedZonotope

REFUSALS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, UnsupportedStructureError)


def comparisons():
    """Return tiny pairs: boxes and a ball, every norm, a ReLU at the end, and none after the first layer."""
    f, g = random_pair(4, (2, 2, 2), error=0.3)
    signed = ReluNetwork(f.layers, linear_after=[0]), ReluNetwork(g.layers, linear_after=[1])
    return [
        Comparison(*random_pair(1, (2, 3, 2), error=0.3), Box(-1, 1), "linf"),
        Comparison(*random_pair(3, (2, 2, 3, 2), error=0.2), Box(-0.5, 1), "l2"),
        Comparison(*random_pair(5, (2, 3, 2), error=0.2, final_relu=True), Ball(0.75, [0.25, -0.5]), "l1"),
        Comparison(*signed, Box(-1, 0.5), "l2"),
    ]


@cache
def recorded():
    """Return (comparison, true sup, method, bound with its record); "splitting" by boxes and by units."""
    options = SearchOptions(node_limit=12, threads=1, record=True)
    found = []
    for comparison in comparisons():
        true, _ = true_sup(comparison.target, comparison.pruned, comparison.domain, comparison.norm)
        for method in METHODS:
            given = (options,) if TABLE[method].anytime else ()
            found.append((comparison, true, method, TABLE[method].bound(comparison, *given)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(splitting, "_FEW_INPUTS", 0)
            found.append((comparison, true, "splitting", splitting.splitting_bound(comparison, options)))
    return found


@pytest.mark.slow
def test_every_kind_of_record_is_looked_at():
    records = [bound.record for *_, bound in recorded()]
    assert {type(r.search) for r in records if hasattr(r, "search")} >= {BoxProof, UnitProof}
    assert any(isinstance(r.search, UnitProof) and r.search.cuts for r in records if hasattr(r, "search"))
    without = {method for _, _, method, bound in recorded() if bound.record is None}
    assert without == {"norms", "interval", "differential"}
    assert set(REPLAYED_METHODS) == set(METHODS)


# ---------------------------------------------------------------- nothing but the record is needed


@pytest.fixture
def walled(monkeypatch):
    """Return the module of the replay, imported anew where no floating code can be imported."""
    recorded()
    package = verification.__name__
    monkeypatch.setattr(verification, "replay", verification.replay)  # to be put back
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        part = name.removeprefix(f"{package}.").split(".")[0]
        if part == "replay":
            monkeypatch.delitem(sys.modules, name)
        elif part not in ("errors", "records"):
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError):
        importlib.import_module(f"{package}.methods.zonotope.zonotope")
    return importlib.import_module(f"{package}.replay.replay")


def test_no_floating_code_is_needed(walled):
    for comparison, true, method, bound in recorded():
        networks = SimpleNamespace(**{name: getattr(comparison, name) for name in ("target", "pruned")})
        networks.domain, networks.norm = comparison.domain, comparison.norm
        replayed = walled.replayed_bound(method, networks, bound.record)
        assert true <= replayed ** power(comparison.norm), f"{method} is below the truth"
        assert replayed <= Fraction(bound.upper), f"{method} is above its floating bound"


# ---------------------------------------------------------------- nothing in the record is trusted


def places(value, place=()):
    """Yield the place of every part of a record, as the steps that lead to it."""
    yield place
    if is_dataclass(value):
        steps = [(f.name, getattr(value, f.name)) for f in fields(value)]
    elif isinstance(value, dict):
        steps = value.items()
    else:
        steps = enumerate(value) if isinstance(value, list | tuple) else ()
    for step, part in steps:
        yield from places(part, (*place, step))


def changed(value, place, change):
    """Return a copy of a record with what is at a place changed."""
    if not place:
        return change(value)
    step, *rest = place
    if is_dataclass(value):
        return replace(value, **{step: changed(getattr(value, step), rest, change)})
    if isinstance(value, dict):
        return {**value, step: changed(value[step], rest, change)}
    parts = list(value)
    parts[step] = changed(parts[step], rest, change)
    return type(value)(parts)


def wrong(value, rng):
    """Return something of the same kind that a record may hold but should not."""
    if isinstance(value, np.ndarray) and value.dtype == bool:
        choices = [~value, value[:-1], value * 2, np.zeros_like(value)]
    elif isinstance(value, np.ndarray):
        unit = rng.random(value.shape)
        choices = [unit, np.round(unit), value + rng.normal(0, 0.3, value.shape), -3.0 * value, 0.0 * value]
        choices += [value[:-1], value[..., 1:], np.concatenate([value, value]), value.T, value * np.nan]
    elif isinstance(value, bool | str):
        choices = [not value] if isinstance(value, bool) else ["g", "f", "deviation", "h"]
    elif isinstance(value, int | float):
        choices = [value + 1, value - 1, -value, 0 * value, 10 * value + 1]
        choices += [] if isinstance(value, int) else [np.nan, np.inf, float(rng.normal(0, 1))]
    elif isinstance(value, list | tuple):
        choices = [value[:-1], value[1:], value[::-1], value + value, value[:0]]
    elif isinstance(value, dict):
        keys = list(value)
        choices = [{}, {k: value[k] for k in keys[1:]}, dict(zip(keys, [*value.values()][::-1], strict=True))]
    else:
        choices = [None]
    return choices[rng.integers(len(choices))]


def check_wrong_records(rng, count, replayed_bound=replayed_bound):
    """Change records at a random place each; return how many of them were refused, proved less, the same."""
    outcomes = {"refused": 0, "less": 0, "same": 0}
    for comparison, true, method, bound in recorded():
        if bound.record is None:
            continue
        every = list(places(bound.record))[1:]
        for place in [every[k] for k in rng.integers(len(every), size=count)]:
            record = changed(bound.record, place, lambda value: wrong(value, rng))
            try:
                replayed = replayed_bound(method, comparison, record)
            except REFUSALS:
                outcomes["refused"] += 1
                continue
            assert true <= replayed ** power(comparison.norm), f"{method}: unsound when wrong at {place}"
            outcomes["less" if replayed > bound.upper else "same"] += 1
    return outcomes


@pytest.mark.slow
def test_a_wrong_record_proves_no_less_than_the_truth_or_is_refused():
    outcomes = check_wrong_records(np.random.default_rng(1), 4)
    assert min(outcomes.values()) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_many_wrong_records(seed):
    check_wrong_records(np.random.default_rng([7, seed]), 15)


def kinked_pair():
    """Return x and, through a layer without a ReLU, max(x, 0): a difference of 1 at -1."""
    one, kink = Dense([[1.0]]), exact_pair([[1.0]], [[0.0]])
    f = ReluNetwork([one, one], linear_after=[0])
    g = ReluNetwork([*exact_pair([[1.0]], [[1.0]]), *kink], linear_after=[1])
    return Comparison(f, g, Box(-1, 1), "linf")


def slopes_that_do_not_fit():
    """Return (comparison, wrong record of "zonotope", message)."""
    relu, kinked = comparisons()[0], kinked_pair()
    whole, signed = (TABLE["zonotope"].bound(pair).record for pair in (relu, kinked))
    first = whole.relus[0]
    return [
        (relu, replace(whole, relus=whole.relus[:1]), "not one of 2 layers"),
        (relu, replace(whole, relus=(first,), signs=(None,)), "not one of 2 layers"),
        (relu, replace(whole, relus=(None, None)), "the ReLUs around layer 0"),
        (relu, replace(whole, relus=(first, first)), "the ReLUs around layer 1"),
        (kinked, replace(signed, signs=(None, None)), "the ReLUs around layer 1"),
        (relu, replace(whole, relus=(replace(first, g=first.g[:2]), None)), "2 factors for 3 columns"),
    ]


def test_slopes_of_other_layers_are_refused(monkeypatch):
    for comparison, record, message in slopes_that_do_not_fit():
        with pytest.raises(ValueError, match=message):
            replayed_bound("zonotope", comparison, record)
    # The check is needed: without it the kink is not seen.
    monkeypatch.setattr(ReplayedZonotope, "_check", lambda *_: None)
    comparison, record, _ = slopes_that_do_not_fit()[-2]
    assert replayed_bound("zonotope", comparison, record) < 1


def test_propagated_slopes_of_other_layers_are_refused():
    comparison = comparisons()[1]
    record = TABLE["propagated"].bound(comparison).record
    for wrong_record in (replace(record, relus=record.relus[1:]), replace(record, followed=())):
        with pytest.raises(ValueError, match="not one of 3 layers"):
            replayed_bound("propagated", comparison, wrong_record)
    relus = (record.relus[0] * np.nan, *record.relus[1:])
    with pytest.raises(ValueError, match="only finite numbers"):
        replayed_bound("propagated", comparison, replace(record, relus=relus))


def test_unit_splitting_that_is_not_of_these_networks_is_refused():
    searches = [(c, b.record) for c, _, m, b in recorded() if m == "splitting"]
    searches = [(c, record) for c, record in searches if isinstance(record.search, UnitProof)]
    comparison, record = next((c, record) for c, record in searches if record.search.narrowed)
    index, name, units, ends = record.search.narrowed[0]
    wrong_searches = [
        (comparison, record, {"narrowed": [(-1, name, units, ends)]}, "narrows ranges of layer -1"),
        (comparison, record, {"narrowed": [(index, name, units * 2, ends)]}, "narrows ranges of layer 1"),
    ]
    comparison, record = next((c, record) for c, record in searches if c.norm == "linf")
    both = np.concatenate(record.search.objectives)
    # Every function is there, but a search bounds both signs of the same outputs at once.
    wrong_searches.append((comparison, record, {"objectives": [both[:3], both[3:]]}, "not complete"))
    for comparison, record, changes, message in wrong_searches:
        search = replace(record.search, **changes)
        with pytest.raises(ValueError, match=message):
            replayed_bound("splitting", comparison, replace(record, upper=0.0, search=search))
