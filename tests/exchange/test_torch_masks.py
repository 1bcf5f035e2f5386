"""PyTorch state dicts and pruning masks: read and written exactly, and taken by PyTorch itself."""

import itertools

import numpy as np
import pytest
import safetensors.numpy
import scipy.sparse as sp
from exchange.networks_of_fractions import dense_networks, image_pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subsetsum_nets.exchange.torch_masks import read_masks, read_state_dict, write_masks, write_state_dict
from subsetsum_nets.exchange.torch_tensors import module_names
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import (
    AvgPool2d,
    Box,
    Conv2d,
    Dense,
    InvalidNetworkError,
    MaxPool2d,
    NetworkFileError,
    ReluNetwork,
    network_digest,
    random_network,
)

in_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)


def masks_for(network, seed=0, density=0.5):
    """Return random masks in the shapes of a network's weights."""
    rng = np.random.default_rng(seed)

    def mask(numbers):
        if sp.issparse(numbers):
            kept = numbers.copy().astype(bool)
            kept.data[:] = rng.random(kept.data.size) < density
            kept.eliminate_zeros()
            return kept
        return rng.random(numbers.shape) < density

    weights = [mask(x.kernel if isinstance(x, Conv2d) else x.weight) for x in network.layers]
    return NetworkMasks(weights, [None if x.bias is None else mask(x.bias) for x in network.layers])


def as_dense(network):
    return [
        x.kernel if isinstance(x, Conv2d) else x.weight.toarray() if sp.issparse(x.weight) else x.weight
        for x in network.layers
    ]


def settings_of(network):
    return {
        "final_relu": network.final_relu,
        "linear_after": network.linear_after,
        "input_shape": network.input_shape,
    }


@given(st.integers(1, 3).flatmap(lambda d: dense_networks(d, 2)))
@in_folder
def test_state_dicts_come_back_exactly(tmp_path, network):
    path = tmp_path / "net.safetensors"
    write_state_dict(network, path)
    again = read_state_dict(path, **settings_of(network))
    assert all(np.array_equal(a, b) for a, b in zip(as_dense(network), as_dense(again), strict=True))
    assert all(
        (a.bias is None and b.bias is None) or np.array_equal(a.bias, b.bias)
        for a, b in zip(network.layers, again.layers, strict=True)
    )
    assert again.relu_after == network.relu_after


def test_image_networks_come_back_exactly(tmp_path):
    for network in image_pair():
        path = tmp_path / "net.safetensors"
        write_state_dict(network, path)
        assert network_digest(read_state_dict(path, input_shape=(2, 3, 2))) == network_digest(network)
        tensors = safetensors.numpy.load_file(path)
        kernel = tensors["0.weight"]
        assert np.array_equal(kernel[1, 0, 0, 0], network.layers[0].kernel[-1, -1, 0, 1])
        with pytest.raises(InvalidNetworkError, match=r"behind images of unknown size: give input_shape"):
            read_state_dict(path)
        with pytest.raises(InvalidNetworkError, match=r"input_shape"):
            read_state_dict(path, input_shape=(3, 3, 2))
        masks = masks_for(network)
        write_masks(network, masks, path)
        again, masks_again = read_masks(path, input_shape=(2, 3, 2))
        assert network_digest(again) == network_digest(network)
        assert masks_again.digest() == masks.digest()


@given(st.integers(1, 3).flatmap(lambda d: dense_networks(d, 2)), st.integers(0, 99))
@in_folder
def test_masks_come_back_exactly(tmp_path, network, seed):
    path = tmp_path / "net.safetensors"
    masks = masks_for(network, seed)
    write_masks(network, masks, path)
    random, again = read_masks(path, **settings_of(network))
    assert all(np.array_equal(a, b) for a, b in zip(as_dense(network), as_dense(random), strict=True))
    for mine, theirs in zip(masks.weights, again.weights, strict=True):
        assert np.array_equal(mine.toarray() if sp.issparse(mine) else mine, theirs)
    x = np.random.default_rng(seed).normal(size=(5, network.widths[0]))
    pruned = masks.apply(network)
    for read in (again.apply(random), read_state_dict(path, **settings_of(network))):
        assert all(np.array_equal(a, b) for a, b in zip(as_dense(pruned), as_dense(read), strict=True))
        assert np.array_equal(read(x), again.apply(random)(x))


