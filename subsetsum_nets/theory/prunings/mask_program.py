"""Prunings of networks with d >= 2: a program over all masks, asked at finitely many points.

Hidden unit i with the kept inputs p (its *pattern*) has the value ``relu(sum over p of U[i, j] x[j])`` at x:
a number, as x is given. So with a binary for every unit and pattern (at most one pattern a unit) and one for
every unit, pattern and output edge (only with its pattern), any condition ``c . (g(x) - W x) <= b`` is linear
in the binaries. Coefficients and right side are scaled and rounded down, which only weakens the condition: a
sum of rounded terms is an integer and at most the scaled left side. CP-SAT only proposes. A mask that it
finds is attacked; where that refutes it, the point found becomes a new condition, else ``verify`` proves it.
That there is none is believed only once :mod:`.exhaustion` has gone through all prunings.
"""

from __future__ import annotations

import math
import time
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers.interrupts import Interruption, interruptible
from subsetsum_nets.networks import Dense, ReluNetwork
from subsetsum_nets.theory.prunings.decision import (
    UNIT_BALL,
    PruningDecision,
    PruningStatus,
    proven_bound,
    pruned_by,
    weights_of,
)
from subsetsum_nets.theory.prunings.exhaustion import Probe, excludes_all
from subsetsum_nets.verification import Comparison
from subsetsum_nets.verification.falsifier import falsify
from subsetsum_nets.verification.replay.arithmetic import root_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray

    Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]

BITS = 34  # of the numbers of a condition, all added up
_GRID = 2.0**-20  # to which points and directions are rounded, so that their numbers stay short
_LEAST_SECONDS = 0.05


class OutOfTimeError(RuntimeError):
    """The program was neither solved nor found infeasible within its time."""


class _Unit(NamedTuple):
    """The binaries of one hidden unit: one a pattern, and (outputs, patterns) for the edges."""

    patterns: list[Any]
    edges: list[list[Any]]


