"""State dicts: names, shapes or the file tell the order of modules, or it is asked for; masks of any name."""

import itertools
import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets.exchange import (
    masks_from_scores,
    module_order,
    read_masks,
    read_scores,
    read_state_dict,
    write_state_dict,
)
from subsetsum_nets.networks import Dense, InvalidNetworkError, NetworkFileError, ReluNetwork

RANDOM = np.random.default_rng(0)


def saved(path, names, widths, kind=np.float32):
    """Write modules of these names in the order of evaluation; return the weights."""
    weights = {
        f"{name}.weight": RANDOM.normal(size=(b, a)).astype(kind)
        for name, (a, b) in zip(names, itertools.pairwise(widths), strict=True)
    }
    safetensors.numpy.save_file(weights, path)
    return list(weights.values())


def listed(path, tensors):
    """Write a file whose header lists tensors in their own order, as some writers do."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F64",
            "shape": list(tensor.shape),
            "data_offsets": [end, end + tensor.nbytes],
        }
        end += tensor.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(tensor.tobytes() for tensor in tensors.values())
    )


def test_an_order_that_nothing_tells_is_refused_and_the_orders_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    weights = saved(path, ["inp", "hid", "out"], [8, 8, 8, 3])
    with pytest.raises(InvalidNetworkError) as error:
        read_state_dict(path)
    for part in ("more than one order", "['hid', 'inp', 'out']", "['inp', 'hid', 'out']", "names="):
        assert part in str(error.value)
    network = read_state_dict(path, names=["inp", "hid", "out"])
    assert all((a.weight == b).all() for a, b in zip(network.layers, weights, strict=True))


@pytest.mark.parametrize(
    ("names", "widths"),
    [
        (["inp", "hid", "out"], [8, 6, 5, 3]),
        (["inp", "hid", "out"], [8, 8, 5, 3]),
        (["stem", "body", "head"], [4, 6, 6, 2]),
        (["fc1", "fc2", "out"], [8, 8, 8, 3]),
        (["out1", "out2", "fc"], [3, 8, 8, 4]),
        (["z.0", "z.2", "a.0", "a.2"], [8, 5, 6, 5, 3]),
        (["10", "20", "100"], [4, 4, 4, 4]),
        (["fc9", "fc10"], [4, 4, 4]),
        (["layer1.b", "layer2.a"], [4, 4, 4]),
    ],
)
def test_names_and_shapes_that_leave_one_order_are_enough(tmp_path, names, widths):
    path = tmp_path / "net.safetensors"
    weights = saved(path, names, widths)
    network = read_state_dict(path)
    assert network.widths == tuple(widths)
    assert all((a.weight == b).all() for a, b in zip(network.layers, weights, strict=True))


@pytest.mark.parametrize(
    ("names", "widths"),
    [
        (["a", "b"], [4, 4, 4]),
        (["fc1", "fc2", "out"], [8, 8, 8, 8]),
        (["encoder.0", "encoder.2", "decoder.0", "decoder.2"], [9, 4, 2, 4, 9]),
        (["up", "down"], [4, 6, 4]),
    ],
)
def test_what_fits_in_two_orders_is_refused(tmp_path, names, widths):
    path = tmp_path / "net.safetensors"
    saved(path, names, widths)
    with pytest.raises(InvalidNetworkError, match="more than one order"):
        read_state_dict(path)
    assert read_state_dict(path, names=names).widths == tuple(widths)
    tensors = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file({name.replace("weight", "scores"): t for name, t in tensors.items()}, path)
    with pytest.raises(InvalidNetworkError, match="more than one order"):
        read_scores(path)
    assert len(masks_from_scores(read_scores(path, names=names), 0.5)) == len(names)


@given(st.permutations(["a", "b", "c", "d"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=24)
def test_the_order_of_the_file_is_taken_where_it_is_kept(tmp_path, names):
    path = tmp_path / "net.safetensors"
    tensors = {f"{name}.weight": RANDOM.normal(size=(3, 3)) for name in names}
    listed(path, tensors)
    if list(names) == sorted(names):  # as every file lists them
        with pytest.raises(InvalidNetworkError, match="more than one order"):
            read_state_dict(path)
        return
    network = read_state_dict(path)
    for layer, weight in zip(network.layers, tensors.values(), strict=True):
        assert (layer.weight == weight).all()


def test_our_own_files_keep_the_names_that_were_given(tmp_path):
    path = tmp_path / "net.safetensors"
    network = ReluNetwork([Dense(RANDOM.normal(size=(3, 3)), [1.0, 2.0, 3.0]) for _ in range(3)])
    for names in itertools.permutations(["a", "b", "c"]):
        write_state_dict(network, path, names=names)
        assert all(
            (a.weight == b.weight).all()
            for a, b in zip(read_state_dict(path).layers, network.layers, strict=True)
        )


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_orders_are_those_of_trying_all(data):
    chains = [["x1", "x2", "x10"], ["c.0", "c.1"]]
    all_names = st.sampled_from(["a", "b", *chains[0], *chains[1]])
    names = data.draw(st.lists(all_names, unique=True, min_size=1, max_size=5))
    sizes = st.integers(1, 2)
    shapes = {name: (data.draw(sizes), data.draw(sizes)) for name in names}

    def in_order(order, chain):
        return [name for name in order if name in chain] == [name for name in chain if name in order]

    expected = [
        list(order)
        for order in itertools.permutations(module_order.natural_order(names))
        if all(shapes[a][0] == shapes[b][1] for a, b in itertools.pairwise(order))
        and all(in_order(order, chain) for chain in chains)
    ]
    natural = module_order.natural_order(names)
    if any(set(names) <= set(chain) for chain in chains):
        expected = [natural]
    assert list(module_order._orders(natural, shapes)) == expected[: module_order._NAMED + 1]


def test_many_modules_are_tried_in_bounded_time():
    shapes = {f"{chr(97 + k)}": (2, 2) for k in range(26)} | {"last": (5, 7)}
    assert list(module_order._orders(sorted(shapes), shapes)) == []


# ---------------------------------------------------------------- masks

WEIGHT, MASK = np.arange(1.0, 7.0).reshape(2, 3), np.array([[1, 0, 1], [0, 1, 0]])
CALLED = {
    "as PyTorch": ("fc.weight_orig", "fc.weight_mask"),
    "beside": ("fc.weight", "fc.weight_mask"),
    "mask": ("fc.weight", "fc.mask"),
    "masks": ("fc.weight", "fc.masks"),
    "of the weight": ("fc.weight", "fc.weight.mask"),
    "in a folder": ("fc.weight", "masks.fc.weight"),
    "of the module in a folder": ("fc.weight", "mask.fc"),
    "without a module": ("weight", "mask"),
    "parametrized": ("fc.parametrizations.weight.original", "fc.parametrizations.weight.0.mask"),
    "parametrized, deep": ("a.b.parametrizations.weight.original", "a.b.parametrizations.weight.0.mask"),
}


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("called", CALLED.values(), ids=CALLED)
def test_masks_are_read_whatever_they_are_called(tmp_path, called, kind):
    path = tmp_path / "net.safetensors"
    safetensors.numpy.save_file({called[0]: WEIGHT, called[1]: MASK.astype(kind)}, path)
    random, masks = read_masks(path)
    assert (random.layers[0].weight == WEIGHT).all()
    assert (masks.weights[0] == MASK).all()
    assert (read_state_dict(path).layers[0].weight == WEIGHT * MASK).all()


@pytest.mark.parametrize("name", ["fc.weight", "fc", "fc.mask", "fc.weight_mask", "masks.fc.weight"])
def test_masks_of_a_file_of_their_own(tmp_path, name):
    path, own = tmp_path / "net.safetensors", tmp_path / "masks.safetensors"
    safetensors.numpy.save_file({"fc.weight": WEIGHT, "fc.bias": np.ones(2)}, path)
    safetensors.numpy.save_file({name: MASK.astype(bool), "fc.bias_mask": np.array([1.0, 0.0])}, own)
    random, masks = read_masks(path, masks=own)
    assert (masks.weights[0] == MASK).all()
    assert masks.biases[0].tolist() == [True, False]
    pruned = read_state_dict(path, masks=own)
    assert (pruned.layers[0].weight == WEIGHT * MASK).all()
    assert pruned.layers[0].bias.tolist() == [1.0, 0.0]
    assert random.layers[0].bias.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("tensors", "masks", "message"),
    [
        ({"fc.weight": WEIGHT}, {"fd.weight": MASK}, "'fd.weight' belongs to no weight"),
        ({"fc.weight": WEIGHT, "fc.mask": MASK}, {"fc": MASK}, "second mask of fc.weight"),
        ({"fc.weight": WEIGHT, "fc.mask": MASK, "fc.weight_mask": MASK}, None, "fc.weight_mask twice"),
        ({"fc.weight": WEIGHT}, {"fc": MASK.T}, "in the shape"),
        ({"fc.weight": WEIGHT}, {"fc": 2 * MASK}, "only 0 and 1"),
    ],
)
def test_masks_that_belong_nowhere_are_refused(tmp_path, tensors, masks, message):
    path, own = tmp_path / "net.safetensors", tmp_path / "masks.safetensors"
    safetensors.numpy.save_file(tensors, path)
    if masks is not None:
        safetensors.numpy.save_file({name: np.ascontiguousarray(mask) for name, mask in masks.items()}, own)
    with pytest.raises(NetworkFileError, match=message):
        read_masks(path, masks=None if masks is None else own)


def test_a_module_that_is_called_mask_is_a_module(tmp_path):
    path = tmp_path / "net.safetensors"
    saved(path, ["fc", "mask"], [2, 3, 1])
    assert read_state_dict(path).widths == (2, 3, 1)


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        ("_numbered_before", "place % 2 == 1 and a < b", "a < b"),
        ("_numbered_before", "a < b", "a > b"),
        ("_feeds", "one[0] == other[1]", "one[1] == other[0]"),
        ("_orders", "before[name] <= used", "True"),
        ("module_order", "len(orders) <= 1", "True"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, tmp_path, where, old, new):
    copy = plain_python(monkeypatch, module_order.__name__, where, old, new)
    path = tmp_path / "net.safetensors"
    saved(path, ["b", "a"], [4, 4, 4])

    def told(shapes):
        try:
            return copy.module_order(path, shapes, {})
        except InvalidNetworkError:
            return None

    found = [
        told({"a": (4, 4), "b": (4, 4)}),
        told({"a": (2, 4), "b": (4, 3)}),
        told({"x2": (4, 4), "x10": (4, 4), "a": (3, 4)}),
    ]
    assert found != [None, ["b", "a"], ["x2", "x10", "a"]]


def test_the_planted_mistakes_are_measured_against_the_truth(tmp_path):
    path = tmp_path / "net.safetensors"
    saved(path, ["b", "a"], [4, 4, 4])
    assert module_order.module_order(path, {"a": (2, 4), "b": (4, 3)}, {}) == ["b", "a"]
    shapes = {"x2": (4, 4), "x10": (4, 4), "a": (3, 4)}
    assert module_order.module_order(path, shapes, {}) == ["x2", "x10", "a"]
