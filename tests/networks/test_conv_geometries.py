"""Strides, padding, groups, dilation, pooling: values from the definition, from onnxruntime and torch."""

import numpy as np
import pytest
from by_definition import unrolled_layer, zeros_before
from hypothesis import given, settings
from hypothesis import strategies as st
from support.geometries import conv_cases, paddings, pairs

from subsetsum_nets import AvgPool2d, Conv2d, Dense, MaxPool2d, ReluNetwork
from subsetsum_nets.networks import ConvolutionMatrix, InvalidNetworkError, network_digest
from subsetsum_nets.networks.files.onnx_layouts import kernel_to_channels_first
from subsetsum_nets.networks.pooling import max_pool_layers

images = st.tuples(st.integers(4, 7), st.integers(4, 7), st.integers(1, 3))
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))


def dyadic_images(seed, shape, *, low=-8):
    """Return random images of eighths: sums of a few products of them are exact in float32 too."""
    return np.random.default_rng(seed).integers(low, 9, shape) / 8


def pads_of(layer, image):
    """Return zeros ((top, bottom), (left, right)) with which other packages give the same windows."""
    ends = []
    for axis, (before, count) in enumerate(zeros_before(layer, image)):
        reach = layer.dilation[axis] * (layer.size[axis] - 1) + 1
        ends.append((before, max(0, (count - 1) * layer.stride[axis] + reach - image[axis] - before)))
    return ends


@given(conv_cases(), st.integers(0, 2), st.integers(0, 99))
@settings(deadline=None)
def test_values_and_matrices_are_those_of_the_definition(case, count, seed):
    layer, image = case
    dense = unrolled_layer(layer, image)
    affine = layer.on(image)
    matrix = affine.weight
    assert np.array_equal(matrix.toarray(), dense)
    assert np.array_equal(matrix.T.toarray(), dense.T)
    assert np.array_equal(matrix.T.T.toarray(), dense)
    assert np.array_equal(abs(matrix).toarray(), np.abs(dense))
    assert matrix.shape == dense.shape == (affine.d_out, affine.d_in)
    x = dyadic_images(seed, (count, *image, layer.c_in))
    flat = x.reshape(count, dense.shape[1])
    assert np.array_equal(matrix @ flat.T, dense @ flat.T)
    y = dyadic_images(seed, (count, dense.shape[0]))
    assert np.array_equal(y @ matrix, y @ dense)
    values = layer(x)
    assert values.shape[1:] == layer.gives((*image, layer.c_in), 0)
    assert np.array_equal(values.reshape(count, dense.shape[0]), flat @ dense.T + affine.offset)
    for one in (matrix, matrix.T):
        ones = one.with_kernel(np.ones_like(one.kernel)).toarray()
        assert (ones != 0.0).sum(axis=1).max(initial=0) == one.row_terms
    point = matrix.at_one_place()
    if point is not None:
        assert np.array_equal(point.toarray(), dense)


@given(conv_cases(), st.integers(0, 99))
@settings(deadline=None)
def test_layers_keep_their_geometry_with_other_weights(case, seed):
    layer, image = case
    kernel = dyadic_images(seed, layer.kernel.shape)
    other = layer.with_stored(kernel, None)
    assert (other.geometry, other.groups, other.fixed) == (layer.geometry, layer.groups, layer.fixed)
    assert np.array_equal(other.on(image).weight.toarray(), unrolled_layer(other, image))
    again = Conv2d(
        kernel, stride=layer.stride, padding=layer.padding, groups=layer.groups, dilation=layer.dilation
    )
    assert repr(again) == repr(other)
    assert again.geometry == layer.geometry


