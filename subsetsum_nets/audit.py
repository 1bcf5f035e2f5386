"""audit(): check a folder of prune() again, trusting nothing but its files.

The random network is drawn again from the seed (or read, when it was given), the masks are applied, the bound
is computed anew, and every number of the certificate is compared. It imports no solver and no construction:
how the masks were found does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from subsetsum_nets.masks import NetworkMasks, random_counts
from subsetsum_nets.networks.arrays import exact_float64
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.files.network_files import load_network
from subsetsum_nets.networks.random_networks import RandomRecipe, random_recipe_from_json
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.ticket_folder import CERTIFICATE, MASKS, PRUNED, RANDOM, TARGET
from subsetsum_nets.verification import Comparison, VerificationResult, verify
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError
from subsetsum_nets.verification.falsifier import difference_down

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.networks.relu_network import ReluNetwork

# Another BLAS may round the same bound differently, in the last digits.
_LEEWAY = 1e-6


@dataclass(frozen=True, eq=False)
class Audit:
    """A folder that stood up to the check.

    Attributes
    ----------
    certificate : Certificate
        As found in the folder.
    result : VerificationResult
        Computed anew.
    verified : bool
        Whether the new bound meets the certificate's epsilon.

    """

    certificate: Certificate
    result: VerificationResult

    @property
    def verified(self) -> bool:
        """Whether the bound that was computed anew is at most epsilon."""
        return self.result.verified

    def certificate_anew(self) -> Certificate:
        """Return the certificate with what was proven now in place of what it said."""
        return replace(self.certificate, **Certificate.findings(self.result))


def audit(
    folder: str | PathLike[str],
    *,
    method: str = "auto",
    time_limit: float | None = None,
    exact: bool = False,
) -> Audit:
    """Check a folder that :meth:`PrunedNetwork.save` or ``subsetsum-nets prune`` wrote.

    Parameters
    ----------
    folder : path
    method : str
        A verification method; the certificate's bound is compared when the method allows one as good.
    time_limit : float, optional
        Seconds for the new bound; with one, "auto" branches too.
    exact : bool
        Whether to compute the new bound once more in exact arithmetic.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    CertificateFileError
        If the files contradict the certificate: a flipped mask bit, a changed weight, a foreign certificate,
        a bound that cannot be confirmed.
    NetworkFileError, InvalidNetworkError
        If a file is damaged.

    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {place}")
    certificate = Certificate.load(place / CERTIFICATE)
    target = load_network(place / TARGET)
    _compare("target network", network_digest(target), certificate.target_digest)
    recipe = _recipe(certificate)
    random = load_network(place / RANDOM) if recipe is None else recipe.draw(_seed(certificate))
    _compare("random network", network_digest(random), certificate.random_digest)
    masks = NetworkMasks.load(place / MASKS)
    _compare("masks", masks.digest(), certificate.masks_digest)
    pruned = masks.apply(random)
    _compare("pruned network", network_digest(sparse_form(pruned)), certificate.pruned_digest)
    stored = load_network(place / PRUNED)
    _compare("stored pruned network", network_digest(stored), certificate.pruned_digest)
    drawn, kept = random_counts(random, masks, recipe)
    counts = {"weights": target.parameters, "random_parameters": drawn, "kept_parameters": kept}
    for name, counted in counts.items():
        if certificate.counts.get(name) != counted:
            raise CertificateFileError(
                f"the certificate counts {certificate.counts.get(name)} {name.replace('_', ' ')}, "
                f"the files hold {counted}"
            )
    result = verify(
        target,
        pruned,
        domain=certificate.domain_set,
        norm=certificate.norm,
        method=method,
        epsilon=certificate.epsilon,
        time_limit=time_limit,
        exact=exact,
    )
    if method in ("auto", certificate.method):
        _confirm(certificate, result)
    _confirm_witness(certificate, target, pruned)
    return Audit(certificate, result)


def _recipe(certificate: Certificate) -> RandomRecipe | None:
    if certificate.recipe is None:
        return None
    try:
        return random_recipe_from_json(certificate.recipe)
    except InvalidNetworkError as error:
        raise CertificateFileError(f"the certificate's recipe is not one: {error}") from error


def _seed(certificate: Certificate) -> int:
    if certificate.seed is None:
        raise CertificateFileError("the certificate has a recipe for the random network, but no seed")
    return certificate.seed


def _compare(what: str, found: str, stated: str) -> None:
    if found != stated:
        raise CertificateFileError(
            f"the {what} is not the one that was certified (SHA-256 {found[:16]}.., "
            f"certificate {str(stated)[:16]}..)"
        )


def _confirm(certificate: Certificate, result: VerificationResult) -> None:
    if not result.upper <= certificate.bound * (1 + _LEEWAY):
        raise CertificateFileError(
            f"the certificate claims a bound of {certificate.bound:.6g}, "
            f"the files prove only {result.upper:.6g}"
        )
    if certificate.verified != (certificate.bound <= certificate.epsilon):
        raise CertificateFileError(
            f"the certificate says verified={certificate.verified}, but its bound is {certificate.bound:.6g} "
            f"and its epsilon {certificate.epsilon:.6g}"
        )


def _confirm_witness(certificate: Certificate, target: ReluNetwork, pruned: ReluNetwork) -> None:
    try:
        witness = exact_float64(certificate.witness, "the certificate's witness")
        inside = witness.shape == (target.widths[0],) and certificate.domain_set.contains(witness)
    except InvalidNetworkError as error:
        raise CertificateFileError(str(error)) from error
    if not inside:
        raise CertificateFileError("the certificate's witness is not a point of its domain")
    comparison = Comparison(target, pruned, certificate.domain_set, certificate.norm)
    found = difference_down(comparison, witness)
    if not found >= certificate.attack * (1 - _LEEWAY):
        raise CertificateFileError(
            f"the certificate claims a difference of {certificate.attack:.6g} at its witness, "
            f"the files give only {found:.6g}"
        )
