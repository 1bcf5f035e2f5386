"""Experiment 2 of Pensia et al. (2020), section 5: edge-popup in structured and in wide random networks.

And what the paper left out: exact subset sums in the very same networks. Every point is kept as soon as it is
known, so that a run that was cut off goes on.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from subsetsum_nets.exchange import masks_from_scores, write_masks
from subsetsum_nets.experiments.experiment_2.compiled import compile_masks
from subsetsum_nets.experiments.experiment_2.popup import torch_here, train_scores
from subsetsum_nets.experiments.experiment_2.structures import STRUCTURES, draw_structure
from subsetsum_nets.experiments.experiment_2.targets import NETWORKS, make_target
from subsetsum_nets.experiments.run_folder import open_run, read_json, write_json
from subsetsum_nets.experiments.training import TrainingSettings
from subsetsum_nets.networks.arguments import checked_integer, checked_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike
    from pathlib import Path

    from subsetsum_nets.experiments.experiment_2.compiled import CompiledMasks
    from subsetsum_nets.experiments.experiment_2.structures import RandomStructure, Structure
    from subsetsum_nets.experiments.experiment_2.targets import Target
    from subsetsum_nets.experiments.images import Images

SPARSITIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99)
REDUNDANCIES = (5, 8, 15, 20)  # of exact subset sums, besides the one asked for
TOLERANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
MASKS = "masks"
PAPER: dict[str, Any] = {
    "networks": NETWORKS,
    "hidden": 500,
    "epochs": (10, 20, 30, 50, 100, 150),
    "sparsities": SPARSITIES,
}
"""The paper's settings, with the epochs of its program."""