@given(conv_cases(), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_torch_gives_the_same(case, seed):
    torch = pytest.importorskip("torch")
    layer, image = case
    x = dyadic_images(seed, (2, *image, layer.c_in))
    (top, bottom), (left, right) = pads_of(layer, image)
    tensor = torch.tensor(x).permute(0, 3, 1, 2)
    weight = torch.tensor(kernel_to_channels_first(layer.kernel).copy())
    bias = None if layer.bias is None else torch.tensor(layer.bias.copy())
    padded = torch.nn.functional.pad(tensor, (left, right, top, bottom))
    values = torch.nn.functional.conv2d(padded, weight, bias, layer.stride, 0, layer.dilation, layer.groups)
    assert np.array_equal(values.permute(0, 2, 3, 1).numpy(), layer(x))


@given(sizes, st.one_of(st.none(), pairs), st.data(), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_torch_pools_to_the_same(size, stride, data, seed):
    torch = pytest.importorskip("torch")
    zeros = tuple(data.draw(st.integers(0, n // 2)) for n in size)  # torch takes no more
    words = {"stride": stride, "padding": tuple(zip(zeros, zeros, strict=True))}
    one = Conv2d(np.eye(2)[np.newaxis, np.newaxis])
    x = dyadic_images(seed, (2, 6, 7, 2))
    tensor = torch.relu(torch.tensor(x).permute(0, 3, 1, 2))
    steps = None if stride is None else tuple(stride)
    for pool, function in ((MaxPool2d, "max_pool2d"), (AvgPool2d, "avg_pool2d")):
        network = ReluNetwork([one, pool(size, **words)], input_shape=(6, 7, 2))
        values = getattr(torch.nn.functional, function)(tensor, size, steps, zeros)
        exact = pool is MaxPool2d or np.log2(size[0] * size[1]).is_integer()
        tolerance = 0.0 if exact else 1e-12
        np.testing.assert_allclose(network(x), values.permute(0, 2, 3, 1).numpy(), rtol=0, atol=tolerance)


def onnx_pool(operator, x, **attributes):
    """Return what onnxruntime makes of images (batch, h, w, c) by one operator without weights."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    one = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["x"], ["y"], **attributes)],
        "pool",
        [onnx.helper.make_tensor_value_info("x", one, ["n", "c", "h", "w"])],
        [onnx.helper.make_tensor_value_info("y", one, ["n", "c", "i", "j"])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"x": np.moveaxis(x, 3, 1).astype(np.float32)})
    return np.moveaxis(values, 1, 3)


def like(pool, size):
    """Return a convolution of the same windows."""
    return Conv2d(np.ones((*size, 1, 1)), stride=pool.stride, padding=pool.padding)


def pool_attributes(pool, size, image):
    found = {"kernel_shape": size, "strides": pool.stride}
    if isinstance(pool.padding, str) and all(n >= s for n, s in zip(size, pool.stride, strict=True)):
        return {**found, "auto_pad": "SAME_UPPER" if pool.padding == "same_upper" else "SAME_LOWER"}
    (top, bottom), (left, right) = pads_of(like(pool, size), image)
    return {**found, "pads": [top, left, bottom, right]}


@given(sizes, st.one_of(st.none(), pairs), paddings, images, st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_averages_are_those_of_onnxruntime(size, stride, padding, image, seed):
    pool = AvgPool2d(size, stride=stride, padding=padding)
    if not isinstance(pool.padding, str) and any(
        max(a) >= n for a, n in zip(pool.padding, size, strict=True)
    ):
        pool = AvgPool2d(size, stride=stride)  # onnxruntime refuses padding of whole windows
    network = ReluNetwork([pool], input_shape=image)
    x = dyadic_images(seed, (2, *image))
    wanted = onnx_pool("AveragePool", x, count_include_pad=1, **pool_attributes(pool, size, image[:2]))
    np.testing.assert_allclose(network(x), wanted, rtol=1e-6, atol=1e-6)
    (layer,) = network.layers
    assert layer.fixed
    assert np.unique(layer.kernel).tolist() == [1 / (size[0] * size[1])]


@given(sizes, st.one_of(st.none(), pairs), paddings, images, st.booleans(), st.integers(0, 99))
@settings(deadline=None, max_examples=120)
def test_maxima_are_those_of_onnxruntime(size, stride, padding, image, positive, seed):
    pool = MaxPool2d(size, stride=stride, padding=padding)
    relu = Conv2d(np.eye(image[2])[np.newaxis, np.newaxis])
    zeros = pads_of(like(pool, size), image[:2]) if isinstance(pool.padding, str) else pool.padding
    linear = [1] if positive else [0, 1]
    wide = any(max(ends) >= n for ends, n in zip(zeros, size, strict=True))
    if wide or (np.any(zeros) and not positive):
        with pytest.raises(InvalidNetworkError, match=r"Put the ReLU before|less than their size"):
            ReluNetwork([relu, pool, relu], input_shape=image, linear_after=linear)
        return
    network = ReluNetwork([relu, pool, relu], input_shape=image, linear_after=linear)
    x = dyadic_images(seed, (2, *image))
    wanted = onnx_pool(
        "MaxPool", np.maximum(x, 0.0) if positive else x, **pool_attributes(pool, size, image[:2])
    )
    assert np.array_equal(network(x), wanted)
    middle = network.layers[1:-1]
    assert all(layer.fixed for layer in middle)
    assert set(np.concatenate([layer.kernel.ravel() for layer in middle])) <= {-1.0, 0.0, 1.0}
    assert sum(network.relu_after[1:-1]) == len(middle) - 1
    rounds = sum(int(np.ceil(np.log2(n))) for n in size)
    assert len(middle) == rounds + 1


def test_pools_are_kept_as_fixed_layers_and_pass_through_everything_that_makes_networks():
    layers = [Conv2d(np.ones((3, 3, 1, 2))), MaxPool2d(2), AvgPool2d(None), Dense(np.ones((1, 2)))]
    network = ReluNetwork(layers, input_shape=(8, 6, 1), linear_after=[2])
    assert [layer.fixed for layer in network.layers] == [False, True, True, True, True, False]
    assert network.relu_after == (True, True, True, True, False, False)
    assert [shape[:2] for shape in network.shapes[:-1]] == [(8, 6), (8, 6), (4, 6), (4, 3), (4, 3), (1, 1)]
    again = network.with_layers([layer.with_stored(layer.stored, layer.bias) for layer in network.layers])
    assert [layer.fixed for layer in again.layers] == [layer.fixed for layer in network.layers]
    x = dyadic_images(0, (3, 8, 6, 1))
    assert np.array_equal(again(x), network(x))
    assert network_digest(again) == network_digest(network)


def test_a_pooling_in_front_takes_images_of_both_signs():
    network = ReluNetwork([MaxPool2d(2), Dense(np.ones((1, 4)))], input_shape=(4, 4, 1))
    x = -np.arange(1.0, 17.0)
    assert network(x).item() == 0.0
    signed = ReluNetwork([MaxPool2d(2), Dense(np.ones((1, 4)))], input_shape=(4, 4, 1), linear_after=[0])
    assert signed(x).item() == -1 - 3 - 9 - 11


def test_strides_are_of_images_of_any_size_too():
    layer = Conv2d(np.ones((2, 2, 1, 3)), stride=2, padding="valid")
    network = ReluNetwork([layer, MaxPool2d(2), AvgPool2d((1, 2))])
    assert network(np.ones((8, 12, 1))).shape == (2, 1, 3)
    assert network.shapes[-1] == (None, None, 3)
    with pytest.raises(InvalidNetworkError, match="windows of 2x2 pixels do not fit images of 1x9 pixels"):
        network(np.ones((1, 9, 1)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"stride": 0}, "the stride must be an integer from 1 to 2147483647, or two .*got 0"),
        ({"stride": 2**31}, "got 2147483648"),
        ({"padding": 2**31}, "got 2147483648"),
        ({"stride": (1, 2, 3)}, r"stride.*got \(1, 2, 3\)"),
        ({"stride": 1.5}, "stride.*got 1.5"),
        ({"stride": True}, "stride.*got True"),
        ({"dilation": (1, 0)}, r"the dilation .*got \(1, 0\)"),
        ({"padding": -1}, "the padding must be 'same', .*got -1"),
        ({"padding": "full"}, "got 'full'"),
        ({"padding": (1, -1)}, r"got \(1, -1\)"),
        ({"padding": ((1, 1), (1, 1), (1, 1))}, "the padding"),
        ({"padding": ((1, 1), 0.5)}, "the padding"),
        ({"padding": None}, "got None"),
        ({"groups": 0}, "groups must be an integer that divides the 4 output channels, got 0"),
        ({"groups": 3}, "got 3"),
        ({"groups": 2.0}, "got 2.0"),
    ],
)
def test_a_geometry_that_is_none_is_refused(words, message):
    with pytest.raises(InvalidNetworkError, match=message):
        Conv2d(np.ones((3, 3, 1, 4)), **words)


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([Conv2d(np.ones((3, 3, 1, 1)), padding="valid")], (2, 9, 1), "layer 0: windows of 3x3 pixels"),
        ([Conv2d(np.ones((2, 1, 1, 1)), padding="valid", dilation=9)], (9, 9, 1), "windows of 10x1 pixels"),
        ([Conv2d(np.ones((1, 1, 2, 4)), groups=2)], (3, 3, 2), "2 channels, but layer 0 takes 4"),
        ([MaxPool2d(2)], None, r"input_shape=\(h, w, c\)"),
        ([Conv2d(np.ones((1, 1, 1, 1))), AvgPool2d(None)], None, r"input_shape=\(h, w, c\)"),
        ([Conv2d(np.ones((1, 1, 1, 1))), MaxPool2d(2, padding="same")], None, r"input_shape=\(h, w, c\)"),
        ([Dense(np.ones((4, 4))), MaxPool2d(2)], None, "layer 1 pools windows after the Dense layer 0"),
        ([MaxPool2d(2, padding=1)], (4, 4, 1), "no ReLU comes before it.* Put the ReLU before"),
        ([MaxPool2d(2, padding=2)], (4, 4, 1), "some windows would lie outside"),
        ([MaxPool2d(5)], (4, 4, 1), "layer 0: windows of"),
    ],
)
def test_windows_that_do_not_fit_are_refused(layers, shape, message):
    with pytest.raises(InvalidNetworkError, match=message):
        ReluNetwork(layers, input_shape=shape)


@pytest.mark.parametrize("kind", [AvgPool2d, MaxPool2d])
@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, {}),
        ((2, 2, 2), {}),
        ("a", {}),
        (2, {"stride": 0}),
        (2, {"padding": -1}),
        (None, {"stride": 2}),
        (None, {"padding": 1}),
    ],
)
def test_bad_windows_are_refused(kind, size, words):
    with pytest.raises(InvalidNetworkError, match=r"size of the windows|stride|padding"):
        kind(size, **words)


def test_what_is_same_in_other_words_is_the_same():
    kernel = np.ones((3, 2, 1, 1))
    assert {Conv2d(kernel, padding=p).padding for p in ("same", ((1, 1), (1, 0)))} == {"same"}
    assert Conv2d(kernel, padding="same_upper").padding == ((1, 1), (0, 1))
    assert Conv2d(np.ones((1, 1, 1, 1)), padding="valid").padding == "same"
    assert Conv2d(kernel, stride=2).padding == "same"  # of every size of images: another number of zeros
    assert Conv2d(kernel, stride=2, padding=(1, 0)).padding == ((1, 1), (0, 0))
    assert Conv2d(np.ones((2, 2, 1, 1)), dilation=2, padding=1).padding == "same"
    digests = {network_digest(ReluNetwork([Conv2d(kernel, padding=p)])) for p in ("same", ((1, 1), (1, 0)))}
    assert len(digests) == 1


def test_digests_tell_geometries_apart():
    kernel = np.ones((2, 2, 1, 2))
    layers = [
        Conv2d(kernel),
        *(Conv2d(kernel, stride=s) for s in (2, (1, 2), (2, 1))),
        *(Conv2d(kernel, stride=2, padding=p) for p in ("same_upper", "valid", 1, (1, 0), ((0, 1), (0, 0)))),
        *(Conv2d(kernel, dilation=d) for d in (2, (1, 2), (2, 1))),
        Conv2d(kernel, groups=2),
    ]
    assert len({network_digest(ReluNetwork([layer])) for layer in layers}) == len(layers)
    assert network_digest(ReluNetwork([Conv2d(kernel, fixed=True)])) == network_digest(
        ReluNetwork([layers[0]])
    )


def test_expansions_of_maxima_can_be_asked_for():
    layers = max_pool_layers(3, (4, 1), (2, 1), nonnegative=True)
    assert [relu for _, relu in layers] == [True, True, True]
    assert [layer.stride for layer, _ in layers] == [(2, 1), (1, 1), (1, 1)]
    with pytest.raises(InvalidNetworkError, match=r"padding 'same'"):
        max_pool_layers(1, 3, 2, "same", nonnegative=True)


def test_a_product_with_one_pixel_kernels_is_recognised_whatever_the_other_does():
    point = ConvolutionMatrix(np.ones((1, 1, 2, 2)), (5, 5))
    strided = Conv2d(np.ones((3, 3, 2, 2)), stride=2, padding="valid").on((5, 5)).weight
    assert point.at_one_place() is not None
    assert strided.at_one_place() is None
    assert Conv2d(np.ones((1, 1, 2, 2)), stride=2).on((5, 5)).weight.at_one_place() is None
    assert Conv2d(np.ones((1, 1, 2, 2)), padding=((0, 1), (0, 0))).on((5, 5)).weight.at_one_place() is None
