"""Reading and writing networks as files, exactly; nothing in a file is ever run. ONNX is in `onnx_files`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse, narrowed
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.domains import domain_from_json
from subsetsum_nets.networks.errors import InvalidNetworkError, unreadable
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import VALUE_BYTES, check_demand, check_regular, open_regular
from subsetsum_nets.networks.files.npz_files import read_npz
from subsetsum_nets.networks.files.strict_json import strict_json
from subsetsum_nets.networks.files.suffixes import saved_suffix, suffix_of
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Tensors = dict[str, NDArray[Any]]

_FORMAT = "subsetsum-nets network"
# 2: convolutional layers and the size of their images; 3: strides, padding, dilation, groups, fixed weights.
_VERSION = 3  # a network is stored as the least that can tell what it is
HEADER = "subsetsum-nets"  # where the header stands: a safetensors metadata key, an array of an .npz file


class TensorFile(NamedTuple):
    """What a file holds: text by name, and arrays by name."""

    metadata: dict[str, str]
    tensors: Tensors


def save_network(
    network: ReluNetwork, path: str | os.PathLike[str], *, extra: Mapping[str, str] | None = None
) -> None:
    """Write a network to a file; :func:`load_network` reads it back exactly.

    The file is complete or not there at all: it is written beside ``path`` and renamed. Arrays whose
    numbers all fit float32 without rounding are stored as float32, others as float64.

    Parameters
    ----------
    network : ReluNetwork
        Stored with its domain. Sparse weights stay sparse.
    path : path
        Ends in .npz, .safetensors or .onnx (which has no sparse weights; needs the extra ``onnx``).
    extra : mapping of str to str, optional
        Notes to keep in the file, such as where the network is from; :func:`read_extra` reads them.

    Raises
    ------
    ValueError
        For another suffix, or notes that are not text or use the reserved name "subsetsum-nets".
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> save_network(ReluNetwork([Dense([[0.1, -2.0]])]), path, extra={"source": "a doctest"})
    >>> load_network(path).layers[0].weight
    array([[ 0.1, -2. ]])
    >>> read_extra(path)
    {'source': 'a doctest'}

    """
    suffix = saved_suffix(path)
    if suffix == ".onnx":
        from subsetsum_nets.networks.files.onnx_files import write_onnx

        write_onnx(network, path, extra=extra)
        return
    notes: dict[Any, Any] = dict(extra or {})
    for key, note in notes.items():
        if not isinstance(key, str) or not isinstance(note, str) or key == HEADER:
            raise ValueError(f"extra must map names (but not {HEADER!r}) to text, got {key!r}: {note!r}")
    layers: list[dict[str, Any]] = []
    tensors: Tensors = {}
    for index, layer in enumerate(network.layers):
        name = f"layers.{index}"
        weight: Any = layer.kernel if isinstance(layer, Conv2d) else layer.weight
        if isinstance(layer, Conv2d):
            layers.append({"kind": "conv", "bias": layer.bias is not None, **layer.options})
            tensors[f"{name}.kernel"] = narrowed(weight)
        elif is_sparse(weight):
            layers.append({"kind": "sparse", "shape": list(weight.shape), "bias": layer.bias is not None})
            tensors[f"{name}.weight.data"] = narrowed(weight.data)
            tensors[f"{name}.weight.indices"] = weight.indices
            tensors[f"{name}.weight.indptr"] = weight.indptr
        else:
            layers.append({"kind": "dense", "bias": layer.bias is not None})
            tensors[f"{name}.weight"] = narrowed(weight)
        if layer.bias is not None:
            tensors[f"{name}.bias"] = narrowed(layer.bias)
    header: dict[str, Any] = {
        "format": _FORMAT,
        "version": _least_version(network),
        "relu_after": list(network.relu_after),
        "domain": None if network.domain is None else network.domain.to_json(),
        "layers": layers,
    }
    if network.convolutional:
        header["input_shape"] = network.input_shape
    contents = TensorFile({HEADER: json.dumps(header), **notes}, tensors)
    with atomic_write(path) as file:
        if suffix == ".npz":
            text = json.dumps(contents.metadata).encode()
            arrays: dict[str, Any] = {HEADER: np.frombuffer(text, dtype=np.uint8), **tensors}
            np.savez(file, **arrays)  # the same bytes for the same arrays: it dates its members 1980
        else:
            write_safetensors(file, contents)


def load_network(path: str | os.PathLike[str], *, output: str | None = None) -> ReluNetwork:
    """Read a network that :func:`save_network` wrote, or another program as ONNX.

    Nothing in the file is executed. Weights stored as float16 or float32 are read too, exactly.

    Parameters
    ----------
    path : path
        Ends in .npz, .safetensors, .onnx (see :func:`~subsetsum_nets.networks.files.onnx_files.read_onnx`)
        or .nnet (see :func:`~subsetsum_nets.networks.files.nnet_files.read_nnet`).
    output : str, optional
        Of an ONNX file, read up to this tensor.

    Returns
    -------
    ReluNetwork
        With the domain that was stored.

    Raises
    ------
    ValueError
        For another suffix, or an ``output`` of a file that is not ONNX.
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If the file is not such a file: foreign, truncated, of a newer version, or with arrays missing.
    InvalidNetworkError
        If the file holds NaN, infinite weights, or shapes that do not make a network.

    """
    if suffix_of(path) == ".onnx":
        from subsetsum_nets.networks.files.onnx_files import read_onnx

        network = read_onnx(path, output=output)
    elif output is not None:
        raise ValueError(f"an output is chosen by name in .onnx files only, not in {Path(path)}")
    elif suffix_of(path) == ".nnet":
        from subsetsum_nets.networks.files.nnet_files import read_nnet

        network = read_nnet(path)
    else:
        network = _stored_network(path)
    check_demand(_least_memory(network), f"what the padding of {Path(path)} makes of the smallest images")
    return network


def _least_version(network: ReluNetwork) -> int:
    if any(layer.options for layer in network.layers):
        return 3
    return 2 if network.convolutional else 1


def _least_memory(network: ReluNetwork) -> int:
    """Return the bytes that evaluating the network takes at least, for images of any size."""
    return VALUE_BYTES * max(layer.least_outputs for layer in network.layers)


def _stored_network(path: str | os.PathLike[str]) -> ReluNetwork:
    contents = _read(path)
    header = _header(path, contents)
    tensors = dict(contents.tensors)
    try:
        domain = None if header["domain"] is None else domain_from_json(header["domain"])
    except InvalidNetworkError as error:
        raise unreadable(path, f"its header has no proper domain ({error})") from error
    try:
        layers = [
            _layer(path, f"layers.{index}", description, tensors)
            for index, description in enumerate(header["layers"])
        ]
        if tensors:
            raise unreadable(path, f"its header does not mention the array {min(tensors)!r}")
        *hidden, final_relu = header["relu_after"]
        return ReluNetwork(
            layers,
            final_relu=final_relu,
            linear_after=[index for index, relu in enumerate(hidden) if not relu],
            domain=domain,
            input_shape=header.get("input_shape"),
        )
    except InvalidNetworkError as error:
        raise InvalidNetworkError(f"{Path(path)}: {error}") from error


def load_workable(path: str | os.PathLike[str], *, output: str | None = None) -> ReluNetwork:
    """Read a network as :func:`load_network` does, of no more units than memory is allowed for.

    Few bytes tell of a sparse layer, or of images, of any width; work begins with vectors of that width.
    """
    network = load_network(path, output=output)
    if not network.convolutional or network.input_shape is not None:
        check_demand(VALUE_BYTES * max(network.widths), f"working with the network of {Path(path)}")
    whole = max(layer.whole_weights for layer in network.layers)
    check_demand(8 * whole, f"a kernel of {Path(path)} without its groups")
    return network


def read_extra(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the notes that were stored with a network.

    Raises
    ------
    ValueError
        For another suffix than those that :func:`load_network` reads.
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is not the file of a network.

    """
    if suffix_of(path) == ".onnx":
        from subsetsum_nets.networks.files.onnx_files import read_onnx_notes

        return read_onnx_notes(path)
    if suffix_of(path) == ".nnet":
        from subsetsum_nets.networks.files.nnet_files import read_nnet_notes

        return read_nnet_notes(path)
    contents = _read(path)
    _header(path, contents)
    return {key: note for key, note in sorted(contents.metadata.items()) if key != HEADER}


