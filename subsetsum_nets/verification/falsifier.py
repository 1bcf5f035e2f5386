"""The falsifier: search for an input where f and g differ most, and prove how much they differ there.

The search is ordinary floating point and may go wrong without harm: only its final point counts, where both
networks are evaluated rigorously as stored.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.relu_network import is_sparse
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError
from subsetsum_nets.verification.midrad import MidRad, affine, norm_down

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.effective import TwoSlope
    from subsetsum_nets.verification.midrad import Matrix

_RESTARTS = 48
# Ever smaller steps, then three jumps to the far end of the domain in the direction of ascent.
_STEPS = (*np.geomspace(1.0, 0.01, 24), 1e9, 1e9, 1e9)
_SWEEPS = 8
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class LowerBound:
    """Proven: ``||f(witness) - g(witness)|| >= lower``."""

    lower: float
    witness: FloatArray


def falsify(
    target: ReluNetwork,
    pruned: ReluNetwork,
    domain: Domain,
    norm: str,
    *,
    effective: Sequence[TwoSlope] | None = None,
    seed: int = 0,
    time_limit: float | None = None,
) -> LowerBound:
    """Search the domain for a large ||f - g||.

    Projected gradient ascent from the centre, random corners and random points, then greedy moves of single
    coordinates to the ends of a box. Deterministic for a fixed seed unless the time limit cuts it short.

    Parameters
    ----------
    target, pruned : ReluNetwork
    domain : Box or Ball
    norm : {"l2", "linf", "l1"}
    effective : sequence of TwoSlope, optional
        ``effective_layers(target, pruned)``: a faster stand-in for ``pruned``.
    seed : int
    time_limit : float, optional
        Seconds after which the search stops with the best point so far.

    Returns
    -------
    LowerBound
        Its witness lies in the domain exactly.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0, 1.0]])]), ReluNetwork([Dense([[1.5, 0.5]])])
    >>> found = falsify(f, g, Box(-1, 1), "l2")
    >>> round(found.lower, 9), bool(abs(found.witness[0] - found.witness[1]) == 2.0)
    (1.0, True)

    """
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    stand_in = _layers(pruned) if effective is None else _effective_layers(target, effective)
    search = _Search(_layers(target), stand_in, domain, target.widths[0], norm, deadline)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        candidate = search.run(np.random.default_rng(seed))
    best = LowerBound(-1.0, candidate)
    for point in (candidate, search.center):
        witness = _inside(point, domain, search.center)
        lower = difference_down(target, pruned, witness, norm, effective)
        if lower > best.lower:
            best = LowerBound(lower, witness)
    best.witness.flags.writeable = False
    return best


def difference_down(
    target: ReluNetwork,
    pruned: ReluNetwork,
    point: FloatArray,
    norm: str,
    effective: Sequence[TwoSlope] | None = None,
) -> float:
    """Return a lower bound, at least 0, of ||f(point) - g(point)|| for the two networks as stored.

    Parameters
    ----------
    target, pruned : ReluNetwork
    point : array, shape (d_0,)
    norm : {"l2", "linf", "l1"}
    effective : sequence of TwoSlope, optional
        ``effective_layers(target, pruned)``: a second enclosure of g(point), narrower for wide layers.

    Raises
    ------
    SoundnessError
        If the two enclosures of g(point) are disjoint.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.5]])])
    >>> round(difference_down(f, g, np.array([1.0]), "l2"), 12)
    0.5

    """
    try:
        value = value_enclosure(target, point)
    except BoundOverflowError:
        return 0.0
    ways = [partial(value_enclosure, pruned, point)]
    if effective is not None:
        ways.append(partial(_effective_value, target, effective, point))
    low, high = np.full(value.mid.shape, -np.inf), np.full(value.mid.shape, np.inf)
    for way in ways:
        try:
            one_low, one_high = way().bounds()
        except BoundOverflowError:
            continue
        low, high = np.maximum(low, one_low), np.minimum(high, one_high)
    if (low > high).any():
        raise SoundnessError(f"two enclosures of the pruned network at {point!r} are disjoint")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return 0.0
    return norm_down(value.minus(MidRad.from_bounds(low, high)).mignitude(), norm)


def value_enclosure(network: ReluNetwork, point: FloatArray) -> MidRad:
    """Enclose the exact value of ``network`` at ``point``."""
    values = MidRad.point(point)
    for layer, relu in zip(network.layers, network.relu_after, strict=True):
        values = affine(layer.weight, values, layer.bias)
        values = _relu(values) if relu else values
    return values


def _effective_value(target: ReluNetwork, effective: Sequence[TwoSlope], point: FloatArray) -> MidRad:
    values = MidRad.point(point)
    for two_slope, relu in zip(effective, target.relu_after, strict=True):
        values = two_slope.image(values)
        values = _relu(values) if relu else values
    return values


def _relu(values: MidRad) -> MidRad:
    low, high = values.bounds()
    return MidRad.from_bounds(np.maximum(low, 0.0), np.maximum(high, 0.0))


def _inside(point: FloatArray, domain: Domain, center: FloatArray) -> FloatArray:
    """Return a point near ``point`` that lies in the domain exactly."""
    candidate = domain.project(point) if np.isfinite(point).all() else center
    pull = 2.0**-50
    while not domain.contains(candidate):
        if pull >= 1.0:
            return center.copy()
        candidate = candidate + pull * (center - candidate)
        pull *= 4.0
    return np.array(candidate)


@dataclass(frozen=True, eq=False)
class _Layer:
    """``x -> positive max(x, 0) + negative min(x, 0) + bias``; ``negative`` None means ``positive``."""

    positive: Matrix
    negative: FloatArray | None
    bias: FloatArray
    relu: bool

    def __call__(self, x: FloatArray) -> FloatArray:
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


def _apply(weight: Matrix, x: FloatArray) -> FloatArray:
    y: FloatArray = (weight @ x.T).T if is_sparse(weight) else x @ weight.T
    return y


def _layers(network: ReluNetwork) -> list[_Layer]:
    return [
        _Layer(layer.weight, None, np.zeros(layer.d_out) if layer.bias is None else layer.bias, relu)
        for layer, relu in zip(network.layers, network.relu_after, strict=True)
    ]


def _effective_layers(target: ReluNetwork, effective: Sequence[TwoSlope]) -> list[_Layer]:
    """Return the midpoints of g's effective layers; one slope is enough after a ReLU."""
    layers = []
    for index, (two_slope, relu) in enumerate(zip(effective, target.relu_after, strict=True)):
        affine_layer = two_slope.negative is two_slope.positive or (
            index > 0 and target.relu_after[index - 1]
        )
        negative = None if affine_layer else two_slope.negative.mid
        layers.append(_Layer(two_slope.positive.mid, negative, two_slope.bias.mid, relu))
    return layers


