"""Mistakes planted where chains of layers are made are noticed by graphs of images."""

import sys

import numpy as np
import pytest
from support.planting import plain_python

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from networks.onnx_evaluation import agree, dyadic
from networks.onnx_graphs_by_hand import tensor
from networks.test_onnx_operators import DENSE, IMAGE, IMAGES, K33, conv

from subsetsum_nets.networks import Conv2d

rng = np.random.default_rng(11)
ROOM = "subsetsum_nets.networks.lowering"
CASES = {
    **{
        name: IMAGES[name]
        for name in (
            "strides, unlike padding",
            "strided shortcut",
            "residual",
            "largest of signed",
            "largest of three, padded",
            "channels joined",
            "slices",
            "bias by pixel",
            "zeros around by Pad",
            "averages without zeros",
            "largest of signed, padded",
            "upper",
        )
    },
    "cropped behind": (
        [conv(pads=[1] * 4), ("Slice", ["a", "one", "far", "two", "one"], "s", {}), ("Relu", ["s"], "y", {})],
        {
            "K": K33,
            **{name: tensor(name, [at], np.int64) for name, at in (("one", 1), ("far", 9), ("two", 2))},
        },
    ),
    "cropped before, padded": (
        [("Slice", ["x", "one", "far", "two", "one"], "s", {}), conv(source="s", pads=[1] * 4)],
        {
            "K": K33,
            **{name: tensor(name, [at], np.int64) for name, at in (("one", 1), ("far", 9), ("two", 2))},
        },
    ),
    "turned": (
        [("Slice", ["x", "end", "far", "two", "back"], "s", {}), conv(source="s")],
        {
            "K": K33,
            **{
                name: tensor(name, [at], np.int64)
                for name, at in (("end", -1), ("far", -99), ("two", 2), ("back", -1))
            },
        },
    ),
    "groups beside a shortcut": (
        [
            conv("L", pads=[1] * 4, group=3),
            ("Relu", ["a"], "r", {}),
            conv("L", "r", "b", pads=[1] * 4, group=3),
            ("Add", ["b", "x"], "y", {}),
        ],
        {"L": dyadic(rng, 3, 1, 3, 3)},
    ),
    "dilated maxima": (
        [
            conv(pads=[1] * 4),
            ("Relu", ["a"], "r", {}),
            ("MaxPool", ["r"], "y", {"kernel_shape": [3, 1], "dilations": [2, 1]}),
        ],
        {"K": K33},
    ),
    "two strides": (
        [
            conv(strides=[1, 1]),
            conv("L", out="b", strides=[2, 2]),
            ("Flatten", ["a"], "c", {}),
            ("Flatten", ["b"], "d", {}),
            ("Concat", ["c", "d"], "e", {"axis": 1}),
            ("Relu", ["e"], "y", {}),
        ],
        {"K": K33, "L": dyadic(rng, 2, 3, 2, 2)},
    ),
    "zeros beside": (
        [
            ("Relu", ["x"], "u", {}),
            conv(source="u"),
            ("Pad", ["a", "p"], "q", {}),
            conv(out="v", pads=[1] * 4),
            ("Relu", ["v"], "w", {}),
            ("Add", ["q", "w"], "s", {}),
            ("Relu", ["s"], "y", {}),
        ],
        {"K": K33, "p": tensor("p", [0, 0, 0, 0, 0, 0, 2, 2], np.int64)},
    ),
    "cropped after, padded": (
        [("Slice", ["x", "zero", "four", "two"], "s", {}), conv(source="s", pads=[0, 0, 1, 0])],
        {
            "K": K33,
            **{name: tensor(name, [at], np.int64) for name, at in (("zero", 0), ("four", 4), ("two", 2))},
        },
    ),
    "cropped after": (
        [("Slice", ["x", "zero", "four", "two"], "s", {}), conv("L", "s")],
        {
            "L": dyadic(rng, 2, 3, 2, 2),
            **{name: tensor(name, [at], np.int64) for name, at in (("zero", 0), ("four", 4), ("two", 2))},
        },
    ),
    "strides that give one size": (
        [
            conv("L", strides=[2, 1]),
            conv("M", out="b"),
            ("Add", ["a", "b"], "s", {}),
            ("Relu", ["s"], "y", {}),
        ],
        {"L": dyadic(rng, 2, 3, 2, 3), "M": dyadic(rng, 2, 3, 4, 3)},
    ),
    "blocks of pixels": IMAGES["space to depth"],
    "negative constant": (
        [
            conv(),
            ("Relu", ["a"], "r", {}),
            ("Sub", ["r", "h"], "s", {}),
            ("Relu", ["s"], "t", {}),
            conv("M", "t", "y"),
        ],
        {"K": K33, "h": np.full((1, 2, 1, 1), 1.5), "M": dyadic(rng, 1, 2, 2, 2)},
    ),
}
MISTAKES = [
    ("image_levels", "_composed", "stride * first - pad", "stride * first"),
    ("image_levels", "_composed", "step * stride * again", "stride"),
    ("image_levels", "_composed", "first + again * (outputs - 1) >= count", "False"),
    ("image_levels", "_composed", "highest >= inner and start + step * inner < length", "False"),
    ("image_levels", "_common", "max(end, length - (outputs - 1) * stride - (stride - 1))", "end"),
    ("image_levels", "_common", "min(first, 0)", "first"),
    ("image_levels", "_common", "window.stride != stride and (not window.least)", "False"),
    ("image_levels", "_biases", "math.prod(o.constant.shape[1:]) != 1", "False"),
    ("image_levels", "_put", "own.offset - window.offset", "own.offset"),
    ("image_levels", "_spread_groups", "whole[each, :, each]", "whole[each, :, each[::-1]]"),
    ("index_maps", "image_map", "np.array_equal(_places(found, source, shape), places)", "True"),
    ("states", "_computed", "sign * block.sign", "sign"),
    ("states", "_passed", "not atom.nonnegative", "False"),
    ("levels", "_early", "depth.get(term.atom, 0) < top and _shrinks(term, affine)", "False"),
    ("values", "is_nonnegative", "not (affine.constant >= 0.0).all()", "False"),
    ("maxima", "_by_doubling", "gap * window.dilation", "gap"),
    ("maxima", "_of_places", "np.where(inside, places, first[:, np.newaxis])", "np.where(inside, places, 0)"),
    ("averages", "average_of_windows", "pads == counted", "True"),
]

