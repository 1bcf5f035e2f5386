"""Dual bounds: linear functions of g's units and of the deviation, bounded backwards with tuned multipliers.

A function ``p . z + q . D`` of one layer (z of g, D of g - f, before the ReLU) is pulled back through the
layer and bounded by a linear function of the layer before, using for every unit, with y, x and d the values
of g, f and g - f after its ReLU,

    0 = y - x - d (any multiplier m),    s z <= y <= chord (any s in [0, 1]), likewise x,
    d between the two lines that contain it for D in [a, b],
    0 <= z or 0 <= -z where that phase is given (any multiplier >= 0),

down to the inputs, where a linear function is maximised exactly. Every choice of the multipliers gives a
sound bound: this is weak duality for the linear relaxation. They are tuned by projected subgradient steps in
plain floating point; then one pass with the best ones bounds every rounding (:meth:`DualBounds.certified`).
Bounding backwards with tuned slopes is due to Zhang et al. (CROWN, NeurIPS 2018), Xu et al. (ICLR 2021) and,
for phases, Wang et al. (beta-CROWN, NeurIPS 2021); the pair of networks and the multiplier m are ours.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    TINY,
    Matrix,
    finite,
    inflate,
    product_up,
    rounding_error,
    sum_up,
)
from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.methods.splitting.dual_lines import (
    Lines,
    Multipliers,
    Region,
    Relaxed,
    relax,
    step_down,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.methods.relu_relaxations import PairRanges
    from subsetsum_nets.verification.methods.zonotope.input_features import InputFeatures
    from subsetsum_nets.verification.records import LineChoices

_STEP, _LAST_STEP = 0.15, 0.01


class DualBounds:
    """Bounds of linear functions for one pair of networks and one domain.

    Parameters
    ----------
    comparison : Comparison
    features : InputFeatures
        Of the domain.
    before : sequence of PairRanges
        Proven ranges before each layer's ReLU over the whole domain, shape (units,) each.

    Raises
    ------
    UnsupportedStructureError
        If a layer with two slopes follows a layer without a ReLU.

    """

    def __init__(self, comparison: Comparison, features: InputFeatures, before: Sequence[PairRanges]) -> None:
        target, effective, errors = comparison.target, comparison.effective, comparison.errors
        self._features = features
        self._relu_after = target.relu_after
        for index in range(1, len(effective)):
            two_sided = effective[index].negative is not effective[index].positive
            if two_sided and not target.relu_after[index - 1]:
                raise UnsupportedStructureError(
                    f"layer {index} has two slopes and follows no ReLU: its dual is not supported"
                )
        first_g, first_error = features.coefficients(effective[0]), features.coefficients(errors[0])
        self._slopes = [first_g, *(e.positive for e in effective[1:])]
        self._errors = [first_error, *(e.positive for e in errors[1:])]
        self._weights: list[Matrix] = [layer.weight for layer in target.affine_layers]
        self._bias = [e.bias for e in effective]
        self._bias_error = [e.bias for e in errors]
        self._before = list(before)
        self._reach = [features.magnitude, *(self._after(k)[0] for k in range(len(before) - 1))]

    def _after(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the largest absolute values of g, f and g - f after a layer, its ReLU included."""
        before = self._before[index]
        after = before.relu() if self._relu_after[index] else before
        g, f, d = (np.maximum(np.abs(r.low), np.abs(r.high)) for r in after)
        return g, f, d

    @np.errstate(over="ignore", invalid="ignore")
    def tuned(
        self,
        layer: int,
        p: FloatArray,
        q: FloatArray,
        region: Region,
        steps: int,
        start: Sequence[Multipliers] | None = None,
        deadline: float = math.inf,
    ) -> tuple[FloatArray, list[Multipliers]]:
        """Return approximate upper bounds of ``p . z + q . D`` and the multipliers that gave them.

        Parameters
        ----------
        layer : int
            Whose values before the ReLU z and D are.
        p, q : array, shape (rows, units)
        region : Region
            Of the layers before.
        steps : int
            How many steps to tune; 0 takes the multipliers to start from.
        start : sequence of Multipliers, optional
            Multipliers to start from, one for each layer before; they are not changed.
        deadline : float
            On ``time.perf_counter()``; tuning ends there with the best so far.

        """
        lines = self._lines(layer, region)
        current, scales = self._start(layer, p, q, lines)
        if start is not None:
            current = [Multipliers(*(a.copy() for a in m)) for m in start]
        best = [Multipliers(*(a.copy() for a in m)) for m in current]
        best_value = np.full(p.shape[0], np.inf)
        moments: list[list[list[FloatArray]]] = [
            [[np.zeros_like(a), np.zeros_like(a)] for a in m] for m in current
        ]
        for step in range(steps + 1):
            value, passes, coefficients = self._backward(layer, p, q, lines, region, current)
            better = value < best_value
            best_value[better] = value[better]
            for kept, multipliers in zip(best, current, strict=True):
                kept.put(better, multipliers)
            if step == steps or time.perf_counter() > deadline:
                break
            rate = _STEP * (_LAST_STEP / _STEP) ** (step / max(steps - 1, 1))
            gradients = self._gradients(layer, lines, region, current, passes, coefficients)
            for index, gradient in enumerate(gradients):
                m = current[index]
                current[index] = step_down(m, gradient, scales[index], moments[index], step, rate)
        return best_value, best

    @np.errstate(over="ignore", invalid="ignore")
    def certified(
        self, layer: int, p: FloatArray, q: FloatArray, region: Region, multipliers: Sequence[Multipliers]
    ) -> FloatArray:
        """Return proven upper bounds of ``p . z + q . D`` over the region, shape (rows,).

        Any multipliers do (slopes in [0, 1], those of phases >= 0); tuned ones make it tight.

        Raises
        ------
        BoundOverflowError
            If a bound exceeds the range of float64.

        """
        lines = self._lines(layer, region)
        widest = max(max(m.mid.shape) for m in self._slopes)
        magnitude = np.zeros(p.shape[0])
        loose = np.zeros(p.shape[0])
        reach_of_all = 1.0 + float(self._features.magnitude.sum())
        constant, before_p, before_q = np.zeros(p.shape[0]), p, q
        for index in range(layer, -1, -1):
            reach = self._reach[index]
            size_p, size_q = np.abs(before_p), np.abs(before_q)
            # What the coefficients of this layer are multiplied with, each product subject to rounding.
            slope: Matrix = self._slopes[index].mid
            error: Matrix = self._errors[index].mid
            of_g = inflate(product_up(abs(slope), reach) + np.abs(self._bias[index].mid), 1)
            of_error = inflate(product_up(abs(error), reach) + np.abs(self._bias_error[index].mid), 1)
            wide_g = inflate(product_up(self._slopes[index].rad, reach) + self._bias[index].rad, 1)
            wide_error = inflate(product_up(self._errors[index].rad, reach) + self._bias_error[index].rad, 1)
            reach_of_all += float(reach.sum())
            if index:
                g, f, d = self._after(index - 1)
                of_error = inflate(of_error + product_up(abs(self._weights[index]), d), 1)
                reach_of_all += float(f.sum() + d.sum())
            magnitude = magnitude + product_up(size_p, of_g) + product_up(size_q, of_error)
            loose = loose + product_up(size_p, wide_g) + product_up(size_q, wide_error)
            constant = constant + before_p @ self._bias[index].mid + before_q @ self._bias_error[index].mid
            if not index:
                break
            a, b = self._pull(index, before_p, before_q)
            line, m = lines[index - 1], multipliers[index - 1]
            passed, added, before_p, before_q = relax(a, b, line, m, region, index - 1)
            constant = constant + added
            pre = [np.maximum(np.abs(r.low), np.abs(r.high)) for r in self._before[index - 1]]
            sizes = [inflate(np.abs(v), 1) for v in (passed.a, passed.x, passed.d)]
            offsets = [np.broadcast_to(np.abs(o), a.shape) for o in (line.g_offset, line.f_offset)]
            high = np.maximum(np.abs(line.d_high), np.abs(line.d_low))
            terms = (
                sizes[0] * (g + pre[0] + offsets[0])
                + sizes[1] * (f + g + d + pre[0] + pre[2] + offsets[1])
                + sizes[2] * (d + pre[2] + high)
                + (np.abs(m.phase_g) + np.abs(m.phase_f)) * (pre[0] + pre[2])
            )
            magnitude = magnitude + sum_up(inflate(terms, 12))
            reach_of_all += float(pre[0].sum() + pre[2].sum())
        coefficients = before_p @ self._slopes[0].mid + before_q @ self._errors[0].mid
        _, peak = self._features.support(finite(coefficients))
        roundings = 2 * widest + 32 * (layer + 1)
        magnitude = inflate(magnitude, 4 * (layer + 2))
        underflow = inflate(np.full(p.shape[0], 4.0 * roundings * TINY * widest * reach_of_all), 8)
        total = constant + peak
        slack = rounding_error(inflate(magnitude + np.abs(constant) + np.abs(peak), 2), roundings) + underflow
        return finite(np.nextafter(total + inflate(slack + loose, 4 * (layer + 2)), np.inf))

    def choices(
        self, layer: int, region: Region, multipliers: Sequence[Multipliers], rows: slice
    ) -> list[LineChoices]:
        """Return what the bounds of some rows, all of the same part, were proven with."""
        lines = self._lines(layer, region)
        return [line.choices(m, rows) for line, m in zip(lines, multipliers, strict=True)]

    @np.errstate(over="ignore", invalid="ignore")
    def losses(
        self, layer: int, p: FloatArray, q: FloatArray, region: Region, multipliers: Sequence[Multipliers]
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Return, approximately, how much the relaxation of each unit of g and of f adds to the bound.

        One pair of arrays (rows, units) per hidden layer before ``layer``, for choosing what to split.
        """
        lines = self._lines(layer, region)
        _, passes, coefficients = self._backward(layer, p, q, lines, region, list(multipliers))
        losses = []
        for index, (z, deviation, y, x, d) in enumerate(
            self._forward(layer, lines, list(multipliers), passes, coefficients)
        ):
            on_g, on_f = np.maximum(z, 0.0), np.maximum(z - deviation, 0.0)
            passed = passes[index]
            pair = 0.5 * np.abs(passed.d * (d - on_g + on_f))
            losses.append((np.abs(passed.a * (y - on_g)) + pair, np.abs(passed.x * (x - on_f)) + pair))
        return losses

    def _lines(self, layer: int, region: Region) -> list[Lines]:
        return [
            Lines.of_relu(region.before[k]) if self._relu_after[k] else Lines.identity(self._bias[k].mid.size)
            for k in range(layer)
        ]

    def _pull(self, index: int, p: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the coefficients of g and g - f after the ReLU before layer ``index``."""
        a = p @ self._slopes[index].mid + q @ self._errors[index].mid
        return a, (self._weights[index].T @ q.T).T

    def _start(
        self, layer: int, p: FloatArray, q: FloatArray, lines: Sequence[Lines]
    ) -> tuple[list[Multipliers], list[FloatArray]]:
        """Return multipliers to start from, and the sizes of the coefficients of d, to scale ``split``."""
        start, scales = [], []
        for index in range(layer, 0, -1):
            a, b = self._pull(index, p, q)
            line, zero = lines[index - 1], np.zeros_like(a)
            m = Multipliers(
                b * line.apart, zero + line.g_slope, zero + line.f_slope, zero.copy(), zero.copy()
            )
            _, _, p, q = relax(a, b, line, m, None, index - 1)
            start.append(m)
            scales.append(np.abs(b))
        return start[::-1], scales[::-1]

    def _backward(
        self,
        layer: int,
        p: FloatArray,
        q: FloatArray,
        lines: Sequence[Lines],
        region: Region,
        multipliers: Sequence[Multipliers],
    ) -> tuple[FloatArray, list[Relaxed], FloatArray]:
        """Return approximate bounds, the coefficients after each ReLU, and those of the features."""
        constant, passes = np.zeros(p.shape[0]), []
        for index in range(layer, 0, -1):
            constant = constant + p @ self._bias[index].mid + q @ self._bias_error[index].mid
            a, b = self._pull(index, p, q)
            passed, added, p, q = relax(a, b, lines[index - 1], multipliers[index - 1], region, index - 1)
            constant = constant + added
            passes.append(passed)
        constant = constant + p @ self._bias[0].mid + q @ self._bias_error[0].mid
        coefficients = p @ self._slopes[0].mid + q @ self._errors[0].mid
        return constant + self._features.support(coefficients)[1], passes[::-1], coefficients

    def _forward(
        self,
        layer: int,
        lines: Sequence[Lines],
        multipliers: Sequence[Multipliers],
        passes: Sequence[Relaxed],
        coefficients: FloatArray,
    ) -> list[tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]]:
        """Return z, D and the lines' values y, x, d of each hidden layer at the worst point of each row."""
        x = self._features.peak(coefficients)
        z = x @ self._slopes[0].mid.T + self._bias[0].mid
        deviation = x @ self._errors[0].mid.T + self._bias_error[0].mid
        states = []
        for index in range(layer):
            line, m, passed = lines[index], multipliers[index], passes[index]
            low_g = np.where(line.g_free > 0.0, m.g, line.g_slope)
            low_f = np.where(line.f_free > 0.0, m.f, line.f_slope)
            of_f = z - deviation
            y = np.where(passed.a > 0.0, line.g_slope * z + line.g_offset, low_g * z)
            x = np.where(passed.x > 0.0, line.f_slope * of_f + line.f_offset, low_f * of_f)
            d = np.where(
                passed.d > 0.0,
                line.d_high_slope * deviation + line.d_high,
                line.d_low_slope * deviation + line.d_low,
            )
            states.append((z, deviation, y, x, d))
            if index + 1 < layer:
                z = y @ self._slopes[index + 1].mid.T + self._bias[index + 1].mid
                deviation = (self._weights[index + 1] @ d.T).T + y @ self._errors[index + 1].mid.T
                deviation = deviation + self._bias_error[index + 1].mid
        return states

    def _gradients(
        self,
        layer: int,
        lines: Sequence[Lines],
        region: Region,
        multipliers: Sequence[Multipliers],
        passes: Sequence[Relaxed],
        coefficients: FloatArray,
    ) -> list[Multipliers]:
        """Return the derivatives of the bounds by the multipliers, by the values at the worst point."""
        gradients = []
        for index, (z, deviation, y, x, d) in enumerate(
            self._forward(layer, lines, multipliers, passes, coefficients)
        ):
            line, passed = lines[index], passes[index]
            gradients.append(
                Multipliers(
                    y - x - d,
                    np.minimum(passed.a, 0.0) * z * line.g_free,
                    np.minimum(passed.x, 0.0) * (z - deviation) * line.f_free,
                    region.phase_g[index] * z,
                    region.phase_f[index] * (z - deviation),
                )
            )
        return gradients
