"""Stages of a long call: what is being done, and for how long; told to those who watch, and to the log.

Logger "subsetsum_nets" has a line of level INFO for each stage that ends.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

StageName = Literal[
    "planning", "drawing", "solving", "masking", "verifying", "attack", "replaying", "certifying", "writing"
]
_LOG = logging.getLogger("subsetsum_nets")
_WATCHERS: ContextVar[tuple[Callable[[Stage], object], ...]] = ContextVar("watchers", default=())


@dataclass(frozen=True)
class Stage:
    """A stage that begins, or one that has ended.

    Attributes
    ----------
    name : str
        "planning", "drawing", "solving", "masking", "verifying", "attack", "replaying", "certifying" or
        "writing"; further rounds of :func:`~subsetsum_nets.prune` go through them again.
    detail : str
        Of "verifying", the method asked; else empty.
    seconds : float or None
        What it took; None where it begins.

    """

    name: StageName
    detail: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        text = f"{self.name} ({self.detail})" if self.detail else self.name
        return text if self.seconds is None else f"{text}: {self.seconds:.2f} s"


@contextmanager
def stage(name: StageName, detail: str = "") -> Iterator[None]:
    """Say that a stage begins, and when the context is left without an error that it has ended."""
    _tell(Stage(name, detail))
    begun = perf_counter()
    yield
    ended = Stage(name, detail, perf_counter() - begun)
    _LOG.info("%s", ended)
    _tell(ended)


@contextmanager
def stages_told_to(*watchers: Callable[[Stage], object] | None) -> Iterator[None]:
    """Tell the stages of all calls within the context to these, too; None stands for no one."""
    given = tuple(each for each in watchers if each is not None)
    for each in given:
        if not callable(each):
            raise TypeError(f"on_stage must be callable, got {each!r}")
    token = _WATCHERS.set((*_WATCHERS.get(), *given))
    try:
        yield
    finally:
        _WATCHERS.reset(token)


def _tell(said: Stage) -> None:
    for watcher in _WATCHERS.get():
        watcher(said)
