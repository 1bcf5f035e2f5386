"""audit(): check a folder of prune() again, trusting nothing but its files; audit_pair(): any two networks.

The random network is drawn again from the seed (or read, when it was given), the masks are applied, the bound
is computed anew, and every number of the certificate is compared. It imports no solver and no construction:
how the masks were found does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.arrays import dense_array, exact_float64
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.errors import InvalidNetworkError, UnsupportedStructureError
from subsetsum_nets.networks.rounding import rounded, with_outputs_times
from subsetsum_nets.ticket_files import check_beside, read_ticket
from subsetsum_nets.verification import Comparison, VerificationResult, verify
from subsetsum_nets.verification.alignment import small_like
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError, PairCertificate
from subsetsum_nets.verification.falsifier import difference_down
from subsetsum_nets.verification.methods.table import TABLE

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.choices import MethodName
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.ticket_files import TicketFiles

# Another BLAS may round the same bounds differently, in the last digits. Bound and attack are claims: where
# they are not met to the last bit, exact arithmetic decides. The bounds layer by layer are only shown.
_SHOWN = 1e-6
Page = TypeVar("Page", bound=PairCertificate)


@dataclass(frozen=True, eq=False)
class Audit(Generic[Page]):
    """A certificate that stood up to the check.

    Attributes
    ----------
    certificate : Certificate or PairCertificate
        As found.
    result : VerificationResult
        Computed anew.
    unchecked : tuple of str
        What the folder and the certificate say beside that, and nobody has checked.
    verified : bool
        Whether the new bound meets the certificate's epsilon; True where it asks for none.

    """

    certificate: Page
    result: VerificationResult
    unchecked: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the bound that was computed anew is at most epsilon, where there is one."""
        epsilon = self.certificate.epsilon
        return epsilon is None or self.result.upper <= epsilon

    def certificate_anew(self) -> Page:
        """Return the certificate with what was proven now in place of what it said."""
        return replace(self.certificate, **Certificate.findings(self.result))


def audit(
    folder: str | PathLike[str],
    *,
    method: MethodName = "auto",
    time_limit: float | None = None,
    exact: bool = False,
) -> Audit[Certificate]:
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
    check_decision(certificate)
    check_beside(folder, files)
    compared = with_outputs_times(files.network, -certificate.output_exponent)
    pair = _Pair(certificate, files.target, compared, files.unchecked)
    result = pair.confirm(method, time_limit=time_limit, exact=exact)
    _confirm_exact(files, compared)
    return Audit(certificate, result, tuple(files.unchecked))


def _confirm_exact(files: TicketFiles, compared: ReluNetwork) -> None:
    """See that ``compared`` equals the target rounded as the certificate says, where it says so."""
    certificate: Any = files.certificate
    if certificate.exact is None:
        return
    slack = certificate.exact.get("slack", 0)
    if type(slack) is not int or slack < 0:
        raise CertificateFileError(f"the certificate's exact.slack is {slack!r}, no number of units")
    try:
        bits = [checked_integer(number, "bits", 0) for number in certificate.exact["bits"]]
        asked: dict[str, Any] = {"domain": certificate.domain_set, "norm": certificate.norm}
        target = rounded(files.target, bits)
        if slack:
            _confirm_slack(files, compared, bits, slack)
            return
        found = verify(target, compared, method="differential", exact=True, **asked)
    except UnsupportedStructureError:
        found = verify(target, compared, **asked)
    except (KeyError, TypeError, ValueError) as error:
        raise CertificateFileError(f"the certificate's bits of an exact network are none: {error}") from error
    if found.lower > 0.0:
        raise CertificateFileError(
            f"the certificate says that g equals the target rounded to {bits} bits; the files differ from it "
            f"by {found.lower!r} at some input"
        )
    if found.replayed != 0.0:
        files.unchecked.append(f"that g equals the target rounded to {bits} bits: neither proven nor refuted")
    files.unchecked.append("the certificate's layouts, ends, held and inputs of an exact network")


def _confirm_slack(files: TicketFiles, compared: ReluNetwork, bits: list[int], slack: int) -> None:
    """See that all weights are multiples of 2^-s_l, at most slack + 1/2 of these off the target's."""
    certificate: Any = files.certificate
    target = files.target
    small = small_like(compared, target, certificate.domain_set)
    proven = small.widths == target.widths
    pairs = zip(small.affine_layers, target.affine_layers, bits, strict=True) if proven else ()
    for index, (mine, layer, number) in enumerate(pairs):
        following = small.affine_layers[index + 1 :]
        seen = dense_array(following[0].weight).any(axis=0) if following else np.ones(layer.d_out, dtype=bool)
        units, wanted = (
            np.column_stack([dense_array(each.weight), each.offset])[seen] * 2.0**number
            for each in (mine, layer)
        )
        proven &= bool((np.abs(units - wanted) <= slack + 0.5).all() and (np.rint(units) == units).all())
    if not proven:
        files.unchecked.append(
            f"that g's weights are multiples of 2^-s, s = {bits}, within {slack} + 1/2 of these: not proven"
        )
    files.unchecked.append("the certificate's layouts, ends, held and inputs of an exact network")


