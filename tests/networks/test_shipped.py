"""The shipped networks are found, are what their notes say, and classify as stated."""

import numpy as np
import pytest
import safetensors.numpy

from subsetsum_nets.networks import (
    Box,
    NetworkFileError,
    load_network,
    load_test_split,
    read_extra,
    shipped_network,
    shipped_networks,
)
from subsetsum_nets.networks.files import shipped

DENSE = ["digits-64-32-10", "digits-64-128-64-10"]
CONVOLUTIONAL = "digits-conv-8x8-4-8-10"


def test_names_and_files_agree():
    assert {*DENSE, CONVOLUTIONAL} <= set(shipped_networks())
    assert shipped_network().stem == "digits-64-32-10"
    for name in shipped_networks():
        path = shipped_network(name)
        assert path.is_file()
        net = load_network(path)
        kind, sizes = (
            ("conv", "8x8-4-8-10") if net.convolutional else ("digits", "-".join(map(str, net.widths)))
        )
        assert name.endswith(f"{kind}-{sizes}")
    assert load_network(shipped_network(CONVOLUTIONAL)).shapes == ((8, 8, 1), (8, 8, 4), (8, 8, 8), (10,))


@pytest.mark.parametrize("name", ["digits", "", "digits-test-split", "../x", "digits-64-32-10.safetensors"])
def test_unknown_names_get_the_known_ones(name):
    with pytest.raises(
        ValueError, match=r"there are: .*digits-64-128-64-10, digits-64-32-10, digits-conv-8x8-4-8-10"
    ):
        shipped_network(name)


@pytest.mark.parametrize("name", [*DENSE, CONVOLUTIONAL])
def test_networks_have_the_accuracy_and_the_moderate_weights_that_are_stated(name):
    path = shipped_network(name)
    net, notes = load_network(path), read_extra(path)
    inputs, labels = load_test_split(path.with_name(notes["test_split"]))
    accuracy = np.mean(np.argmax(net(inputs), axis=1) == labels)
    assert f"{accuracy:.4f}" == notes["accuracy"]
    assert accuracy >= 0.97
    assert net.domain == Box(0, 1)
    assert net.relu_after == (True,) * (len(net.layers) - 1) + (False,)
    for layer in net.layers:
        assert np.abs(layer.stored).max() < (1.5 if net.convolutional else 1)
        assert np.abs(layer.bias).max() < (1.5 if net.convolutional else 1)
        assert np.array_equal(layer.stored, layer.stored.astype(np.float32))
    assert "CC BY 4.0" in notes["license"]
    assert "Alpaydin" in notes["source"]


def test_the_test_images_are_exact_sixteenths():
    inputs, labels = load_test_split(shipped_network().with_name("digits-test-split.safetensors"))
    assert inputs.shape == (450, 64)
    assert inputs.dtype == np.float64
    assert np.array_equal(inputs * 16, np.rint(inputs * 16))
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert np.bincount(labels).shape == (10,)
    assert np.bincount(labels).min() >= 43  # stratified: equal shares of each digit
    assert labels.dtype == np.int64


images, labels = np.full((3, 64), 16, dtype=np.uint8), np.array([1, 2, 3], dtype=np.uint8)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"images": images, "labels": labels}, None),
        ({"images": images, "labels": labels}, {"scale": "1/255"}),
        ({"images": images}, {"scale": "1/16"}),
        ({"images": images, "labels": labels, "more": labels}, {"scale": "1/16"}),
        ({"images": images, "labels": labels[:2]}, {"scale": "1/16"}),
        ({"images": images.reshape(3, 8, 8), "labels": labels}, {"scale": "1/16"}),
        ({"images": images + np.uint8(1), "labels": labels}, {"scale": "1/16"}),
        ({"images": images.astype(np.float32), "labels": labels}, {"scale": "1/16"}),
        ({"images": images, "labels": labels.astype(np.int64)}, {"scale": "1/16"}),
    ],
)
def test_other_files_are_no_test_split(tmp_path, tensors, metadata):
    path = tmp_path / "split.safetensors"
    safetensors.numpy.save_file(tensors, path, metadata=metadata)
    with pytest.raises(NetworkFileError, match=r"split\.safetensors"):
        load_test_split(path)


def test_networks_missing_and_broken_files_are_no_test_split(tmp_path):
    with pytest.raises(NetworkFileError, match="not a file of test images"):
        load_test_split(shipped_network())
    with pytest.raises(FileNotFoundError):
        load_test_split(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"abc")
    with pytest.raises(NetworkFileError, match="broken"):
        load_test_split(tmp_path / "broken.safetensors")


def test_an_installed_package_uses_its_own_folder_and_a_checkout_the_one_beside_it(tmp_path, monkeypatch):
    module = tmp_path / "subsetsum_nets" / "networks" / "files" / "shipped.py"
    inside, beside = tmp_path / "subsetsum_nets" / "instances", tmp_path / "instances"
    monkeypatch.setattr(shipped, "__file__", str(module))
    beside.mkdir()
    (beside / "beside.safetensors").touch()
    assert shipped_networks() == []  # a folder beside an installed package is somebody else's
    with pytest.raises(ValueError, match="there are: none"):
        shipped_network()
    (tmp_path / "pyproject.toml").touch()
    assert shipped_networks() == ["beside"]
    inside.mkdir(parents=True)
    (inside / "inside.safetensors").touch()
    (inside / "some-test-split.safetensors").touch()
    assert shipped_networks() == ["inside"]
