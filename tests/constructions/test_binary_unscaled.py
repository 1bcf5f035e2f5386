"""scale="none": weights +-1 throughout, outputs 2^t times larger; what is claimed, saved, checked again."""

import json

import numpy as np
import pytest
from support.planting import plain_python
from verification.test_check_certificate import NAME, forge, refuses

from subsetsum_nets import Box, Dense, PrunedNetwork, ReluNetwork, prune, verify
from subsetsum_nets.audit import audit
from subsetsum_nets.networks.rounding import rounded, with_outputs_times
from subsetsum_nets.verification import check_certificate
from subsetsum_nets.verification.certificate import (
    SCALED_SEMANTICS,
    SEMANTICS,
    Certificate,
    CertificateFileError,
)
from subsetsum_nets.verification.replay.evaluation import exact_value

BITS = (4, 3)


def target(final_relu=False):
    rng = np.random.default_rng(0)
    layers = [Dense(rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, 4)), Dense(rng.uniform(-1, 1, (2, 4)))]
    return ReluNetwork(layers, final_relu=final_relu)


@pytest.fixture(scope="module")
def pruned():
    return prune(
        target(), construction="binary", bits=BITS, scale="none", domain=Box(-1, 1), epsilon=2.0,
        layout="accumulate",
    )  # fmt: skip


@pytest.fixture(scope="module")
def ticket(tmp_path_factory, pruned):
    folder = tmp_path_factory.mktemp("unscaled") / "ticket"
    pruned.save(folder)
    return folder


def test_all_weights_are_signs_and_outputs_2_to_the_t_times_larger(pruned):
    for layer in pruned.random.layers:
        assert set(np.unique(layer.weight)) == {-1.0, 1.0}
    assert pruned.certificate.exact["outputs"] == sum(BITS)
    assert pruned.certificate.exact["ends"] == [0, 0]
    wanted = rounded(pruned.target, BITS)
    for point in np.random.default_rng(1).integers(-8, 9, (5, 3)) / 8:
        values = exact_value(wanted, point)
        assert [v * 2 ** sum(BITS) for v in values] == exact_value(pruned.network, point)
        assert values == exact_value(pruned.compared, point)


def test_the_bound_is_that_of_the_scaled_network(pruned):
    scaled = prune(
        target(), construction="binary", bits=BITS, domain=Box(-1, 1), epsilon=2.0, layout="accumulate"
    )
    assert pruned.certificate.bound == scaled.certificate.bound
    assert pruned.certificate.verified
    assert verify(pruned.target, pruned).upper == pruned.certificate.bound
    assert verify(pruned.target, pruned.network, domain=Box(-1, 1)).lower > 10.0
    for layer, wanted in zip(pruned.collapse().layers, rounded(target(), BITS).layers, strict=True):
        assert np.array_equal(layer.weight, wanted.weight)


def test_the_claim_says_so_and_is_audited(ticket, pruned):
    page = json.loads((ticket / "certificate.json").read_text())
    assert page["semantics"] == SCALED_SEMANTICS == pruned.certificate.semantics
    loaded = PrunedNetwork.load(ticket)
    assert loaded.certificate.output_exponent == sum(BITS)
    found = audit(ticket, exact=True)
    assert found.result.upper == pruned.certificate.bound
    assert not any("neither proven" in note for note in found.unchecked)


def test_a_final_relu_is_scaled_too():
    found = prune(target(final_relu=True), construction="binary", bits=3, scale="none", epsilon=2.0)
    assert found.certificate.verified


def test_integer_targets_are_not_scaled():
    found = prune(ReluNetwork([Dense([[3.0, -1.0]])]), construction="binary", scale="none")
    assert "outputs" not in found.certificate.exact
    assert found.certificate.semantics == SEMANTICS


def test_outputs_beyond_float64_are_refused():
    deep = ReluNetwork([Dense([[0.75]])] * 20)
    with pytest.raises(ValueError, match=r"scale='none' makes outputs 2\^1000 times larger.*scale='every'"):
        prune(deep, construction="binary", bits=50, scale="none")
    with pytest.raises(ValueError, match="leaves the range"):
        with_outputs_times(ReluNetwork([Dense([[2.0**-1000]])]), -80)


@pytest.mark.thinned
@pytest.mark.parametrize("outputs", [sum(BITS) - 1, sum(BITS) + 1, 0, -1, "7", 1075, None])
def test_certificates_of_another_exponent_are_refused(ticket, outputs, tmp_path):
    import shutil

    shutil.copytree(ticket, tmp_path / "other")
    page = json.loads((ticket / "certificate.json").read_text())
    page["exact"]["outputs"] = outputs
    forge(tmp_path / "other", exact=page["exact"]).replace(tmp_path / "other" / "certificate.json")
    with pytest.raises(CertificateFileError):
        audit(tmp_path / "other")


def test_certificates_of_the_other_claim_are_refused(ticket):
    for change in ({"semantics": SEMANTICS}, {"exact": None}):
        path = forge(ticket, **change)
        with pytest.raises(CertificateFileError, match="claim is not"):
            Certificate.load(path)
        path.unlink()


def checks(checker, ticket):
    """Whether a checker confirms what is true, and refuses what is off by a power of two or a hair."""
    page = json.loads((ticket / "certificate.json").read_text())
    exact = {name: {**page["exact"], "outputs": sum(BITS) + by} for name, by in (("less", -1), ("more", 1))}
    anew = audit(ticket, method="differential").certificate_anew()
    anew.save(ticket.parent / "differential.json")
    try:
        found = checker.check(ticket, ticket.parent / "differential.json")
        wrong = [{"exact": exact["less"]}, {"exact": exact["more"]}, {"bound": anew.bound * 0.999}]
        wrong.append({"semantics": SEMANTICS})
        said = {"bound": anew.bound, "method": anew.method, "attack": anew.attack, "witness": anew.witness}
        seen = [refuses(checker, ticket, forge(ticket, **{**said, **change})) for change in wrong]
    except Exception:  # noqa: BLE001 - a mistake may end in any way
        return False
    return found / check_certificate.ONE <= anew.bound and seen == ["refused"] * 4


def test_the_small_checker_confirms_it_and_refuses_others(ticket):
    assert checks(check_certificate, ticket)


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        ("check_files", 'page["semantics"] == SCALED', "True"),
        ("check_files", 'page["semantics"] == SCALED', "False"),
        ("check_files", '-page["exact"]["outputs"]', 'page["exact"]["outputs"]'),
        ("times", "[[(j, shifted(w, places)) for j, w in row] for row in layer.rows]", "layer.rows"),
    ],
)
def test_a_planted_mistake_is_seen(monkeypatch, ticket, function, right, wrong):
    assert not checks(plain_python(monkeypatch, NAME, function, right, wrong), ticket)
