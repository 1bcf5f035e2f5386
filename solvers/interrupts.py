"""Ctrl-C is heard at once, and what was running ends at its next look at the clock.

Python acts on a signal in the main thread, between two steps of its own: not while compiled code runs there,
which may turn KeyboardInterrupt into SystemError on its way out. So a call that may take long runs in a
thread, and the main thread waits. Calls from other threads run where they are; no signal reaches those.
"""

from __future__ import annotations

import contextvars
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

_GRACE = 0.3  # seconds that an interrupted call has to end by itself; then it is left to end on its own
_PATIENCE = 0.2  # seconds; on some systems a signal is acted on only between two waits


class Interruption:
    """Whether a call is to end early; set once, from any thread."""

    def __init__(self) -> None:
        self.is_set: bool = False
        self._told: list[Callable[[], object]] = []

    def set(self) -> None:
        """Let the call end, and tell those that cannot look for themselves."""
        self.is_set = True
        for tell in list(self._told):
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        """Call ``tell`` if the interruption comes within this context, or has come."""
        self._told.append(tell)
        try:
            if self.is_set:
                tell()
            yield
        finally:
            self._told.remove(tell)


def interruptible(call: Callable[[], Result], interruption: Interruption, *, brief: bool = False) -> Result:
    """Return what ``call`` returns; on Ctrl-C set the interruption and raise KeyboardInterrupt.

    ``brief``: it takes less time than it takes to start a thread.
    """
    if brief or threading.current_thread() is not threading.main_thread():
        with heard():
            return call()
    results: list[Result] = []
    errors: list[BaseException] = []
    over = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised where the call was made
            errors.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    try:
        thread.start()
        while not over.wait(_PATIENCE):
            pass
    except BaseException:  # Ctrl-C, or what a handler of the caller's raises
        interruption.set()
        over.wait(_GRACE)
        raise
    if errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # no cycle of the error, its traceback and this frame
    return results[0]


@contextmanager
def heard() -> Iterator[None]:
    """Raise KeyboardInterrupt where compiled code has made a SystemError of it."""
    try:
        yield
    except SystemError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise KeyboardInterrupt from None
