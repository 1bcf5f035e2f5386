"""What a file or a folder is: for `info FILE`, and for advice where another one was meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from subsetsum_nets.networks import ReluNetwork

    Page = dict[str, Any]

_MANIFEST = "manifest.json"
_SHOWN = 12  # names that are listed
_LISTED = ("inputs", "outputs", "rounded", "not folded")  # an item a line


def described(path: Path, output: str | None = None) -> Page:
    """Return what there is to say: ``kind``, and more by kind.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError, OSError
        If it is nothing that is read here, or damaged: what its own reader says.

    """
    from subsetsum_nets.networks.files.suffixes import SUFFIXES, TORCH_SUFFIXES

    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _onnx(path, output)
    if output is not None:
        raise ValueError(f"--output chooses in ONNX files, and {path} is none")
    if suffix in _BY_SUFFIX:
        return _first(path, _BY_SUFFIX[suffix])
    try:
        return _first(path, (_instances,))
    except ValueError as error:
        raise ValueError(
            f"{path} is nothing that is read here: no network "
            f"({', '.join((*SUFFIXES, *TORCH_SUFFIXES))}), and no instance either ({error})"
        ) from error


def _first(path: Path, readers: tuple[Callable[[Path], Page | None], ...]) -> Page:
    """Return what the first reader says that takes the file; else raise what the first one raised."""
    refusal: Exception | None = None
    for reader in readers:
        try:
            page = reader(path)
        except (ValueError, NotImplementedError) as error:
            refusal = refusal or error
            continue
        if page is not None:
            return page
    raise refusal or ValueError(f"{path} is nothing that subsetsum-nets reads")


# -- folders -----------------------------------------------------------------------------------------


def _folder(path: Path) -> Page:
    from subsetsum_nets.networks.files.suffixes import SUFFIXES
    from subsetsum_nets.ticket_folder import CERTIFICATE, PROVENANCE

    if (path / CERTIFICATE).is_file():
        page = _ticket_certificate(path / CERTIFICATE)
        return {**page, "kind": "ticket", "next": f"subsetsum-nets verify {path} checks it"}
    if (path / _MANIFEST).is_file():
        return _checkpoint(path)
    if (path / PROVENANCE).is_file():
        said = _json(path / PROVENANCE)
        if isinstance(said, dict) and "experiment" in said:
            tables = sorted(file.name for file in path.iterdir() if file.suffix == ".csv")
            return {"kind": "results of an experiment", "experiment": said["experiment"], "tables": tables}
    networks = sorted(file.name for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    return {"kind": "folder", "network files": networks[:_SHOWN], "next": "info FILE says what each is"}


def _checkpoint(path: Path) -> Page:
    said = _json(path / _MANIFEST)
    if not isinstance(said, dict) or said.get("format") != "subset-sum checkpoint":
        raise ValueError(f"{path / _MANIFEST} is no manifest of a checkpoint")
    ends = [shard.stem.split("-") for shard in path.glob("rows-*-*.shard")]
    done = sum(int(end) - int(start) for _, start, end in ends)
    return {
        "kind": "checkpoint",
        "rows done": done,
        "rows in all": said.get("rows"),
        "next": f"the same command with --checkpoint {path} goes on from here",
    }


# -- networks ----------------------------------------------------------------------------------------


def _network(path: Path) -> Page:
    from subsetsum_nets.networks import read_extra
    from subsetsum_nets.networks.files.network_files import load_workable

    return {**_layers(load_workable(path)), "notes": read_extra(path)}


def _layers(network: ReluNetwork) -> Page:
    from subsetsum_nets.networks import network_digest

    domain = network.domain
    return {
        "kind": "network",
        "layers": [
            f"{layer!r}{', ReLU' if relu else ''}"
            for layer, relu in zip(network.layers, network.relu_after, strict=True)
        ],
        "shapes": [list(shape) for shape in network.shapes],
        "parameters": network.parameters,
        "domain": None if domain is None else domain.to_json(),
        "digest": network_digest(network),
    }


def _onnx(path: Path, output: str | None) -> Page:
    """Say what an ONNX file holds, what is made of it, and what was rounded or kept apart for that."""
    from subsetsum_nets.networks.files.onnx_description import describe_onnx
    from subsetsum_nets.networks.files.onnx_files import read_onnx_notes

    said = describe_onnx(path, output=output)
    page: Page = {
        "kind": "ONNX model" if said.network is None else "network",
        "producer": said.producer,
        "opset": said.opset,
        "inputs": [str(value) for value in said.inputs],
        "outputs": [str(value) for value in said.outputs],
        "operators": said.operators,
    }
    if said.network is None:
        reason, _, rest = (said.refusal or "").partition("; supported are ")
        way_out = rest.partition(". ")[2]  # behind the list of operators
        return {**page, "refused": reason, **({"way out": way_out} if way_out else {})}
    page["notes"] = read_onnx_notes(path)
    rounded = {"rounded": [str(rounding) for rounding in said.roundings], "not folded": list(said.cuts)}
    return {**page, **_layers(said.network), **rounded}


def _state_dict(path: Path) -> Page:
    from subsetsum_nets.exchange import read_state_dict
    from subsetsum_nets.exchange.torch_files import read_tensor_file

    tensors = read_tensor_file(path).tensors
    page: Page = {
        "kind": "PyTorch state dict",
        "tensors": {name: list(tensor.shape) for name, tensor in tensors.items()},
    }
    try:
        network = read_state_dict(path)
    except ValueError as error:
        return {**page, "read as a chain of layers": f"no: {error}"}
    return {**page, "read as a chain of layers": f"{network!r}, a ReLU between its layers"}


def _nnet(path: Path) -> Page:
    page = _network(path)
    return {**page, "inputs": "normalised, (x - mean) / range; read_nnet(normalize=True) takes raw ones"}


# -- what this package writes ------------------------------------------------------------------------


def _ticket_certificate(path: Path) -> Page:
    from subsetsum_nets.verification.certificate import Certificate

    said = Certificate.load(path)
    names = ("construction", "epsilon", "bound", "verified", "method", "norm", "domain", "seed", "candidates")
    page = {name: getattr(said, name) for name in names}
    return {"kind": "certificate of a ticket", **page, "counts": said.counts, "target": said.target_digest}


def _pair_certificate(path: Path) -> Page:
    from subsetsum_nets.verification.certificate import PairCertificate

    said = PairCertificate.load(path)
    names = ("epsilon", "bound", "verified", "method", "norm", "domain", "target_digest", "pruned_digest")
    page = {name: getattr(said, name) for name in names}
    return {"kind": "certificate of two networks", **page, "next": f"verify F G --check {path} checks it"}


def _masks(path: Path) -> Page:
    from subsetsum_nets.masks import NetworkMasks

    masks = NetworkMasks.load(path)
    return {"kind": "masks", "shapes": [list(mask.shape) for mask in masks.weights], "kept": masks.kept}


def _batch_solution(path: Path) -> Page:
    from solvers import BatchSolution

    return {"kind": "subset sums solved", **BatchSolution.load(path).summary()}


def _graph(path: Path) -> Page:
    from subsetsum_nets.graphs import LayeredDag

    dag = LayeredDag.load(path)
    return {
        "kind": "graph",
        "units": dag.nodes,
        "edges": dag.edges,
        "next": f"subsetsum-nets graph {path} shows it",
    }


def _instances(path: Path) -> Page:
    from solvers.instances.files import read_instances

    found = read_instances(path)
    page: Page = {"kind": "subset-sum instance" + ("s" if len(found) > 1 else "")}
    page["problems"] = {
        one.name: f"{one.problem.n} items of dimension {one.problem.d}" for one in found[:_SHOWN]
    }
    return {**page, "next": f"subsetsum-nets solve {path} solves it"}


# -- questions and data ------------------------------------------------------------------------------


def _property(path: Path) -> Page:
    from subsetsum_nets.exchange.vnnlib_reader import VnnlibError, read_question

    try:
        said = read_question(path)
        what = "nothing of outputs" if said.epsilon is None else f"whether |f - g| <= {said.epsilon!r}"
    except VnnlibError as error:
        said = read_question(path, outputs=False)
        what = f"something else: {error}"
    inputs = said.box.dimension
    return {"kind": "VNN-LIB property", "inputs": inputs, "outputs": said.outputs, "asks": what}


def _box(path: Path) -> Page:
    from subsetsum_nets.exchange.points import read_box

    return {"kind": "box", "coordinates": read_box(path).dimension, "next": f"verify F G --box {path}"}


def _points(path: Path) -> Page:
    from subsetsum_nets.exchange.points import read_points

    rows, columns = read_points(path).shape
    next_step = f"verify F G --around {path} --radius R"
    return {"kind": "points", "points": rows, "coordinates": columns, "next": next_step}


def _arrays(path: Path) -> Page:
    from subsetsum_nets.networks.files.budget import open_regular
    from subsetsum_nets.networks.files.npz_files import read_npz

    try:
        with open_regular(path) as file:
            arrays = read_npz(file)
    except OSError:
        raise
    except Exception as error:  # zip and array headers fail in a dozen ways, all of which mean the same here
        raise ValueError(f"{path} is not a complete .npz file ({error})") from error
    shapes = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
    return {"kind": "arrays", "arrays": shapes}


def _json(path: Path) -> Any:
    from subsetsum_nets.networks.files.budget import read_regular
    from subsetsum_nets.networks.files.strict_json import strict_json

    try:
        return strict_json(read_regular(path))
    except ValueError as error:
        raise ValueError(f"{path} is not proper JSON: {error}") from error


def _by_format(path: Path) -> Page | None:
    """Read a .json file by the format that it names."""
    from subsetsum_nets.verification.certificate import FORMAT, PAIR_FORMAT

    said = _json(path)
    readers = {FORMAT: _ticket_certificate, PAIR_FORMAT: _pair_certificate, "subset-sum": _instances}
    found = said.get("format") if isinstance(said, dict) else None
    reader = readers.get(found) if isinstance(found, str) else None
    return None if reader is None else reader(path)


_BY_SUFFIX: dict[str, tuple[Callable[[Path], Page | None], ...]] = {
    ".safetensors": (_network, _graph, _state_dict),
    ".npz": (_network, _masks, _batch_solution, _box, _points, _arrays),
    ".nnet": (_nnet,),
    **dict.fromkeys((".pt", ".pth"), (_state_dict,)),
    **dict.fromkeys((".keras", ".h5", ".hdf5", ".tflite", ".pb"), (_network,)),
    ".json": (_by_format, _graph, _instances),
    ".graphml": (_graph,),
    ".vnnlib": (_property,),
    ".npy": (_points,),
    ".csv": (_box, _points, _instances),
}


def rows_of(page: Page) -> list[tuple[str, str]]:
    """Return a page as (name, value) for people."""
    rows: list[tuple[str, str]] = []
    for name, value in page.items():
        if name == "layers":
            rows += [(f"layer {number}", str(layer)) for number, layer in enumerate(value)]
        elif isinstance(value, dict) and name != "domain":
            items = list(value.items())
            rows += [(f"{name}: {key}", _text(item)) for key, item in items[:_SHOWN]]
            rows += [(name, f"and {len(items) - _SHOWN} more")] if len(items) > _SHOWN else []
        elif isinstance(value, list) and name in _LISTED:
            rows += [(name, str(item)) for item in value]
        elif value != []:
            rows.append((name, _text(value)))
    return rows


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else "none" if value is None else json.dumps(value)
    return text if len(text) <= 300 else f"{text[:280]} .. ({len(text):,} characters)"
