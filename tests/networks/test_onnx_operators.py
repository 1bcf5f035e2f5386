"""Every operator that is read computes what onnxruntime computes, exactly."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from networks.onnx_evaluation import agree, dyadic  # noqa: E402
from networks.onnx_graphs_by_hand import tensor  # noqa: E402

from subsetsum_nets.networks import Conv2d  # noqa: E402

rng = np.random.default_rng(7)
W34, W44, W43, W42 = (dyadic(rng, *shape) for shape in ((3, 4), (4, 4), (4, 3), (4, 2)))
C3, C4 = dyadic(rng, 3), dyadic(rng, 4)
K33, K32, K22 = dyadic(rng, 2, 3, 3, 3), dyadic(rng, 2, 3, 3, 2), dyadic(rng, 3, 3, 2, 2)
ROW, IMAGE = ("n", 3), ("n", 3, 6, 5)
MM, RELU = ("MatMul", ["x", "W"], "a", {}), ("Relu", ["a"], "r", {})
CONV, RELU_C = ("Conv", ["x", "K"], "a", {"pads": [1] * 4}), ("Relu", ["a"], "r", {})


def ints(*numbers):
    return tensor("i", numbers, np.int64)


ROWS = {
    "data transposed": (
        [("Transpose", ["x"], "t", {}), ("Gemm", ["t", "W"], "y", {"transA": 1})],
        {"W": W34},
    ),
    "weight left": ([("Transpose", ["x"], "t", {}), ("MatMul", ["V", "t"], "y", {})], {"V": W43}),
    "weight left in Gemm": (
        [("Gemm", ["V", "x", "b"], "y", {"transB": 1, "alpha": 0.5, "beta": 2.0})],
        {"V": W43, "b": C4.reshape(4, 1)},
    ),
    "weight of three axes": ([("MatMul", ["x", "W"], "y", {})], {"W": W34[None]}),
    "a vector": ([("MatMul", ["x", "v"], "y", {})], {"v": C3}),
    "alpha": ([("Gemm", ["x", "W"], "y", {"alpha": 0.3})], {"W": tensor("W", W34, np.float64)}),
    "two biases": ([MM, ("Add", ["a", "b"], "c", {}), ("Add", ["c", "b"], "y", {})], {"W": W34, "b": C4}),
    "bias behind a ReLU": (
        [MM, RELU, ("Add", ["r", "b"], "s", {}), ("MatMul", ["s", "V"], "y", {})],
        {"W": W34, "V": W43, "b": C4},
    ),
    "scaled behind a layer": (
        [MM, ("Mul", ["a", "b"], "s", {}), ("Relu", ["s"], "y", {})],
        {"W": W34, "b": C4},
    ),
    "scaled behind a ReLU": (
        [MM, RELU, ("Mul", ["b", "r"], "s", {}), ("MatMul", ["s", "V"], "y", {})],
        {"W": W34, "V": W43, "b": C4},
    ),
    "constant minus data": (
        [("Sub", ["b", "x"], "s", {}), ("MatMul", ["s", "W"], "a", {}), ("Sub", ["c", "a"], "y", {})],
        {"W": W34, "b": C3, "c": C4},
    ),
    "ReLU first": ([("Relu", ["x"], "r", {}), ("MatMul", ["r", "W"], "y", {})], {"W": W34}),
    "no layer": ([("Identity", ["x"], "y", {})], {}),
    "only a ReLU": ([("Relu", ["x"], "y", {})], {}),
    "skip connection": (
        [MM, RELU, ("MatMul", ["r", "V"], "b", {}), ("Add", ["b", "x"], "y", {})],
        {"W": W34, "V": W43},
    ),
    "two residual blocks": (
        [
            MM,
            RELU,
            ("MatMul", ["r", "V"], "b", {}),
            ("Add", ["x", "b"], "s", {}),
            ("Relu", ["s"], "t", {}),
            ("MatMul", ["t", "W"], "u", {}),
            ("Relu", ["u"], "v", {}),
            ("MatMul", ["v", "V"], "w", {}),
            ("Sub", ["t", "w"], "y", {}),
        ],
        {"W": W34, "V": W43},
    ),
    "one weight twice": (
        [MM, ("MatMul", ["x", "U"], "b", {}), ("Sum", ["a", "b", "a"], "y", {})],
        {"W": W34, "U": -W34},
    ),
    "branches joined": (
        [
            MM,
            RELU,
            ("MatMul", ["x", "U"], "b", {}),
            ("Concat", ["r", "b", "x"], "c", {"axis": 1}),
            ("Relu", ["c"], "d", {}),
            ("MatMul", ["d", "Z"], "y", {}),
        ],
        {"W": W34, "U": -W34, "Z": dyadic(rng, 11, 2)},
    ),
    "a constant joined": (
        [("Concat", ["x", "b"], "c", {"axis": -1}), ("MatMul", ["c", "Z"], "y", {})],
        {"b": C4[None], "Z": dyadic(rng, 7, 2)},
    ),
    "leaky": (
        [MM, ("LeakyRelu", ["a"], "r", {"alpha": 0.25}), ("MatMul", ["r", "V"], "y", {})],
        {"W": W34, "V": W43},
    ),
    "leaky by default": (
        [MM, ("LeakyRelu", ["a"], "r", {}), ("MatMul", ["r", "V"], "y", {})],
        {"W": W34, "V": W43},
    ),
    "parametric": ([MM, ("PRelu", ["a", "s"], "y", {})], {"W": W34, "s": C4}),
    "absolute": ([MM, ("Abs", ["a"], "r", {}), ("MatMul", ["r", "V"], "y", {})], {"W": W34, "V": W43}),
    "clipped": (
        [MM, ("Clip", ["a", "l", "h"], "r", {}), ("MatMul", ["r", "V"], "y", {})],
        {"W": W34, "V": W43, "l": np.array(0), "h": np.array(6)},
    ),
    "clipped twice": (
        [
            MM,
            ("Clip", ["a", "l", "h"], "r", {}),
            ("Clip", ["r", "", "z"], "s", {}),
            ("MatMul", ["s", "V"], "y", {}),
        ],
        {"W": W34, "V": W43, "l": np.array(-1), "h": np.array(3), "z": np.array(2)},
    ),
    "clipped below": (
        [("Clip", ["x", "l"], "r", {}), ("MatMul", ["r", "W"], "y", {})],
        {"W": W34, "l": np.array(0.5)},
    ),
    "hard sigmoid": ([MM, ("HardSigmoid", ["a"], "y", {"alpha": 0.25})], {"W": W34}),
    "largest": (
        [MM, ("MatMul", ["x", "U"], "b", {}), ("Max", ["a", "c", "b"], "y", {})],
        {"W": W34, "U": W34[::-1], "c": C4},
    ),
    "smallest": (
        [
            MM,
            ("MatMul", ["x", "U"], "b", {}),
            ("Min", ["a", "b", "c"], "m", {}),
            ("MatMul", ["m", "V"], "y", {}),
        ],
        {"W": W34, "U": W34[::-1], "V": W43, "c": C4},
    ),
    "largest with 0": ([MM, ("Max", ["z", "a"], "y", {})], {"W": W34, "z": np.array(0)}),
    "halved": ([MM, ("Mean", ["a", "b"], "y", {})], {"W": W34, "b": C4}),
    "divided by a power of two": ([MM, ("Div", ["a", "b"], "y", {})], {"W": W34, "b": [1, 2, -0.5, 4]}),
    "negated": ([MM, ("Neg", ["a"], "r", {}), ("Relu", ["r"], "y", {})], {"W": W34}),
    "sliced and joined": (
        [
            MM,
            RELU,
            ("Slice", ["r", "one", "far", "one", "two"], "s", {}),
            ("Gather", ["r", "places"], "g", {"axis": 1}),
            ("Concat", ["g", "s"], "c", {"axis": 1}),
            ("MatMul", ["c", "Z"], "y", {}),
        ],
        {
            "W": W34,
            "Z": dyadic(rng, 5, 2),
            "one": tensor("one", [1], np.int64),
            "two": tensor("two", [2], np.int64),
            "far": tensor("far", [2**60], np.int64),
            "places": tensor("places", [3, -2, 3], np.int64),
        },
    ),
    "gathered at one place": (
        [MM, ("Gather", ["a", "at"], "g", {"axis": 1}), ("Relu", ["g"], "y", {})],
        {"W": W34, "at": tensor("at", 2, np.int64)},
    ),
    "split": (
        [MM, ("Split:2", ["a", "s"], "p", {"axis": 1}), ("MatMul", ["p1", "Z"], "y", {})],
        {"W": W34, "Z": dyadic(rng, 3, 2), "s": tensor("s", [1, 3], np.int64)},
    ),
    "padded": (
        [MM, ("Pad", ["a", "p"], "q", {}), ("MatMul", ["q", "Z"], "y", {})],
        {"W": W34, "Z": dyadic(rng, 7, 2), "p": tensor("p", [0, 2, 0, 1], np.int64)},
    ),
    "padded with ones": (
        [MM, ("Pad", ["a", "p", "v"], "q", {}), ("MatMul", ["q", "Z"], "y", {})],
        {"W": W34, "Z": dyadic(rng, 7, 2), "p": tensor("p", [0, 2, 0, 1], np.int64), "v": np.array(1)},
    ),
    "padded with zeros, then with ones": (
        [
            MM,
            ("Pad", ["a", "p"], "q", {}),
            ("Pad", ["q", "p", "v"], "t", {}),
            ("MatMul", ["t", "Z"], "y", {}),
        ],
        {
            "W": W34,
            "Z": dyadic(rng, 10, 2),
            "p": tensor("p", [0, 2, 0, 1], np.int64),
            "v": np.array(1),
        },
    ),
    "sums": (
        [
            MM,
            ("ReduceSum", ["a", "one"], "s", {"keepdims": 0}),
            ("ReduceMean", ["a"], "m", {"axes": [-1]}),
            ("Add", ["s", "m"], "y", {}),
        ],
        {"W": W34, "one": tensor("one", [1], np.int64)},
    ),
    "largest of all": (
        [
            MM,
            ("ReduceMax", ["a"], "m", {"axes": [1]}),
            ("ReduceMin", ["a"], "s", {"axes": [1]}),
            ("Sub", ["m", "s"], "y", {}),
        ],
        {"W": W34},
    ),
    "shape computed": (
        [
            MM,
            ("Shape", ["a"], "s", {}),
            ("Gather", ["s", "zero"], "g", {}),
            ("Unsqueeze", ["g", "axis"], "u", {}),
            ("Concat", ["u", "minus"], "t", {"axis": 0}),
            ("Reshape", ["a", "t"], "f", {}),
            ("MatMul", ["f", "V"], "y", {}),
        ],
        {
            "W": W34,
            "V": W43,
            "zero": tensor("zero", 0, np.int64),
            "axis": tensor("axis", [0], np.int64),
            "minus": tensor("minus", [-1], np.int64),
        },
    ),
    "expanded": (
        [
            MM,
            ("Unsqueeze", ["a", "i"], "u", {}),
            ("Expand", ["u", "s"], "e", {}),
            ("MatMul", ["e", "V"], "y", {}),
        ],
        {"W": W34, "V": W43, "i": ints(1), "s": tensor("s", [1, 2, 4], np.int64)},
    ),
    "computed constant": ([("Add", ["W", "W"], "w", {}), ("MatMul", ["x", "w"], "y", {})], {"W": W34}),
    "dropout": ([MM, ("Dropout", ["a"], "d", {}), ("Relu", ["d"], "y", {})], {"W": W34}),
}


@pytest.mark.parametrize("case", ROWS)
def test_operators_on_rows(tmp_path, case):
    agree(tmp_path, *ROWS[case], ROW, rounds=case == "leaky by default")  # by onnxruntime's float32


def conv(kernel="K", source="x", out="a", **attributes):
    return ("Conv", [source, kernel], out, attributes)


POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
IMAGES = {
    "valid": ([conv()], {"K": K33}),
    "strides, unlike padding": ([conv(strides=[2, 1], pads=[0, 1, 2, 0])], {"K": K33}),
    "dilated": ([conv(dilations=[2, 1], pads=[2, 1, 2, 1])], {"K": K33}),
    "groups": ([conv(group=3, pads=[1, 1, 1, 1])], {"K": dyadic(rng, 6, 1, 3, 3)}),
    "upper": ([conv(auto_pad="SAME_UPPER", strides=[2, 2])], {"K": K32}),
    "lower": ([conv(auto_pad="SAME_LOWER", strides=[3, 2])], {"K": K32}),
    "flattened": ([conv(), ("Flatten", ["a"], "y", {})], {"K": K33}),
    "scaled by channel, bias": (
        [conv(), ("Mul", ["a", "s"], "m", {}), ("Add", ["m", "b"], "c", {}), ("Relu", ["c"], "y", {})],
        {"K": K33, "s": dyadic(rng, 2, 1, 1), "b": dyadic(rng, 1, 2, 1, 1)},
    ),
    "bias by pixel": (
        [conv(), ("Add", ["a", "b"], "c", {}), ("Relu", ["c"], "y", {})],
        {"K": K33, "b": dyadic(rng, 2, 4, 3)},
    ),
    "scaled by column": ([("Mul", ["x", "s"], "m", {}), conv(source="m")], {"K": K33, "s": dyadic(rng, 5)}),
    "zeros around by Pad": (
        [("Pad", ["x", "p"], "q", {}), conv(source="q", strides=[2, 2])],
        {"K": K33, "p": tensor("p", [0, 0, 1, 2, 0, 0, 0, 1], np.int64)},
    ),
    "residual": (
        [
            conv(pads=[1] * 4),
            RELU,
            conv("L", "r", "b", pads=[1] * 4),
            ("Add", ["b", "x"], "s", {}),
            ("Relu", ["s"], "y", {}),
        ],
        {"K": K33, "L": dyadic(rng, 3, 2, 3, 3)},
    ),
    "strided shortcut": (
        [
            conv("K", pads=[1] * 4),
            RELU,
            conv("L", "r", "b", pads=[1] * 4, strides=[2, 2]),
            ("Relu", ["b"], "c", {}),
            conv("M", "c", "d", pads=[1] * 4),
            conv("S", "r", "e", strides=[2, 2]),
            ("Add", ["d", "e"], "s", {}),
            ("Relu", ["s"], "y", {}),
        ],
        {"K": K33, "L": dyadic(rng, 4, 2, 3, 3), "M": dyadic(rng, 4, 4, 3, 3), "S": dyadic(rng, 4, 2, 1, 1)},
    ),
    "channels joined": (
        [
            conv("K", pads=[1] * 4),
            RELU,
            ("Concat", ["r", "x"], "c", {"axis": 1}),
            conv("L", "c", "y", pads=[1] * 4),
        ],
        {"K": K33, "L": dyadic(rng, 2, 5, 3, 3)},
    ),
    "largest of pairs": (
        [conv(pads=[1] * 4), RELU, ("MaxPool", ["r"], "p", POOL), conv("L", "p", "y")],
        {"K": K33, "L": dyadic(rng, 2, 2, 2, 2)},
    ),
    "largest of three, padded": (
        [
            conv(pads=[1] * 4),
            RELU,
            ("MaxPool", ["r"], "y", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
        ],
        {"K": K33},
    ),
    "largest of signed, padded": (
        [
            conv(pads=[1] * 4),
            ("MaxPool", ["a"], "y", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
        ],
        {"K": K33},
    ),
    "largest of signed": (
        [conv(pads=[1] * 4), ("MaxPool", ["a"], "p", POOL), ("Relu", ["p"], "y", {})],
        {"K": K33},
    ),
    "largest, ceiling": (
        [("MaxPool", ["x"], "y", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})],
        {},
    ),
    "largest, overlapping": ([("MaxPool", ["x"], "y", {"kernel_shape": [3, 2], "strides": [1, 2]})], {}),
    "averages": ([conv(), ("AveragePool", ["a"], "p", POOL), ("Relu", ["p"], "y", {})], {"K": K33}),
    "averages with zeros": (
        [("AveragePool", ["x"], "y", {**POOL, "pads": [0, 1, 0, 0], "count_include_pad": 1})],
        {},
    ),
    "averages without zeros": ([("AveragePool", ["x"], "y", {**POOL, "pads": [0, 1, 0, 0]})], {}),
    "averages, ceiling": ([("AveragePool", ["x"], "y", {**POOL, "ceil_mode": 1})], {}),
    "largest of a channel": ([conv(), RELU, ("GlobalMaxPool", ["r"], "y", {})], {"K": K33}),
    "slices": (
        [("Slice", ["x", "z", "e", "ax", "st"], "s", {}), conv("L", "s", "y")],
        {
            "L": dyadic(rng, 2, 3, 2, 2),
            "z": tensor("z", [1, 0], np.int64),
            "e": tensor("e", [6, 5], np.int64),
            "ax": tensor("ax", [2, 3], np.int64),
            "st": tensor("st", [2, 2], np.int64),
        },
    ),
    "space to depth": (
        [("Pad", ["x", "p"], "q", {}), ("SpaceToDepth", ["q"], "s", {"blocksize": 2}), conv("L", "s", "y")],
        {"L": dyadic(rng, 2, 12, 1, 1), "p": tensor("p", [0, 0, 0, 0, 0, 0, 0, 1], np.int64)},
    ),
    "depth to space": (
        [conv("L", "x", "a"), ("DepthToSpace", ["a"], "y", {"blocksize": 2})],
        {"L": dyadic(rng, 8, 3, 1, 1)},
    ),
    "transposed": (
        [
            (
                "ConvTranspose",
                ["x", "T", "b"],
                "a",
                {"strides": [2, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0]},
            ),
            ("Relu", ["a"], "y", {}),
        ],
        {"T": dyadic(rng, 3, 2, 2, 3), "b": dyadic(rng, 2)},
    ),
    "channels shuffled": (
        [
            conv("L", "x", "a"),
            ("Reshape", ["a", "s"], "b", {}),
            ("Transpose", ["b"], "c", {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", ["c", "t"], "d", {}),
            ("Relu", ["d"], "e", {}),
            conv("M", "e", "y"),
        ],
        {
            "L": dyadic(rng, 4, 3, 1, 1),
            "M": dyadic(rng, 2, 4, 3, 3),
            "s": tensor("s", [0, 2, 2, 6, 5], np.int64),
            "t": tensor("t", [0, 4, 6, 5], np.int64),
        },
    ),
}
DENSE = {
    "bias by pixel",
    "scaled by column",
    "largest of signed, padded",
    "averages without zeros",
    "transposed",
    "flattened",
    "depth to space",
    "averages, ceiling",
    "largest, ceiling",
    "space to depth",
}


@pytest.mark.parametrize("case", IMAGES)
def test_operators_on_images(tmp_path, case):
    nodes, constants = IMAGES[case]
    nodes = [*nodes[:-1], (*nodes[-1][:2], "y", nodes[-1][3])]
    network = agree(tmp_path, nodes, constants, IMAGE)
    assert all(isinstance(layer, Conv2d) for layer in network.layers) == (case not in DENSE)
