"""The folder of a sparsified network: written whole, read back checked, its bound proven anew.

Files: target.safetensors, sparsified.safetensors, masks.npz (which parameters are left), coreset.json (how it
was made, digests of all files), certificate.json for a bound over a domain, and near.npz with the points of a
bound near points.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.coresets.edges import edge_matrices, size_of
from subsetsum_nets.coresets.methods import METHODS
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.digests import array_digest, network_digest
from subsetsum_nets.networks.domains import domain_from_json
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import open_regular, read_regular
from subsetsum_nets.networks.files.network_files import load_network, save_network
from subsetsum_nets.networks.files.npz_files import read_npz
from subsetsum_nets.networks.files.strict_json import strict_json
from subsetsum_nets.ticket_folder import CERTIFICATE, MASKS, TARGET, replaced
from subsetsum_nets.verification.certificate import CertificateFileError, PairCertificate
from subsetsum_nets.verification.near import NearResult
from subsetsum_nets.verification.results import LayerBound, VerificationResult
from subsetsum_nets.version import versions

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.networks.relu_network import ReluNetwork

SPARSIFIED, CORESET, NEAR = "sparsified.safetensors", "coreset.json", "near.npz"
FILES = frozenset((TARGET, SPARSIFIED, MASKS, CORESET, NEAR, CERTIFICATE))
FORMAT, VERSION = "subsetsum-nets sparsified network", 1


def is_coreset(folder: Path) -> bool:
    """Whether a folder holds a sparsified network and nothing else."""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - FILES:
        return False
    try:
        page = json.loads((folder / CORESET).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(page, dict) and page.get("format") == FORMAT


Bound = VerificationResult | NearResult | None


def write(
    folder: str | PathLike[str], target: ReluNetwork, network: ReluNetwork, bound: Bound, said: dict[str, Any]
) -> None:
    """Write the folder; ``said`` are the fields of coreset.json that tell how the network was made."""
    with replaced(folder, is_coreset) as place:
        save_network(target, place / TARGET)
        save_network(network, place / SPARSIFIED)
        _masks(network).save(place / MASKS)
        near = None
        if isinstance(bound, NearResult):
            with atomic_write(place / NEAR) as file:
                np.savez_compressed(file, points=bound.points)
            near = _near_page(bound)
        elif bound is not None:
            PairCertificate.about(target, network, bound).save(place / CERTIFICATE)
        page = {
            "format": FORMAT,
            "version": VERSION,
            **said,
            "target_digest": network_digest(target),
            "sparsified_digest": network_digest(network),
            "masks_digest": _masks(network).digest(),
            "certified": isinstance(bound, VerificationResult),
            "near": near,
            "versions": versions(),
        }
        (place / CORESET).write_text(json.dumps({**page, "digest": _digest(page)}, indent=1) + "\n")


def _masks(network: ReluNetwork) -> NetworkMasks:
    """Return which parameters are not 0."""
    weights = [dense_array(layer.weight) != 0.0 for layer in network.dense_layers]
    biases = [None if layer.bias is None else layer.bias != 0.0 for layer in network.layers]
    return NetworkMasks(weights, biases)


def _near_page(bound: NearResult) -> dict[str, Any]:
    return {
        "points_digest": array_digest(bound.points),
        "radius": bound.radius,
        "domain": None if bound.domain is None else bound.domain.to_json(),
        "norm": bound.norm,
        "method": bound.method,
        "epsilon": bound.epsilon,
        "uppers": bound.uppers.tolist(),
        "attack": bound.lower,
        "witness": bound.witness.tolist(),
    }


def _digest(page: dict[str, Any]) -> str:
    text = json.dumps(page, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder: str | PathLike[str]) -> dict[str, Any]:
    """Read the folder; return the fields of a SparsifiedNetwork, whose ``load`` names the errors."""
    place = Path(folder)
    page = _read_page(place)
    target, network = load_network(place / TARGET), load_network(place / SPARSIFIED)
    _check_digests(place, page, target, network)
    size, counted = page["size"], size_of(edge_matrices(network))
    said_else = page["method"] != "svd" and size != counted
    if said_else or size / size_of(edge_matrices(target)) != page["fraction"]:
        raise CertificateFileError(
            f"{place / CORESET} says {size} parameters, {page['fraction']!r} of the target's; the files have "
            f"{counted}"
        )
    trial_points = page["trial_points"]
    return {
        "network": network,
        "target": target,
        "method": page["method"],
        "seed": page["seed"],
        "size": size,
        "sample": np.array(page["sample"], dtype=np.int64),
        "trial_points": None if trial_points is None else np.array(trial_points, dtype=np.int64),
        "bound": _read_bound(place, page, (target, network)),
        "norm": page["norm"],
    }


def _check_digests(place: Path, page: dict[str, Any], target: ReluNetwork, network: ReluNetwork) -> None:
    for what, digest, stated in (
        (TARGET, network_digest(target), page["target_digest"]),
        (SPARSIFIED, network_digest(network), page["sparsified_digest"]),
        (MASKS, NetworkMasks.load(place / MASKS).digest(), page["masks_digest"]),
        (f"pattern of {SPARSIFIED}", _masks(network).digest(), page["masks_digest"]),
    ):
        if digest != stated:
            raise CertificateFileError(
                f"{place / what} is not the one that {CORESET} names (SHA-256 {digest[:16]}.., there "
                f"{stated[:16]}..)"
            )


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("method", "norm", "target_digest", "sparsified_digest", "masks_digest"), (str,)),
    **dict.fromkeys(("seed", "size", "version"), (int,)),
    **dict.fromkeys(("sample",), (list,)),
    "fraction": (float,),
    "certified": (bool,),
    "trial_points": (list, type(None)),
    "near": (dict, type(None)),
    "versions": (dict,),
}


def _read_page(place: Path) -> dict[str, Any]:
    path = place / CORESET
    try:
        page = strict_json(read_regular(path))
    except ValueError as error:
        raise NetworkFileError(f"{path} is not proper JSON: {error}") from error
    if not isinstance(page, dict) or page.get("format") != FORMAT or page.get("version") != VERSION:
        raise NetworkFileError(f"{path} is not of a {FORMAT}, version {VERSION}")
    body = {key: value for key, value in page.items() if key != "digest"}
    if page.get("digest") != _digest(body):
        raise CertificateFileError(f"{path} was edited: its own digest does not match")
    for name, kinds in _KINDS.items():
        if type(page.get(name)) not in kinds:
            raise NetworkFileError(f"{path} is damaged: {name} is {page.get(name)!r}")
    indices = [*page["sample"], *(page["trial_points"] or [])]
    if page["method"] not in METHODS or not all(type(one) is int and 0 <= one < 2**62 for one in indices):
        raise NetworkFileError(f"{path} is damaged: method {page['method']!r}, or indices that are none")
    return page


def _read_bound(place: Path, page: dict[str, Any], pair: tuple[ReluNetwork, ReluNetwork]) -> Bound:
    if page["near"] is not None:
        return _read_near(place, page["near"])
    if not page["certified"]:
        return None
    certificate = PairCertificate.load(place / CERTIFICATE)
    for network, stated in zip(pair, (certificate.target_digest, certificate.pruned_digest), strict=True):
        certificate.check_about("network", network_digest(network), stated)
    epsilon = certificate.epsilon
    return VerificationResult(
        upper=certificate.bound,
        lower=certificate.attack,
        witness=np.array(certificate.witness),
        method=certificate.method,
        verified=certificate.verified,
        falsified=None if epsilon is None else certificate.attack > epsilon,
        layers=tuple(LayerBound(**layer) for layer in certificate.layers),
        seconds=0.0,
        domain=certificate.domain_set,
        norm=certificate.norm,
        epsilon=epsilon,
    )


def _read_near(place: Path, said: dict[str, Any]) -> NearResult:
    try:
        with open_regular(place / NEAR) as file:
            points = np.asarray(read_npz(file)["points"], dtype=np.float64)
        uppers, epsilon = np.array(said["uppers"], dtype=np.float64), said["epsilon"]
        if array_digest(points) != said["points_digest"] or uppers.shape != (len(points),) or not len(points):
            raise CertificateFileError(f"the points in {place / NEAR} are not those of {CORESET}")
        upper = float(uppers.max())
        return NearResult(
            upper=upper,
            uppers=uppers,
            worst=int(uppers.argmax()),
            lower=float(said["attack"]),
            witness=np.array(said["witness"], dtype=np.float64),
            verified=None if epsilon is None else upper <= epsilon,
            falsified=None if epsilon is None else float(said["attack"]) > epsilon,
            seconds=0.0,
            points=points,
            radius=said["radius"],
            domain=None if said["domain"] is None else domain_from_json(said["domain"]),
            norm=said["norm"],
            method=said["method"],
            epsilon=epsilon,
        )
    except (KeyError, TypeError) as error:
        raise NetworkFileError(f"{place / CORESET} is damaged: near, {error}") from error
