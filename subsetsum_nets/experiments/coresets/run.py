"""Every method at every size, over trials: means and standard deviations of error and accuracy lost.

Baykal et al. 2018, Figures 1 to 8. Samplers run once a trial, the other methods once.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.coresets import TooFewEdgesError, WholeLayerWarning, sparsify
from subsetsum_nets.networks.arguments import checked_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subsetsum_nets.choices import CoresetMethod
    from subsetsum_nets.networks.relu_network import ReluNetwork

METHODS: tuple[CoresetMethod, ...] = (
    "uniform",
    "corenet",
    "corenet+",
    "corenet++",
    "magnitude",
    "magnitude-shift",
    "svd",
    "obs",
)
KEEP = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
DRAWN = frozenset(("uniform", "corenet", "corenet+", "corenet++"))
TRIALS = 50
_AMPLIFIED = 20  # tau of "corenet++" here
_POINT = 1.0  # of a hundred, of accuracy


@dataclass(frozen=True)
class CurvePoint:
    """A method at a size: means over trials, and standard deviations (of one trial: 0)."""

    method: str
    keep: float
    trials: int
    fraction: float
    absolute_l1: float
    absolute_l1_sd: float
    relative_l1: float
    relative_l1_sd: float
    drop: float | None
    drop_sd: float | None


@dataclass(frozen=True)
class CoresetCurves:
    """What was measured, and from what."""

    points: list[CurvePoint]
    trials: int
    seed: int
    measured_on: str

    def smallest(self, method: str) -> float | None:
        """Return the least fraction from which on a method loses at most one point on average."""
        least = None
        for point in sorted(self.of(method), key=lambda one: -one.fraction):
            if point.drop is None or point.drop > _POINT:
                break
            least = point.fraction
        return least

    def of(self, method: str) -> list[CurvePoint]:
        """Return the curve of a method."""
        return [point for point in self.points if point.method == method]

    def summary(self) -> dict[str, Any]:
        """Return where each method has lost one point of accuracy."""
        methods = dict.fromkeys(point.method for point in self.points)
        return {
            "measured_on": self.measured_on,
            "trials": self.trials,
            "seed": self.seed,
            "fraction_at_one_point": {method: self.smallest(method) for method in methods},
        }


def coreset_curves(
    target: ReluNetwork,
    data: Any,
    test: Any,
    labels: Any = None,
    *,
    methods: Sequence[CoresetMethod] = METHODS,
    keep: Sequence[float] = KEEP,
    trials: int = TRIALS,
    seed: int = 0,
    measured_on: str = "test",
    progress: Callable[[CurvePoint], None] | None = None,
) -> CoresetCurves:
    """Measure every method at every size; a size that a method cannot reach is left out.

    Parameters
    ----------
    target : ReluNetwork
    data, test : array_like, shapes (n, d_0), (m, d_0)
        To choose from, and to measure on.
    labels : integer array_like, shape (m,), optional
    methods, keep : sequences
    trials : int
        Seeds of the samplers.
    seed : int
        The first.
    measured_on : str
        What ``test`` is, for the record.
    progress : callable, optional
        Told each point as it is done.

    """
    checked_integer(trials, "trials")
    found = []
    for method in methods:
        for share in keep:
            point = _point(target, (data, test, labels), method, share, range(seed, seed + trials))
            if point is not None:
                found.append(point)
                if progress is not None:
                    progress(point)
    return CoresetCurves(found, trials, seed, measured_on)


def _point(
    target: ReluNetwork, given: tuple[Any, Any, Any], method: CoresetMethod, keep: float, seeds: range
) -> CurvePoint | None:
    data, test, labels = given
    options: dict[str, Any] = {"trials": _AMPLIFIED} if method == "corenet++" else {}
    seeds = seeds if method in DRAWN else seeds[:1]
    fractions, errors = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WholeLayerWarning)  # the fraction tells
        for seed in seeds:
            try:
                one = sparsify(target, data, method=method, keep=keep, seed=seed, **options)
            except TooFewEdgesError:
                return None
            fractions.append(one.fraction)
            errors.append(one.evaluate(test, labels))
    spread = {
        name: (float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
        for name in errors[0]
        for values in [[error[name] for error in errors]]
    }
    drop, drop_sd = spread.get("drop", (None, None))
    return CurvePoint(
        method,
        keep,
        len(seeds),
        float(np.mean(fractions)),
        *spread["absolute_l1"],
        *spread["relative_l1"],
        drop,
        drop_sd,
    )