UNROLLED = {
    "blocks of pixels",
    "cropped after, padded",
    "cropped before, padded",
    "strides that give one size",
    "turned",
    "two strides",
    "zeros beside",
}


def right(tmp_path, case):
    nodes, constants = CASES[case]
    nodes = [*nodes[:-1], (*nodes[-1][:2], "y", nodes[-1][3])]
    try:
        network = agree(tmp_path, nodes, constants, IMAGE)
    except (AssertionError, ValueError, IndexError):
        return False
    images = all(isinstance(layer, Conv2d) for layer in network.layers)
    return images == (case not in DENSE | UNROLLED)


@pytest.mark.parametrize("case", CASES)
def test_these_graphs_are_read_right(tmp_path, case):
    assert right(tmp_path, case)


@pytest.mark.thinned
@pytest.mark.parametrize(("module", "where", "old", "new"), MISTAKES)
def test_planted_mistakes_are_noticed(tmp_path, monkeypatch, module, where, old, new):
    name = f"{ROOM}.{module}"
    copy, original = plain_python(monkeypatch, name, where, old, new), sys.modules[name]
    users = [user for key, user in sys.modules.items() if key.startswith("subsetsum_nets.networks.")]
    for user in [user for user in users if user is not original and not user.__name__.endswith("_copy")]:
        for own, value in vars(original).items():
            if callable(value) and not isinstance(value, type) and vars(user).get(own) is value:
                monkeypatch.setattr(user, own, vars(copy)[own])
    assert not all(right(tmp_path, case) for case in CASES)