def audit_pair(
    target: ReluNetwork,
    pruned: ReluNetwork,
    certificate: PairCertificate,
    *,
    method: MethodName = "auto",
    time_limit: float | None = None,
    exact: bool = False,
) -> Audit[PairCertificate]:
    """Check the certificate of any two networks again: digests, bound, witness, per-layer table.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g.
    certificate : PairCertificate
    method, time_limit, exact
        As for :func:`audit`.

    Raises
    ------
    CertificateFileError
        If the networks are others than the certificate's, or it claims what cannot be confirmed.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> from subsetsum_nets.verification.certificate import PairCertificate
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.75]])])
    >>> certificate = PairCertificate.about(f, g, verify(f, g, epsilon=0.5))
    >>> audit_pair(f, g, certificate).verified
    True

    """
    for name, network, stated in (
        ("first network", target, certificate.target_digest),
        ("second network", pruned, certificate.pruned_digest),
    ):
        certificate.check_about(name, network_digest(network), stated)
    check_decision(certificate)
    pair = _Pair(certificate, target, pruned, [])
    result = pair.confirm(method, time_limit=time_limit, exact=exact)
    return Audit(certificate, result, ("what the certificate says of versions", *pair.unchecked))


def check_decision(certificate: PairCertificate) -> None:
    """Raise CertificateFileError unless "verified" is what the certificate's own numbers say."""
    epsilon = certificate.epsilon
    if certificate.verified != (None if epsilon is None else certificate.bound <= epsilon):
        asked = "it asks for no epsilon" if epsilon is None else f"its epsilon is {epsilon:.6g}"
        raise CertificateFileError(
            f"the certificate says verified={certificate.verified}, but its bound is {certificate.bound:.6g} "
            f"and {asked}"
        )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two networks and what a certificate says of them."""

    certificate: PairCertificate
    target: ReluNetwork
    pruned: ReluNetwork
    unchecked: list[str]

    def confirm(self, method: MethodName, **options: Any) -> VerificationResult:
        """Compute the bound anew and compare what the certificate says."""
        result = self._verified(method, **options)
        if method in ("auto", self.certificate.method):
            self._confirm_bound(result)
        else:
            self.unchecked.append(
                f"the certificate's bound, by {self.certificate.method}: {method} was asked"
            )
        self._confirm_layers(result)
        self._confirm_witness()
        return result

    def _verified(self, method: MethodName, **options: Any) -> VerificationResult:
        said = self.certificate
        asked: dict[str, Any] = {"domain": said.domain_set, "norm": said.norm, "epsilon": said.epsilon}
        return verify(self.target, self.pruned, method=method, **asked, **options)

    def _confirm_bound(self, result: VerificationResult) -> None:
        """See that the certificate's bound is proven: by the new one, or exactly, by its own method."""
        certificate = self.certificate
        proven = min(result.upper, math.inf if result.replayed is None else result.replayed)
        if proven > certificate.bound and proven <= certificate.bound * (1 + _SHOWN):
            try:
                again = self._verified(cast("MethodName", certificate.method), exact=True)
            except (UnsupportedStructureError, ValueError):
                pass
            else:
                proven = min(proven, again.upper, math.inf if again.replayed is None else again.replayed)
        if not proven <= certificate.bound:
            raise CertificateFileError(
                f"the certificate claims a bound of {certificate.bound!r}, the files prove only {proven!r}"
            )

    def _confirm_layers(self, result: VerificationResult) -> None:
        """Compare the bounds layer by layer, where the same method gave them, and no clock plays a part."""
        certificate = self.certificate
        found = Certificate.findings(result)
        errors = [layer.get("weight_error") for layer in certificate.layers]
        worst = max((error for error in errors if error is not None), default=None)
        if certificate.worst_weight_error != worst:
            raise CertificateFileError(
                f"the certificate's worst weight error is {certificate.worst_weight_error!r}, but that of "
                f"its layers is {worst!r}"
            )
        method = TABLE.get(certificate.method)
        if method is None:
            raise CertificateFileError(f"the certificate names no method: {certificate.method!r}")
        if method.anytime or result.method != certificate.method:
            self.unchecked.append(
                f"layers, worst_weight_error: by {certificate.method}, computed anew was {result.method}"
            )
        elif not _alike(certificate.layers, found["layers"]):
            raise CertificateFileError("the certificate's bounds layer by layer are not those of the files")

    def _confirm_witness(self) -> None:
        certificate = self.certificate
        try:
            witness = exact_float64(certificate.witness, "the certificate's witness")
            inside = witness.shape == (self.target.widths[0],) and certificate.domain_set.contains(witness)
        except InvalidNetworkError as error:
            raise CertificateFileError(str(error)) from error
        if not inside:
            raise CertificateFileError("the certificate's witness is not a point of its domain")
        comparison = Comparison(self.target, self.pruned, certificate.domain_set, certificate.norm).collapsed
        found = difference_down(comparison, witness)
        if found < certificate.attack:
            from subsetsum_nets.verification.replay.evaluation import exact_difference_down

            found = exact_difference_down(self.target, self.pruned, witness, certificate.norm)
        if not found >= certificate.attack:
            raise CertificateFileError(
                f"the certificate claims a difference of {certificate.attack!r} at its witness, "
                f"the files give only {found!r}"
            )


def _alike(stated: Any, found: Any) -> bool:
    """Whether two pages say the same, numbers to six digits."""
    if isinstance(stated, list) and isinstance(found, list):
        return len(stated) == len(found) and all(map(_alike, stated, found))
    if isinstance(stated, dict) and isinstance(found, dict):
        return stated.keys() == found.keys() and all(_alike(stated[key], found[key]) for key in found)
    if isinstance(stated, float) and isinstance(found, float):
        return math.isclose(stated, found, rel_tol=_SHOWN)
    return type(stated) is type(found) and bool(stated == found)
