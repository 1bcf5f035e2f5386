"""From an ONNX file to a network: the file is opened, its metadata and its graph are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.domains import Domain, domain_from_json
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError, unreadable
from subsetsum_nets.networks.files.budget import read_regular

if TYPE_CHECKING:
    import os

    from onnx import ModelProto

    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.lowering.notes import Rounding
    from subsetsum_nets.networks.relu_network import ReluNetwork

FORMAT = "subsetsum-nets network"
VERSION = 1
HEADER = "subsetsum-nets"
"""The metadata entry of our own files that tells what the graph cannot."""
LARGEST = 2**31 - 2**16
"""Bytes of the largest file: a protobuf message ends at 2 GiB."""


class Reading(NamedTuple):
    """A network that was read, what was rounded, and before which nodes layers without a ReLU stand."""

    network: ReluNetwork
    roundings: list[Rounding]
    cuts: list[str]


class _Header(NamedTuple):
    """What our own files say beside the graph; of others nothing is known."""

    domain: Domain | None = None
    fixed: tuple[int, ...] | None = None  # layers whose weights are part of the architecture


def onnx_reading(path: str | os.PathLike[str], *, output: str | None = None) -> Reading:
    """Return what ``read_onnx`` returns, and what was rounded for it, without a warning."""
    from subsetsum_nets.networks.files.onnx_external import ExternalData
    from subsetsum_nets.networks.files.onnx_graphs import read_graph

    model = onnx_model(path)
    header = _header(path, model)
    size, external = Path(path).stat().st_size, ExternalData(Path(path).parent)
    try:
        network, tracer = read_graph(
            model, file_size=size, external=external, output=output, domain=header.domain
        )
    except NetworkFileError as error:
        raise unreadable(path, str(error)) from error
    except InvalidNetworkError as error:
        raise InvalidNetworkError(f"{Path(path)}: {error}") from error
    if header.fixed is not None:
        network = _with_fixed(network, header.fixed)
    return Reading(network, tracer.roundings, tracer.cuts)


def onnx_model(path: str | os.PathLike[str]) -> ModelProto:
    """Return the model in an ONNX file; raises what ``read_onnx`` raises for a file that is none."""
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"there is no file {place}")
    import_onnx()
    from onnx import ModelProto

    if place.stat().st_size > LARGEST:
        raise unreadable(path, "it is larger than 2 GiB, where ONNX files end")
    contents = read_regular(place)
    try:
        model: ModelProto = ModelProto.FromString(contents)
    except Exception as error:  # whatever a parser makes of foreign bytes means the same here
        raise unreadable(path, f"it is not a complete ONNX file ({error})") from error
    if not model.HasField("graph"):
        raise unreadable(path, "it is not an ONNX file: it holds no graph")
    return model


def import_onnx() -> None:
    """Raise ImportError with the extra to install, if the package ``onnx`` is missing."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError("ONNX files need the extra 'onnx': pip install 'subsetsum-nets[onnx]'") from error


def _header(path: str | os.PathLike[str], model: ModelProto) -> _Header:
    headers = [entry.value for entry in model.metadata_props if entry.key == HEADER]
    if not headers:
        return _Header()
    try:
        header = json.loads(headers[0])
        known = len(headers) == 1 and header["format"] == FORMAT and header["version"] == VERSION
        domain = None if not known or header["domain"] is None else domain_from_json(header["domain"])
        fixed = header.get("fixed", [])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise unreadable(path, f"its metadata {HEADER!r} has no proper domain ({error})") from error
    if not known:
        raise unreadable(path, f"its metadata {HEADER!r} is not of version {VERSION}")
    if not isinstance(fixed, list) or not all(type(index) is int for index in fixed):
        raise unreadable(path, f"its metadata {HEADER!r} does not properly say which layers are fixed")
    return _Header(domain, tuple(fixed))


def _with_fixed(network: ReluNetwork, fixed: tuple[int, ...]) -> ReluNetwork:
    """Return a network of which just the convolutional layers named are fixed."""
    return network.with_layers([_fixed(layer, index in fixed) for index, layer in enumerate(network.layers)])


def _fixed(layer: Layer, fixed: bool) -> Layer:
    if not isinstance(layer, Conv2d) or layer.fixed == fixed:
        return layer
    options: dict[str, Any] = {**layer.options, "fixed": fixed}
    return Conv2d(layer.kernel, layer.bias, **options)