class MaskProgram:
    """The prunings of V relu(U x) that meet all conditions added so far.

    ``first`` and ``second`` are U (s, d) and V (d, s), ``member`` is W (d, d). Conditions are rounded so that
    absolute values sum up to at most 2^bits.

    Examples
    --------
    >>> u, v = np.array([[1.0, 0.5], [-1.0, 1.0]]), np.array([[0.5, 1.0], [1.0, -1.0]])
    >>> program = MaskProgram(u, v, np.array([[0.5, 0.25], [0.0, 0.0]]), 0.125)
    >>> program.add(Probe(np.array([1.0, 0.0]), np.array([1.0, 0.0])))
    >>> first, second = program.solve(time_limit=None, seed=0)
    >>> bool(first[0, 0] and second[0, 0])
    True
    >>> program.add(Probe(np.array([-1.0, 0.0]), np.array([1.0, 0.0])))
    >>> program.solve(time_limit=None, seed=0) is None
    True

    """

    def __init__(
        self,
        first: FloatArray,
        second: FloatArray,
        member: FloatArray,
        epsilon: float,
        *,
        bits: int = BITS,
    ) -> None:
        from ortools.sat.python import cp_model

        self._cp = cp_model
        self._model = cp_model.CpModel()
        self._first, self._second, self._member = (_fractions(a) for a in (first, second, member))
        self._epsilon, self._bits = Fraction(epsilon), bits
        self._patterns = [p for p in product((False, True), repeat=first.shape[1]) if any(p)]
        self._units = [self._new_unit(second.shape[0]) for _ in range(first.shape[0])]

    def _new_unit(self, outputs: int) -> _Unit:
        model = self._model
        patterns = [model.new_bool_var("") for _ in self._patterns]
        edges = [[model.new_bool_var("") for _ in self._patterns] for _ in range(outputs)]
        model.add_at_most_one(patterns)
        for number, pattern in enumerate(patterns):
            used = [row[number] for row in edges]
            for edge in used:
                model.add_implication(edge, pattern)
            model.add_bool_or([*used, ~pattern])  # a unit without outputs counts as removed
        return _Unit(patterns, edges)

    def add(self, probe: Probe) -> None:
        """Demand ``|c . (g(x) - W x)| <= epsilon ||c|| ||x||``, rounded outward."""
        x, c = _fractions(probe.point), _fractions(probe.direction)
        everything = (True,) * len(x)
        images = [_inner(row, x, everything) for row in self._member]
        goal = _inner(images, c, (True,) * len(c))
        reach = self._epsilon * root_up(_square(x) * _square(c))
        hidden = [
            [max(Fraction(0), _inner(row, x, pattern)) for pattern in self._patterns] for row in self._first
        ]
        terms = [
            (c[output] * self._second[output][unit] * value, edge)
            for unit, (binaries, values) in enumerate(zip(self._units, hidden, strict=True))
            for output, edges in enumerate(binaries.edges)
            for value, edge in zip(values, edges, strict=True)
        ]
        scale = _power_below(self._bits, sum((abs(weight) for weight, _ in terms), reach + abs(goal)))
        for sign in (1, -1):
            rounded = [(math.floor(sign * weight * scale), edge) for weight, edge in terms]
            total = sum(factor * edge for factor, edge in rounded if factor)
            self._model.add(total <= math.floor((reach + sign * goal) * scale))

    def exclude(self, masks: Masks) -> None:
        """Forbid one pruning."""
        chosen = []
        for unit, binaries in enumerate(self._units):
            kept = tuple(masks[0][unit].tolist())
            number = self._patterns.index(kept) if any(kept) and masks[1][:, unit].any() else None
            for k, pattern in enumerate(binaries.patterns):
                chosen.append(pattern if k == number else ~pattern)
                for output, edges in enumerate(binaries.edges):
                    chosen.append(edges[k] if k == number and masks[1][output, unit] else ~edges[k])
        self._model.add_bool_or([~literal for literal in chosen])

    def solve(self, *, time_limit: float | None, seed: int) -> Masks | None:
        """Return a pruning that meets all conditions, or None if CP-SAT finds that there is none.

        OutOfTimeError if the time is up before either.
        """
        cp, solver = self._cp, self._cp.CpSolver()
        # With presolve, CP-SAT 9.15 calls some programs infeasible that are not (its issue 5274).
        solver.parameters.cp_model_presolve = False
        solver.parameters.num_workers = 1  # one thread gives the same answer every time
        solver.parameters.random_seed = seed % 2**31
        if time_limit is not None:
            solver.parameters.max_time_in_seconds = time_limit
        solver.parameters.catch_sigint_signal = False
        interruption = Interruption()
        with interruption.telling(solver.stop_search):
            status = interruptible(lambda: solver.solve(self._model), interruption)
        if status == cp.MODEL_INVALID:
            raise RuntimeError(f"CP-SAT rejected the model: {self._model.validate()}")
        if status == cp.INFEASIBLE:
            return None
        if status not in (cp.OPTIMAL, cp.FEASIBLE):
            raise OutOfTimeError("neither a pruning nor a proof that there is none")
        outputs = len(self._units[0].edges)
        first = np.zeros((len(self._units), len(self._patterns[0])), dtype=bool)
        second = np.zeros((outputs, len(self._units)), dtype=bool)
        for unit, binaries in enumerate(self._units):
            for number, pattern in enumerate(binaries.patterns):
                if solver.boolean_value(pattern):
                    first[unit] = self._patterns[number]
                    second[:, unit] = [solver.boolean_value(edges[number]) for edges in binaries.edges]
        return first, second


