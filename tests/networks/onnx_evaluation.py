"""What an ONNX graph gives by the format's reference evaluator, compared with the network read from it."""

import warnings

import numpy as np
import onnx
import onnxruntime
from networks.onnx_graphs_by_hand import graph, read_model, tensor
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from subsetsum_nets.networks import Dense

UNKNOWN = (
    errors.Fail,
    errors.InvalidGraph,
    errors.InvalidArgument,
    errors.NotImplemented,
    errors.RuntimeException,
)


def dyadic(rng, *shape, least=-8):
    """Return multiples of 1/4 of which sums and products are exact in float64, and in float32."""
    return rng.integers(least, 9, shape) / 4


def in_double(model):
    """Return the model with every float tensor as float64, holding the same numbers."""
    model = onnx.ModelProto.FromString(model.SerializeToString())

    def double(array):
        if array.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16):
            array.CopyFrom(tensor(array.name, numpy_helper.to_array(array), np.float64))

    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for array in model.graph.initializer:
        double(array)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                double(attribute.t)
            elif attribute.name == "value_floats":
                attribute.CopyFrom(
                    helper.make_attribute("value", tensor("c", list(attribute.floats), np.float64))
                )
            elif attribute.name == "to" and attribute.i in (TensorProto.FLOAT, TensorProto.FLOAT16):
                attribute.i = TensorProto.DOUBLE
    return model


def known(model, x, double=False):
    """Return the outputs of a model for inputs (batch, 1, ...), one sample at a time.

    By onnxruntime in float32, which is exact for small dyadic numbers; by the reference evaluator in float64
    if ``double``, and where onnxruntime doesn't know a model.
    """
    name = model.graph.input[0].name
    try:
        if double:
            raise errors.NotImplemented
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return [np.asarray(session.run(None, {name: each.astype(np.float32)})[0], np.float64) for each in x]
    except UNKNOWN:
        evaluator = ReferenceEvaluator(in_double(model))
        return [np.asarray(evaluator.run(None, {name: each})[0]) for each in x]


def ours(network, x, channels_last=False):
    """Return inputs (batch, 1, ...) as the network takes them."""
    samples = x.reshape(len(x), *[size for size in x.shape[1:] if size > 1] or [1])
    if network.input_shape is None or channels_last:
        return samples.reshape(len(x), -1)
    h, w, c = network.input_shape
    return samples.reshape(len(x), c, h, w).transpose(0, 2, 3, 1).reshape(len(x), -1)


def outputs(network, values, channels_last=False):
    """Return what a model gives in the order in which the network gives it."""
    flat = []
    for value in values:
        sample = value
        while sample.ndim > 3 and len(sample) == 1:
            sample = sample[0]
        ends_with_image = not isinstance(network.layers[-1], Dense) and sample.ndim == 3 and not channels_last
        flat.append((sample.transpose(1, 2, 0) if ends_with_image else sample).ravel())
    return np.array(flat)


def agree(
    tmp_path,
    nodes,
    constants,
    shape,
    *,
    sample=None,
    rounds=False,
    last=False,
    double=False,
    opset=17,
    **options,
):
    """Return the network of a graph, whose values at a few points are those of the reference evaluator."""
    model = graph(nodes, constants, shape, opset=opset, **options)
    rng = np.random.default_rng(3)
    sizes = sample or [1 if isinstance(size, str) else size for size in shape]
    x = dyadic(rng, 6, *sizes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if rounds else "error")
        network = read_model(tmp_path, model)
    mine = network(ours(network, x, last))
    wanted = outputs(network, known(model, x, double), last)
    if rounds:
        assert np.abs(mine - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())
    else:
        assert np.array_equal(mine, wanted)
    return network
