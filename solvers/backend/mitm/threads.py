"""Jobs in threads, and what they return in the order of the jobs."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

Result = TypeVar("Result")


def in_order(
    function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], threads: int
) -> Iterator[Result]:
    """Call a function with the arguments of every job; few results are held at a time."""
    if min(threads, len(jobs)) <= 1:
        yield from (function(*job) for job in jobs)
        return
    executor = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(executor.submit(function, *job))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # on Ctrl-C, or when no one wants more, not even jobs that have not begun
        executor.shutdown(cancel_futures=True)
