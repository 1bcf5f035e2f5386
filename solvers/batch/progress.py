"""What a long run shows of itself: rows done, rate, time left, and the worst error so far."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """Shows progress as asked: a bar on stderr, a callable, or nothing. A context manager."""

    def __init__(self, shown: bool | Callable[[int, Any], object], total: int | None) -> None:
        self.shown: bool | Callable[[int, Any], object] = shown
        self.total: int | None = total
        self.bar: Any = None
        self.start: float = monotonic()
        self.resumed: int = -1

    def __enter__(self) -> Self:
        if self.shown is True:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                TextColumn("subset sums"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[worst]}"),
                console=Console(stderr=True),
            )
            self.bar.start()
            self.task: Any = self.bar.add_task("rows", total=self.total, rate="", worst="")
        return self

    def advance(self, done: int, worst: float) -> None:
        """Show the number of rows done and the largest error among them."""
        if self.resumed < 0:  # rows that a checkpoint answered say nothing about the rate
            self.resumed = done
        if self.bar is not None:
            rate = (done - self.resumed) / max(monotonic() - self.start, 1e-9)
            self.bar.update(
                self.task, completed=done, rate=f"{rate:,.0f} rows/s", worst=f"worst error {worst:.3g}"
            )
        elif callable(self.shown):
            self.shown(done, self.total)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