class _Search:
    def __init__(
        self,
        target: list[_Layer],
        pruned: list[_Layer],
        domain: Domain,
        dimension: int,
        norm: str,
        deadline: float,
    ) -> None:
        self._networks = (target, pruned)
        self._domain = domain
        self._norm = norm
        self._deadline = deadline
        with np.errstate(over="ignore"):
            self._low, self._high = domain.bounds(dimension)
        if isinstance(domain, Box):
            self.center = np.clip(0.5 * self._low + 0.5 * self._high, self._low, self._high)
        else:
            self.center = np.array(np.broadcast_to(domain.center, (dimension,)))
        self._best = self.center
        self._best_size = -math.inf

    def run(self, rng: np.random.Generator) -> FloatArray:
        """Return the best point found."""
        points = self._starts(rng)
        self._note(points[:1], self._evaluate(points[:1])[0])
        for step in _STEPS:
            if time.perf_counter() >= self._deadline:
                return self._best
            sizes, traces, difference = self._evaluate(points)
            self._note(points, sizes)
            points = self._step(points, self._gradient(traces, difference), float(step))
        self._note(points, self._evaluate(points)[0])
        if isinstance(self._domain, Box):
            self._flip_coordinates()
        return self._best

    def _starts(self, rng: np.random.Generator) -> FloatArray:
        shape = (_RESTARTS, self.center.size)
        if isinstance(self._domain, Box):
            corners = np.where(rng.random(shape) < 0.5, self._low, self._high)
            mix = rng.random(shape)
            inner = self._low * (1.0 - mix) + self._high * mix
            points = np.where(np.arange(_RESTARTS)[:, np.newaxis] % 2 == 0, corners, inner)
        else:
            directions = rng.standard_normal(shape)
            lengths = np.sqrt(np.sum(directions * directions, axis=1, keepdims=True))
            points = self.center + directions / lengths * self._domain.radius
        points = self._domain.project(points)
        points[0] = self.center
        return points

    def _step(self, points: FloatArray, gradient: FloatArray, step: float) -> FloatArray:
        """Move uphill by ``step`` domain widths: every coordinate of a box, the direction alone in a ball."""
        gradient = np.nan_to_num(gradient)
        if isinstance(self._domain, Box):
            move = np.sign(gradient) * (self._high - self._low)
        else:
            largest = np.abs(gradient).max(axis=1, keepdims=True)
            gradient = np.divide(gradient, largest, out=np.zeros_like(gradient), where=largest > 0.0)
            length = np.sqrt(np.sum(gradient * gradient, axis=1, keepdims=True))
            move = np.divide(gradient, length, out=np.zeros_like(gradient), where=length > 0.0)
            move = move * (2.0 * self._domain.radius)
        return self._domain.project(points + step * np.nan_to_num(move))

    def _flip_coordinates(self) -> None:
        """Move one coordinate at a time to an end of the box, the best move first, while that helps."""
        for _ in range(_SWEEPS):
            size_before = self._best_size
            origin = self._best
            for start in range(0, 2 * origin.size, _CHUNK):
                if time.perf_counter() >= self._deadline:
                    return
                moves = np.arange(start, min(start + _CHUNK, 2 * origin.size))
                points = np.repeat(origin[np.newaxis], moves.size, axis=0)
                coordinates = moves // 2
                ends = np.where(moves % 2 == 0, self._low[coordinates], self._high[coordinates])
                points[np.arange(moves.size), coordinates] = ends
                self._note(points, self._evaluate(points)[0])
            if not self._best_size > size_before:
                return

    def _evaluate(
        self, points: FloatArray
    ) -> tuple[FloatArray, list[list[tuple[FloatArray, NDArray[np.bool_]]]], FloatArray]:
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
        if self._norm == "linf":
            sizes = magnitude.max(axis=1)
        elif self._norm == "l1":
            sizes = magnitude.sum(axis=1)
        else:
            largest = magnitude.max(axis=1)
            scaled = np.divide(
                magnitude,
                largest[:, np.newaxis],
                out=np.zeros_like(magnitude),
                where=largest[:, np.newaxis] > 0.0,
            )
            sizes = largest * np.sqrt(np.sum(scaled * scaled, axis=1))
        return sizes, traces, difference

    def _gradient(
        self, traces: list[list[tuple[FloatArray, NDArray[np.bool_]]]], difference: FloatArray
    ) -> FloatArray:
        """Return an ascent direction of the norm at each point."""
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
