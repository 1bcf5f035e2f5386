"""audit(): check a folder of prune() again, trusting nothing but its files.

The random network is drawn again from the seed (or read, when it was given), the masks are applied, the bound
is computed anew, and every number of the certificate is compared. It imports no solver and no construction:
how the masks were found does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.arrays import exact_float64
from subsetsum_nets.networks.errors import InvalidNetworkError, UnsupportedStructureError
from subsetsum_nets.networks.rounding import rounded
from subsetsum_nets.ticket_files import check_beside, read_ticket
from subsetsum_nets.verification import Comparison, VerificationResult, verify
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError
from subsetsum_nets.verification.falsifier import difference_down
from subsetsum_nets.verification.methods.table import TABLE

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.ticket_files import TicketFiles

# Another BLAS may round the same bounds differently, in the last digits. Bound and attack are claims: where
# they are not met to the last bit, exact arithmetic decides. The bounds layer by layer are only shown.
_SHOWN = 1e-6


@dataclass(frozen=True, eq=False)
class Audit:
    """A folder that stood up to the check.

    Attributes
    ----------
    certificate : Certificate
        As found in the folder.
    result : VerificationResult
        Computed anew.
    unchecked : tuple of str
        What the folder and the certificate say beside that, and nobody has checked.
    verified : bool
        Whether the new bound meets the certificate's epsilon.

    """

    certificate: Certificate
    result: VerificationResult
    unchecked: tuple[str, ...] = ()

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
    files = read_ticket(folder)
    certificate: Any = files.certificate
    if certificate.verified != (certificate.bound <= certificate.epsilon):
        raise CertificateFileError(
            f"the certificate says verified={certificate.verified}, but its bound is {certificate.bound:.6g} "
            f"and its epsilon {certificate.epsilon:.6g}"
        )
    check_beside(folder, files)
    asked = {"domain": certificate.domain_set, "norm": certificate.norm, "epsilon": certificate.epsilon}
    result = verify(files.target, files.network, method=method, time_limit=time_limit, exact=exact, **asked)
    if method in ("auto", certificate.method):
        _confirm_bound(files, result, asked)
    else:
        files.unchecked.append(f"the certificate's bound, by {certificate.method}: {method} was asked")
    _confirm_layers(files, result)
    _confirm_witness(files)
    _confirm_exact(files)
    return Audit(certificate, result, tuple(files.unchecked))


def _confirm_exact(files: TicketFiles) -> None:
    """See that the network equals the target rounded as the certificate says, where it says so."""
    certificate: Any = files.certificate
    if certificate.exact is None:
        return
    try:
        bits = [checked_integer(number, "bits", 0) for number in certificate.exact["bits"]]
        asked = {"norm": certificate.norm, "method": "differential", "exact": True}
        target, domain = rounded(files.target, bits), certificate.domain_set
        found = verify(target, files.network, domain=domain, **asked)
    except UnsupportedStructureError:
        found = verify(target, files.network, domain=domain, norm=certificate.norm)
    except (KeyError, TypeError, ValueError) as error:
        raise CertificateFileError(f"the certificate's bits of an exact network are none: {error}") from error
    if found.lower > 0.0:
        raise CertificateFileError(
            f"the certificate says that g equals the target rounded to {bits} bits; the files differ from it "
            f"by {found.lower!r} at some input"
        )
    if found.replayed != 0.0:
        files.unchecked.append(f"that g equals the target rounded to {bits} bits: neither proven nor refuted")
    files.unchecked.append("the certificate's layouts, ends and inputs of an exact network")


def _confirm_bound(files: TicketFiles, result: VerificationResult, asked: dict[str, Any]) -> None:
    """See that the certificate's bound is proven: by the new one, or exactly, by its own method."""
    certificate: Any = files.certificate
    proven = min(result.upper, math.inf if result.replayed is None else result.replayed)
    if proven > certificate.bound and proven <= certificate.bound * (1 + _SHOWN):
        try:
            again = verify(files.target, files.network, method=certificate.method, exact=True, **asked)
        except (UnsupportedStructureError, ValueError):
            pass
        else:
            proven = min(proven, again.upper, math.inf if again.replayed is None else again.replayed)
    if not proven <= certificate.bound:
        raise CertificateFileError(
            f"the certificate claims a bound of {certificate.bound!r}, the files prove only {proven!r}"
        )


def _confirm_layers(files: TicketFiles, result: VerificationResult) -> None:
    """Compare the bounds layer by layer, where the same method gave them, and no clock plays a part."""
    certificate: Any = files.certificate
    found = Certificate.findings(result)
    errors = [layer.get("weight_error") for layer in certificate.layers]
    worst = max((error for error in errors if error is not None), default=None)
    if certificate.worst_weight_error != worst:
        raise CertificateFileError(
            f"the certificate's worst weight error is {certificate.worst_weight_error!r}, but that of its "
            f"layers is {worst!r}"
        )
    method = TABLE.get(certificate.method)
    if method is None:
        raise CertificateFileError(f"the certificate names no method: {certificate.method!r}")
    if method.anytime or result.method != certificate.method:
        files.unchecked.append(
            f"layers, worst_weight_error: by {certificate.method}, computed anew was {result.method}"
        )
    elif not _alike(certificate.layers, found["layers"]):
        raise CertificateFileError("the certificate's bounds layer by layer are not those of the files")


def _alike(stated: Any, found: Any) -> bool:
    """Whether two pages say the same, numbers to six digits."""
    if isinstance(stated, list) and isinstance(found, list):
        return len(stated) == len(found) and all(map(_alike, stated, found))
    if isinstance(stated, dict) and isinstance(found, dict):
        return stated.keys() == found.keys() and all(_alike(stated[key], found[key]) for key in found)
    if isinstance(stated, float) and isinstance(found, float):
        return math.isclose(stated, found, rel_tol=_SHOWN)
    return type(stated) is type(found) and bool(stated == found)


def _confirm_witness(files: TicketFiles) -> None:
    certificate: Any = files.certificate
    try:
        witness = exact_float64(certificate.witness, "the certificate's witness")
        inside = witness.shape == (files.target.widths[0],) and certificate.domain_set.contains(witness)
    except InvalidNetworkError as error:
        raise CertificateFileError(str(error)) from error
    if not inside:
        raise CertificateFileError("the certificate's witness is not a point of its domain")
    comparison = Comparison(files.target, files.network, certificate.domain_set, certificate.norm).collapsed
    found = difference_down(comparison, witness)
    if found < certificate.attack:
        from subsetsum_nets.verification.replay.evaluation import exact_difference_down

        found = exact_difference_down(files.target, files.network, witness, certificate.norm)
    if not found >= certificate.attack:
        raise CertificateFileError(
            f"the certificate claims a difference of {certificate.attack!r} at its witness, "
            f"the files give only {found!r}"
        )
