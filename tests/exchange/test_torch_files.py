"""State dicts in .pt files: tensors exactly, no code of a file run, advice where torch is missing."""

import pickle
import sys

import numpy as np
import pytest

from subsetsum_nets.exchange import read_masks, read_scores, read_state_dict, write_state_dict
from subsetsum_nets.networks import Dense, NetworkFileError, ReluNetwork


def chain(torch, dtype=None):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    return model if dtype is None else model.to(dtype)


def test_without_torch_the_two_lines_that_save_safetensors_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "net.pt").write_bytes(b"PK")
    with pytest.raises(ImportError, match=r"from safetensors.torch import save_file; save_file\(model"):
        read_state_dict(tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError):
        read_state_dict(tmp_path / "none.pt")


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "NET.PT"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_state_dict_is_read_exactly(tmp_path, name, dtype):
    torch = pytest.importorskip("torch")
    model = chain(torch, getattr(torch, dtype))
    torch.save(model.state_dict(), tmp_path / name)
    network = read_state_dict(tmp_path / name)
    for layer, module in zip(network.layers, (model[0], model[2]), strict=True):
        assert np.array_equal(layer.weight, module.weight.detach().double().numpy())
        assert np.array_equal(layer.bias, module.bias.detach().double().numpy())
    assert network.relu_after == (True, False)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_state_dict_in_a_training_checkpoint_is_found(tmp_path, key):
    torch = pytest.importorskip("torch")
    model = chain(torch)
    torch.save({"epoch": 3, "lr": 0.1, key: model.state_dict()}, tmp_path / "net.pt")
    weight = read_state_dict(tmp_path / "net.pt").layers[0].weight
    assert np.array_equal(weight, model[0].weight.detach().numpy())


def test_the_old_format_of_pytorch_is_read_too(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(chain(torch).state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert read_state_dict(tmp_path / "old.pt").widths == (3, 4, 2)


def test_order_comes_from_the_file_where_names_and_shapes_leave_it_open(tmp_path):
    torch = pytest.importorskip("torch")
    names = ["zeta", "alpha"]
    tensors = {f"{name}.weight": torch.eye(2) * (i + 1) for i, name in enumerate(names)}
    torch.save(tensors, tmp_path / "net.pt")
    network = read_state_dict(tmp_path / "net.pt")
    assert [layer.weight[0, 0] for layer in network.layers] == [1.0, 2.0]


def test_masks_of_torch_prune_are_read(tmp_path):
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune

    model = chain(torch)
    mask = torch.tensor([[1, 0, 1]] * 4, dtype=torch.float32)
    prune.custom_from_mask(model[0], "weight", mask)
    torch.save(model.state_dict(), tmp_path / "net.pt")
    random, masks = read_masks(tmp_path / "net.pt")
    assert np.array_equal(masks.weights[0], mask.numpy().astype(bool))
    assert np.array_equal(random.layers[0].weight, model[0].weight_orig.detach().numpy())
    torch.save({"0.scores": torch.ones(4, 3), "2.scores": torch.ones(2, 4)}, tmp_path / "scores.pt")
    assert [scores.shape for scores in read_scores(tmp_path / "scores.pt")] == [(4, 3), (2, 4)]


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (open, (str(self.place), "w"))


@pytest.mark.parametrize("way", ["pickle", "torch", "nested"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, way):
    torch = pytest.importorskip("torch")
    evil, path = Evil(tmp_path / "ran"), tmp_path / "net.pt"
    if way == "pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        torch.save(evil if way == "torch" else {"state_dict": {"0.weight": torch.eye(2)}, "x": evil}, path)
    with pytest.raises(NetworkFileError, match=r"torch.load\(weights_only=True\) refuses it"):
        read_state_dict(path)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_state_dict_is_refused_with_what_it_is(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pt"
    torch.save(chain(torch), path)
    with pytest.raises(NetworkFileError, match=r"save its\s+state dict"):
        read_state_dict(path)
    for page, message in (
        ({"epoch": 1}, "a dict of 'epoch', and no state dict"),
        (torch.eye(2), "it holds Tensor"),
        ([1, 2], "it holds list"),
        ({}, "no state dict"),
        ({"0.weight": torch.eye(2).to_sparse()}, "torch.sparse_coo"),
        ({"0.weight": torch.eye(2, dtype=torch.complex64)}, "complex64"),
        ({"0.weight": torch.eye(2, device="meta")}, "meta"),
        ({"0.weight": torch.eye(2, dtype=torch.int64)}, "weights must be floats"),
    ):
        torch.save(page, path)
        with pytest.raises(NetworkFileError, match=message):
            read_state_dict(path)
    torch.save(chain(torch).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NetworkFileError, match="refuses it"):
        read_state_dict(path)


def test_networks_are_written_as_safetensors_whatever_is_asked(tmp_path):
    with pytest.raises(ValueError, match=r"a \.safetensors file"):
        write_state_dict(ReluNetwork([Dense([[1.0]])]), tmp_path / "net.pt")
