"""What a process says when it compiles kernels: once, to the log and to whoever listens.

The machine code is kept, so that only the first run on a machine, or after an upgrade, has to.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOG = logging.getLogger("solvers")
TEXT = "compiling kernels for this machine: some ten seconds, once; later runs find them kept"
_listeners: list[Callable[[str], object]] = []
_said: list[str] = []


@contextmanager
def compiling_told_to(listener: Callable[[str], object]) -> Iterator[None]:
    """Tell ``listener``, and no other, for as long as the context lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def say_that_kernels_are_compiled() -> None:
    """Say it where it has not been said."""
    if _said:
        return
    _said.append(TEXT)
    _LOG.info(TEXT)
    for listener in _listeners[-1:]:
        listener(TEXT)
