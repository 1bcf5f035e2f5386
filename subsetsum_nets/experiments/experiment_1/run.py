"""Experiment 1 of Pensia et al. (2020), section 5, whole: data, a trained network, subset sums, accuracy.

Every weight of a network that tells images apart is replaced by the sum of a subset of n random coefficients.
How large are the errors, how many coefficients stay, and what becomes of the accuracy?
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.experiments.experiment_1.answers import Asked, answered
from subsetsum_nets.experiments.experiment_1.relu_structure import with_relu_structure
from subsetsum_nets.experiments.measuring import peak_megabytes
from subsetsum_nets.experiments.run_folder import open_run, read_json, write_json
from subsetsum_nets.experiments.training import CLASSES, TrainingSettings, accuracy, train_classifier
from subsetsum_nets.experiments.weight_rows import weight_rows, with_weights
from subsetsum_nets.networks.arguments import checked_integer, checked_number, checked_positive
from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.files.network_files import load_network, save_network
from subsetsum_nets.theory.subset_sizes import empty_chance, predicted_sparsest_sizes
from subsetsum_nets.ticket_folder import TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from pathlib import Path

    from solvers.solution import Objective
    from subsetsum_nets.experiments.experiment_1.answers import Answers
    from subsetsum_nets.experiments.images import Images
    from subsetsum_nets.experiments.weight_rows import Draw, WeightRows
    from subsetsum_nets.networks.arrays import Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork

KEPT_PAPER = 3_725_871  # coefficients, by the authors' public log
CORE_HOURS_PAPER = 774  # 77,266 s on 36 cores, by the same
_MOST_ITEMS = 32
_ASKED = ("items", "draw", "objective", "epsilon", "seed")
_APPROXIMATED = "approximated.safetensors"


@dataclass(frozen=True)
class Experiment1:
    """What was found; rows are the weights of all layers in order."""

    asked: Asked
    target: ReluNetwork
    approximated: ReluNetwork
    layers: Ints  # shape (N,): the layer of each weight
    answers: Answers
    page: dict[str, Any]
    """All that is said of it, JSON-able."""

    def summary(self) -> dict[str, Any]:
        """Return :attr:`page`."""
        return self.page


def run_experiment_1(
    data: Images,
    folder: str | PathLike[str],
    *,
    target: ReluNetwork | None = None,
    hidden: int = 500,
    items: int = 21,
    interval: tuple[float, float] | None = None,
    draw: Draw = "weight",
    objective: Objective = "nearest",
    epsilon: float = 0.01,
    relu_epsilon: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Callable[[int, Any], object] = False,
) -> Experiment1:
    """Replace every weight of a trained network by a subset sum, and measure both on images.

    Experiment 1 of Pensia et al. (2020), section 5.

    Parameters
    ----------
    data : Images
    folder : path
        Keeps both networks and what is finished; the same call goes on from there.
    target : ReluNetwork, optional
        With as many inputs as images have pixels and 10 outputs; else one without biases is trained on
        ``data``, with the settings of the paper.
    hidden : int
        Units of the one that is trained.
    items : int
        n, coefficients a weight, from 1 to 32.
    interval : (float, float), optional
        Coefficients are U[low, high]; the network's own least and largest weight, if not given.
    draw : "weight" or "row"
        Whether every weight has coefficients of its own, as the paper says, or the weights of a row of the
        weight matrix share them, as its program does.
    objective : "nearest", "within" or "sparsest"
        Which subset; the last two within ``epsilon``, and the nearest where there is none.
    epsilon : float
        Errors above it are counted as misses.
    relu_epsilon : float, optional
        Prunes a random ReLU network into the same target too, with this proven bound for all images
        (Theorem 1); the ticket stands in the folder ``relu``.
    seed : int
        Of training and of the coefficients, as :func:`~.weight_rows.weight_rows` draws them.
    threads, progress
        As for :func:`solvers.solve_many`; no number depends on them.

    Raises
    ------
    ValueError
        If a number is out of range, the network does not go with the images, or the folder holds another run.
    FileExistsError, OSError
        If the folder holds anything else, or cannot be written to.

    """
    asked = _checked(items, interval, draw, objective, epsilon, seed)
    if relu_epsilon is not None:
        checked_positive(relu_epsilon, "relu_epsilon")
    if target is not None:
        _check_target(target, data)
    question = {
        "data": data.digest(),
        "target": None if target is None else network_digest(target),
        "hidden": checked_integer(hidden, "hidden", 1) if target is None else None,
        "range": asked.interval,
        **{name: getattr(asked, name) for name in _ASKED},
    }
    place = open_run(folder, "experiment-1", question)
    network = _network(place, data, target, hidden, asked.seed)
    ends = asked.interval or _own_range(network)
    found = _by_sums(data, network, replace(asked, interval=ends), place, threads, progress)
    found.page["trained_here"] = _settings(data) if target is None else None
    if relu_epsilon is not None:
        found.page["relu"] = with_relu_structure(network, relu_epsilon, place, asked.seed, threads)
    return found


def _by_sums(
    data: Images,
    network: ReluNetwork,
    asked: Asked,
    place: Path,
    threads: int | None,
    progress: bool | Callable[[int, Any], object],
) -> Experiment1:
    """Replace the weights, save the network, and measure it; the coefficients are let go then."""
    low, high = asked.ends
    rows = weight_rows(network, asked.items, low, high, seed=asked.seed, draw=asked.draw)
    answers = answered(rows, asked, place / "checkpoint", threads, progress)
    approximated = with_weights(network, rows.sums(answers.masks))
    save_network(approximated, place / _APPROXIMATED)
    page = _page(data, network, approximated, asked, rows, answers)
    page |= _measured(place / "checkpoint" / "measured.json", answers)
    return Experiment1(asked, network, approximated, rows.layers, answers, page)


def _settings(data: Images) -> dict[str, Any]:
    return asdict(TrainingSettings.for_images(len(data.train_labels)))


def _checked(
    items: int, interval: Sequence[float] | None, draw: str, objective: str, epsilon: float, seed: int
) -> Asked:
    count, tolerance = checked_integer(items, "items", 1, _MOST_ITEMS), checked_positive(epsilon, "epsilon")
    chosen = checked_integer(seed, "seed", 0)
    for name, value, allowed in (
        ("draw", draw, ("weight", "row")),
        ("objective", objective, ("nearest", "within", "sparsest")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    if interval is None:
        return Asked(count, None, draw, objective, tolerance, chosen)
    low, high = (checked_number(end, "an end of the range", -math.inf, math.inf, "()") for end in interval)
    if not low < high:
        raise ValueError(f"the range must go from a number to a larger one, got {low!r} to {high!r}")
    return Asked(count, (low, high), draw, objective, tolerance, chosen)


def _check_target(target: ReluNetwork, data: Images) -> None:
    inputs, outputs = target.widths[0], target.widths[-1]
    if inputs not in data.sizes:
        wanted = " or ".join(map(str, data.sizes))
        raise ValueError(f"the target has {inputs} inputs, {data.name} have {wanted} pixels")
    if outputs != CLASSES:
        raise ValueError(f"the target has {outputs} outputs, digits and the like need {CLASSES}")


def _network(place: Path, data: Images, target: ReluNetwork | None, hidden: int, seed: int) -> ReluNetwork:
    """Return the target; one that was trained is taken from the folder where it is there."""
    path = place / TARGET
    if target is None and path.is_file():
        return load_network(path)
    notes = {}
    if target is None:
        inputs = data.inputs(data.sizes[0])
        target = train_classifier(inputs, data.train_labels, [hidden], seed=seed)
        notes = {"trained_on": data.name, "data_licence": data.licence}
    save_network(target, path, extra=notes)
    return target


def _own_range(target: ReluNetwork) -> tuple[float, float]:
    parts = [dense_array(layer.stored) for layer in target.layers]
    low, high = float(min(part.min() for part in parts)), float(max(part.max() for part in parts))
    if not low < high:
        raise ValueError(f"all weights of the target are {low!r}: give the range of the coefficients")
    return low, high


def _measured(path: Path, answers: Answers) -> dict[str, Any]:
    """Return times and memory, of the first run that came this far."""
    stored = read_json(path)
    if stored is None:
        stored = {
            "solving_seconds": answers.seconds,
            "processor_seconds": answers.processor_seconds,
            "peak_megabytes": peak_megabytes(),
        }
        write_json(path, stored)
    return dict(stored)


def _page(
    data: Images,
    target: ReluNetwork,
    approximated: ReluNetwork,
    asked: Asked,
    rows: WeightRows,
    answers: Answers,
) -> dict[str, Any]:
    inputs = data.inputs(target.widths[0], "test")
    difference = np.abs(approximated(inputs) - target(inputs))
    return {
        "data": data.name,
        "where": data.where,
        "enlarged_from": data.enlarged if target.widths[0] == data.sizes[0] != data.sizes[-1] else None,
        "source": data.source,
        "licence": data.licence,
        "data_digest": data.digest(),
        "train_images": len(data.train_labels),
        "test_images": len(data.test_labels),
        "network": "-".join(map(str, target.widths)),
        "target_digest": network_digest(target),
        "approximated_digest": network_digest(approximated),
        "weights": len(rows.weights),
        "items": asked.items,
        "range": list(asked.ends),
        "draw": asked.draw,
        "objective": asked.objective,
        "epsilon": asked.epsilon,
        "seed": asked.seed,
        "statuses": answers.statuses,
        "kept": int(answers.sizes.sum()),
        "kept_per_weight": float(answers.sizes.mean()),
        "kept_predicted": _predicted_kept(rows, asked),
        "kept_paper": KEPT_PAPER,
        "worst_error": float(answers.errors.max()),
        "median_error": float(np.median(answers.errors)),
        "misses": int((answers.errors > asked.epsilon).sum()),
        "accuracy_before": accuracy(target, inputs, data.test_labels),
        "accuracy_after": accuracy(approximated, inputs, data.test_labels),
        "largest_output_error": float(difference.max()),
        "core_hours_paper": CORE_HOURS_PAPER,
        "layers": [
            _layer(index, target, answers, rows.layers == index, asked.epsilon)
            for index in range(len(target.layers))
        ],
    }


def _layer(index: int, target: ReluNetwork, answers: Answers, mine: Any, epsilon: float) -> dict[str, Any]:
    errors, sizes = answers.errors[mine], answers.sizes[mine]
    return {
        "layer": index + 1,
        "shape": " x ".join(map(str, target.layers[index].stored.shape)),
        "weights": len(errors),
        "kept": int(sizes.sum()),
        "kept_per_weight": float(sizes.mean()),
        "worst_error": float(errors.max()),
        "median_error": float(np.median(errors)),
        "misses": int((errors > epsilon).sum()),
    }


def _predicted_kept(rows: WeightRows, asked: Asked) -> float | None:
    """Return how many coefficients theory expects to stay; None for "within" and where theory ends.

    Nearest subsets: E[size | sum = w] = n/2 + (A/Q) (w - A/2) with A and Q the sums of a row's coefficients
    and of their squares, but where the empty subset is nearest (:mod:`~subsetsum_nets.theory.subset_sizes`).
    """
    low, high = asked.ends
    targets = rows.weights * (2 / (high - low))
    if asked.objective == "nearest":
        totals, squares = rows.coefficients.sum(axis=1), (rows.coefficients**2).sum(axis=1)
        sizes = asked.items / 2 + totals / squares * (rows.weights - totals / 2)
        return float(((1 - empty_chance(asked.items, targets)) * sizes).sum())
    tolerance = asked.epsilon * 2 / (high - low)
    if asked.objective == "sparsest" and low == -high and tolerance < 1:
        return float(predicted_sparsest_sizes(asked.items, tolerance, targets).sum())
    return None
