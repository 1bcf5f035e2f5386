"""Reading a ticket's files, and comparing each with the certificate beside them.

Both who loads a ticket and who audits it read it here, so that nothing is used that the certificate does not
cover. No solver is imported: how the masks were found does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.mask_structure import check_structure
from subsetsum_nets.masks import NetworkMasks, parameter_counts
from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.files.budget import check_demand, open_regular, read_regular
from subsetsum_nets.networks.files.network_files import check_workable, load_workable
from subsetsum_nets.networks.files.npz_files import read_npz
from subsetsum_nets.networks.files.strict_json import strict_json
from subsetsum_nets.networks.random_networks import random_recipe_from_json
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.ticket_folder import (
    CERTIFICATE,
    FILES,
    FORMAT,
    MASKS,
    PROVENANCE,
    PRUNED,
    RANDOM,
    REPORT,
    SOLUTION,
    TARGET,
)
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError, solution_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork

# What provenance.json says again; PrunedNetwork.load takes it from there.
_SAID_TWICE = ("construction", "epsilon", "seed", "recipe", "candidates", "shortfall")
_STATUSES = ("unknown", "optimal", "feasible", "infeasible")  # by the codes of solvers.Status
_DRAWN_BYTES = 16  # a float64, its mask, its place in a sparse layer
_UNCHECKED = "what the certificate says of construction, candidates, delta, versions, shortfall"


@dataclass(frozen=True, eq=False)
class TicketFiles:
    """The files of a ticket, each the one that the certificate names where there is a certificate.

    Attributes
    ----------
    certificate : Certificate or None
    target, random, network : ReluNetwork
        ``network`` is ``random`` with the masks applied.
    masks : NetworkMasks
    recipe : RandomRecipe or None
        How ``random`` is drawn; None where it was read.
    seed : int or None
    unchecked : list of str
        What stands in the folder or in the certificate and was not checked, each with a word of why.

    """

    certificate: Certificate | None
    target: ReluNetwork
    random: ReluNetwork
    masks: NetworkMasks
    network: ReluNetwork
    recipe: RandomRecipe | None
    seed: int | None
    unchecked: list[str] = field(default_factory=list)


def read_provenance(place: Path) -> dict[str, Any]:
    """Read provenance.json.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    NetworkFileError
        If it is foreign or damaged.

    """
    path = place / PROVENANCE
    try:
        page = strict_json(read_regular(path))
        if page["format"] != FORMAT or page["version"] != 1:
            raise NetworkFileError(f"{path} is not the provenance of a pruned network, version 1")
        return {name: page[name] for name in _SAID_TWICE}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise NetworkFileError(f"{path} is damaged: {error}") from error


def read_ticket(folder: str | PathLike[str], said: Mapping[str, Any] | None = None) -> TicketFiles:
    """Read the networks and masks of a ticket and compare them with its certificate.

    Parameters
    ----------
    folder : path
    said : mapping, optional
        How the random network is drawn, where there is no certificate: ``recipe`` and ``seed``.

    Raises
    ------
    FileNotFoundError
        If a file is missing; a certificate only where nothing is ``said``.
    CertificateFileError
        If a file is not the one that the certificate names.
    NetworkFileError, InvalidNetworkError
        If a file is damaged.

    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {place}")
    certificate = None
    if said is None or (place / CERTIFICATE).exists():
        certificate = Certificate.load(place / CERTIFICATE)
        said = vars(certificate)
    target = load_workable(place / TARGET)
    if certificate is not None:
        certificate.check_about("target network", network_digest(target), certificate.target_digest)
    recipe, seed = _drawn(said)
    masks = NetworkMasks.load(place / MASKS)
    if recipe is None or seed is None:
        random = load_workable(place / RANDOM)
    else:
        _check_recipe(recipe, masks)  # before as much is drawn as a line of text may ask for
        random = recipe.draw(seed, domain=target.domain)
        check_workable(random, "the random network")
    network = masks.apply(random)
    files = TicketFiles(certificate, target, random, masks, network, recipe, seed)
    if certificate is not None:
        for what, digest, stated in (
            ("random network", network_digest(random), certificate.random_digest),
            ("masks", masks.digest(), certificate.masks_digest),
            ("pruned network", network_digest(sparse_form(network)), certificate.pruned_digest),
        ):
            certificate.check_about(what, digest, stated)
        _check_structure(files, certificate.structure)
    return files


