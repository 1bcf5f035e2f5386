"""The per-weight law: subset sums for the weights of a trained network, one by one.

Experiment 1 of Pensia et al. (2020), proven: every weight is approximated by a subset of its own n
coefficients U[-s, s], once by the proven nearest subset, once by the proven sparsest one within epsilon. How
large are the errors, how many coefficients stay, and does theory say so beforehand? ``subsetsum-nets
per-weight`` runs it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import Status, solve_many
from subsetsum_nets.experiments.weight_rows import weight_rows
from subsetsum_nets.networks.arguments import checked_integer, checked_positive
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.theory.subset_sizes import (
    empty_chance,
    nearest_size,
    nearest_size_deviation,
    predicted_sparsest_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from numpy.typing import NDArray

    from solvers import BatchSolution
    from solvers.solution import Objective
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Floats = NDArray[np.float64]

OBJECTIVES: tuple[Objective, ...] = ("nearest", "sparsest")
_MOST_ITEMS = 32
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class PerWeight:
    """What the experiment found; rows are the weights of all layers in order."""

    digest: str  # of the network
    items: int  # n
    epsilon: float
    scale: float
    seed: int
    weights: Floats  # shape (N,)
    layers: NDArray[np.int64]  # shape (N,): the layer of each weight
    solutions: dict[str, BatchSolution]  # "nearest" and "sparsest" to their BatchSolution

    def within(self, objective: str) -> NDArray[np.bool_]:
        """Return which weights have a subset within epsilon, bool (N,)."""
        inside: NDArray[np.bool_] = self.solutions[objective].errors <= self.epsilon
        return inside

    def empty_share(self) -> float:
        """Return the share of weights so near 0 that theory expects their nearest subset to be empty."""
        return float(empty_chance(self.items, self.weights / self.scale).mean())

    def predicted_size(self, objective: str) -> float:
        """Return the number of coefficients that theory expects a weight to keep, on average."""
        if objective == "nearest":
            return nearest_size(self.items) * (1 - self.empty_share())
        targets, epsilon = self.weights / self.scale, self.epsilon / self.scale
        return float(predicted_sparsest_sizes(self.items, epsilon, targets).mean())

    def size_deviation(self) -> float:
        """Return the standard deviation that theory expects of a nearest subset's size, if not empty."""
        return nearest_size_deviation(self.items, float((self.weights**2).mean()) / self.scale**2)

    def kept_deviation(self) -> float:
        """Return the standard deviation that theory expects of all coefficients that nearest subsets keep."""
        empty = empty_chance(self.items, self.weights / self.scale)
        each = (1 - empty) * (self.size_deviation() ** 2 + empty * nearest_size(self.items) ** 2)
        return math.sqrt(float(each.sum()))

    def summary(self) -> dict[str, Any]:
        """Return the findings but for the rows, JSON-able."""
        count = len(self.weights)
        page: dict[str, Any] = {
            "network": self.digest,
            "weights": count,
            "items": self.items,
            "coefficients": count * self.items,
            "epsilon": self.epsilon,
            "scale": self.scale,
            "seed": self.seed,
        }
        for name in OBJECTIVES:
            solution, inside = self.solutions[name], self.within(name)
            errors, sizes = solution.errors[inside], solution.sizes[inside]
            expected = self.predicted_size(name)
            page[name] = {
                "within_epsilon": int(inside.sum()),
                "kept": int(solution.sizes[inside].sum()),
                "kept_per_weight": float(sizes.mean()) if sizes.size else None,
                "predicted_per_weight": expected,
                "predicted_kept": expected * int(inside.sum()),
                "error_mean": float(errors.mean()) if errors.size else None,
                "error_quantiles": np.quantile(errors, _QUANTILES).tolist() if errors.size else None,
                "error_largest": float(errors.max()) if errors.size else None,
                "sizes": np.bincount(sizes, minlength=self.items + 1).tolist(),
            }
        page["nearest"]["predicted_deviation_of_kept"] = self.kept_deviation()
        page["nearest"]["predicted_empty_share"] = self.empty_share()
        return page


def run_per_weight(
    target: ReluNetwork,
    items: int = 21,
    *,
    epsilon: float = 0.01,
    scale: float = 1.0,
    seed: int = 0,
    folder: str | PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, Any], object] = False,
) -> PerWeight:
    """Approximate every weight of a network (biases left out) by subsets of its own random coefficients.

    Experiment 1 of Pensia et al. (2020).

    Parameters
    ----------
    target : ReluNetwork
    items : int
        n, coefficients a weight, up to 32.
    epsilon : float
        Tolerance of the sparsest subsets; nearest subsets farther away count as not within.
    scale : float
        s, coefficients are U[-s, s]. The paper fits it to the network.
    seed : int
        Coefficients of layer i come from ``SeedSequence(seed, spawn_key=(i,))``.
    folder : path, optional
        Keeps what is finished; the same call goes on from there.
    threads, progress
        As for :func:`solvers.solve_many`.

    Returns
    -------
    PerWeight

    Raises
    ------
    ValueError
        If a number is out of range, or the folder belongs to another run.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> found = run_per_weight(ReluNetwork([Dense(np.full((20, 30), 0.25))]), 12)
    >>> bool(abs(found.solutions["nearest"].sizes.mean() - 5.5) < 0.5)
    True

    """
    checked_integer(items, "items", 2, _MOST_ITEMS)
    for name, value in (("epsilon", epsilon), ("scale", scale)):
        checked_positive(value, name)
    if not epsilon < scale:
        raise ValueError(f"epsilon must be less than the scale {scale!r}, got {epsilon!r}")
    checked_integer(seed, "seed", 0)
    rows = weight_rows(target, items, -scale, scale, seed=seed)
    place = None if folder is None else Path(folder) / "checkpoint"
    solutions: dict[str, BatchSolution] = {}
    for objective in OBJECTIVES:
        solutions[objective] = solve_many(
            rows.coefficients,
            rows.weights,
            objective=objective,
            tolerance=epsilon if objective == "sparsest" else None,
            threads=threads,
            checkpoint=None if place is None else place / objective,
            progress=progress,
        )
        proven = np.isin(solutions[objective].status, [Status.OPTIMAL, Status.INFEASIBLE])
        if not proven.all():
            raise RuntimeError(f"{(~proven).sum()} {objective} subsets are unproven")
    return PerWeight(
        network_digest(target),
        int(items),
        float(epsilon),
        float(scale),
        int(seed),
        rows.weights,
        rows.layers,
        solutions,
    )