def test_names_are_those_of_a_sequential_model_or_given(tmp_path):
    path = tmp_path / "net.safetensors"
    linear = ReluNetwork(
        [Dense(np.ones((2, 2))), Dense(np.ones((2, 2)), np.ones(2)), Dense(np.ones((1, 2)))], linear_after=[0]
    )
    write_state_dict(linear, path)
    assert sorted(safetensors.numpy.load_file(path)) == ["0.weight", "1.bias", "1.weight", "3.weight"]
    write_state_dict(image_pair()[1], path)
    assert sorted(safetensors.numpy.load_file(path)) == [
        "0.weight",
        "2.bias",
        "2.weight",
        "5.bias",
        "5.weight",
    ]
    write_state_dict(linear, path, names=["b", "a", "c"])
    assert read_state_dict(path, names=["b", "a", "c"]).layers[1].bias is not None
    for names in (["a", "b"], ["a", "a", "b"]):
        with pytest.raises(ValueError, match="3 layers need as many different names"):
            write_state_dict(linear, path, names=names)


def test_layers_are_read_in_natural_order(tmp_path):
    path = tmp_path / "net.safetensors"
    sizes = list(range(2, 15))
    tensors = {f"fc{k}.weight": np.ones((b, a)) for k, (a, b) in enumerate(itertools.pairwise(sizes))}
    safetensors.numpy.save_file(tensors, path)
    assert read_state_dict(path).widths == tuple(sizes)
    digits = "9" * 10_000  # longer than Python turns into a number
    safetensors.numpy.save_file({f"{digits}.weight": np.ones((1, 2)), "8.weight": np.ones((2, 3))}, path)
    assert read_state_dict(path).widths == (3, 2, 1)


def test_a_single_module_without_a_name_is_read(tmp_path):
    safetensors.numpy.save_file({"weight": np.ones((1, 2), np.float16)}, tmp_path / "a.safetensors")
    assert read_state_dict(tmp_path / "a.safetensors", domain=Box(0, 1)).domain == Box(0, 1)


def test_parameters_without_mask_are_kept_whole(tmp_path):
    tensors = {
        "0.weight_orig": np.ones((2, 3), np.float32),
        "0.weight_mask": np.array([[True, False, True], [False, False, False]]),
        "0.bias": np.ones(2),
        "2.weight": np.ones((1, 2)),
    }
    safetensors.numpy.save_file(tensors, tmp_path / "a.safetensors")
    random, masks = read_masks(tmp_path / "a.safetensors")
    assert random([1, 1, 1]).tolist() == [8.0]
    assert masks.apply(random)([1, 1, 1]).tolist() == [4.0]
    assert masks.kept == 2 + 2 + 2


BAD = {
    "no tensors": ({}, "has no tensor of a layer"),
    "no weight": ({"0.bias": np.ones(2)}, "no tensor 0.weight, nor 0.weight_orig"),
    "batch norm": (
        {"0.weight": np.ones((2, 2)), "1.weight": np.ones(2), "1.running_mean": np.ones(2)},
        "'1.running_mean' of shape",
    ),
    "mask alone": (
        {"0.weight_mask": np.ones((1, 1))},
        "must be there alone, or as 0.weight_orig and 0.weight_mask",
    ),
    "original alone": ({"0.weight_orig": np.ones((1, 1))}, "must be there alone"),
    "both": (
        {"0.weight": np.ones((1, 1)), "0.weight_orig": np.ones((1, 1)), "0.weight_mask": np.ones((1, 1))},
        "alone",
    ),
    "mask of halves": (
        {"0.weight_orig": np.ones((1, 2)), "0.weight_mask": np.array([[1, 0.5]])},
        "only 0 and 1",
    ),
    "mask of NaN": (
        {"0.weight_orig": np.ones((1, 2)), "0.weight_mask": np.array([[1, np.nan]])},
        "only 0 and 1",
    ),
    "mask of another shape": (
        {"0.weight_orig": np.ones((1, 2)), "0.weight_mask": np.ones((2, 1))},
        "in the shape",
    ),
    "weights of integers": ({"0.weight": np.ones((1, 2), np.int64)}, "dtype int64; weights must be floats"),
    "names without end": ({"." * 1000: np.ones(1)}, "has no tensor"),
}
INVALID = {
    "weight of three axes": ({"0.weight": np.ones((1, 2, 3))}, r"'0' has shape \(1, 2, 3\)"),
    "weight of one axis": ({"0.weight": np.ones(3)}, r"'0' has shape \(3,\)"),
    "empty weight": ({"0.weight": np.ones((0, 3))}, r"'0' has shape \(0, 3\)"),
    "NaN": ({"0.weight": np.full((1, 1), np.nan)}, "every entry must be finite"),
    "long bias": ({"0.weight": np.ones((1, 1)), "0.bias": np.ones(2)}, r"bias has shape \(2,\)"),
    "bias as a matrix": ({"0.weight": np.ones((1, 1)), "0.bias": np.ones((1, 1))}, "bias has shape"),
    "layers that do not follow": (
        {"0.weight": np.ones((2, 1)), "1.weight": np.ones((1, 3))},
        "gives 2 values",
    ),
    "images behind values": ({"0.weight": np.ones((2, 1)), "1.weight": np.ones((1, 1, 3, 3))}, "come first"),
}