def check_beside(folder: str | PathLike[str], files: TicketFiles) -> None:
    """Compare all else in the folder with the certificate, and note what cannot be.

    Raises
    ------
    CertificateFileError
        If the stored pruned network, the counts, the provenance or the subset sums are others.
    FileNotFoundError, NetworkFileError
        If the stored pruned network is missing, or a file damaged.

    """
    place, certificate, notes = Path(folder), files.certificate, files.unchecked
    if certificate is None:
        return
    stored = load_workable(place / PRUNED)
    certificate.check_about("stored pruned network", network_digest(stored), certificate.pruned_digest)
    counts = parameter_counts(files.target, files.random, files.masks, files.recipe)
    _check_counts(certificate.counts, counts)
    notes.append(_UNCHECKED)
    if (place / PROVENANCE).exists():
        check_provenance(read_provenance(place), certificate)
    else:
        notes.append(f"{PROVENANCE} is missing: the folder cannot be loaded")
    if not (place / SOLUTION).exists():
        notes.append(f"{SOLUTION} is missing: status counts and the number of subset sums are not checked")
    elif certificate.solution_digest is None:
        notes.append(f"{SOLUTION}: the certificate, of version 0.1.0, has no digest of it")
    else:
        _check_solution(place / SOLUTION, certificate)
    for role, network in (("target", files.target), ("pruned network", stored)):
        if network.domain is not None and network.domain != certificate.domain_set:
            notes.append(f"the domain {network.domain!r} stored with the {role}: it is not the certificate's")
    report = place / REPORT
    if report.exists():
        about_this = certificate.to_json()["digest"].encode() in read_regular(report)
        notes.append(f"{REPORT}: " + ("its text" if about_this else "it is NOT about this certificate"))
    strange = sorted({path.name for path in place.iterdir()} - FILES)
    if strange:
        notes.append(f"files that are no part of a ticket: {', '.join(map(repr, strange))}")


def check_provenance(said: Mapping[str, Any], certificate: Certificate) -> None:
    """Raise CertificateFileError where provenance.json says something else than the certificate."""
    for name in _SAID_TWICE:
        if said[name] != getattr(certificate, name):
            raise CertificateFileError(
                f"{PROVENANCE} says {name} {said[name]!r}, the certificate {getattr(certificate, name)!r}"
            )


def _drawn(said: Mapping[str, Any]) -> tuple[RandomRecipe | None, int | None]:
    if said["recipe"] is None:
        return None, None
    if said["seed"] is None:
        raise CertificateFileError("there is a recipe for the random network, but no seed")
    try:
        return random_recipe_from_json(said["recipe"]), checked_integer(said["seed"], "seed", 0)
    except (ValueError, TypeError, KeyError) as error:
        raise CertificateFileError(f"the recipe and seed of the random network are none: {error}") from error


def _check_recipe(recipe: RandomRecipe, masks: NetworkMasks) -> None:
    """Raise unless the masks are for what the recipe draws, and that is not too much."""
    shapes = [layer.shape for layer in recipe.layers], [tuple(mask.shape) for mask in masks.weights]
    if shapes[0] != shapes[1]:
        raise InvalidNetworkError(f"masks of shapes {shapes[1]} for a recipe of layers {shapes[0]}")
    check_demand(_DRAWN_BYTES * sum(layer.size for layer in recipe.layers), "drawing the random network")


def _check_structure(files: TicketFiles, whole: Any) -> None:
    """Raise CertificateFileError unless masks are structured where the certificate says so."""
    if whole is None:
        return
    try:
        check_structure(files.masks, files.target, whole)
    except InvalidNetworkError as error:
        raise CertificateFileError(
            f"the certificate says that whole {whole} were removed, the masks do not: {error}"
        ) from error


def _check_solution(path: Path, certificate: Certificate) -> None:
    try:
        with open_regular(path) as file:
            arrays = read_npz(file)
        status = arrays["status"].astype(np.uint8, casting="equiv")
        digest = solution_digest(arrays)
        numbers = np.bincount(status, minlength=len(_STATUSES)).tolist()
        counted = dict(zip(_STATUSES, numbers, strict=True))
    except Exception as error:  # a damaged archive raises whatever its readers stumble over
        raise NetworkFileError(f"{path} is damaged: {error}") from error
    certificate.check_about("subset sums", digest, certificate.solution_digest)
    _check_counts(certificate.counts, {"subset_sums": status.size})
    _check_counts(certificate.status_counts, counted)


def _check_counts(stated: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    for name, counted in counts.items():
        if stated.get(name, 0) != counted:
            raise CertificateFileError(
                f"the certificate counts {stated.get(name)} {name.replace('_', ' ')}, "
                f"the files hold {counted}"
            )
