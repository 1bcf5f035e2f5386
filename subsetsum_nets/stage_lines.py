"""What a long call shows of itself on stderr: a line a stage with its time; a bar where the end is known."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from solvers.kernels.first_use import compiling_told_to
from subsetsum_nets.stages import Stage, stages_told_to

if TYPE_CHECKING:
    from collections.abc import Iterator

_BAR = 24  # characters
_LINES, _ASCII = "━─", "#."


@contextmanager
def shown_to_people(*, as_json: bool, time_limit: float | None = None) -> Iterator[StageLines | None]:
    """Show them as :func:`shown` does, but only on a terminal and not beside JSON."""
    if as_json or not sys.stderr.isatty():
        yield None
        return
    with shown(time_limit) as lines:
        yield lines


@contextmanager
def shown(time_limit: float | None = None) -> Iterator[StageLines]:
    """Show the stages of all calls within the context, and that kernels are compiled, if they are."""
    with StageLines(time_limit) as lines, stages_told_to(lines.see), compiling_told_to(lines.note):
        yield lines


class StageLines:
    """The lines; on a terminal the last one lives: time, bar, time left. A context manager.

    Parameters
    ----------
    time_limit : float, optional
        Seconds that "verifying" may take, for its bar.

    """

    def __init__(self, time_limit: float | None = None) -> None:
        self.time_limit: float | None = time_limit
        self._took: dict[str, float] = {}
        self._name: str = ""
        self._begun = monotonic()
        self._rows: tuple[int, int] | None = None
        self._counted = (0, 0.0)  # rows done when they were first counted, and when that was
        self._live: Any = None
        self._marks: str = _ASCII

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            screen = Console(stderr=True)
            self._marks = _ASCII if screen.options.ascii_only else _LINES
            self._live = Live(console=screen, get_renderable=self._line, refresh_per_second=5, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()
        if self._live is not None:
            self._live.stop()

    def see(self, said: Stage) -> None:
        """Show that a stage begins or has ended; several of one name are one line."""
        if said.name != self._name:
            self._finish()
            self._name, self._took = said.name, {}
        if said.seconds is None:
            self._begun, self._rows = monotonic(), None
        else:
            self._took[said.detail] = self._took.get(said.detail, 0.0) + said.seconds

    def rows(self, done: int, total: int | None) -> None:
        """Show how many subset sums are answered."""
        if self._rows is None:  # rows of a checkpoint, and compiling, say nothing about the rate
            self._counted = done, monotonic()
        self._rows = None if total is None else (done, total)

    def note(self, text: str) -> None:
        """Show a line that stays."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def _finish(self) -> None:
        if self._took:
            most = max(self._took, key=self._took.__getitem__)
            by = f"  ({most} {self._took[most]:.1f} s)" if len(self._took) > 1 else ""
            self.note(f"{self._name:<10} {sum(self._took.values()):7.1f} s{by}")
            self._took = {}

    def _line(self) -> Any:
        from rich.text import Text

        if not self._name:
            return Text("")
        seconds = monotonic() - self._begun
        return Text(f"{self._name:<10} {sum(self._took.values()) + seconds:7.1f} s{self._left(seconds)}")

    def _left(self, seconds: float) -> str:
        """Return a bar and the time left, where there is a way to tell."""
        if self._name == "solving" and self._rows is not None:
            (done, total), (first, since) = self._rows, self._counted
            left = (monotonic() - since) * (total - done) / (done - first) if done > first else None
            bar = _bar(done / max(total, 1), self._marks)
            return f"  {bar} {done:,} of {total:,} subset sums{_time_left(left)}"
        if self._name == "verifying" and self.time_limit is not None:
            share = min(1.0, seconds / self.time_limit)
            return f"  {_bar(share, self._marks)}{_time_left(max(0.0, self.time_limit - seconds))}"
        return ""


def _bar(share: float, marks: str) -> str:
    full = round(share * _BAR)
    return marks[0] * full + marks[1] * (_BAR - full)


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", {seconds:.0f} s left" if seconds < 120 else f", {seconds / 60:.0f} min left"