@pytest.mark.parametrize(("tensors", "match"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("read", [read_state_dict, read_masks])
def test_other_files_are_refused(tmp_path, read, tensors, match):
    safetensors.numpy.save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(NetworkFileError, match=rf"a\.safetensors.*{match}"):
        read(tmp_path / "a.safetensors")


@pytest.mark.parametrize(("tensors", "match"), INVALID.values(), ids=INVALID)
def test_what_makes_no_network_is_refused(tmp_path, tensors, match):
    safetensors.numpy.save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(InvalidNetworkError, match=rf"a\.safetensors: .*{match}"):
        read_state_dict(tmp_path / "a.safetensors")


def test_files_without_masks_and_masks_of_other_shapes_are_refused(tmp_path):
    network = random_network([3, 2], bias=True)
    write_state_dict(network, tmp_path / "a.safetensors")
    with pytest.raises(NetworkFileError, match=r"holds no masks.*read_state_dict reads it"):
        read_masks(tmp_path / "a.safetensors")
    with pytest.raises(NetworkFileError, match=r"no tensor fc.weight"):
        read_state_dict(tmp_path / "a.safetensors", names=["fc"])
    with pytest.raises(InvalidNetworkError, match="the mask of layer 0"):
        write_masks(network, masks_for(random_network([2, 3], bias=True)), tmp_path / "b.safetensors")
    with pytest.raises(FileNotFoundError):
        read_masks(tmp_path / "c.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\x08",
        b"\xff" * 8,
        (2**40).to_bytes(8, "little") + b"{}",
        (8).to_bytes(8, "little") + b"[[[[[[[[",
        (20_000).to_bytes(8, "little") + b"[" * 20_000,
        (2).to_bytes(8, "little") + b"{}" + b"left over",
        b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins\x94.",
    ],
    ids=[
        "empty",
        "short",
        "endless header",
        "header larger than the file",
        "cut",
        "nested",
        "data unnamed",
        "pickle",
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path, contents):
    (tmp_path / "a.safetensors").write_bytes(contents)
    for read in (read_state_dict, read_masks):
        with pytest.raises(NetworkFileError, match=r"a\.safetensors cannot be read"):
            read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "X99"])
def test_types_that_numpy_lacks_are_refused(tmp_path, kind):
    size = 1 if kind.startswith("F8") else 2
    text = f'{{"0.weight":{{"dtype":"{kind}","shape":[1,1],"data_offsets":[0,{size}]}}}}'.encode()
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * size)
    with pytest.raises(NetworkFileError, match=r"a\.safetensors"):
        read_state_dict(tmp_path / "a.safetensors")


@given(st.data())
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
def test_changed_bytes_give_a_network_or_a_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.safetensors"
    network = random_network([2, 3, 1], bias=True)
    write_masks(network, masks_for(network), path)
    changed = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=4))
        changed[place : place + len(piece)] = piece
    path.write_bytes(bytes(changed))
    for read in (read_state_dict, read_masks):
        try:
            read(path)
        except (NetworkFileError, InvalidNetworkError) as error:
            assert "a.safetensors" in str(error)  # noqa: PT017 - the file is named


# ---------------------------------------------------------------- with real PyTorch


def sequential(torch, network):
    """Return a torch.nn.Sequential in float64 whose modules stand where write_state_dict says."""
    modules = []
    for index, (layer, relu) in enumerate(zip(network.layers, network.relu_after, strict=True)):
        if isinstance(layer, Conv2d):
            ((top, bottom), (left, right)) = layer.geometry.zeros(layer.size, network.shapes[index][:2])
            assert (top, left) == (bottom, right)
            modules.append(
                torch.nn.Conv2d(
                    layer.c_in,
                    layer.c_out,
                    layer.size,
                    stride=layer.stride,
                    padding=(top, left),
                    dilation=layer.dilation,
                    groups=layer.groups,
                    bias=layer.bias is not None,
                )
            )
        else:
            if index and isinstance(network.layers[index - 1], Conv2d):
                modules.append(torch.nn.Flatten())
            modules.append(torch.nn.Linear(layer.d_in, layer.d_out, bias=layer.bias is not None))
        if relu:
            modules.append(torch.nn.ReLU())
    return torch.nn.Sequential(*modules).double()


def torch_values(torch, model, network, x):
    images = x.reshape(-1, *network.input_shape).transpose(0, 3, 1, 2) if network.input_shape else x
    with torch.no_grad():
        return model(torch.from_numpy(np.ascontiguousarray(images))).numpy()


