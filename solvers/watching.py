"""One long solve() watched from outside: what it reports while it runs, and an event that ends it."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from solvers.errors import InvalidProblemError
from solvers.exact import float_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from solvers.interrupts import Interruption
    from solvers.solution import Solution

_EVERY = 0.5  # seconds between two reports
_LOOK = 0.02  # and between two looks at an event


class Watch:
    """What is known so far, for those who watch."""

    def __init__(self) -> None:
        self.best: Solution | None = None

    def see(self, best: Solution) -> None:
        """Take note of the best answer so far."""
        self.best = best


def checked_watchers(progress: Any, cancel: Any) -> tuple[Callable[[float, Any], object] | None, Any]:
    """Return how to report (None: not at all) and the event; InvalidProblemError for anything else."""
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        raise InvalidProblemError(f"cancel must be an event such as threading.Event, got {cancel!r}")
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InvalidProblemError(
            f"progress must be True, False or callable(seconds, best), got {progress!r}"
        )
    return (_print if progress is True else progress or None), cancel


@contextmanager
def watched(
    watch: Watch, report: Callable[[float, Any], object] | None, cancel: Any, interruption: Interruption
) -> Iterator[None]:
    """Report, and set the interruption once the event is set, as long as the context lasts.

    An exception of ``report`` ends the search, and is raised when the context ends.
    """
    if report is None and cancel is None:
        yield
        return
    if cancel is not None and cancel.is_set():
        interruption.set()
    over, failed, begun = threading.Event(), [], monotonic()

    def run() -> None:
        due = begun + _EVERY
        while not over.wait(_LOOK if cancel is not None else _EVERY):
            if cancel is not None and cancel.is_set():
                interruption.set()
                return
            if report is not None and monotonic() >= due:
                due = monotonic() + _EVERY
                try:
                    report(monotonic() - begun, watch.best)
                except BaseException as error:  # noqa: BLE001 - raised where the call was made
                    failed.append(error)
                    interruption.set()
                    return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]
    if report is not None:
        report(monotonic() - begun, watch.best)


def _print(seconds: float, best: Solution | None) -> None:
    found = "no subset yet"
    if best is not None and best.error is not None:
        found = f"error {float_up(best.error):.3g}, {best.size} items, {best.status.name}"
    sys.stderr.write(f"{seconds:.1f} s: {found}\n")
