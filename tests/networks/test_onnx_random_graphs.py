"""Random graphs of images, with branches of every kind, are what onnxruntime computes, exactly."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from networks.onnx_evaluation import agree
from networks.onnx_graphs_by_hand import tensor

halves = st.integers(-2, 2).map(lambda k: k / 2)


def numbers(draw, *shape):
    size = int(np.prod(shape))
    return np.array(draw(st.lists(halves, min_size=size, max_size=size))).reshape(shape)


def windows(draw, h, w, *, below_size):
    size = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    pads = [draw(st.integers(0, most - 1 if below_size else 1)) for most in size * 2]
    strides = [draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    after = [(n + pads[i] + pads[i + 2] - size[i]) // strides[i] + 1 for i, n in enumerate((h, w))]
    return {"kernel_shape": size, "pads": pads, "strides": strides}, after


def convolution(draw, name, shape, index, constants, _):
    c, h, w = shape
    attributes, after = windows(draw, h, w, below_size=False)
    groups = draw(st.sampled_from([1, 1, c]))
    out = groups * draw(st.integers(1, 2))
    constants[f"K{index}"] = numbers(draw, out, c // groups, *attributes["kernel_shape"])
    return ("Conv", [name, f"K{index}"], {**attributes, "group": groups}), (out, *after)


def pool(draw, name, shape, *_):
    attributes, after = windows(draw, *shape[1:], below_size=True)
    return ("MaxPool", [name], attributes), (shape[0], *after)


def averages(draw, name, shape, *_):
    stride = draw(st.integers(1, 2))
    after = [(n - 2) // stride + 1 for n in shape[1:]]
    return ("AveragePool", [name], {"kernel_shape": [2, 2], "strides": [stride] * 2}), (shape[0], *after)


def by_entry(draw, name, shape, index, constants, _):
    operator = draw(st.sampled_from(["Relu", "Neg", "LeakyRelu", "Clip", "Add", "Mul"]))
    if operator in ("Add", "Mul"):
        sizes = draw(st.sampled_from([(shape[0], 1, 1), (shape[0], 1, 1), (1,), shape, shape[2:]]))
        constants[f"b{index}"] = numbers(draw, *sizes)
        return (operator, [name, f"b{index}"], {}), shape
    if operator == "Clip":
        constants[f"l{index}"], constants[f"h{index}"] = np.array(draw(st.integers(-1, 0))), np.array(2.0)
        return (operator, [name, f"l{index}", f"h{index}"], {}), shape
    return (operator, [name], {"alpha": 0.5} if operator == "LeakyRelu" else {}), shape


def two_values(draw, name, shape, _, __, values):
    other = draw(st.sampled_from([name for name, own in values if own == shape]))
    return (draw(st.sampled_from(["Add", "Sub", "Max", "Min"])), [name, other], {}), shape


def joined(draw, name, shape, _, __, values):
    other, own = draw(st.sampled_from([value for value in values if value[1][1:] == shape[1:]]))
    return ("Concat", [name, other], {"axis": 1}), (shape[0] + own[0], *shape[1:])


def moved(draw, name, shape, index, constants, _):
    how = draw(st.sampled_from(["Slice", "Pad", "Transpose"]))
    if how == "Transpose":
        return (how, [name], {"perm": [0, 1, 3, 2]}), (shape[0], shape[2], shape[1])
    if how == "Pad":
        pads = [draw(st.integers(0, 1)) for _ in range(4)]
        constants[f"p{index}"] = tensor(f"p{index}", [0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64)
        return (how, [name, f"p{index}"], {}), (
            shape[0],
            *(n + pads[i] + pads[i + 2] for i, n in enumerate(shape[1:])),
        )
    axis, start, step = draw(st.integers(1, 3)), draw(st.integers(0, 1)), draw(st.integers(1, 2))
    end = shape[axis - 1] - draw(st.integers(0, 1))
    for part, number in (("s", start), ("e", end), ("a", axis), ("t", step)):
        constants[f"{part}{index}"] = tensor(f"{part}{index}", [number], np.int64)
    after = list(shape)
    after[axis - 1] = len(range(start, end, step))
    return (how, [name, *(f"{part}{index}" for part in "seat")], {}), tuple(after)


STEPS = [convolution, convolution, pool, averages, by_entry, by_entry, by_entry, two_values, joined, moved]


@st.composite
def graphs(draw):
    shape = tuple(draw(st.tuples(st.integers(1, 3), st.integers(3, 5), st.integers(3, 6))))
    values, nodes, constants = [("x", shape)], [], {}
    for index in range(draw(st.integers(1, 6))):
        name, own = draw(st.sampled_from(values[-3:]))
        (operator, inputs, attributes), after = draw(st.sampled_from(STEPS))(
            draw, name, own, index, constants, values
        )
        if min(after) < 1 or after[0] > 6:
            continue
        nodes.append((operator, inputs, f"v{index}", attributes))
        values.append((f"v{index}", after))
    nodes.append((draw(st.sampled_from(["Identity", "Flatten"])), [values[-1][0]], "y", {}))
    used = {name for node in nodes for name in node[1]}
    return nodes, {name: array for name, array in constants.items() if name in used}, ("n", *shape)


@given(graphs())
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=60)
def test_random_graphs_are_read_exactly(tmp_path, made):
    agree(tmp_path, *made)