def windowed():
    """Return a network of strides, dilation, groups and pooling, whose padding is the same on both sides."""
    rng = np.random.default_rng(2)
    return ReluNetwork(
        [
            Conv2d(rng.normal(size=(3, 3, 1, 4)), rng.normal(size=4), stride=(2, 1), padding=1, groups=2),
            MaxPool2d((1, 2)),
            Conv2d(rng.normal(size=(2, 2, 4, 3)), dilation=2, padding=(1, 0)),
            AvgPool2d(2, stride=1),
            Dense(rng.normal(size=(2, 18))),
        ],
        input_shape=(8, 10, 2),
    )


def options_by_module(modules, network):
    told = zip(modules, (layer.options for layer in network.layers), strict=True)
    return {module: options for module, options in told if options}


def test_windows_come_back_and_those_of_others_can_be_said(tmp_path):
    network = windowed()
    masks = masks_for(network)
    write_state_dict(network, tmp_path / "a.safetensors")
    write_masks(network, masks, tmp_path / "b.safetensors")
    again = read_state_dict(tmp_path / "a.safetensors", **settings_of(network))
    assert network_digest(again) == network_digest(network)
    assert [layer.fixed for layer in again.layers] == [layer.fixed for layer in network.layers]
    random, found = read_masks(tmp_path / "b.safetensors", **settings_of(network))
    assert (network_digest(random), found.digest()) == (network_digest(network), masks.digest())
    tensors = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    safetensors.numpy.save_file(tensors, tmp_path / "c.safetensors")  # as others do, without our words
    modules = ["0", "2", "4", "6", "8", "11"]
    windows = options_by_module(modules, network)
    foreign = {**settings_of(network), "names": modules}
    again = read_state_dict(tmp_path / "c.safetensors", **foreign, windows=windows)
    assert network_digest(again) == network_digest(network)
    with pytest.raises(InvalidNetworkError, match=r"gives|takes|channels"):
        read_state_dict(tmp_path / "c.safetensors", **foreign)
    for bad in ({"0": {"steps": 2}}, {0: {"stride": 2}}, {"0": 2}, 3):
        with pytest.raises(InvalidNetworkError, match="windows must map names"):
            read_state_dict(tmp_path / "c.safetensors", **foreign, windows=bad)
    with pytest.raises(InvalidNetworkError, match="stride must be"):
        read_state_dict(tmp_path / "c.safetensors", **foreign, windows={"0": {"stride": 0}})
    for told in ("[", "[1]", '{"0": {"steps": 2}}', '{"0": {"stride": "2"}}'):
        safetensors.numpy.save_file(tensors, tmp_path / "d.safetensors", {"windows": told})
        with pytest.raises(InvalidNetworkError, match=r"windows must map|stride must be"):
            read_state_dict(tmp_path / "d.safetensors", **foreign)


@pytest.mark.parametrize("case", ["dense", "linear", "images", "windows"])
def test_real_pytorch_takes_weights_and_masks_and_gives_them_back(tmp_path, case):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file
    from torch.nn.utils import prune

    network = {
        "dense": random_network([4, 5, 6, 2], bias=True),
        "linear": ReluNetwork(random_network([4, 5, 6, 2]).layers, linear_after=[1], final_relu=True),
        "images": image_pair()[1],
        "windows": windowed(),
    }[case]
    masks = masks_for(network, 3)
    x = np.random.default_rng(5).normal(size=(7, network.widths[0]))
    write_state_dict(network, tmp_path / "net.safetensors")
    model = sequential(torch, network)
    model.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert np.abs(torch_values(torch, model, network, x) - network(x)).max() < 1e-12

    write_masks(network, masks, tmp_path / "masks.safetensors")
    tensors = load_file(tmp_path / "masks.safetensors")
    for name, module in model.named_modules():
        for parameter in ("weight", "bias"):
            if f"{name}.{parameter}_mask" in tensors:
                prune.custom_from_mask(module, parameter, tensors[f"{name}.{parameter}_mask"])
    pruned = masks.apply(network)
    assert np.abs(torch_values(torch, model, network, x) - pruned(x)).max() < 1e-12
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    assert set(state) == set(tensors)
    assert all(torch.equal(state[name], tensors[name].to(state[name].dtype)) for name in tensors)

    save_file(state, tmp_path / "back.safetensors")
    modules = module_names(network, None)
    said = {**settings_of(network), "windows": options_by_module(modules, network)}
    if case == "windows":
        said["names"] = modules
    random, again = read_masks(tmp_path / "back.safetensors", **said)
    assert network_digest(random) == network_digest(network)
    assert again.digest() == masks.digest()
    for name, module in model.named_modules():
        for parameter in ("weight", "bias"):
            if f"{name}.{parameter}_mask" in tensors:
                prune.remove(module, parameter)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "removed.safetensors")
    removed = read_state_dict(tmp_path / "removed.safetensors", **said)
    assert all(np.array_equal(a, b) for a, b in zip(as_dense(removed), as_dense(pruned), strict=True))
