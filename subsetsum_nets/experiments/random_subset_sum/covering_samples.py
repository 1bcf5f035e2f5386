"""Samples of random subset-sum problems: their covering radii and nearest errors, in parallel and resumable.

Sample s of n items is drawn from ``SeedSequence(seed, spawn_key=(n, s))``, items first and then a target, so
that no sample depends on how many there are, on chunks or on who works on them.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import Status, covering_radius, solve_many
from solvers.batch.checkpoint import Checkpoint
from solvers.batch.progress import Progress
from solvers.batch.rows import Answers
from solvers.exact import float_down, float_up
from subsetsum_nets.networks.arguments import checked_integer, checked_number
from subsetsum_nets.theory.random_subset_sum import ItemLaw, item_law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from subsetsum_nets.theory.random_subset_sum import Sampler

    Floats = NDArray[np.float64]

MOST_ITEMS = 40
_MOST_SAMPLES = 10**7
_CHUNK_WORK = 1 << 28  # subset sums a chunk: about a second
_MOST_CHUNK = 512


@dataclass(frozen=True)
class SampleDesign:
    """What is sampled."""

    law: ItemLaw
    sizes: tuple[int, ...]  # the numbers n of items, ascending
    samples: int  # problems of each size
    seed: int
    low: float = -0.5  # low to high: the interval of targets
    high: float = 0.5

    @classmethod
    def checked(
        cls,
        law: str | Sampler | ItemLaw,
        sizes: Iterable[int],
        samples: int,
        seed: int,
        low: float = -0.5,
        high: float = 0.5,
    ) -> SampleDesign:
        """Return the design, or raise ValueError naming what is out of range."""
        listed = list(sizes)
        if not listed:
            raise ValueError("sizes must be at least one number of items, got none")
        ascending = tuple(sorted({checked_integer(n, "each of sizes", 1, MOST_ITEMS) for n in listed}))
        count = checked_integer(samples, "samples", 1, _MOST_SAMPLES)
        top = checked_number(high, "high", -np.inf, np.inf, "()")
        low = checked_number(low, "low", -np.inf, top, "()")
        return cls(item_law(law), ascending, count, checked_integer(seed, "seed", 0), low, top)

    def draw(self, n: int, first: int, last: int) -> tuple[Floats, Floats]:
        """Return items (last - first, n) and targets (last - first,) of samples first..last - 1.

        Examples
        --------
        >>> design = SampleDesign.checked("uniform", [5], 10, seed=0)
        >>> bool((design.draw(5, 2, 4)[0] == design.draw(5, 0, 10)[0][2:4]).all())
        True

        """
        items, targets = np.empty((last - first, n)), np.empty(last - first)
        for row, sample in enumerate(range(first, last)):
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(n, sample)))
            items[row] = self.law.draw(rng, n)
            targets[row] = rng.uniform(self.low, self.high)
        return items, targets

    def to_json(self) -> dict[str, Any]:
        """Return everything the samples depend on; of a user's law, its name."""
        return {
            "law": self.law.name,
            "sizes": list(self.sizes),
            "samples": self.samples,
            "seed": self.seed,
            "low": self.low,
            "high": self.high,
        }

    def chunks(self, n: int) -> Iterator[tuple[int, int]]:
        """Cut the samples of one size into pieces of about a second."""
        step = max(1, min(_MOST_CHUNK, _CHUNK_WORK >> n))
        for first in range(0, self.samples, step):
            yield first, min(self.samples, first + step)


