"""audit_coreset(): the folder of a sparsified network checked again, trusting nothing but its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.audit import audit_pair
from subsetsum_nets.coresets.sparsified_network import SparsifiedNetwork
from subsetsum_nets.ticket_folder import CERTIFICATE
from subsetsum_nets.verification.certificate import CertificateFileError, PairCertificate
from subsetsum_nets.verification.near import NearResult, verify_near

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.verification.results import VerificationResult

_ROUNDED = 1 + 1e-9  # by which another BLAS may round a bound up


@dataclass(frozen=True, eq=False)
class CoresetAudit:
    """A folder that stood up to the check.

    Attributes
    ----------
    sparsified : SparsifiedNetwork
        As found; its bound is what the folder claims.
    bound : VerificationResult or NearResult or None
        Computed anew; None where the folder claims none.
    verified : bool
        Whether the new bound meets epsilon; False where nothing is claimed.

    """

    sparsified: SparsifiedNetwork
    bound: VerificationResult | NearResult | None

    @property
    def verified(self) -> bool:
        """Whether the bound that was computed anew is at most epsilon."""
        return self.bound is not None and bool(self.bound.verified)


def audit_coreset(folder: str | PathLike[str]) -> CoresetAudit:
    """Check a folder again, trusting nothing but its files.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    CertificateFileError
        If the files contradict each other, or a bound is claimed that cannot be confirmed.
    NetworkFileError, InvalidNetworkError
        If a file is damaged.

    """
    found = SparsifiedNetwork.load(folder)
    claimed = found.bound
    if isinstance(claimed, NearResult):
        return CoresetAudit(found, _near_anew(found, claimed))
    if claimed is None:
        return CoresetAudit(found, None)
    certificate = PairCertificate.load(Path(folder) / CERTIFICATE)
    return CoresetAudit(found, audit_pair(found.target, found.network, certificate).result)


def _near_anew(found: SparsifiedNetwork, claimed: NearResult) -> NearResult:
    anew = verify_near(
        found.target,
        found.network,
        claimed.points,
        claimed.radius,
        domain=claimed.domain,
        norm=claimed.norm,
        method=claimed.method,
        epsilon=claimed.epsilon,
    )
    above = anew.uppers > claimed.uppers * _ROUNDED
    if above.any():
        worst = int(np.argmax(above))
        raise CertificateFileError(
            f"the folder claims a bound of {claimed.uppers[worst]!r} near point {worst}, the files prove "
            f"only {anew.uppers[worst]!r}"
        )
    return anew
