"""What verification returns: plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.records import MilpProof, SplitProof


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
        Upper bounds of the deviation of g from f before and after the ReLU: of the largest unit
        for "differential" and "interval", in l2 for "norms".

    """

    index: int
    weight_error: float | None
    deviation_before: float
    deviation_after: float


@dataclass(frozen=True)
class MethodBound:
    """What a method proves: ``upper``, rounded up, and one :class:`LayerBound` per layer examined.

    A search that is to be replayed adds its ``proof``.
    """

    upper: float
    layers: tuple[LayerBound, ...]
    proof: SplitProof | MilpProof | None = None


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
    verified : bool
        True when an ``epsilon`` was given and ``upper <= epsilon``.
    falsified : bool
        True when an ``epsilon`` was given and ``lower > epsilon``.
    layers : tuple of LayerBound
    seconds : float
        Wall time.
    domain, norm, epsilon
        As asked.
    replayed : float or None
        ``upper`` once more, computed in exact arithmetic and rounded up, where that was asked for; never
        above ``upper``.

    """

    upper: float
    lower: float
    witness: FloatArray
    method: str
    verified: bool
    falsified: bool
    layers: tuple[LayerBound, ...]
    seconds: float
    domain: Domain
    norm: str
    epsilon: float | None
    replayed: float | None = None
