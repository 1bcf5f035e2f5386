"""Checking a folder again: an honest one stands, every tampered one is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from subsetsum_nets import prune, verify
from subsetsum_nets.audit import audit, audit_pair
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import (
    Ball,
    Box,
    Dense,
    NetworkFileError,
    ReluNetwork,
    load_network,
    random_network,
    save_network,
)
from subsetsum_nets.verification.certificate import (
    Certificate,
    CertificateFileError,
    PairCertificate,
    _body_digest,
)


def small_target(seed=0):
    rng = np.random.default_rng(seed)
    layers = [Dense(rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, 3)), Dense(rng.uniform(-1, 1, (2, 3)))]
    return ReluNetwork(layers, domain=Box(-1, 1))


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest") / "ticket"
    prune(small_target()).save(folder)
    return folder


@pytest.fixture
def folder(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / "ticket")


def rewrite_certificate(folder, *, sign=True, **changes):
    """Edit the certificate as a forger would who knows its format and renews its digest."""
    path = folder / "certificate.json"
    page = {**json.loads(path.read_text()), **changes}
    body = {key: value for key, value in page.items() if key != "digest"}
    path.write_text(json.dumps({**body, "digest": _body_digest(body) if sign else page["digest"]}))


@pytest.mark.parametrize("construction", ["relu", "relu-paper", "linear"])
def test_honest_folder_stands(tmp_path, construction):
    prune(small_target(), construction=construction).save(tmp_path / "ticket")
    checked = audit(tmp_path / "ticket")
    assert checked.verified
    assert checked.result.upper == pytest.approx(checked.certificate.bound, rel=1e-9)


def test_linear_counts_coefficients_and_not_the_ones_behind_them():
    pruned = prune(small_target(), construction="linear", candidates=20)
    counts = pruned.certificate.counts
    assert counts["random_parameters"] == 20 * counts["weights"]
    assert counts["kept_parameters"] == pruned.solution.summary()["kept_items"]


def test_honest_folder_with_a_given_random_network_stands(tmp_path):
    into = random_network((2, 180, 3, 180, 2), bias=True, seed=1)
    prune(small_target(), into=into).save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified


def test_honest_but_unverified_folder_stands_unverified(tmp_path):
    prune(small_target(), candidates=2).save(tmp_path / "ticket")
    checked = audit(tmp_path / "ticket")
    assert not checked.verified
    assert not checked.certificate.verified


def test_every_mask_bit_counts(folder):
    masks = NetworkMasks.load(folder / "masks.npz")
    rng = np.random.default_rng(0)
    arrays = [a for a in (*masks.weights, *masks.biases) if a is not None]
    for array in arrays:
        place = tuple(int(rng.integers(size)) for size in array.shape)
        array[place] ^= True
        masks.save(folder / "masks.npz")
        with pytest.raises(CertificateFileError, match="masks"):
            audit(folder)
        array[place] ^= True
    masks.save(folder / "masks.npz")
    assert audit(folder).verified


@pytest.mark.parametrize("name", ["target", "pruned"])
def test_one_changed_weight_is_refused(folder, name):
    path = folder / f"{name}.safetensors"
    network = load_network(path)
    layers = list(network.layers)
    weight = layers[0].weight.toarray() if name == "pruned" else np.array(layers[0].weight)
    row, column = np.argwhere(weight)[0]
    weight[row, column] = np.nextafter(weight[row, column], np.inf)
    if name == "pruned":
        from scipy.sparse import csr_array

        weight = csr_array(weight)
    layers[0] = Dense(weight, layers[0].bias)
    save_network(ReluNetwork(layers, domain=network.domain), path)
    with pytest.raises(CertificateFileError, match=name):
        audit(folder)


def test_changed_given_random_network_is_refused(tmp_path):
    into = random_network((2, 180, 3, 180, 2), bias=True, seed=1)
    prune(small_target(), into=into).save(tmp_path / "ticket")
    save_network(
        random_network((2, 180, 3, 180, 2), bias=True, seed=2), tmp_path / "ticket" / "random.safetensors"
    )
    with pytest.raises(CertificateFileError, match="random network"):
        audit(tmp_path / "ticket")


def test_foreign_certificate_is_refused(folder, tmp_path):
    prune(small_target(1)).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "certificate.json", folder / "certificate.json")
    with pytest.raises(CertificateFileError, match="target network"):
        audit(folder)


def test_edited_certificate_is_refused_by_its_own_digest(folder):
    rewrite_certificate(folder, sign=False, epsilon=1.0)
    with pytest.raises(CertificateFileError, match="edited"):
        audit(folder)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (lambda page: {"bound": page["bound"] * 0.999}, "claims a bound"),
        (lambda page: {"bound": 0.0}, "claims a bound"),
        (lambda page: {"attack": page["attack"] * 1.01}, "witness"),
        (lambda page: {"witness": [5.0, 5.0]}, "not a point of its domain"),
        (lambda page: {"witness": [0.0]}, "not a point of its domain"),
        (lambda page: {"witness": [None, 0.0]}, "witness"),
        (lambda page: {"seed": page["seed"] + 1}, "random network"),
        (lambda page: {"seed": None}, "no seed"),
        (lambda page: {"recipe": {"layers": []}}, "recipe"),
        (lambda page: {"verified": False}, "verified"),
        (lambda page: {"epsilon": page["bound"] / 2}, "verified"),
        (lambda page: {"domain": {"kind": "box", "low": -9.0, "high": 9.0}}, "claims a bound"),
        (lambda page: {"counts": {**page["counts"], "kept_parameters": 1}}, "kept parameters"),
        (lambda page: {"counts": {**page["counts"], "random_parameters": 1}}, "random parameters"),
        (lambda page: {"semantics": "approximately"}, "fields"),
        (lambda page: {"surprise": 1}, "fields"),
        (lambda page: {"bound": "small"}, "not a number"),
        (lambda page: {"bound": float("nan")}, "NaN"),
        (lambda page: {"version": 2}, "version"),
        (lambda page: {"format": "diploma"}, "not a subsetsum-nets certificate"),
    ],
)
def test_forged_certificate_is_refused_by_what_the_files_prove(folder, changes, complaint):
    page = json.loads((folder / "certificate.json").read_text())
    rewrite_certificate(folder, **changes(page))
    with pytest.raises(CertificateFileError, match=complaint):
        audit(folder)


@pytest.mark.parametrize(
    "name", ["certificate.json", "masks.npz", "target.safetensors", "pruned.safetensors"]
)
def test_missing_and_truncated_files(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises((CertificateFileError, NetworkFileError)):
        audit(folder)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError):
        audit(folder)


def test_certificate_round_trip(folder, tmp_path):
    certificate = Certificate.load(folder / "certificate.json")
    certificate.save(tmp_path / "again.json")
    assert Certificate.load(tmp_path / "again.json") == certificate
    assert (tmp_path / "again.json").read_bytes() == (folder / "certificate.json").read_bytes()


# ---------------------------------------------------------------- any two networks


def a_pair():
    rng = np.random.default_rng(4)
    weights = [rng.uniform(-1, 1, shape) for shape in ((3, 2), (2, 3))]
    f, g = (ReluNetwork([Dense(w + shift) for w in weights]) for shift in (0.0, 0.01))
    return f, g


def test_the_certificate_of_a_pair_stands_up_to_its_own_networks_only(tmp_path):
    f, g = a_pair()
    result = verify(f, g, domain=Ball(0.5), norm="linf", epsilon=0.1)
    PairCertificate.about(f, g, result).save(tmp_path / "pair.json")
    certificate = PairCertificate.load(tmp_path / "pair.json")
    assert set(certificate.to_json()) & {"seed", "construction", "recipe", "random_digest"} == set()
    checked = audit_pair(f, g, certificate)
    assert checked.verified is True
    assert checked.result.upper == certificate.bound == result.upper
    assert checked.certificate_anew() == certificate
    with pytest.raises(CertificateFileError, match="the first network is not the one that was certified"):
        audit_pair(g, g, certificate)
    with pytest.raises(CertificateFileError, match="the second network is not"):
        audit_pair(f, f, certificate)
    with pytest.raises(CertificateFileError, match="about two network files"):
        Certificate.load(tmp_path / "pair.json")


def test_a_certificate_that_asks_nothing_decides_nothing():
    f, g = a_pair()
    certificate = PairCertificate.about(f, g, verify(f, g))
    assert (certificate.epsilon, certificate.verified) == (None, None)
    assert audit_pair(f, g, certificate).verified is True
    with pytest.raises(CertificateFileError, match="asks for no epsilon"):
        audit_pair(f, g, dataclasses.replace(certificate, verified=True))


@pytest.mark.thinned
@pytest.mark.parametrize(
    "changes",
    [
        lambda page: {"bound": page.attack},
        lambda page: {"attack": page.bound * 1.01},
        lambda page: {"verified": False},
        lambda page: {"epsilon": page.bound / 2},
        lambda page: {"domain": Box(-2, 2).to_json()},
        lambda page: {"norm": "l1"},
        lambda page: {"witness": [2.0, 0.0]},
        lambda page: {"method": "magic"},
        lambda page: {"worst_weight_error": 0.0},
        lambda page: {"layers": page.layers[:1]},
    ],
)
def test_false_claims_about_a_pair_are_refused(changes):
    f, g = a_pair()
    honest = PairCertificate.about(f, g, verify(f, g, epsilon=1.0))
    audit_pair(f, g, honest)
    with pytest.raises(CertificateFileError):
        audit_pair(f, g, dataclasses.replace(honest, **changes(honest)))