def decide_by_points(
    network: ReluNetwork, member: FloatArray, epsilon: float, time_limit: float, seed: int
) -> PruningDecision:
    """Decide one matrix by growing the set of points until the two sides meet; see the module's text.

    A mask that is neither refuted nor proven is set aside; if no other serves, the matrix is UNKNOWN.
    """
    deadline = time.perf_counter() + time_limit
    first, second = weights_of(network)
    program = MaskProgram(first, second, member, epsilon)
    probes = _first_probes(first.shape[1])
    for probe in probes:
        program.add(probe)
    target = ReluNetwork([Dense(member)])
    aside = 0
    while True:
        left = deadline - time.perf_counter()
        if left < _LEAST_SECONDS:
            return PruningDecision(PruningStatus.UNKNOWN, message="time limit reached")
        try:
            masks = program.solve(time_limit=left, seed=seed)
        except OutOfTimeError:
            return PruningDecision(PruningStatus.UNKNOWN, message="time limit reached")
        if masks is None and aside:
            return PruningDecision(PruningStatus.UNKNOWN, message=f"{aside} prunings could not be verified")
        if masks is None and not excludes_all(first, second, member, epsilon, probes):
            return PruningDecision(PruningStatus.UNKNOWN, message="infeasible by CP-SAT's word alone")
        if masks is None:
            return PruningDecision(PruningStatus.NOT_SERVED, probes=tuple(probes))
        pruned = pruned_by(network, masks)
        found = falsify(Comparison(target, pruned, UNIT_BALL), seed=seed)
        new = _probes_at(found.witness, target, pruned) if found.lower > epsilon else []
        if any(_excludes(probe, target, pruned, epsilon) for probe in new):
            for probe in new:
                program.add(probe)
            probes += new
            continue
        left = max(deadline - time.perf_counter(), _LEAST_SECONDS)
        bound = proven_bound(pruned, member, epsilon, time_limit=left)
        if bound is not None:
            return PruningDecision(PruningStatus.SERVED, masks, bound)
        program.exclude(masks)
        aside += 1


def _first_probes(d: int) -> list[Probe]:
    """Return conditions along the axes and diagonals, for every output."""
    points = [np.array(p, dtype=float) for p in product((-1, 0, 1), repeat=d) if any(p)]
    return [Probe(point, direction) for point in points for direction in np.eye(d)]


def _probes_at(point: FloatArray, target: ReluNetwork, pruned: ReluNetwork) -> list[Probe]:
    """Return conditions at a point and opposite to it, in the directions of the errors there."""
    probes = []
    for x in (point, -point):
        short = np.round(x / _GRID) * _GRID
        error = pruned(short) - target(short)
        size = np.abs(error).max(initial=0.0)
        if size > 0:
            probes.append(Probe(short, np.round(error / size / _GRID) * _GRID))
    return probes


def _excludes(probe: Probe, target: ReluNetwork, pruned: ReluNetwork, epsilon: float) -> bool:
    """Tell whether the rounded condition surely excludes a pruning; a guess that only steers the search."""
    error = probe.direction @ (pruned(probe.point) - target(probe.point))
    reach = epsilon * float(np.linalg.norm(probe.direction) * np.linalg.norm(probe.point))
    first, second = (np.abs(w) for w in weights_of(pruned))
    size = np.abs(probe.direction) @ second @ first @ np.abs(probe.point) + abs(error) + reach
    rounding = 2.0**-BITS * 4.0 * (first.size + second.size) * size
    return bool(abs(error) > reach + rounding)


def _fractions(values: FloatArray) -> Any:
    """Return an array as nested lists of exact Fractions."""
    if values.ndim == 1:
        return [Fraction(x) for x in values.tolist()]
    return [_fractions(row) for row in values]


def _inner(row: list[Fraction], x: list[Fraction], pattern: tuple[bool, ...]) -> Fraction:
    return sum((u * xj for u, xj, kept in zip(row, x, pattern, strict=True) if kept), Fraction(0))


def _power_below(bits: int, total: Fraction) -> Fraction:
    """Return a power of two that takes ``total`` to at most 2^bits."""
    size = total.numerator.bit_length() - total.denominator.bit_length() + 1
    return Fraction(2) ** (bits - size)


def _square(values: list[Fraction]) -> Fraction:
    return sum((v * v for v in values), Fraction(0))
