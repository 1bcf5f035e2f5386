"""Curves of Experiment 2 from the points of its JSON: accuracy over parameters kept, over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Point = Mapping[str, Any]
    Curve = list[tuple[float, float, float, float]]  # kept on average, worst, mean and best accuracy


def best_curve(points: Iterable[Point], structure: str) -> Curve:
    """Return edge-popup's curve: of each sparsity and seed the best of all numbers of epochs, as the paper.

    Points whose scores diverged have no accuracy and are left out.
    """
    best: dict[float, dict[int, tuple[int, float]]] = {}
    for point in points:
        if point["structure"] != structure or point["accuracy"] is None:
            continue
        seeds = best.setdefault(point["sparsity"], {})
        seed, reached = point["seed"], (point["kept"], point["accuracy"])
        seeds[seed] = max(seeds.get(seed, reached), reached, key=lambda pair: pair[1])
    return _sorted(list(seeds.values()) for seeds in best.values())


def compiled_curve(points: Iterable[Point], kind: str, redundancy: int | None, *, by: str) -> Curve:
    """Return the curve of exact subset sums over tolerances at one redundancy, or of nearest ones over it."""
    groups: dict[float, list[tuple[int, float]]] = {}
    for point in points:
        if point["structure"] != f"compiled-{kind}":
            continue
        nearest = point["tolerance"] is None
        if nearest == (by == "redundancy") and redundancy in (None, point["redundancy"]):
            groups.setdefault(point[by], []).append((point["kept"], point["accuracy"]))
    return _sorted(groups.values())


def at_share(points: Sequence[Point], structure: str, share: float) -> float | None:
    """Return edge-popup's mean accuracy at the sparsity that keeps this share, None if it was not run."""
    near = [point for point in points if abs(1 - point["sparsity"] - share) < 1e-9]
    curve = best_curve(near, structure)
    return curve[0][2] if curve else None


def _sorted(groups: Iterable[list[tuple[int, float]]]) -> Curve:
    curve = []
    for group in groups:
        kept, reached = zip(*group, strict=True)
        curve.append((sum(kept) / len(kept), min(reached), sum(reached) / len(reached), max(reached)))
    return sorted(curve)
