"""The bound that verification will prove, predicted by drawing the weight errors that solving will leave.

A subset sum that is solved for its nearest subset leaves an error of either sign whose size is nearly
exponential; one that is solved within a tolerance leaves nearly any error within it. Such errors are drawn
for every effective weight and the methods of the verifier asked about them: it sees signs and sizes as they
will be, not the worst of both. The sizes drawn are those of an ideal sample: the means of the law between its
k/N-quantiles, shuffled. So one draw's average is exact.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.compile_task import NORM, CompileTask
from subsetsum_nets.allocation.sizing import level
from subsetsum_nets.networks.arrays import added, dense_array
from subsetsum_nets.networks.convolution_matrix import has_kernel
from subsetsum_nets.verification import (
    BoundOverflowError,
    Comparison,
    DifferentialRecursion,
    LayerErrors,
    TwoSlope,
)
from subsetsum_nets.verification.enclosures.convolutions import MatrixSet, point_set
from subsetsum_nets.verification.enclosures.midrad import Matrix, MidRad, entries, with_entries
from subsetsum_nets.verification.enclosures.ranges import domain_range, network_ranges
from subsetsum_nets.verification.methods.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions.protocol import Side
    from subsetsum_nets.networks.arrays import FloatArray

_FEW_ROWS = 200  # up to which errors are not drawn but taken to have the worst signs
_STREAM = 0x7167687  # of the draws: candidates depend on no seed of the user's
_BEATEN = 8.0  # times the least bound
_LARGE = 2048  # numbers of a layer's image; beyond, most methods take half a minute, and ..
_QUICK = ("differential", "norms")  # .. these are asked first; ..
_NEAR = 4.0  # .. once they come so near to epsilon, all are, and then the best alone
_LEAST_SHARE = 2.0**-10  # of a layer's largest sensitivity that every unit is given


@dataclass(frozen=True)
class ErrorLaw:
    """The law of a row's error as a fraction of q, the error that no row is predicted to exceed.

    Attributes
    ----------
    mean : float
    spread : float
        Variance over the square of the mean.

    """

    mean: float
    spread: float

    @classmethod
    def of(cls, objective: str, rows: int, delta: float) -> ErrorLaw:
        """Return the exponential law for "nearest", the uniform one for an error anywhere within q."""
        if objective == "nearest":
            return cls(1 / level(rows, delta), 1.0)
        return cls(0.5, 1 / 3)

    def ideal_sample(self, size: int) -> FloatArray:
        """Return the means between the k/size-quantiles, over the mean: ``size`` numbers of average 1."""
        edges = np.arange(size + 1) / size
        if self.spread < 1.0:  # uniform
            return edges[1:] + edges[:-1]
        left = 1.0 - edges  # the integral of -ln(left) is left - left ln(left), but for its sign
        integral = left - left * np.log(np.where(left > 0.0, left, 1.0))
        sample: FloatArray = size * -np.diff(integral)
        return sample


class SimulatedBounds:
    """Bounds for one task, as a function of the expected errors of its rows."""

    def __init__(self, task: CompileTask, law: ErrorLaw) -> None:
        self._task, self._target, self._domain, self._law = task, task.target, task.domain, law
        self._recursion = DifferentialRecursion(task.target, task.domain)
        self._places = task.places
        self._beaten: set[str] = set()  # methods that are asked no more
        self._chosen = False  # on large images, the only one that is

    def quantile(
        self, means: Sequence[FloatArray], failure: float, *, variance: float | None = None
    ) -> float:
        """Return the bound that is predicted to be exceeded with probability ``failure`` / 2.

        ``variance`` is that of S, the sum of all effects, over the square of its mean; None takes the rows'
        errors, drawn by the law around their means, for all that varies.
        """
        if variance is None:
            squares = added(float((effect**2).sum()) for effect in self.effects(means))
            variance = self._law.spread * squares
        return self.bound(means) * _margin(variance, failure)

    def effects(self, means: Sequence[FloatArray]) -> list[FloatArray]:
        """Return each row's share of the mean of S, shape (d_out, J) a place; zeros if that is 0."""
        largest = max((float(mean.max()) for mean in means), default=0.0)
        unit = largest if 0.0 < largest < np.inf else 1.0
        effects = [s * (mean / unit) for s, mean in zip(self.sensitivities, means, strict=True)]
        total = added(float(effect.sum()) for effect in effects)
        return [effect / (total if total > 0.0 else 1.0) for effect in effects]

    def bound(self, means: Sequence[FloatArray]) -> float:
        """Return the bound where the rows' errors have these means, shape (d_out, J) a place.

        For a few rows, whose signs may well all be the worst ones, that is the recursion's at the means; its
        expectation over the errors' sizes. inf beyond the range of float64.
        """
        rows = sum(mean.size for mean in means)
        with np.errstate(over="ignore", invalid="ignore"):
            if not all(np.isfinite(mean).all() for mean in means):
                return np.inf
            try:
                errors = [LayerErrors(*parts) for parts in self._task.arranged(means)]
                if rows <= _FEW_ROWS:
                    return self._recursion.bound(errors, NORM).upper
                return self._of_draw(means)
            except BoundOverflowError:
                return np.inf

    def _of_draw(self, means: Sequence[FloatArray]) -> float:
        drawn = []
        for number, mean in enumerate(means):
            rng = np.random.default_rng(np.random.SeedSequence(_STREAM, spawn_key=(number,)))
            sizes = rng.permutation(self._law.ideal_sample(mean.size)).reshape(mean.shape)
            drawn.append(mean * sizes * rng.choice((-1.0, 1.0), mean.shape))
        effective = []
        bent = {place.layer for place in self._places if place.side != "both"}
        for index, (layer, (above, below, bias)) in enumerate(
            zip(self._target.affine_layers, self._task.arranged(drawn), strict=True)
        ):
            positive = _moved(layer.weight, above)
            negative = _moved(layer.weight, below) if index in bent else positive
            effective.append(TwoSlope(positive, negative, MidRad.point(layer.offset + bias)))
        comparison = Comparison(self._target, self._target, self._domain, NORM, tuple(effective))
        return self._best(comparison)

    def _best(self, comparison: Comparison) -> float:
        """Return the least bound of all methods that are worth their time."""
        if self._target.convolutional and max(self._target.widths) > _LARGE and not self._chosen:
            bounds = self._bounds(comparison, _QUICK)
            if min(bounds.values(), default=0.0) <= _NEAR * self._task.epsilon:
                bounds |= self._bounds(comparison, tuple(name for name in TABLE if name not in _QUICK))
                self._beaten |= {name for name, bound in bounds.items() if bound > min(bounds.values())}
                self._chosen = True
        else:
            bounds = self._bounds(comparison, tuple(TABLE))
        best = min(bounds.values(), default=np.inf)
        if self._target.convolutional:  # "norms" takes seconds for a kernel, and is rarely near
            self._beaten |= {name for name, bound in bounds.items() if bound > _BEATEN * best}
        return best

    def _bounds(self, comparison: Comparison, names: Sequence[str]) -> dict[str, float]:
        """Return the bounds of those of these methods that can be asked and are not beaten."""
        found: dict[str, float] = {}
        for name in names:
            method = TABLE[name]
            if method.anytime or not method.by_layers or name in self._beaten:
                continue
            with suppress(BoundOverflowError):
                found[name] = method.bound(comparison).upper
        return found

    @cached_property
    def sensitivities(self) -> list[FloatArray]:
        """Return about how much the output moves for an error of 1, shape (d_out, J) a place.

        To first order, with every ReLU replaced by the chord over its unit's range: the l2 norm of the unit's
        column of ``W_L T ... W_(l+1) T``, times the largest size of the input on that side; of an entry of a
        kernel, the sum of that over all pixels.
        """
        target = self._target
        ranges = network_ranges(target, self._domain)
        inputs = [domain_range(self._domain, target.widths[0])]
        inputs += [r.relu() if relu else r for r, relu in zip(ranges, target.relu_after, strict=True)]
        matrix = np.eye(target.widths[-1])
        columns: list[FloatArray] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for index in range(len(target.layers) - 1, -1, -1):
                if target.relu_after[index]:
                    matrix = matrix * _chords(ranges[index].low, ranges[index].high)
                norms = np.linalg.norm(matrix, axis=0)
                columns.insert(0, np.maximum(norms, _LEAST_SHARE * norms.max()))
                weight = target.affine_layers[index].weight
                matrix = matrix @ (weight if has_kernel(weight) else dense_array(weight))
        return [
            _effects(
                target.affine_layers[p.layer].weight,
                columns[p.layer],
                _sizes(p.side, inputs[p.layer].low, inputs[p.layer].high),
            )[p.entries]
            for p in self._places
        ]


