"""Samples of random vector subset-sum problems: nearest errors of k-subsets, and exact counts T.

Sample s of n vectors of dimension d comes from ``SeedSequence(seed, spawn_key=(d, n, s))``: none depends on
how many there are. One nearest error, which is proven, says for every epsilon whether a subset hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import Status, SubsetSum, count, solve_many
from subsetsum_nets.networks.arguments import checked_integer, checked_number
from subsetsum_nets.theory.vector_laws import VectorLaw, vector_law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_VECTORS = 40
_MOST_DIMENSION = 12
_MOST_SAMPLES = 10**6
_FARTHEST = 1e6


@dataclass(frozen=True)
class VectorDesign:
    """What is sampled: for each dimension and each n, so many problems of one law."""

    law: VectorLaw
    dimensions: tuple[int, ...]
    kept: int  # k, the size of the subsets
    sizes: tuple[int, ...]  # the numbers n of vectors, ascending
    samples: int
    coordinate: float  # of the target, all alike
    seed: int

    @classmethod
    def checked(
        cls,
        law: str,
        dimensions: Iterable[int],
        kept: int,
        sizes: Iterable[int],
        samples: int,
        coordinate: float,
        seed: int,
    ) -> VectorDesign:
        """Return the design, or raise ValueError naming what is out of range."""
        k = checked_integer(kept, "kept", 1, MOST_VECTORS)
        ascending = tuple(sorted({checked_integer(n, "each of sizes", k, MOST_VECTORS) for n in sizes}))
        wide = tuple(
            sorted({checked_integer(d, "each of dimensions", 1, _MOST_DIMENSION) for d in dimensions})
        )
        if not ascending or not wide:
            raise ValueError("there must be at least one number of vectors and one dimension, got none")
        return cls(
            vector_law(law),
            wide,
            k,
            ascending,
            checked_integer(samples, "samples", 1, _MOST_SAMPLES),
            checked_number(coordinate, "coordinate", -_FARTHEST, _FARTHEST),
            checked_integer(seed, "seed", 0),
        )

    def target(self, dimension: int) -> Floats:
        """Return the target, shape (d,)."""
        return np.full(dimension, self.coordinate)

    def draw(self, dimension: int, n: int) -> Floats:
        """Return the vectors of all samples, shape (samples, n, d).

        Examples
        --------
        >>> few, many = (VectorDesign.checked("nsn", [2], 2, [5], m, 0.0, 0) for m in (3, 9))
        >>> bool((few.draw(2, 5) == many.draw(2, 5)[:3]).all())
        True

        """
        keys = ((dimension, n, sample) for sample in range(self.samples))
        seeds = (np.random.SeedSequence(self.seed, spawn_key=key) for key in keys)
        return np.stack([self.law.draw(np.random.default_rng(one), n, dimension) for one in seeds])

    def to_json(self) -> dict[str, Any]:
        """Return all that the samples depend on, but for the law and k."""
        names = ("dimensions", "sizes", "samples", "coordinate", "seed")
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in names
        }


def nearest_errors(
    design: VectorDesign,
    *,
    folder: Path | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, Any], object] = False,
) -> dict[tuple[int, int], Floats]:
    """Return, for each (d, n), the proven max-norm error of the nearest k-subset in every sample, rounded up.

    Examples
    --------
    >>> errors = nearest_errors(VectorDesign.checked("nsn", [2], 3, [6, 14], 30, 0.25, 0), threads=1)
    >>> bool(np.median(errors[2, 14]) < np.median(errors[2, 6]) / 2)
    True

    """
    errors = {}
    for d in design.dimensions:
        for n in design.sizes:
            items, targets = design.draw(d, n), np.tile(design.target(d), (design.samples, 1))
            kept = (
                None
                if folder is None
                else folder / f"{design.law.name}-{design.kept}-of-{n}-{d}-{design.samples}"
            )
            batch = solve_many(
                items if d > 1 else items[:, :, 0],
                targets if d > 1 else targets[:, 0],
                cardinality=design.kept,
                threads=threads,
                checkpoint=kept,
                progress=progress,
            )
            if (batch.status != Status.OPTIMAL).any():
                unproven = int((batch.status != Status.OPTIMAL).sum())
                raise RuntimeError(f"{unproven} nearest {design.kept}-subsets of {n} vectors unproven")
            errors[d, n] = batch.errors
    return errors


def subset_sum_numbers(design: VectorDesign, dimension: int, n: int, epsilon: float) -> NDArray[np.int64]:
    """Return T of every sample, exactly: Definition 6 of da Cunha et al. (2023).

    Examples
    --------
    >>> design = VectorDesign.checked("nsn", [1], 2, [4], 5, 0.0, 0)
    >>> subset_sum_numbers(design, 1, 4, 1e6).tolist()  # all binom(4, 2) of them
    [6, 6, 6, 6, 6]

    """
    target = design.target(dimension)
    problems = (
        SubsetSum(
            vectors if dimension > 1 else vectors[:, 0],
            target if dimension > 1 else target[0],
            tolerance=epsilon,
            cardinality=design.kept,
        )
        for vectors in design.draw(dimension, n)
    )
    return np.array([count(problem) for problem in problems], dtype=np.int64)
