"""What a backend is: it says what it accepts, and returns a finding that is checked before it is believed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from solvers.solution import Proof

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def share(self, seconds: float | None) -> Limits:
        """Return the same limits, started now, with at most this much of the time that is left."""
        left = [s for s in (seconds, self.remaining) if s is not None]
        return replace(self, seconds=min(left, default=None), started=monotonic())

    @property
    def bytes_allowed(self) -> int:
        """Bytes that one call may take: the memory limit, or 4 GiB without one."""
        return 4 << 30 if self.memory is None else self.memory

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.remaining == 0.0


@dataclass(frozen=True)
class Finding:
    """What a backend found: a subset and the bounds it claims.

    ``lower_bound`` and ``size_bound`` mean what they mean in :class:`~solvers.solution.Solution`.
    ``optimal_within_resolution``: with Proof.TOLERANCE, that nothing is better than the subset by more than
    the resolution.
    """

    subset: list[int] | None
    lower_bound: Fraction = Fraction(0)
    size_bound: int = 0
    proof: Proof = Proof.EXACT
    resolution: float = 0.0
    message: str = ""
    optimal_within_resolution: bool = False


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


@runtime_checkable
class Enumerator(Backend, Protocol):
    """A backend that can also count and list the subsets within a tolerance.

    ``above`` and ``reach`` are whole units of the problem's image: meant are the subsets of an allowed
    cardinality with ``above < error <= reach``; ``above`` = -1 leaves none out. The problem's own tolerance
    plays no part.
    """

    def enumeration_refusal(self, problem: SubsetSum, limits: Limits) -> str | None:
        """Return why the backend cannot count or list the subsets of this problem, or None when it can."""

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Return their number, exactly."""

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield each of them once, as sorted indices, in any order, without holding all of them at once."""