def _margin(variance: float, failure: float) -> float:
    """Return Q / mean(S): S exceeds so many times its mean with probability failure/2.

    ``variance`` is that of S over the square of its mean.
    """
    from scipy.special import gammaincinv

    if not 0 < variance < math.inf:
        return 1.0
    return float(gammaincinv(1 / variance, 1 - failure / 2)) * variance


def _chords(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the slope of the ReLU's chord over each range."""
    above, below = np.maximum(high, 0.0), np.maximum(-low, 0.0)
    width = above + below
    return above / np.where(width > 0.0, width, 1.0)


def _effects(weight: Matrix, columns: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return the product of a unit's and an input's size for every weight; the constant-one input is last."""
    if not has_kernel(weight):
        return np.outer(columns, np.append(sizes, 1.0))
    outputs, inputs = columns.reshape(*weight.image_out, -1), sizes.reshape(*weight.image, -1)
    effects = np.zeros_like(weight.kernel)
    for place, target, source in weight.offsets():
        effects[place] = np.tensordot(inputs[source], outputs[target], axes=([0, 1], [0, 1]))
    rows, columns_, c_in, _ = weight.kernel.shape
    constant = np.tile(outputs.sum(axis=(0, 1)), rows * columns_)
    return np.column_stack([effects.transpose(0, 1, 3, 2).reshape(-1, c_in), constant])


def _moved(weight: Matrix, error: Matrix) -> MatrixSet:
    whole = weight if has_kernel(weight) else dense_array(weight)
    moved: MatrixSet = point_set(with_entries(whole, entries(whole) + entries(error)))
    return moved


def _sizes(side: Side, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return how large inputs can be on a side."""
    above, below = np.maximum(high, 0.0), np.maximum(-low, 0.0)
    return {"positive": above, "negative": below, "both": np.maximum(above, below)}[side]
