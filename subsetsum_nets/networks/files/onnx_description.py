"""What an ONNX file is, without more of it being needed than it can be read: for people who look at it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.files.onnx_nodes import opset_of
from subsetsum_nets.networks.files.onnx_reading import onnx_model, onnx_reading

if TYPE_CHECKING:
    import os

    from onnx import ValueInfoProto

    from subsetsum_nets.networks.lowering.notes import Rounding
    from subsetsum_nets.networks.relu_network import ReluNetwork


@dataclass(frozen=True)
class TensorDescription:
    """An input or an output of a graph.

    Attributes
    ----------
    name : str
    element : str
        The type of its numbers, such as "FLOAT".
    shape : tuple of int, str or None; or None
        A size, the name of one that is free, or None where nothing is said.

    """

    name: str
    element: str
    shape: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name}: {self.element} of any shape"
        return f"{self.name}: {self.element} {'x'.join('?' if n is None else str(n) for n in self.shape)}"


@dataclass(frozen=True)
class OnnxDescription:
    """What an ONNX file holds, and what is made of it.

    Attributes
    ----------
    producer : str
    opset : int
    inputs, outputs : tuple of TensorDescription
    operators : dict
        How many nodes there are of each operator, the most frequent first.
    network : ReluNetwork or None
        What is read; None if it is refused.
    roundings : tuple of Rounding
        The nodes whose constants float64 cannot hold.
    cuts : tuple of str
        The nodes before which a layer without a ReLU stands, since folding would round.
    refusal : str or None
        Why it is not read.

    """

    producer: str
    opset: int
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]
    operators: dict[str, int]
    network: ReluNetwork | None
    roundings: tuple[Rounding, ...]
    cuts: tuple[str, ...]
    refusal: str | None

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are read, in words."""
        if self.network is None:
            return ()
        relus = self.network.relu_after
        return tuple(
            f"{layer!r}{', ReLU' if relu else ''}"
            for layer, relu in zip(self.network.layers, relus, strict=True)
        )


def describe_onnx(path: str | os.PathLike[str], *, output: str | None = None) -> OnnxDescription:
    """Return what an ONNX file is: what it takes and gives, its layers, and what was rounded, or the refusal.

    Parameters
    ----------
    path : path
    output : str, optional
        As for :func:`~subsetsum_nets.networks.files.onnx_files.read_onnx`.

    Raises
    ------
    ImportError, FileNotFoundError
        As ``read_onnx`` does.
    NetworkFileError
        If it is no ONNX file at all. A graph that is not supported is described with its refusal.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from subsetsum_nets.networks import Dense, ReluNetwork, save_network
    >>> path = Path(tempfile.mkdtemp()) / "net.onnx"
    >>> save_network(ReluNetwork([Dense([[1.0, -1.0]]), Dense([[0.5]])]), path)
    >>> found = describe_onnx(path)
    >>> found.operators, found.layers
    ({'Gemm': 2, 'Relu': 1}, ('Dense(2 -> 1), ReLU', 'Dense(1 -> 1)'))
    >>> str(found.inputs[0])
    'input: FLOAT batchx2'

    """
    model = onnx_model(path)
    graph = model.graph
    constant = {tensor.name for tensor in graph.initializer}
    reading, refusal = None, None
    try:
        reading = onnx_reading(path, output=output)
    except (NetworkFileError, InvalidNetworkError) as error:
        refusal = str(error)
    return OnnxDescription(
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        opset=opset_of(model),
        inputs=tuple(_described(value) for value in graph.input if value.name not in constant),
        outputs=tuple(_described(value) for value in graph.output),
        operators=dict(Counter(node.op_type for node in graph.node).most_common()),
        network=None if reading is None else reading.network,
        roundings=() if reading is None else tuple(reading.roundings),
        cuts=() if reading is None else tuple(dict.fromkeys(reading.cuts)),
        refusal=refusal,
    )


def _described(value: ValueInfoProto) -> TensorDescription:
    from onnx import TensorProto

    tensor = value.type.tensor_type
    known = tensor.elem_type in TensorProto.DataType.values()
    element = TensorProto.DataType.Name(tensor.elem_type) if known else str(tensor.elem_type)
    if not tensor.HasField("shape"):
        return TensorDescription(value.name, element, None)
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim
    )
    return TensorDescription(value.name, element, shape)
