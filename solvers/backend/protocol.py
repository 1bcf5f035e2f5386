"""What a backend is: it says what it accepts, and returns a finding that is checked before it is believed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from solvers.arguments import count_or_none, seconds_or_none, whole_number
from solvers.interrupts import Interruption
from solvers.solution import Proof, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

Thing = TypeVar("Thing")


class OutOfTimeError(TimeoutError):
    """The time limit was reached; the progress of the limits says how far the search got."""


@dataclass
class Progress:
    """What share of a search is done, and how many subsets it counted where it counts one after the other."""

    share: float = 0.0
    counted: int = 0


_A_LOOK = 1e-4
_A_BLOCK = 0.02  # seconds
_LONGEST = 1e9  # seconds: some decades, which clocks and locks still take
_MOST_THREADS = 64  # more than there are cores do not help, and thousands are refused by the system


class WorkClock:
    """Seconds of work done, by estimate: the same ones whatever else the machine does.

    Those that know what a step costs tell it, and a look at it is taken for a little work.
    """

    def __init__(self) -> None:
        self.done: float = 0.0

    def __call__(self) -> float:
        """Return the time by this clock."""
        self.done += _A_LOOK
        return self.done


@dataclass(frozen=True)
class Limits:
    """Resources of one call.

    ``seconds`` None means no limit, by a ``clock`` that began at ``started``; ``memory`` in bytes;
    ``threads`` None means what the backend thinks best; ``progress`` is written by those that count. After
    an ``interruption`` the time is up. ``start`` is a subset of an allowed size to start from.
    """

    seconds: float | None = None
    memory: int | None = None
    threads: int | None = None
    seed: int = 0
    started: float = field(default_factory=monotonic)
    clock: Callable[[], float] = monotonic
    progress: Progress = field(default_factory=Progress)
    interruption: Interruption = field(default_factory=Interruption)
    start: tuple[int, ...] | None = None

    @classmethod
    def checked(cls, time_limit: Any, memory_limit: Any = None, threads: Any = None, seed: Any = 0) -> Self:
        """Return the limits of one call, started now; InvalidProblemError for values that make no sense."""
        memory, cores = count_or_none(memory_limit, "memory_limit"), count_or_none(threads, "threads")
        seconds = seconds_or_none(time_limit)
        return cls(
            None if seconds is None else min(seconds, _LONGEST),
            memory,
            None if cores is None else min(cores, max(_MOST_THREADS, 4 * (os.cpu_count() or 1))),
            whole_number(seed, "seed", 0),
        )

    @property
    def remaining(self) -> float | None:
        """Seconds left, at least 0; None without a limit."""
        if self.interruption.is_set:
            return 0.0
        return None if self.seconds is None else max(0.0, self.seconds - (self.clock() - self.started))

    def share(self, seconds: float | None) -> Limits:
        """Return the same limits, started now, with at most this much of the time that is left.

        Without a time limit these are seconds of work (see :class:`WorkClock`), so that no answer depends on
        the clock.
        """
        if self.seconds is None and seconds is not None:
            return replace(self, seconds=seconds, started=0.0, clock=WorkClock())
        left = [s for s in (seconds, self.remaining) if s is not None]
        return replace(self, seconds=min(left, default=None), started=self.clock())

    @property
    def timed(self) -> bool:
        """Whether there is a time limit by the clock, and not one of work."""
        return self.seconds is not None and not isinstance(self.clock, WorkClock)

    def spend(self, seconds: float) -> None:
        """Count work that takes about so many seconds, where work is counted."""
        if isinstance(self.clock, WorkClock):
            self.clock.done += seconds

    def allow(self, seconds: float) -> bool:
        """Tell whether a step that takes about so long, and cannot be stopped, may be begun."""
        return not self.timed or self.remaining is None or seconds <= self.remaining

    def check(self) -> None:
        """Raise OutOfTimeError if the time is up."""
        if self.expired:
            raise OutOfTimeError("time limit reached")

    def watched(self, things: Iterable[Thing], every: int = 64) -> Iterator[Thing]:
        """Yield things; check the time before ``every`` so many of them."""
        for number, thing in enumerate(things):
            if number % every == 0:
                self.check()
            yield thing

    def blocks(self, count: int, cost: float, most: float) -> Iterator[tuple[int, int]]:
        """Cut ``range(count)`` into blocks of a cost of at most ``most``, as long as there is time.

        The first ones are shorter: the time that they take may shorten those that follow.
        """
        size, first = max(1, int(most / cost / 8)), 0
        largest = max(1, int(most / cost))
        while first < count and not self.expired:
            begun, last = monotonic(), min(first + size, count)
            yield first, last
            seconds = (monotonic() - begun) / (last - first)  # each
            size = max(1, min(2 * size, largest, int(_A_BLOCK / max(seconds, 1e-9))))
            first = last

    @property
    def bytes_allowed(self) -> int:
        """Bytes that one call may take: the memory limit, or 4 GiB without one."""
        return 4 << 30 if self.memory is None else self.memory

    def shortage(self, needed: int, what: str) -> str | None:
        """Return that there is too little memory for what needs so many bytes, or None."""
        if needed <= self.bytes_allowed:
            return None
        return f"it needs about {needed} bytes for {what}, the memory limit is {self.bytes_allowed}"

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self.remaining == 0.0


@dataclass(frozen=True)
class Finding:
    """What a backend found: a subset and the bounds it claims.

    ``lower_bound`` and ``size_bound`` mean what they mean in :class:`~solvers.solution.Solution`.
    ``optimal_within_resolution``: with Proof.TOLERANCE, that nothing is better than the subset by more than
    the resolution. ``stop`` says why the search ended, if the bounds leave anything to be shown.
    """

    subset: list[int] | None
    lower_bound: Fraction = Fraction(0)
    size_bound: int = 0
    proof: Proof = Proof.EXACT
    resolution: float = 0.0
    message: str = ""
    optimal_within_resolution: bool = False
    stop: Stop = Stop.SEARCH_EXHAUSTED


class Backend(ABC):
    """A method for subset sum: a subclass says what it takes, and answers it.

    ``solvers/backend/TEMPLATE.py`` is one to copy. Everything but the name, the summary and :meth:`solve` has
    a default, which is the cautious one: "auto" asks a backend only for what it offers.

    Attributes
    ----------
    name : str
        What users call it; the registry knows it by this name.
    summary : str
        What it takes and how far its answers are proven, in one line.
    anytime : bool
        Whether it takes any time it is given, for better and better subsets: where no proof can be had in
        time, "auto" shares the time out among these.
    bounding : frozenset of objectives
        Those whose bounds it raises step by step, so that a proof that was cut short is worth something.

    """

    name: str
    summary: str
    anytime: bool = False
    bounding: frozenset[Objective] = frozenset()

    def missing(self) -> str | None:
        """Return how to install what the backend needs, or None when it is there."""
        return None

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:  # noqa: ARG002
        """Return why the backend cannot answer this, or None when it can."""
        return None

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Tell whether "auto" should ask it for an answer: not where another is known to do better."""
        return True

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float | None:  # noqa: ARG002
        """Estimate the time it takes to prove its answer in exact arithmetic; None: it proves nothing.

        In seconds on one core of a 2.5 GHz x86 machine, fitted to ``benchmarks/solvers.py``; what matters are
        the ratios. Asked before :meth:`refusal`, so it has to be quick, and about every problem.
        """
        return None

    @abstractmethod
    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer it, or raise UnsupportedProblemError when a closer look shows that it cannot."""


class Enumerator(Backend):
    """A backend that can also count and list the subsets within a tolerance.

    ``above`` and ``reach`` are whole units of the problem's image: meant are the subsets of an allowed
    cardinality with ``above < error <= reach``; ``above`` = -1 leaves none out. The problem's own tolerance
    plays no part. When the time is up both raise OutOfTimeError.

    Attributes
    ----------
    counts_copies_once : bool
        Whether, where the problem says of which item an item is a copy (``origins``), subsets that differ in
        nothing but the copy they take are counted and listed once.

    """

    counts_copies_once: bool = False

    def enumeration_refusal(self, problem: SubsetSum, limits: Limits) -> str | None:
        """Return why the backend cannot count or list the subsets of this problem, or None when it can."""
        return self.refusal(problem, "within", limits)

    @abstractmethod
    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Return their number, exactly."""

    @abstractmethod
    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield each of them once, as sorted indices, in any order, without holding all of them at once."""
