"""The norms of outputs in which networks are compared, by name."""

from __future__ import annotations

NORMS = ("l2", "linf", "l1")


def check_norm(norm: str) -> None:
    """Raise ValueError unless ``norm`` is one of NORMS."""
    if norm not in NORMS:
        raise ValueError(f"unknown norm {norm!r}; available are {', '.join(NORMS)}")
