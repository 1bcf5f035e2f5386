"""ONNX models put together node by node, for the tests of what is read and what is refused."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from subsetsum_nets.networks.files.onnx_files import read_onnx

rng = np.random.default_rng(0)
A, B, C3, C4 = rng.normal(size=(3, 4)), rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4)
K = rng.normal(size=(2, 3, 3, 3))
K_EVEN = rng.normal(size=(2, 3, 2, 4))
IMAGE = ("n", 3, 4, 5)


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def graph(nodes, constants, shape=("n", 3), *, element=TensorProto.FLOAT, outputs=("y",), opset=17):
    """Return a model; ``nodes`` are (operator, inputs, output, attributes) tuples, ``constants`` by name.

    "Split:2" has two outputs, p0 and p1 for the output p.
    """
    made = [
        helper.make_node(
            operator.removeprefix("ml:").partition(":")[0],
            inputs,
            [f"{output}{i}" for i in range(int(operator[-1]))] if operator[-2:-1] == ":" else [output],
            name=f"n{index}",
            domain="ai.onnx.ml" if operator.startswith("ml:") else "",
            **attributes,
        )
        for index, (operator, inputs, output, attributes) in enumerate(nodes)
    ]
    return helper.make_model(
        helper.make_graph(
            made,
            "by hand",
            [helper.make_tensor_value_info("x", element, shape)],
            [helper.make_tensor_value_info(name, element, None) for name in outputs],
            [
                array if isinstance(array, TensorProto) else tensor(name, array)
                for name, array in constants.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)],
    )


def read_model(tmp_path, model, **options):
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path, **options)
