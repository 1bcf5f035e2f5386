"""What verification returns: plain frozen records."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from subsetsum_nets.rounding import upper
from subsetsum_nets.shown import bounds_figure, bracket, finite, panel, shown_domain, verdict

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.records import Record

GAP = 1e-6  # what counts as exact: upper / lower - 1


@dataclass(frozen=True)
class LayerBound:
    """What a method proved about one layer of the target.

    Parameters
    ----------
    index : int
        The layer of the target, from 0.
    weight_error : float or None
        Upper bound of the largest error of an effective weight or bias that some input makes count (an error
        on negative inputs does not where all are >= 0); None where the method does not look at weights.
    deviation_before, deviation_after : float
        Upper bounds of the deviation of g from f before and after the ReLU: in l2 for "norms", of the unit
        that deviates most for every other method.

    """

    index: int
    weight_error: float | None
    deviation_before: float
    deviation_after: float


@dataclass(frozen=True, eq=False)
class LowerBound:
    """Proven: ``||f(witness) - g(witness)|| >= lower``, rounded down."""

    lower: float
    witness: FloatArray


@dataclass(frozen=True)
class MethodBound:
    """What a method proves: ``upper``, rounded up, and one :class:`LayerBound` per layer examined.

    ``record`` holds the method's free choices, from which the bound is replayed; None where it has none, or a
    search was not asked to keep them.
    """

    upper: float
    layers: tuple[LayerBound, ...]
    record: Record | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Bracket(MethodBound, LowerBound):
    """What an anytime method proves, from both sides.

    Attributes
    ----------
    nodes : int
        Parts bounded, or linear programs solved.
    history : tuple of (seconds, upper)
        How the bound fell, where that was noted.

    """

    nodes: int
    history: tuple[tuple[float, float], ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the two bounds meet to six digits."""
        return self.upper <= self.lower * (1.0 + GAP)


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """What is proven about sup ||f(x) - g(x)|| over a domain.

    f and g are the real-arithmetic functions with exactly the stored weights.

    Attributes
    ----------
    upper : float
        Proven: ``||f(x) - g(x)|| <= upper`` for every x of the domain. Rounded up; inf when float64
        overflowed.
    lower : float
        Proven: ``||f(witness) - g(witness)|| >= lower``. Rounded down.
    witness : array, shape (d_0,)
        A point of the domain, read-only.
    method : str
        The method that gave ``upper``.
    verified : bool or None
        Whether ``upper <= epsilon``; None when there is no ``epsilon``.
    falsified : bool or None
        Whether ``lower > epsilon``; None when there is no ``epsilon``.
    layers : tuple of LayerBound
    seconds : float
        Wall time.
    domain, norm, epsilon
        As asked; where nothing was said, as the ticket's certificate says.
    replayed : float or None
        ``upper`` once more, computed in exact arithmetic and rounded up, where that was asked for; never
        above ``upper``.

    """

    upper: float
    lower: float
    witness: FloatArray
    method: str
    verified: bool | None
    falsified: bool | None
    layers: tuple[LayerBound, ...]
    seconds: float
    domain: Domain
    norm: str
    epsilon: float | None
    replayed: float | None = None

    def __repr__(self) -> str:
        said = bracket(self.lower, self.upper, self.norm, self.epsilon)
        decided = verdict(self.verified, self.falsified, self.epsilon)
        return f"VerificationResult({said}, {self.method}, {shown_domain(self.domain)}, {decided})"

    def _repr_html_(self) -> str:
        """Return verdict, figure and table for notebooks; bounds are rounded outward."""
        exact = [] if self.replayed is None else [("in exact arithmetic", upper(self.replayed))]
        rows: list[tuple[str, object]] = [
            ("proven", bracket(self.lower, self.upper, self.norm, self.epsilon)),
            *exact,
            ("method", self.method),
            ("domain", shown_domain(self.domain)),
            ("seconds", f"{self.seconds:.3g}"),
        ]
        figure = bounds_figure(self.lower, self.upper, self.epsilon)
        return panel("VerificationResult", verdict(self.verified, self.falsified, self.epsilon), figure, rows)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``json.dumps`` takes it; an infinite bound is None."""
        return {
            "upper": finite(self.upper),
            "lower": finite(self.lower),
            "witness": self.witness.tolist(),
            "method": self.method,
            "verified": self.verified,
            "falsified": self.falsified,
            "layers": [
                {name: finite(value) for name, value in asdict(layer).items()} for layer in self.layers
            ],
            "seconds": self.seconds,
            "domain": self.domain.to_json(),
            "norm": self.norm,
            "epsilon": self.epsilon,
            "replayed": finite(self.replayed),
        }
