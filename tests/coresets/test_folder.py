"""The folder of a sparsified network: read back as it was, confirmed anew, refused where tampered with."""

import json

import numpy as np
import pytest
from support.planting import plant

from subsetsum_nets import Box, Dense, ReluNetwork, SparsifiedNetwork, load_network, save_network, sparsify
from subsetsum_nets.coresets import audit as auditing
from subsetsum_nets.coresets.audit import audit_coreset
from subsetsum_nets.coresets.folder import _digest
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.verification.certificate import CertificateFileError

RANDOM = np.random.default_rng(0)
TARGET = ReluNetwork(
    [Dense(RANDOM.normal(size=(6, 4)), RANDOM.normal(size=6)), Dense(RANDOM.normal(size=(3, 6)))],
    domain=Box(0, 1),
)
DATA = RANDOM.random((120, 4))
HOW = {
    "plain": {"keep": 0.6},
    "drawn": {"keep": 0.6, "method": "corenet++", "trials": 5},
    "svd": {"keep": 0.9, "method": "svd"},
    "domain": {"epsilon": 1.0, "method": "box-cost"},
    "near": {"epsilon": 1.0, "near": DATA[:3], "radius": 0.02},
}


@pytest.fixture(params=HOW)
def saved(request, tmp_path):
    found = sparsify(TARGET, DATA, **HOW[request.param])
    found.save(tmp_path / "out")
    return found, tmp_path / "out"


def test_what_is_saved_is_read_back(saved):
    found, folder = saved
    again = SparsifiedNetwork.load(folder)
    for name in ("method", "seed", "size", "fraction", "norm"):
        assert getattr(again, name) == getattr(found, name)
    assert network_digest(again.network) == network_digest(found.network)
    np.testing.assert_array_equal(again.chosen_by, found.chosen_by)
    assert type(again.bound) is type(found.bound)
    if found.bound is not None:
        assert (again.bound.upper, again.bound.lower) == (found.bound.upper, found.bound.lower)
        assert again.bound.verified
    found.save(folder)  # in place of the earlier one


def test_a_bound_is_confirmed_from_the_files_alone(saved):
    found, folder = saved
    checked = audit_coreset(folder)
    assert checked.verified == (found.bound is not None)
    if checked.bound is not None:
        assert checked.bound.upper == pytest.approx(found.bound.upper, rel=1e-9)


def forged(folder, **changes):
    """Edit coreset.json as a forger would who knows its digest."""
    page = json.loads((folder / "coreset.json").read_text())
    del page["digest"]
    for name, value in changes.items():
        page[name] = value(page[name]) if callable(value) else value
    (folder / "coreset.json").write_text(json.dumps({**page, "digest": _digest(page)}))


def scale_a_weight(folder, name="sparsified.safetensors"):
    network = load_network(folder / name)
    first = network.layers[0]
    save_network(
        network.with_layers([Dense(first.weight * 1.5, first.bias), *network.layers[1:]]), folder / name
    )


def test_a_changed_weight_is_refused(saved):
    _, folder = saved
    scale_a_weight(folder)
    with pytest.raises(CertificateFileError, match=r"sparsified\.safetensors is not the one"):
        audit_coreset(folder)
    forged(folder, sparsified_digest=network_digest(load_network(folder / "sparsified.safetensors")))
    if (folder / "certificate.json").exists():
        with pytest.raises(CertificateFileError, match="not the one that was certified"):
            audit_coreset(folder)


def test_another_target_or_mask_is_refused(saved):
    _, folder = saved
    masks = NetworkMasks.load(folder / "masks.npz")
    masks.weights[0][0, 0] ^= True
    masks.save(folder / "masks.npz")
    with pytest.raises(CertificateFileError, match=r"masks\.npz is not the one"):
        audit_coreset(folder)
    forged(folder, masks_digest=masks.digest())
    with pytest.raises(CertificateFileError, match="pattern of sparsified"):
        audit_coreset(folder)
    scale_a_weight(folder, "target.safetensors")
    with pytest.raises(CertificateFileError, match=r"target\.safetensors is not the one"):
        audit_coreset(folder)


@pytest.fixture
def near_folder(tmp_path):
    sparsify(TARGET, DATA, **HOW["near"]).save(tmp_path / "out")
    return tmp_path / "out"


def lower_claims(near):
    return {**near, "uppers": [upper / 2 for upper in near["uppers"]]}


def refuse_a_bound_too_low(folder):
    forged(folder, near=lower_claims)
    with pytest.raises(CertificateFileError, match=r"claims a bound of .* the files prove only"):
        audit_coreset(folder)


def test_a_bound_too_low_is_refused(near_folder):
    refuse_a_bound_too_low(near_folder)


def test_an_audit_that_believes_the_folder_is_noticed(near_folder, monkeypatch):
    plant(monkeypatch, auditing._near_anew, "if above.any(): ...", "pass")
    with pytest.raises(pytest.fail.Exception):
        refuse_a_bound_too_low(near_folder)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"size": 7}, CertificateFileError, "says 7 parameters"),
        ({"fraction": 0.1}, CertificateFileError, "0.1 of the target's"),
        ({"size": "7"}, NetworkFileError, "size is '7'"),
        ({"method": "best"}, NetworkFileError, "method 'best'"),
        ({"sample": [-1]}, NetworkFileError, "indices that are none"),
        ({"near": {}}, NetworkFileError, "near"),
        ({"version": 2}, NetworkFileError, "version 1"),
    ],
)
def test_a_page_that_says_what_is_not_so_is_refused(near_folder, changes, error, message):
    forged(near_folder, **changes)
    with pytest.raises(error, match=message):
        SparsifiedNetwork.load(near_folder)


def test_an_edited_page_and_other_points_are_refused(near_folder):
    np.savez_compressed(near_folder / "near.npz", points=DATA[:3] / 2)
    with pytest.raises(CertificateFileError, match=r"points in .* are not those"):
        audit_coreset(near_folder)
    text = (near_folder / "coreset.json").read_text()
    (near_folder / "coreset.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(CertificateFileError, match="was edited"):
        audit_coreset(near_folder)
    (near_folder / "coreset.json").write_text("{")
    with pytest.raises(NetworkFileError, match="not proper JSON"):
        audit_coreset(near_folder)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds other files"):
        sparsify(TARGET, DATA, keep=0.5).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
