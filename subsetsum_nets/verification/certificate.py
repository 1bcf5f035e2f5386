"""Certificate: what was proven about which networks, on a page that anyone can check from the files."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.digests import array_digest
from subsetsum_nets.networks.domains import Domain, domain_from_json
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import read_regular
from subsetsum_nets.networks.files.strict_json import strict_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from subsetsum_nets.verification.results import VerificationResult

FORMAT = "subsetsum-nets certificate"
VERSION = 1
SEMANTICS = (
    "f is the target and g the pruned random network, both as functions in real arithmetic with exactly the "
    "stored float64 weights; for every x in the domain, ||f(x) - g(x)|| <= bound in the stated norm."
)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("target_digest", "random_digest", "masks_digest", "pruned_digest"), (str,)),
    **dict.fromkeys(("construction", "norm", "method"), (str,)),
    **dict.fromkeys(("domain", "counts", "status_counts", "versions"), (dict,)),
    **dict.fromkeys(("layers", "witness"), (list,)),
    **dict.fromkeys(("epsilon", "delta", "bound", "attack"), (int, float)),
    **dict.fromkeys(("recipe", "shortfall"), (dict, NoneType)),
    "worst_weight_error": (float, NoneType),
    "solution_digest": (str, NoneType),
    "exact": (dict, NoneType),
    "seed": (int, NoneType),
    "candidates": (int,),
    "verified": (bool,),
}  # of JSON, by field
_LATER = ("solution_digest", "exact")  # fields that older certificates lack
_BEYOND = 1 << 1023
_SOLUTION_ARRAYS = ("masks", "errors", "lower_bounds", "status", "tolerances")


class CertificateFileError(ValueError):
    """A certificate that is foreign, damaged, or says something that its files refute."""


@dataclass(frozen=True)
class Certificate:
    """A proven bound and everything needed to check it again.

    Attributes
    ----------
    target_digest, random_digest, masks_digest, pruned_digest : str
        SHA-256 of the four networks' and masks' stored numbers.
    seed : int or None
        The seed of the random network; None when it was given and is stored.
    recipe : dict or None
        How the random network is drawn from the seed.
    construction : str
    candidates : int
    epsilon, delta : float
        The required bound, and the probability of failure for which candidates were chosen.
    domain : dict
        JSON form of the Box or Ball.
    norm, method : str
    bound : float
        Proven, rounded up.
    verified : bool
        Whether ``bound <= epsilon``.
    attack : float
        The difference at the worst input that was found, rounded down.
    witness : list of float
        That input.
    layers : list of dict
        Per-layer bounds.
    counts : dict
        Weights of the target, random parameters, those of them that are kept, subset sums. Layers that are
        not drawn, such as the ones of the linear construction, count in neither.
    status_counts : dict
        How many subset sums ended with which status.
    worst_weight_error : float
        Of any effective weight, rounded up.
    shortfall : dict or None
        Weights without a subset within their tolerance: how many, by how much, which candidates would do.
    versions : dict
        Of this package, Python and the libraries that computed the bound.
    solution_digest : str or None
        SHA-256 of the subset sums' masks, errors, bounds and statuses; None in certificates of version
        0.1.0, which do not say.
    exact : dict or None
        Of a network that equals the target rounded to multiples of 2^-s_l: ``bits``, the s_l; ``inputs``, for
        which real x; ``layouts`` and ``ends``, how each target layer is represented and by which 2^-s its
        last random layer is scaled.

    """

    target_digest: str
    random_digest: str
    masks_digest: str
    pruned_digest: str
    seed: int | None
    recipe: dict[str, Any] | None
    construction: str
    candidates: int
    epsilon: float
    delta: float
    domain: dict[str, Any]
    norm: str
    method: str
    bound: float
    verified: bool
    attack: float
    witness: list[float]
    layers: list[dict[str, Any]]
    counts: dict[str, int]
    status_counts: dict[str, int]
    worst_weight_error: float | None
    shortfall: dict[str, Any] | None
    versions: dict[str, str] = field(default_factory=dict)
    solution_digest: str | None = None
    exact: dict[str, Any] | None = None

    @staticmethod
    def findings(result: VerificationResult) -> dict[str, Any]:
        """Return the fields that come from a verification result."""
        errors = [layer.weight_error for layer in result.layers if layer.weight_error is not None]
        return {
            "domain": result.domain.to_json(),
            "norm": result.norm,
            "method": result.method,
            "bound": result.upper,
            "verified": result.verified,
            "attack": result.lower,
            "witness": result.witness.tolist(),
            "layers": [asdict(layer) for layer in result.layers],
            "worst_weight_error": max(errors) if errors else None,
        }

    def check_about(self, what: str, digest: str, stated: str | None) -> None:
        """Raise CertificateFileError unless what has this digest is what was certified."""
        if digest != stated:
            raise CertificateFileError(
                f"the {what} is not the one that was certified (SHA-256 {digest[:16]}.., "
                f"certificate {str(stated)[:16]}..)"
            )

    @property
    def domain_set(self) -> Domain:
        """The domain as a Box or Ball."""
        return domain_from_json(self.domain)

    def to_json(self) -> dict[str, Any]:
        """Return the page, with a digest over all of it."""
        body = {"format": FORMAT, "version": VERSION, "semantics": SEMANTICS, **asdict(self)}
        for name in _LATER:
            if body[name] is None:
                del body[name]
        return {**body, "digest": _body_digest(body)}

    @classmethod
    def from_json(cls, page: Any) -> Certificate:
        """Read a page back.

        Raises
        ------
        CertificateFileError
            If it is not a certificate of this version, or was edited.

        """
        if not isinstance(page, dict) or page.get("format") != FORMAT:
            raise CertificateFileError("not a subsetsum-nets certificate")
        if page.get("version") != VERSION:
            raise CertificateFileError(f"certificate version {page.get('version')!r}; this reads {VERSION}")
        body = {key: value for key, value in page.items() if key != "digest"}
        if page.get("digest") != _body_digest(body):
            raise CertificateFileError("the certificate was edited: its own digest does not match")
        values = {
            name: value for name, value in body.items() if name not in ("format", "version", "semantics")
        }
        values = {**dict.fromkeys(_LATER), **values}
        if set(values) != {f.name for f in fields(cls)} or body.get("semantics") != SEMANTICS:
            raise CertificateFileError("the certificate does not have the fields of its version")
        for name, kinds in _KINDS.items():
            if type(values[name]) not in kinds:
                wanted = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
                what = "not a number" if float in kinds else f"not {wanted}"
                raise CertificateFileError(f"the certificate's {name} is {_shown(values[name])}, {what}")
            if float in kinds and isinstance(values[name], int) and abs(values[name]) >= _BEYOND:
                raise CertificateFileError(f"the certificate's {name} is beyond the range of float64")
        if math.isnan(values["bound"]):
            raise CertificateFileError("the certificate's bound is NaN")
        if not all(isinstance(layer, dict) for layer in values["layers"]):
            raise CertificateFileError("the certificate's layers are no list of objects")
        return cls(**values)

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a JSON file, atomically."""
        with atomic_write(path) as file:
            file.write((json.dumps(self.to_json(), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Certificate:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        CertificateFileError
            If it is foreign, truncated or edited.

        """
        try:
            page = strict_json(read_regular(path))
        except ValueError as error:
            raise CertificateFileError(f"{path} is not proper JSON: {error}") from error
        try:
            return cls.from_json(page)
        except CertificateFileError as error:
            raise CertificateFileError(f"{path}: {error}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def solution_digest(arrays: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the subset sums that masks were made of.

    Parameters
    ----------
    arrays : mapping of str to array
        Those of :meth:`solvers.BatchSolution.arrays`; others, such as a file's header, do not count.

    """
    return array_digest(*(arrays[name] for name in _SOLUTION_ARRAYS if name in arrays))


def _body_digest(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