@dataclass(frozen=True)
class Point:
    """A pruned network: what it keeps, and how well it does; without accuracy if its scores diverged."""

    structure: str
    network: str
    sparsity: float
    parameters: int
    kept: int
    accuracy: float | None
    best_accuracy: float | None
    epochs: int
    seed: int
    seconds: float
    redundancy: int | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Settings:
    """What is run; see :func:`run_experiment_2`."""

    networks: tuple[str, ...]
    hidden: int
    redundancy: int
    epochs: tuple[int, ...]
    sparsities: tuple[float, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Experiment2:
    """All points, and what they are of."""

    settings: Settings
    points: list[Point]
    about: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Return everything, JSON-able; points whose scores diverged are listed apart, too."""
        lost = [point for point in self.points if point.accuracy is None]
        return {
            **self.about,
            **asdict(self.settings),
            "points": [asdict(point) for point in self.points],
            "diverged": [asdict(point) for point in lost],
        }


def run_experiment_2(
    data: Images,
    folder: str | PathLike[str],
    *,
    networks: Sequence[str] = ("two-layer",),
    hidden: int = 100,
    redundancy: int = 5,
    epochs: Sequence[int] = (30,),
    sparsities: Sequence[float] = SPARSITIES,
    seed: int = 0,
    seeds: int = 1,
    threads: int | None = None,
    progress: Callable[[Point], object] | None = None,
) -> Experiment2:
    """Prune random networks by edge-popup and by exact subset sums, at many sizes.

    Experiment 2 of Pensia et al. (2020), section 5.

    Parameters
    ----------
    data : Images
    folder : path
        Keeps every point, and its masks in the folder ``masks``.
    networks : sequence of "two-layer", "four-layer" and "lenet5"
    hidden : int
        Units of each hidden layer of the first two.
    redundancy : int
        r, units an input in the structured networks.
    epochs : sequence of int
        Each number is a training of its own.
    sparsities : sequence of float
        In [0, 1).
    seed, seeds : int
        The first seed, and how many.
    threads : int, optional
        Of exact subset sums.
    progress : callable, optional
        Told every point.

    Raises
    ------
    ImportError
        If there is no torch.
    ValueError
        If a number is out of range, or the folder holds another run.
    FileExistsError, OSError
        If the folder holds anything else, or cannot be written to.

    """
    settings = _checked(networks, hidden, redundancy, epochs, sparsities, seed, seeds)
    torch = torch_here()
    question = {"data": data.digest(), **asdict(settings)}
    place = open_run(folder, "experiment-2", question)
    (place / "checkpoint").mkdir(exist_ok=True)
    (place / MASKS).mkdir(exist_ok=True)
    points = []
    for name in settings.networks:
        for each in settings.seeds:
            runner = _Runner(place, data, settings, name, each, threads)
            for point in runner.points():
                points.append(point)
                if progress is not None:
                    progress(point)
    about = {
        "data": data.name,
        "where": data.where,
        "source": data.source,
        "licence": data.licence,
        "data_digest": data.digest(),
        "train_images": len(data.train_labels),
        "test_images": len(data.test_labels),
        "torch": str(torch.__version__),
        "seed": settings.seeds[0],
    }
    return Experiment2(settings, points, about)


def _checked(
    networks: Sequence[str],
    hidden: int,
    redundancy: int,
    epochs: Sequence[int],
    sparsities: Sequence[float],
    seed: int,
    seeds: int,
) -> Settings:
    for name in networks:
        if name not in NETWORKS:
            raise ValueError(f"networks are {', '.join(NETWORKS)}, got {name!r}")
    for what, values in (("networks", networks), ("epochs", epochs), ("sparsities", sparsities)):
        if not values:
            raise ValueError(f"{what} must name at least one")
    first = checked_integer(seed, "seed", 0)
    return Settings(
        tuple(dict.fromkeys(networks)),
        checked_integer(hidden, "hidden", 1),
        checked_integer(redundancy, "redundancy", 1, 32),
        tuple(dict.fromkeys(checked_integer(number, "epochs", 1) for number in epochs)),
        tuple(dict.fromkeys(checked_number(share, "sparsity", 0.0, 1.0, "[)") for share in sparsities)),
        tuple(range(first, first + checked_integer(seeds, "seeds", 1))),
    )


class _Runner:
    """The points of one network and one seed; each is read from its file where it is there."""

    def __init__(
        self, place: Path, data: Images, settings: Settings, network: str, seed: int, threads: int | None
    ) -> None:
        self.place, self.data, self.settings = place, data, settings
        self.network, self.seed, self.threads = network, seed, threads
        self._target: Target | None = None

    def points(self) -> Iterator[Point]:
        """Yield all points, computing those that are not there yet."""
        asked = self.settings
        yield self._kept("baseline", self._baseline)
        for number in asked.epochs:
            for kind in STRUCTURES:
                for sparsity in asked.sparsities:
                    name = f"{kind}-e{number}-s{sparsity!r}"
                    yield self._kept(name, self._popup, kind, sparsity, number, name)
        for kind in STRUCTURES[:2]:
            for redundancy in sorted({asked.redundancy, *REDUNDANCIES}):
                name = f"compiled-{kind}-r{redundancy}"
                yield self._kept(name, self._compiled, kind, redundancy, None, name)
            for tolerance in TOLERANCES:
                name = f"compiled-{kind}-r{asked.redundancy}-t{tolerance!r}"
                yield self._kept(name, self._compiled, kind, asked.redundancy, tolerance, name)

    def _kept(self, name: str, compute: Callable[..., Point], *arguments: Any) -> Point:
        path = self.place / "checkpoint" / f"{self.network}-{name}-seed{self.seed}.json"
        stored = read_json(path)
        if stored is not None:
            return Point(**stored)
        began = time.perf_counter()
        point = replace(compute(*arguments), seconds=time.perf_counter() - began)
        write_json(path, asdict(point))
        return point

    @property
    def target(self) -> Target:
        """The trained network, made when it is needed first."""
        if self._target is None:
            settings = TrainingSettings(epochs=max(self.settings.epochs))
            self._target = make_target(self.network, self.data, self.settings.hidden, settings, self.seed)
        return self._target

    def _baseline(self) -> Point:
        target = self.target
        size, reached = target.baseline_parameters, target.baseline_accuracy
        epochs = target.settings.epochs
        return Point("baseline", self.network, 0.0, size, size, reached, reached, epochs, self.seed, 0.0)

    def _popup(self, kind: Structure, sparsity: float, epochs: int, name: str) -> Point:
        structure = draw_structure(kind, self.target.widths, self.settings.redundancy, self.seed)
        settings = replace(self.target.settings, epochs=epochs)
        found = train_scores(structure, sparsity, self.target.inputs, settings, self.seed)
        size, r = structure.parameters, self.settings.redundancy
        reached, best = None, None
        if found.diverged:  # such scores order nothing: any of that size tell how many would be kept
            masks = masks_from_scores(structure.weights, sparsity)
        else:
            masks = masks_from_scores(found.scores, sparsity, absolute=True)
            reached = self._accuracy(structure, masks, name)
            best = max(reached, found.best_accuracy)
        kept = sum(int(mask.sum()) for mask in masks)
        return Point(kind, self.network, sparsity, size, kept, reached, best, epochs, self.seed, 0.0, r)

    def _compiled(self, kind: Structure, redundancy: int, tolerance: float | None, name: str) -> Point:
        structure = draw_structure(kind, self.target.widths, redundancy, self.seed)
        found: CompiledMasks = compile_masks(
            self.target.trained, structure, tolerance=tolerance, threads=self.threads
        )
        reached = self._accuracy(structure, found.masks, name, write=redundancy == self.settings.redundancy)
        size, kept = structure.parameters, found.kept
        about = (f"compiled-{kind}", self.network, 1 - kept / size, size, kept, reached, reached)
        return Point(*about, self.target.settings.epochs, self.seed, 0.0, redundancy, tolerance)

    def _accuracy(
        self, structure: RandomStructure, kept: Sequence[Any], name: str, *, write: bool = True
    ) -> float:
        """Return the test accuracy of the pruned network, and write its masks."""
        network, masks = structure.network(), structure.masks(kept)
        if write:
            path = self.place / MASKS / f"{self.network}-{name}-seed{self.seed}.safetensors"
            write_masks(network, masks, path)
        return self.target.test_accuracy(masks.apply(network))