def read_safetensors(path: str | os.PathLike[str]) -> TensorFile:
    """Read the arrays and the metadata of a .safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is not a .safetensors file of arrays that numpy knows.

    """
    check_regular(path)
    from safetensors import safe_open

    try:
        with safe_open(Path(path), framework="numpy") as file:
            return TensorFile(
                dict(file.metadata() or {}),
                {name: file.get_tensor(name) for name in file.keys()},  # noqa: SIM118
            )
    except OSError:
        raise
    except Exception as error:  # whatever a parser makes of foreign bytes means the same here
        raise unreadable(path, f"it is not a complete .safetensors file ({error})") from error


def write_safetensors(file: IO[bytes], contents: TensorFile) -> None:
    """Write a .safetensors file.

    Done here because the library copies every array first and orders metadata at random; so the
    same contents give the same bytes.
    """
    codes = {"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "u1": "U8"}
    header: dict[str, Any] = {"__metadata__": contents.metadata}
    arrays, end = [], 0
    # Wider numbers first keeps every array aligned, as the format's readers expect.
    for name, tensor in sorted(contents.tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        start, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": codes[tensor.dtype.str[1:]],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        arrays.append(tensor)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for tensor in arrays:
        file.write(np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<")).reshape(-1).data)


def _read_npz(path: str | os.PathLike[str]) -> TensorFile:
    try:
        with open_regular(path) as file:
            tensors = read_npz(file)
    except OSError:
        raise
    except Exception as error:  # zip and array headers fail in a dozen ways, all of which mean the same here
        raise unreadable(path, f"it is not a complete .npz file ({error})") from error
    header = tensors.pop(HEADER, np.empty(0))
    if header.dtype != np.uint8 or header.ndim != 1:
        raise unreadable(path, "it has no header of a network")
    metadata = _json(path, header.tobytes())
    if not isinstance(metadata, dict) or not all(isinstance(note, str) for note in metadata.values()):
        raise unreadable(path, "its header is not a table of texts")
    return TensorFile(metadata, tensors)


def _read(path: str | os.PathLike[str]) -> TensorFile:
    suffix = suffix_of(path)
    return _read_npz(path) if suffix == ".npz" else read_safetensors(path)


def _header(path: str | os.PathLike[str], contents: TensorFile) -> dict[str, Any]:
    """Return the header, checked but for what only the arrays can tell."""
    if HEADER not in contents.metadata:
        raise unreadable(
            path,
            "it has no header of a network, as save_network writes one; the state dict of a PyTorch model is "
            "read by read_state_dict() of subsetsum_nets.exchange",
        )
    header = _json(path, contents.metadata[HEADER].encode(errors="surrogatepass"))
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise unreadable(path, f"its header does not say {_FORMAT!r}")
    version = header.get("version")
    if type(version) is not int or version < 1:
        raise unreadable(path, f"its version {version!r} is not a version number")
    if version > _VERSION:
        raise unreadable(
            path,
            f"its version is {version}, and this release reads up to {_VERSION}; use a newer subsetsum-nets",
        )
    layers, relu_after = header.get("layers"), header.get("relu_after")
    if not isinstance(layers, list) or not all(_is_layer(layer, version) for layer in layers):
        raise unreadable(path, "its header has no proper list of layers")
    if (
        not isinstance(relu_after, list)
        or not all(isinstance(relu, bool) for relu in relu_after)
        or len(relu_after) != len(layers)
        or not layers
    ):
        raise unreadable(path, "its header does not say for every layer whether a ReLU follows")
    if "domain" not in header or not isinstance(header["domain"], dict | None):
        raise unreadable(path, "its header has no proper domain")
    if not _is_input_shape(header, version):
        raise unreadable(path, "its header does not properly say what size its images have")
    return header


def _is_input_shape(header: dict[str, Any], version: int) -> bool:
    if version == 1:
        return "input_shape" not in header
    shape = header.get("input_shape", "missing")
    return shape is None or (
        isinstance(shape, list) and len(shape) == 3 and all(type(size) is int for size in shape)
    )


def _is_layer(description: Any, version: int) -> bool:
    if not isinstance(description, dict) or not isinstance(description.get("bias"), bool):
        return False
    if description.get("kind") == "conv" and version >= 3:
        options = {key: value for key, value in description.items() if key not in ("kind", "bias")}
        return all(key in _OPTIONS and _OPTIONS[key](value) for key, value in options.items())
    if description.get("kind") == "dense" or (description.get("kind") == "conv" and version >= 2):
        return set(description) == {"kind", "bias"}
    shape = description.get("shape")
    return (
        description.get("kind") == "sparse"
        and set(description) == {"kind", "bias", "shape"}
        and isinstance(shape, list)
        and len(shape) == 2
        and all(type(size) is int and 0 < size < 2**62 for size in shape)
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value)


def _is_padding(value: Any) -> bool:
    pairs = isinstance(value, list) and len(value) == 2 and all(map(_is_pair, value))
    return pairs or isinstance(value, str)


# What a convolution may say of itself since version 3, and whether that is of the right type.
_OPTIONS: dict[str, Callable[[Any], bool]] = {
    "stride": _is_pair,
    "padding": _is_padding,
    "dilation": _is_pair,
    "groups": lambda value: type(value) is int,
    "fixed": lambda value: type(value) is bool,
}


def _layer(
    path: str | os.PathLike[str], name: str, description: Mapping[str, Any], tensors: Tensors
) -> Dense | Conv2d:
    """Take the arrays of one layer out of ``tensors``."""

    def take(field: str, dimensions: int, kinds: str) -> NDArray[Any]:
        if f"{name}.{field}" not in tensors:
            raise unreadable(path, f"the array {name}.{field} is missing")
        tensor = tensors.pop(f"{name}.{field}")
        if tensor.dtype.str[1:] not in kinds.split():
            raise unreadable(path, f"the array {name}.{field} has dtype {tensor.dtype}")
        if tensor.ndim != dimensions:
            raise InvalidNetworkError(f"the array {name}.{field} has shape {tensor.shape}")
        tensor = tensor.astype(tensor.dtype.newbyteorder("="), copy=False)
        tensor.flags.writeable = False  # nobody else holds it, so the layer can keep it without a copy
        return tensor

    weight: Any
    if description["kind"] == "conv":
        kernel = take("kernel", 4, "f2 f4 f8")
        bias = take("bias", 1, "f2 f4 f8") if description["bias"] else None
        return Conv2d(kernel, bias, **{key: description[key] for key in _OPTIONS if key in description})
    if description["kind"] == "dense":
        weight = take("weight", 2, "f2 f4 f8")
    else:
        from scipy.sparse import csr_array

        data = take("weight.data", 1, "f2 f4 f8")
        indices, indptr = take("weight.indices", 1, "i4 i8"), take("weight.indptr", 1, "i4 i8")
        if indptr.size and indptr[-1] != data.size:
            raise InvalidNetworkError(f"{name}.weight has {data.size} entries, its rows {indptr[-1]}")
        try:
            weight = csr_array(
                (data.astype(np.float64, copy=False), indices, indptr), shape=tuple(description["shape"])
            )
        except ValueError as error:
            raise InvalidNetworkError(f"{name}.weight is not a sparse array: {error}") from error
    return Dense(weight, take("bias", 1, "f2 f4 f8") if description["bias"] else None)


def _json(path: str | os.PathLike[str], text: bytes) -> Any:
    try:
        return strict_json(text)
    except ValueError as error:
        raise unreadable(path, f"its header is not JSON ({error})") from error
