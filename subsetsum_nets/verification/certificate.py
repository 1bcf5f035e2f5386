"""Certificate: what was proven about which networks, on a page that anyone can check from the files."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from subsetsum_nets.networks.digests import array_digest, network_digest
from subsetsum_nets.networks.domains import Domain, domain_from_json
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import read_regular
from subsetsum_nets.networks.files.strict_json import strict_json
from subsetsum_nets.shown import bounds_figure, bracket, panel, shown_domain, verdict
from subsetsum_nets.version import versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.results import VerificationResult

FORMAT = "subsetsum-nets certificate"
VERSION = 1
SEMANTICS = (
    "f is the target and g the pruned random network, both as functions in real arithmetic with exactly the "
    "stored float64 weights; for every x in the domain, ||f(x) - g(x)|| <= bound in the stated norm."
)
SCALED_SEMANTICS = (
    "f is the target and g the pruned random network, both as functions in real arithmetic with exactly the "
    "stored float64 weights; for every x in the domain, ||f(x) - 2^-t g(x)|| <= bound in the stated norm, "
    "where t is exact.outputs."
)
PAIR_FORMAT = "subsetsum-nets pair certificate"
PAIR_SEMANTICS = (
    "f is the network of target_digest and g the one of pruned_digest, both as functions in real arithmetic "
    "with exactly the stored float64 weights; for every x in the domain, ||f(x) - g(x)|| <= bound in the "
    "stated norm."
)
_Kinds = dict[str, tuple[type, ...]]  # of JSON, by field
_PAIR_KINDS: _Kinds = {
    **dict.fromkeys(("target_digest", "pruned_digest", "norm", "method"), (str,)),
    **dict.fromkeys(("domain", "versions"), (dict,)),
    **dict.fromkeys(("layers", "witness"), (list,)),
    **dict.fromkeys(("bound", "attack"), (int, float)),
    "worst_weight_error": (float, NoneType),
    "epsilon": (int, float, NoneType),
    "verified": (bool, NoneType),
}
_KINDS: _Kinds = {
    **_PAIR_KINDS,
    **dict.fromkeys(("random_digest", "masks_digest", "construction"), (str,)),
    **dict.fromkeys(("counts", "status_counts"), (dict,)),
    **dict.fromkeys(("epsilon", "delta"), (int, float)),
    **dict.fromkeys(("recipe", "shortfall"), (dict, NoneType)),
    **dict.fromkeys(("solution_digest", "structure"), (str, NoneType)),
    "exact": (dict, NoneType),
    "seed": (int, NoneType),
    "candidates": (int,),
    "verified": (bool,),
}
_LATER = ("solution_digest", "exact", "structure")  # fields that older certificates lack
_BEYOND = 1 << 1023
_MOST_EXPONENT = 1074  # of 2^-t: no float64 is finer
_SOLUTION_ARRAYS = ("masks", "errors", "lower_bounds", "status", "tolerances")


class CertificateFileError(ValueError):
    """A certificate that is foreign, damaged, or says something that its files refute."""


@dataclass(frozen=True, kw_only=True)
class PairCertificate:
    """A proven bound for any two networks, and everything needed to check it again.

    Attributes
    ----------
    target_digest, pruned_digest : str
        SHA-256 of the stored numbers of f and of g.
    epsilon : float or None
        The bound that was asked for.
    domain : dict
        JSON form of the Box or Ball.
    norm, method : str
    bound : float
        Proven, rounded up.
    verified : bool or None
        Whether ``bound <= epsilon``; None without an epsilon.
    attack : float
        The difference at the worst input that was found, rounded down.
    witness : list of float
        That input.
    layers : list of dict
        Per-layer bounds.
    worst_weight_error : float or None
        Of any effective weight, rounded up.
    versions : dict
        Of this package, Python and the libraries that computed the bound.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> from subsetsum_nets.verification import verify
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.75]])])
    >>> certificate = PairCertificate.about(f, g, verify(f, g, epsilon=0.5))
    >>> round(certificate.bound, 9), certificate.verified
    (0.25, True)

    """

    FORMAT: ClassVar[str] = PAIR_FORMAT
    SEMANTICS: ClassVar[str] = PAIR_SEMANTICS
    _KINDS: ClassVar[_Kinds] = _PAIR_KINDS

    target_digest: str
    pruned_digest: str
    epsilon: float | None
    domain: dict[str, Any]
    norm: str
    method: str
    bound: float
    verified: bool | None
    attack: float
    witness: list[float]
    layers: list[dict[str, Any]]
    worst_weight_error: float | None
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def about(cls, target: ReluNetwork, pruned: ReluNetwork, result: VerificationResult) -> PairCertificate:
        """Return what :func:`~subsetsum_nets.verify` found of f and g as a certificate."""
        return PairCertificate(
            target_digest=network_digest(target),
            pruned_digest=network_digest(pruned),
            epsilon=result.epsilon,
            versions=versions(),
            **cls.findings(result),
        )

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
    def semantics(self) -> str:
        """What is claimed, in a sentence."""
        return self.SEMANTICS

    @property
    def domain_set(self) -> Domain:
        """The domain as a Box or Ball."""
        return domain_from_json(self.domain)

    def to_json(self) -> dict[str, Any]:
        """Return the page, with a digest over all of it."""
        body = {"format": self.FORMAT, "version": VERSION, "semantics": self.semantics, **self._said()}
        return {**body, "digest": _body_digest(body)}

    def to_dict(self) -> dict[str, Any]:
        """Return the same as :meth:`to_json`: a plain dictionary, as all results have."""
        return self.to_json()

    def __repr__(self) -> str:
        said = bracket(self.attack, self.bound, self.norm, self.epsilon)
        where = shown_domain(self.domain_set)
        return f"{type(self).__name__}({said}, {self.method}, {where}, {self.verdict})"

    def _repr_html_(self) -> str:
        """Return verdict, figure and table for notebooks; bounds are rounded outward."""
        figure = bounds_figure(self.attack, self.bound, self.epsilon)
        return panel(type(self).__name__, self.verdict, figure, self._rows())

    @property
    def verdict(self) -> str:
        """What is decided: verified, falsified, not verified, or that nobody asked."""
        falsified = self.epsilon is not None and self.attack > self.epsilon
        return verdict(self.verified, falsified, self.epsilon)

    def _rows(self) -> list[tuple[str, object]]:
        return [
            ("proven", bracket(self.attack, self.bound, self.norm, self.epsilon)),
            ("method", self.method),
            ("domain", shown_domain(self.domain_set)),
            ("f", f"SHA-256 {self.target_digest[:16]}.."),
            ("g", f"SHA-256 {self.pruned_digest[:16]}.."),
        ]

    def _said(self) -> dict[str, Any]:
        """Return the fields that are written."""
        return asdict(self)

    @classmethod
    def _of_any_release(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a page, with what earlier releases did not write."""
        return values

    @classmethod
    def from_json(cls, page: Any) -> Self:
        """Read a page back.

        Raises
        ------
        CertificateFileError
            If it is not a certificate of this version, or was edited.

        """
        if not isinstance(page, dict) or page.get("format") != cls.FORMAT:
            raise CertificateFileError(f"not a {cls.FORMAT}{_other_kind(page)}")
        if page.get("version") != VERSION:
            raise CertificateFileError(f"certificate version {page.get('version')!r}; this reads {VERSION}")
        body = {key: value for key, value in page.items() if key != "digest"}
        if page.get("digest") != _body_digest(body):
            raise CertificateFileError("the certificate was edited: its own digest does not match")
        values = {
            name: value for name, value in body.items() if name not in ("format", "version", "semantics")
        }
        values = cls._of_any_release(values)
        if set(values) != {f.name for f in fields(cls)}:
            raise CertificateFileError("the certificate does not have the fields of its version")
        for name, kinds in cls._KINDS.items():
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
        found = cls(**values)
        if body.get("semantics") != found.semantics:
            raise CertificateFileError("the certificate's claim is not the one that goes with its fields")
        return found

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a JSON file, atomically."""
        with atomic_write(path) as file:
            file.write((json.dumps(self.to_json(), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
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


@dataclass(frozen=True, kw_only=True, repr=False)
class Certificate(PairCertificate):
    """The certificate of a ticket: of a random network that was pruned into a target.

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
    verified : bool
        Whether ``bound <= epsilon``.
    counts : dict
        Weights of the target, random parameters, those of them that are kept, subset sums. Layers that are
        not drawn, such as the ones of the linear construction, count in neither.
    status_counts : dict
        How many subset sums ended with which status.
    shortfall : dict or None
        Weights without a subset within their tolerance: how many, by how much, which candidates would do.
    solution_digest : str or None
        SHA-256 of the subset sums' masks, errors, bounds and statuses; None in certificates of version
        0.1.0, which do not say.
    exact : dict or None
        Of a network that equals the target rounded to multiples of 2^-s_l: ``bits``, the s_l; ``inputs``, for
        which real x; ``layouts`` and ``ends``, how each target layer is represented and by which 2^-s its
        last random layer is scaled; ``held``, for each, the largest W such that the same random layers hold
        every integer layer of weights up to W, 0 for none. Where it is there, ``slack`` is k: the weights are
        not the nearest multiples, but those within k + 1/2 units that need the fewest edges; and ``outputs``
        is t: g's outputs are 2^t times as large, and 2^-t g is what is compared with f.
    structure : str or None
        What the masks remove as a whole: "filters" or "kernels"; None where they remove any entries.

    """

    FORMAT: ClassVar[str] = FORMAT
    SEMANTICS: ClassVar[str] = SEMANTICS
    _KINDS: ClassVar[_Kinds] = _KINDS

    random_digest: str
    masks_digest: str
    seed: int | None
    recipe: dict[str, Any] | None
    construction: str
    candidates: int
    epsilon: float
    delta: float
    verified: bool
    counts: dict[str, int]
    status_counts: dict[str, int]
    shortfall: dict[str, Any] | None
    solution_digest: str | None = None
    exact: dict[str, Any] | None = None
    structure: str | None = None

    @property
    def output_exponent(self) -> int:
        """t: 2^-t g is compared with f.

        Raises
        ------
        CertificateFileError
            If what the certificate says there is no integer from -1074 to 1074.

        """
        found = 0 if self.exact is None else self.exact.get("outputs", 0)
        if type(found) is not int or abs(found) > _MOST_EXPONENT:
            raise CertificateFileError(f"the certificate's exact.outputs is {_shown(found)}, no exponent")
        return found

    @property
    def semantics(self) -> str:
        """What is claimed, in a sentence."""
        return SCALED_SEMANTICS if self.output_exponent else SEMANTICS

    def _rows(self) -> list[tuple[str, object]]:
        drawn = "a random network that was given" if self.seed is None else f"seed {self.seed}"
        counts = {name: f"{number:,}" for name, number in self.counts.items()}
        return [
            ("construction", f"{self.construction}, {self.candidates} candidates, {drawn}"),
            *super()._rows(),
            ("weights of f", counts.get("weights", "-")),
            ("random parameters", counts.get("random_parameters", "-")),
            ("kept parameters", counts.get("kept_parameters", "-")),
        ]

    def _said(self) -> dict[str, Any]:
        said = super()._said()
        return {name: value for name, value in said.items() if name not in _LATER or value is not None}

    @classmethod
    def _of_any_release(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**dict.fromkeys(_LATER), **values}


def _other_kind(page: Any) -> str:
    """Say what a page is where it is a certificate of the other kind."""
    found = page.get("format") if isinstance(page, dict) else None
    ways = {
        FORMAT: "it is a ticket's: verify its folder",
        PAIR_FORMAT: "it is about two network files: verify F G --check it",
    }
    return f"; {ways[found]}" if found in (FORMAT, PAIR_FORMAT) else ""


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