def covering_radii(
    design: SampleDesign,
    *,
    folder: Path | None = None,
    processes: int | None = 1,
    progress: bool | Callable[[int, Any], object] = False,
) -> dict[int, Floats]:
    """Return the exact covering radius of every sample, each rounded up to the next float64.

    A radius is at most a float64 epsilon exactly if its rounded value is, so no comparison is lost.

    Parameters
    ----------
    design : SampleDesign
    folder : Path, optional
        Keeps finished chunks; the same call, or one with more samples or sizes, goes on from them.
    processes : int or None
        None for one a core. More than one need the script that calls to be importable, as
        :mod:`multiprocessing` says (``if __name__ == "__main__":``).
    progress : bool or callable(done, total)

    Returns
    -------
    dict
        n to a float64 array of shape (samples,).

    Raises
    ------
    ValueError
        If the folder holds chunks of another design.
    UnsupportedProblemError
        If a sample has items too mixed in magnitude for exact covering radii.

    Examples
    --------
    >>> radii = covering_radii(SampleDesign.checked("uniform", [4, 12], 20, seed=0))
    >>> bool(np.median(radii[12]) < np.median(radii[4]) / 8)
    True

    """
    workers = os.cpu_count() or 1 if processes is None else checked_integer(processes, "processes")
    radii = {n: np.full(design.samples, np.nan) for n in design.sizes}
    done = 0
    with Progress(progress, design.samples * len(design.sizes)) as shown:
        for n, first, last, values in _answered(design, folder, workers):
            radii[n][first:last] = values
            done += last - first
            shown.advance(done, float(np.nanmax(radii[n])))
    return radii


def _answered(
    design: SampleDesign, folder: Path | None, workers: int
) -> Iterator[tuple[int, int, int, Floats]]:
    """Yield (n, first, last, radii) of every chunk: kept ones first within each size, then computed ones."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers > 1 else None
    try:
        for n in design.sizes:
            kept = None if folder is None else _checkpoint(design, n, folder)
            waiting: dict[Any, tuple[int, int, str]] = {}
            for first, last in design.chunks(n):
                items = design.draw(n, first, last)[0]
                digest = hashlib.sha256(items.tobytes()).hexdigest()
                stored = None if kept is None else kept.read(first, last, 1, digest)
                if stored is not None:
                    yield n, first, last, stored.errors
                elif pool is None:
                    answers = _radii_of(items, design.low, design.high)
                    if kept is not None:
                        kept.write(first, last, answers, digest)
                    yield n, first, last, answers.errors
                else:
                    future = pool.submit(_radii_of, items, design.low, design.high)
                    waiting[future] = first, last, digest
            for future in as_completed(waiting):
                first, last, digest = waiting[future]
                answers = future.result()
                if kept is not None:
                    kept.write(first, last, answers, digest)
                yield n, first, last, answers.errors
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _radii_of(items: Floats, low: float, high: float) -> Answers:
    """Return the radii in the form that checkpoints keep: rounded up as errors, down as lower bounds."""
    exact = [covering_radius(row, low, high).radius for row in items]
    return Answers(
        np.zeros((len(exact), 1), dtype=bool),
        np.array([float_up(radius) for radius in exact]),
        np.array([float_down(radius) for radius in exact]),
        np.full(len(exact), Status.OPTIMAL, dtype=np.uint8),
    )


def _checkpoint(design: SampleDesign, n: int, folder: Path) -> Checkpoint:
    page = {**design.to_json(), "sizes": n, "samples": "any", "kind": "covering radius"}
    digest = hashlib.sha256(json.dumps(page, sort_keys=True).encode()).hexdigest()
    return Checkpoint.open(folder / f"covering-{n}", digest, None, 1)


def nearest_errors(
    design: SampleDesign,
    *,
    folder: Path | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, Any], object] = False,
) -> dict[int, Floats]:
    """Return the proven error of the nearest subset to every sample's own random target, rounded up.

    As :func:`covering_radii`, with :func:`solvers.solve_many`'s checkpoints and threads.

    Examples
    --------
    >>> errors = nearest_errors(SampleDesign.checked("uniform", [4, 16], 50, seed=0))
    >>> bool(errors[16].mean() < errors[4].mean() / 100)
    True

    """
    errors = {}
    for n in design.sizes:
        items, targets = design.draw(n, 0, design.samples)
        checkpoint = None if folder is None else folder / f"nearest-{n}-of-{design.samples}"
        batch = solve_many(items, targets, threads=threads, checkpoint=checkpoint, progress=progress)
        if (batch.status != Status.OPTIMAL).any():
            raise RuntimeError(
                f"{(batch.status != Status.OPTIMAL).sum()} nearest subsets of {n} items unproven"
            )
        errors[n] = batch.errors
    return errors
