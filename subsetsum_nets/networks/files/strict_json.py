"""JSON from files of strangers: no key twice, nothing nested without end; every fault is a ValueError."""

from __future__ import annotations

import json
from typing import Any


def strict_json(content: bytes) -> Any:
    """Return what a JSON text holds.

    Raises
    ------
    ValueError
        If it is no JSON, nested too deeply, or gives a key of an object twice: readers would differ on it.

    """
    try:
        return json.loads(content, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    page = dict(pairs)
    if len(page) != len(pairs):
        twice = next(key for key in page if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"it gives {twice[:60]!r} more than once")
    return page
