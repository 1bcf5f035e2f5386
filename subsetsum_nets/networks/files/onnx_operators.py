"""What the operators of an ONNX graph mean as layers of a ReluNetwork; others are refused by name.

Every operator is understood exactly or not at all. The only number that reading can round is the reciprocal
of a constant that the input is divided by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, exact_float64, is_sparse
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_constants import (
    FLOATS,
    Constants,
    attribute_values,
    label,
    refuse,
    shown,
)
from subsetsum_nets.networks.files.onnx_layouts import (
    columns_from_channels_first,
    kernel_from_channels_first,
    same_padding,
)
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from onnx import NodeProto

    from subsetsum_nets.networks.domains import Domain

_SUPPORTED = (
    "Gemm, MatMul, Add, Sub, Relu, Flatten, Reshape to (batch, d), Conv (stride 1, same padding), Identity, "
    "Cast to float32 or float64, and Add, Sub, Mul, Div, Scaler by constants on the input"
)
# The operators that are read, each by LayerReader's method of its name, with their attributes.
_OPERATORS: dict[tuple[str, str], dict[str, str]] = {
    **{("", name): {} for name in ("MatMul", "Add", "Sub", "Mul", "Div", "Relu", "Identity")},
    ("", "Gemm"): {"alpha": "f", "beta": "f", "transA": "i", "transB": "i"},
    ("", "Flatten"): {"axis": "i"},
    ("", "Reshape"): {"allowzero": "i"},
    ("", "Conv"): {
        "auto_pad": "s",
        "dilations": "ints",
        "group": "i",
        "kernel_shape": "ints",
        "pads": "ints",
        "strides": "ints",
    },
    ("", "Cast"): {"to": "i", "saturate": "i", "round_mode": "s"},
    ("ai.onnx.ml", "Scaler"): {"offset": "floats", "scale": "floats"},
}
_SPARE = 1 << 22  # numbers that layers may hold beyond a multiple of the file's size
_REUSE = 8


@dataclass(eq=False)
class _Layer:
    """A layer being read: a weight (d_out, d_in) or a kernel, of float64."""

    weight: Any
    bias: FloatArray | None
    convolution: bool = False
    relu: bool = False

    @property
    def d_out(self) -> int:
        return int(self.weight.shape[3 if self.convolution else 0])


@dataclass(eq=False)
class _InputMap:
    """A map ``x -> scale x + shift`` of the input, entry by entry, in shapes that broadcast with a sample."""

    scale: FloatArray | None
    shift: FloatArray | None


class LayerReader:
    """The state of following a graph: the layers so far, and what the current tensor looks like.

    ``sample`` is the shape of one sample in the graph, without the batch axis, with None for an unknown size;
    ``image`` is (h, w, c) once a convolution was read and until a matrix is, ``flat`` whether it was
    flattened in between.
    """

    def __init__(self, constants: Constants, shape: list[int | None] | None, file_size: int) -> None:
        self.constants = constants
        self.batch = shape[0] if shape else None
        self.sample = None if shape is None else tuple(shape[1:])
        self.input_maps: list[_InputMap] = []
        self.layers: list[_Layer] = []
        self.image: tuple[int, int, int] | None = None
        self.input_image = (0, 0)
        self.flat = False
        self.left = _SPARE + _REUSE * file_size

    def read(self, node: NodeProto, data: int) -> None:
        """Follow one node whose input number ``data`` is the current tensor."""
        try:
            self._read(node, data)
        except NetworkFileError as error:
            if not self.layers:
                raise
            before = shown(node.input[data])
            raise NetworkFileError(
                f"{error}. What comes before it: read_onnx(path, output={before})"
            ) from error

    def _read(self, node: NodeProto, data: int) -> None:
        operator = "" if node.domain == "ai.onnx" else node.domain, node.op_type
        if operator not in _OPERATORS:
            refuse(node, f"is of an operator that is not read; supported are {_SUPPORTED}")
        getattr(self, f"_{node.op_type.lower()}")(node, data, attribute_values(node, _OPERATORS[operator]))

    def network(self, domain: Domain | None) -> ReluNetwork:
        """Return what was read."""
        if not self.layers:
            raise NetworkFileError("its graph has no Gemm, MatMul or Conv: it holds no layer")
        if self.flat and self.image is not None and 1 not in (self.image[2], math.prod(self.image[:2])):
            raise NetworkFileError(
                "its graph ends with an image flattened channels first; leave the Flatten out"
            )
        relus = [layer.relu for layer in self.layers]
        convolutional = self.layers[0].convolution
        return ReluNetwork(
            [
                Conv2d(layer.weight, layer.bias) if layer.convolution else Dense(layer.weight, layer.bias)
                for layer in self.layers
            ],
            final_relu=relus[-1],
            linear_after=[index for index, relu in enumerate(relus[:-1]) if not relu],
            domain=domain,
            **({"input_shape": self._input_shape()} if convolutional else {}),
        )

    # -- operators -----------------------------------------------------------------------------------

    def _gemm(self, node: NodeProto, data: int, attributes: dict[str, Any]) -> None:
        if data != 0 or attributes.get("transA", 0):
            refuse(
                node, "multiplies a matrix by the transposed data; supported is data times matrix (transA=0)"
            )
        weight = self._matrix(node, 1)
        weight = weight if attributes.get("transB", 0) else weight.T
        weight = _scaled(node, weight, attributes.get("alpha", 1.0), "alpha")
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias = self._row(node, self._constant(node, 2), weight.shape[0])
            bias = _scaled(node, bias, attributes.get("beta", 1.0), "beta")
        self._dense(node, weight, bias)

    def _matmul(self, node: NodeProto, data: int, _: dict[str, Any]) -> None:
        if data != 0:
            refuse(node, "multiplies a matrix by the data; supported is data times matrix")
        self._dense(node, self._matrix(node, 1).T, None)

    def _add(self, node: NodeProto, data: int, _: dict[str, Any]) -> None:
        self._shift(node, self._constant(node, 1 - data))

    def _sub(self, node: NodeProto, data: int, _: dict[str, Any]) -> None:
        if data != 0:
            refuse(node, "subtracts the data from a constant; supported is data minus constant")
        self._shift(node, -self._constant(node, 1))

    def _mul(self, node: NodeProto, data: int, _: dict[str, Any]) -> None:
        self._scale(node, self._constant(node, 1 - data))

    def _div(self, node: NodeProto, data: int, _: dict[str, Any]) -> None:
        if data != 0:
            refuse(node, "divides a constant by the data")
        divisor = self._constant(node, 1)
        with np.errstate(divide="ignore", over="ignore"):
            self._scale(node, 1.0 / divisor)

    def _scaler(self, node: NodeProto, _: int, attributes: dict[str, Any]) -> None:
        self._shift(node, -np.array(attributes.get("offset", [0.0]), np.float64))
        self._scale(node, np.array(attributes.get("scale", [1.0]), np.float64))

    def _relu(self, node: NodeProto, _: int, __: dict[str, Any]) -> None:
        if not self.layers:
            refuse(node, "comes before any layer; a ReLU on the input itself is not supported")
        self.layers[-1].relu = True

    def _identity(self, node: NodeProto, data: int, attributes: dict[str, Any]) -> None:
        """Do nothing: the tensor goes on under another name."""

    def _cast(self, node: NodeProto, _: int, attributes: dict[str, Any]) -> None:
        if FLOATS.get(attributes.get("to", 0)) not in (np.float32, np.float64):
            refuse(
                node, f"casts to the ONNX data type {attributes.get('to')}; float32 and float64 are supported"
            )

    def _flatten(self, node: NodeProto, _: int, attributes: dict[str, Any]) -> None:
        axis = attributes.get("axis", 1)
        rank = None if self.sample is None else 1 + len(self.sample)
        if axis != 1 and not (rank is not None and axis == 1 - rank):
            refuse(node, f"flattens at axis {axis}; supported is axis 1, which keeps the batch")
        self._flatten_sample()

    def _reshape(self, node: NodeProto, data: int, _: dict[str, Any]) -> None:
        if data != 0 or len(node.input) < 2 or node.input[1] not in self.constants:
            refuse(node, "reshapes to a shape that is computed; export with a fixed shape, or use Flatten")
        shape = self.constants.array(node.input[1]).ravel().tolist()
        size = self._sample_size()
        first = shape[0] if shape else None
        keeps_batch = first in (0, 1, self.batch) or first == -1
        if len(shape) != 2 or not keeps_batch or not (shape[1] == size or (shape[1] == -1 and first != -1)):
            refuse(node, f"reshapes samples of shape {self.sample} to {shape}; supported is (batch, {size})")
        self._flatten_sample()

    def _conv(self, node: NodeProto, data: int, attributes: dict[str, Any]) -> None:
        kernel = self._constant(node, 1) if data == 0 else np.empty(0)
        if kernel.ndim != 4 or 0 in kernel.shape:
            refuse(node, "is not a 2-D convolution of the data with a constant kernel")
        c_out, c_in, *size = kernel.shape
        image = self._image_for(node, c_in)
        expected = {"dilations": [1, 1], "strides": [1, 1], "group": 1, "kernel_shape": size}
        for name, wanted in expected.items():
            if attributes.get(name, wanted) != wanted:
                refuse(node, f"has {name} {attributes[name]}; supported is {wanted}")
        (top, bottom), (left, right) = map(same_padding, size)
        odd = all(length % 2 for length in size)
        auto = attributes.get("auto_pad", b"NOTSET")
        same = {b"SAME_LOWER": True, b"SAME_UPPER": odd, b"VALID": size == [1, 1]}.get(
            auto, attributes.get("pads", [0, 0, 0, 0]) == [top, left, bottom, right] and auto == b"NOTSET"
        )
        if not same:
            refuse(
                node,
                f"pads {attributes.get('pads', [0, 0, 0, 0])} (auto_pad {auto!r}); supported is the padding "
                f"that keeps the size of the image, here {[top, left, bottom, right]}",
            )
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias = self._row(node, self._constant(node, 2), c_out)
        self._use_input_maps(node, c_in)
        self._append(node, _Layer(kernel_from_channels_first(kernel), bias, convolution=True))
        self.input_image = image
        self.image = (*image, c_out)
        self.sample = (c_out, *image)

    # -- layers --------------------------------------------------------------------------------------

    def _dense(self, node: NodeProto, weight: Any, bias: FloatArray | None) -> None:
        d_out, d_in = weight.shape
        if self.sample is not None and len(self.sample) != 1:
            refuse(node, f"multiplies samples of shape {self.sample} by a matrix; flatten them first")
        if self.sample is not None and self.sample[0] not in (d_in, None):
            refuse(node, f"takes {d_in} values, but gets {self.sample[0]}")
        if self.image is not None:
            if is_sparse(weight):
                refuse(node, "multiplies an image by a sparse matrix; write that one dense")
            weight = columns_from_channels_first(weight, self.image)
            self.image, self.flat = None, False
        self._use_input_maps(node, d_in)
        self._append(node, _Layer(weight, bias))
        self.sample = (d_out,)

    def _append(self, node: NodeProto, layer: _Layer) -> None:
        self.left -= layer.weight.size
        if self.left < 0:
            refuse(node, "makes the layers hold many times the numbers that are in the file; it is refused")
        self.layers.append(layer)

    def _shift(self, node: NodeProto, constant: FloatArray) -> None:
        if not self.layers:
            self._check_input_constant(node, constant)
            if self.input_maps and self.input_maps[-1].shift is None:
                self.input_maps[-1].shift = constant
            else:
                self.input_maps.append(_InputMap(None, constant))
            return
        layer = self.layers[-1]
        if layer.relu or layer.bias is not None:
            refuse(node, "adds a constant that is not the one bias of a layer")
        if layer.convolution:
            if self.flat or constant.ndim < 3 or constant.shape[-2:] != (1, 1):
                if constant.size != 1:
                    refuse(node, f"adds a constant of shape {constant.shape}, not one number a channel")
            else:
                constant = constant[..., 0, 0]
        layer.bias = self._row(node, constant, layer.d_out)

    def _scale(self, node: NodeProto, constant: FloatArray) -> None:
        if self.layers:
            refuse(node, "scales by a constant behind a layer; supported is scaling the input")
        self._check_input_constant(node, constant)
        self.input_maps.append(_InputMap(constant, None))

    def _check_input_constant(self, node: NodeProto, constant: FloatArray) -> None:
        """Refuse constants that would make samples larger, or differ from one sample to the next."""
        own, sample = _without_leading_ones(constant.shape), _without_leading_ones(self.sample or ())
        channels = len(sample) == 3 and own == (sample[0], 1, 1)
        unknown = self.sample is None or None in self.sample
        if constant.size != 1 and own != sample and not channels and not (unknown and len(own) == 1):
            refuse(node, f"has a constant of shape {constant.shape} for samples of shape {self.sample}")

    def _use_input_maps(self, node: NodeProto, size: int) -> None:
        """Turn the maps of the input into linear layers: one for each, so that nothing is rounded."""
        for entry in self.input_maps:
            scale, shift = (
                None if part is None else self._input_vector(node, part, size)
                for part in (entry.scale, entry.shift)
            )
            diagonal = np.ones(size) if scale is None else scale
            if self.sample is not None and len(self.sample) == 3:
                self._append(node, _Layer(np.diag(diagonal)[np.newaxis, np.newaxis], shift, convolution=True))
            else:
                from scipy.sparse import diags_array

                self._append(node, _Layer(diags_array(diagonal, format="csr"), shift))
        self.input_maps = []

    def _input_vector(self, node: NodeProto, constant: FloatArray, size: int) -> FloatArray:
        """Return a constant on the input as one number for each of the ``size`` values, or channels."""
        if constant.size not in (1, size):
            refuse(node, f"takes {size} values, but {constant.size} constants act on the input before it")
        return np.broadcast_to(constant.ravel(), (size,))

    # -- shapes and constants ------------------------------------------------------------------------

    def _sample_size(self) -> int | None:
        """Return how many numbers a sample has, or None when that is not known."""
        size = 1
        for length in (None,) if self.sample is None else self.sample:
            if length is None:
                return None
            size *= length
        return size

    def _flatten_sample(self) -> None:
        self.flat = self.image is not None
        self.sample = (self._sample_size(),)

    def _image_for(self, node: NodeProto, channels: int) -> tuple[int, int]:
        """Return (h, w) of the image that a convolution gets."""
        sizes = self.sample or ()
        if len(sizes) != 3 or None in sizes:
            refuse(node, f"gets samples of shape {self.sample}; state the shape (channels, height, width)")
        c, h, w = (size or 0 for size in sizes)
        if c != channels or not 0 < h * w * c < 2**31:
            refuse(node, f"takes {channels} channels, but gets an image (channels, height, width) of {sizes}")
        return h, w

    def _input_shape(self) -> tuple[int, int, int]:
        """Return (h, w, c) of the input; no convolution changes h and w."""
        h, w = self.input_image
        return h, w, int(self.layers[0].weight.shape[2])

    def _constant(self, node: NodeProto, index: int) -> FloatArray:
        """Return an input of a node that must be constant, as float64."""
        if index >= len(node.input) or node.input[index] not in self.constants:
            refuse(node, f"needs a constant as its input {index}")
        values = self.constants.array(node.input[index])
        if values.dtype.kind != "f":
            refuse(node, f"has a constant of dtype {values.dtype}; float16, float32 and float64 are read")
        with np.errstate(invalid="ignore"):  # a signalling NaN is refused like any other
            return exact_float64(values, f"{label(node)}: the constant {shown(node.input[index])}")

    def _matrix(self, node: NodeProto, index: int) -> Any:
        """Return a constant matrix, numpy or CSR."""
        if index < len(node.input) and (sparse := self.constants.sparse(node.input[index])) is not None:
            return sparse
        matrix = self._constant(node, index)
        if matrix.ndim != 2 or 0 in matrix.shape:
            refuse(node, f"multiplies by a constant of shape {matrix.shape}, not by a matrix")
        return matrix

    def _row(self, node: NodeProto, constant: FloatArray, size: int) -> FloatArray:
        """Return a constant that is added to rows of ``size`` values, as such a row."""
        if math.prod(constant.shape[:-1]) != 1 or constant.size not in (1, size):
            refuse(node, f"adds a constant of shape {constant.shape} to {size} values")
        return np.broadcast_to(constant.ravel(), (size,))


def _scaled(node: NodeProto, numbers: Any, factor: float, name: str) -> Any:
    """Return ``factor * numbers``, or refuse where float64 would round it."""
    if factor == 1.0:
        return numbers
    if is_sparse(numbers):
        refuse(node, f"multiplies a sparse matrix by {name}={factor!r}; export with {name}=1")
    with np.errstate(all="ignore"):
        product = factor * numbers
        # Two float32 numbers have an exact product in float64; so has a power of two with anything in range.
        single = np.array_equal(numbers.astype(np.float32), numbers) and float(np.float32(factor)) == factor
        power = abs(math.frexp(factor)[0]) == 0.5 and np.array_equal(product / factor, numbers)
    if not single and not power:
        refuse(node, f"multiplies its weights by {name}={factor!r}, which rounds them; export with {name}=1")
    return product


def _without_leading_ones(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    ones = next((index for index, size in enumerate(shape) if size != 1), len(shape))
    return shape[ones:]
