"""What a backend is: it says what it accepts, and returns a finding that is checked before it is believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from solvers.solution import Proof

if TYPE_CHECKING:
    from solvers.problem import SubsetSum
    from solvers.solution import Objective


@dataclass(frozen=True)
class Limits:
    """Resources of one call.

    ``seconds`` None means no limit; ``memory`` in bytes; ``threads`` None means what the backend thinks best.
    """

    seconds: float | None = None
    memory: int | None = None
    threads: int | None = None
    seed: int = 0
    started: float = field(default_factory=monotonic)

    @property
    def remaining(self) -> float | None:
        """Seconds left, at least 0; None without a limit."""
        return None if self.seconds is None else max(0.0, self.seconds - (monotonic() - self.started))

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.remaining == 0.0


@dataclass(frozen=True)
class Finding:
    """What a backend found: a subset and the bounds it claims.

    ``lower_bound`` and ``size_bound`` mean what they mean in :class:`~solvers.solution.Solution`.
    """

    subset: list[int] | None
    lower_bound: Fraction = Fraction(0)
    size_bound: int = 0
    proof: Proof = Proof.EXACT
    resolution: float = 0.0
    message: str = ""


class Backend(Protocol):
    """A method for subset sum."""

    name: str
    summary: str

    def missing(self) -> str | None:
        """Return how to install what the backend needs, or None when it is there."""

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why the backend cannot answer this, or None when it can."""

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer it."""
