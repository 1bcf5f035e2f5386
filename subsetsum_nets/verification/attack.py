"""The search behind the falsifier: for inputs where two networks differ much, in plain floating point.

Projected gradient ascent from many starts, towards the norm and towards single outputs; then random steps of
shrinking length around the best points, for the maxima at kinks where a gradient leads nowhere; then moves of
coordinates to the ends of a box, several at once.
Nothing here is trusted: :mod:`falsifier` proves what it finds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import Matrix, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.enclosures.effective import TwoSlope

# Ever smaller steps, then three jumps to the far end of the domain in the direction of ascent.
_STEPS = (*np.geomspace(1.0, 0.01, 24), 1e9, 1e9, 1e9)
_FINE_STEPS = np.geomspace(0.1, 1e-4, 24)
_WORK = 6e6  # products to spend: the smaller the networks, the more of everything, within these limits
_RESTARTS = (64, 512)
_KEPT = (12, 48)  # points from which the search goes on after the first climb
_TRIES = (1, 32)  # random steps of one length around one point
_RADII = np.geomspace(0.5, 1e-5, 28)
_SWEEPS = 12
_CHUNK = 512  # points at a time, fewer where they are long
_CHUNK_NUMBERS = 2**22
_MOST_WORK = 2e8  # products in one evaluation of all starts: large networks get fewer of them
_LEAST_RESTARTS = 8
_MOST_SWEEP_WORK = 2e10  # products in one sweep over the coordinates; beyond it there is none

Trace = list[tuple["FloatArray", "Bools"]]


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """``x -> positive max(x, 0) + negative min(x, 0) + bias``; ``negative`` None means ``positive``."""

    positive: Matrix
    negative: Matrix | None
    bias: FloatArray
    relu: bool

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate for ``x`` of shape (batch, d_in), without the ReLU."""
        if self.negative is None:
            y = _apply(self.positive, x)
        else:
            y = _apply(self.positive, np.maximum(x, 0.0)) + _apply(self.negative, np.minimum(x, 0.0))
        return y + self.bias

    def pull_back(self, x: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return the gradient with respect to ``x`` from the one with respect to the value."""
        pulled = _apply(self.positive.T, gradient)
        if self.negative is None:
            return pulled
        return np.where(x > 0.0, pulled, _apply(self.negative.T, gradient))

    @property
    def work(self) -> int:
        """Products in an evaluation."""
        slopes = 1 if self.negative is None else 2
        return slopes * int(self.positive.shape[0]) * terms(self.positive)


def _apply(weight: Matrix, x: FloatArray) -> FloatArray:
    y: FloatArray = x @ weight.T if isinstance(weight, np.ndarray) else (weight @ x.T).T
    return y


def float_layers(network: ReluNetwork) -> list[FloatLayer]:
    """Return the layers of a network as they are."""
    return [
        FloatLayer(layer.weight, None, layer.offset, relu)
        for layer, relu in zip(network.affine_layers, network.relu_after, strict=True)
    ]


def float_two_slopes(target: ReluNetwork, effective: Sequence[TwoSlope]) -> list[FloatLayer]:
    """Return the midpoints of g's effective layers; one slope is enough after a ReLU."""
    layers = []
    for index, (two_slope, relu) in enumerate(zip(effective, target.relu_after, strict=True)):
        affine_layer = two_slope.negative is two_slope.positive or (
            index > 0 and target.relu_after[index - 1]
        )
        negative = None if affine_layer else two_slope.negative.mid
        layers.append(FloatLayer(two_slope.positive.mid, negative, two_slope.bias.mid, relu))
    return layers


class Search:
    """A search for the largest ||f - g|| over a domain.

    Parameters
    ----------
    networks : pair of lists of FloatLayer
        f and g.
    domain : Box or Ball
    center : array, shape (d_0,)
        A point of the domain, where the search starts too.
    norm : {"l2", "linf", "l1"}
    deadline : float
        Of ``time.perf_counter()``.

    """

    def __init__(
        self,
        networks: tuple[list[FloatLayer], list[FloatLayer]],
        domain: Domain,
        center: FloatArray,
        norm: str,
        deadline: float,
    ) -> None:
        self._networks = networks
        self._domain = domain
        self._center = center
        self._norm = norm
        self._deadline = deadline
        with np.errstate(over="ignore"):
            self._low, self._high = domain.bounds(center.size)
        self._best, self._best_size = center, -math.inf

    def run(self, rng: np.random.Generator) -> FloatArray:
        """Return the best point found, not quite in the domain perhaps."""
        work = sum(layer.work for network in self._networks for layer in network)
        affordable = max(_LEAST_RESTARTS, int(_MOST_WORK / work))
        restarts = min(int(np.clip(_WORK / work, *_RESTARTS)), affordable)
        keep = int(np.clip(_WORK / (6 * work), *_KEPT))
        points = self._starts(restarts, rng)
        self._note(points[:1], self._evaluate(points[:1])[0])
        outputs = self._networks[0][-1].bias.size
        aims = self._aims(restarts, outputs, rng)
        points, sizes = self._climb(points, aims, _STEPS)
        kept = np.argsort(-np.nan_to_num(sizes, nan=-math.inf), kind="stable")[:keep]
        fine, fine_sizes = self._climb(points[kept], np.zeros((kept.size, outputs)), _FINE_STEPS)
        better = fine_sizes > sizes[kept]
        self._wander(
            np.where(better[:, np.newaxis], fine, points[kept]),
            np.where(better, fine_sizes, sizes[kept]),
            int(np.clip(_WORK / (16 * work), *_TRIES)),
            rng,
        )
        if self._domain.ball is None and 2.0 * self._center.size * work <= _MOST_SWEEP_WORK:
            self._flip_coordinates()
        return self._best

    def _late(self) -> bool:
        return time.perf_counter() >= self._deadline

    def _climb(
        self, points: FloatArray, aims: FloatArray, steps: Iterable[float]
    ) -> tuple[FloatArray, FloatArray]:
        """Follow the gradient from every point; return the best point of every path and its size."""
        best, best_sizes = points, np.full(len(points), -math.inf)
        for step in (*steps, 0.0):
            if self._late():
                break
            sizes, traces, difference = self._evaluate(points)
            self._note(points, sizes)
            better = sizes > best_sizes
            best = np.where(better[:, np.newaxis], points, best)
            best_sizes = np.where(better, sizes, best_sizes)
            points = self._step(points, self._gradient(traces, difference, aims), float(step))
        return best, best_sizes

    def _starts(self, restarts: int, rng: np.random.Generator) -> FloatArray:
        shape = (restarts, self._center.size)
        if (ball := self._domain.ball) is None:
            corners = np.where(rng.random(shape) < 0.5, self._low, self._high)
            mix = rng.random(shape)
            inner = self._low * (1.0 - mix) + self._high * mix
            points = np.where(np.arange(restarts)[:, np.newaxis] % 2 == 0, corners, inner)
        else:
            directions = rng.standard_normal(shape)
            lengths = np.sqrt(np.sum(directions * directions, axis=1, keepdims=True))
            depth = np.where(np.arange(restarts)[:, np.newaxis] % 2 == 0, 1.0, rng.random((restarts, 1)))
            points = self._center + directions / lengths * depth * ball.radius
        points = self._domain.project(points)
        points[0] = self._center
        return points

    def _aims(self, restarts: int, outputs: int, rng: np.random.Generator) -> FloatArray:
        """Return the direction in which each start moves the output; zeros: that of the norm itself."""
        if self._norm == "linf":
            starts = np.arange(restarts)
            number = starts % (2 * outputs)
            aims = np.zeros((restarts, outputs))
            aims[starts, number % outputs] = np.where(number < outputs, 1.0, -1.0)
        elif self._norm == "l1":
            aims = rng.choice([-1.0, 1.0], (restarts, outputs))
        else:
            aims = rng.standard_normal((restarts, outputs))
        aims[: (2 * restarts + 2) // 3] = 0.0
        return aims

    def _step(self, points: FloatArray, gradient: FloatArray, step: float) -> FloatArray:
        """Move uphill by ``step`` domain widths: every coordinate of a box, the direction alone in a ball."""
        gradient = np.nan_to_num(gradient)
        if (ball := self._domain.ball) is None:
            move = np.sign(gradient) * (self._high - self._low)
        else:
            largest = np.abs(gradient).max(axis=1, keepdims=True)
            gradient = np.divide(gradient, largest, out=np.zeros_like(gradient), where=largest > 0.0)
            length = np.sqrt(np.sum(gradient * gradient, axis=1, keepdims=True))
            move = np.divide(gradient, length, out=np.zeros_like(gradient), where=length > 0.0)
            move = move * (2.0 * ball.radius)
        return self._domain.project(points + step * np.nan_to_num(move))

    def _wander(self, points: FloatArray, sizes: FloatArray, tries: int, rng: np.random.Generator) -> None:
        """Try random steps around every point, ever shorter ones."""
        count = len(points)
        d = self._center.size
        width = np.nan_to_num(0.5 * self._high - 0.5 * self._low)
        for radius in _RADII:
            if self._late():
                return
            moves = rng.standard_normal((count, tries, d)) * width * radius
            # In many dimensions a step of few coordinates succeeds more often than one of all.
            moves *= rng.random(moves.shape) < min(1.0, 4.0 / d + 0.5 * (d <= 4))
            tried = self._domain.project((points[:, np.newaxis] + 2.0 * moves).reshape(-1, d))
            found = self._evaluate(tried)[0]
            self._note(tried, found)
            found, tried = found.reshape(count, tries), tried.reshape(count, tries, d)
            found = np.where(np.isfinite(found), found, -math.inf)
            which = found.argmax(axis=1)
            rows = np.arange(count)
            better = found[rows, which] > sizes
            points = np.where(better[:, np.newaxis], tried[rows, which], points)
            sizes = np.where(better, found[rows, which], sizes)

    def _flip_coordinates(self) -> None:
        """Move coordinates to the ends of the box while that helps: the best alone, or several at once."""
        d = self._center.size
        for _ in range(_SWEEPS):
            origin, size_before = self._best, self._best_size
            gains = np.full(2 * d, -math.inf)
            chunk = max(1, min(_CHUNK, _CHUNK_NUMBERS // d))
            for start in range(0, 2 * d, chunk):
                if self._late():
                    return
                moves = np.arange(start, min(start + chunk, 2 * d))
                points = np.repeat(origin[np.newaxis], moves.size, axis=0)
                points[np.arange(moves.size), moves // 2] = self._ends(moves)
                sizes = self._evaluate(points)[0]
                self._note(points, sizes)
                gains[moves] = np.where(np.isfinite(sizes), sizes, -math.inf) - size_before
            if not self._best_size > size_before:
                return
            order = np.argsort(-gains, kind="stable")
            helpful = int((gains > 0.0).sum())
            counts = sorted({max(1, helpful >> shift) for shift in range(helpful.bit_length())})
            points = np.repeat(origin[np.newaxis], len(counts), axis=0)
            for point, count in zip(points, counts, strict=True):
                chosen = order[:count][::-1]  # of the two ends of a coordinate the better one comes last
                point[chosen // 2] = self._ends(chosen)
            self._note(points, self._evaluate(points)[0])

    def _ends(self, moves: Ints) -> FloatArray:
        return np.where(moves % 2 == 0, self._low[moves // 2], self._high[moves // 2])

    def _evaluate(self, points: FloatArray) -> tuple[FloatArray, list[Trace], FloatArray]:
        """Return ||f - g|| of each point, what back-propagation needs of each network, and g - f."""
        traces, values = [], []
        for network in self._networks:
            trace, x = [], points
            for layer in network:
                z = layer(x)
                trace.append((x, z > 0.0))
                x = np.maximum(z, 0.0) if layer.relu else z
            traces.append(trace)
            values.append(x)
        difference = values[1] - values[0]
        magnitude = np.abs(difference)
        largest = magnitude.max(axis=1)
        if self._norm == "linf":
            return largest, traces, difference
        if self._norm == "l1":
            return magnitude.sum(axis=1), traces, difference
        scale = largest[:, np.newaxis]
        scaled = np.divide(magnitude, scale, out=np.zeros_like(magnitude), where=scale > 0.0)
        return largest * np.sqrt(np.sum(scaled * scaled, axis=1)), traces, difference

    def _gradient(self, traces: list[Trace], difference: FloatArray, aims: FloatArray) -> FloatArray:
        """Return an ascent direction at each point: of the norm, or of its aim where it has one."""
        if self._norm == "linf":
            largest = np.abs(difference).argmax(axis=1)
            rows = np.arange(len(difference))
            start = np.zeros_like(difference)
            start[rows, largest] = np.sign(difference[rows, largest])
        elif self._norm == "l1":
            start = np.sign(difference)
        else:
            scale = np.abs(difference).max(axis=1, keepdims=True)
            start = np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0.0)
        start = np.where(aims.any(axis=1, keepdims=True), aims, start)
        pulled = []
        for network, trace in zip(self._networks, traces, strict=True):
            gradient = start
            for layer, (x, on) in zip(reversed(network), reversed(trace), strict=True):
                gradient = layer.pull_back(x, gradient * on if layer.relu else gradient)
            pulled.append(gradient)
        return pulled[1] - pulled[0]

    def _note(self, points: FloatArray, sizes: FloatArray) -> None:
        sizes = np.where(np.isfinite(sizes), sizes, -math.inf)
        index = int(sizes.argmax())
        if sizes[index] > self._best_size:
            self._best, self._best_size = points[index].copy(), float(sizes[index])
