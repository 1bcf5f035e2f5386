"""Linear programs with proven bounds: a solver in floats proposes multipliers, interval arithmetic judges.

For rows ``A v = b``, ``G v <= h`` and a box of v, every y and every z >= 0 give

    max c v <= y b + z h + max over the box of (c - A^T y - G^T z) v,

whatever they are, so that the solver and its tolerances are not trusted with anything: a poor answer of it
only makes the bound larger (Neumaier and Shcherbina, Math. Programming 99, 2004). Over a ball of inputs a
part of the residual that the cuts account for is bounded by Cauchy-Schwarz instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    TINY,
    MidRad,
    affine,
    inflate,
    rounding_error,
    row_norms_up,
    times_up,
)
from subsetsum_nets.verification.records import ProgramProof

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.domains import Ball
    from subsetsum_nets.verification.enclosures.ranges import Range

_OPTIONS = {"presolve": True, "primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, eq=False)
class Equalities:
    """Rows ``matrix @ v = rhs``: for every v that is meant, the right side is some value in ``rhs``."""

    matrix: csr_array[Any, Any]
    rhs: MidRad


@dataclass(frozen=True, eq=False)
class Inequalities:
    """Rows ``matrix @ v <= upper``, exactly as stored; ``slopes`` are those of a model's lines, on record."""

    matrix: csr_array[Any, Any]
    upper: FloatArray
    slopes: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class BallCuts:
    """A ball that holds the first d variables, and the tangents ``normals @ x <= upper`` known so far."""

    ball: Ball
    center: FloatArray
    normals: FloatArray
    upper: FloatArray

    @classmethod
    def none(cls, ball: Ball, dimension: int) -> BallCuts:
        """Return the ball without any cut."""
        center = np.array(np.broadcast_to(ball.center, (dimension,)))
        return cls(ball, center, np.zeros((0, dimension)), np.zeros(0))

    def with_normals(self, normals: FloatArray) -> BallCuts:
        """Add the tangents with these normals, any vectors: ``u x <= u center + radius ||u||``."""
        upper = ball_support_up(normals, self.center, self.ball.radius)
        return BallCuts(
            self.ball, self.center, np.concatenate([self.normals, normals]), np.append(self.upper, upper)
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """What the solver said: a point, and multipliers for the equalities, inequalities and cuts."""

    point: FloatArray
    equalities: FloatArray
    inequalities: FloatArray
    cuts: FloatArray


@dataclass(frozen=True, eq=False)
class Program:
    """The rows and the box that hold ``v``; all of them true for every v that is meant."""

    equalities: Equalities
    inequalities: Inequalities
    box: Range
    cuts: BallCuts | None = None

    def propose(self, objective: FloatArray, time_limit: float | None = None) -> tuple[Proposal | None, bool]:
        """Ask HiGHS for max objective @ v; return (None or its answer, whether it calls this infeasible)."""
        matrix, upper = self._rows()
        count = self.inequalities.upper.size
        answer = _highs(
            -objective,
            A_ub=matrix,
            b_ub=upper,
            A_eq=self.equalities.matrix,
            b_eq=self.equalities.rhs.mid,
            bounds=np.stack([self.box.low, self.box.high], axis=1),
            time_limit=time_limit,
        )
        if answer.status != 0 or answer.x is None:
            return None, answer.status == 2
        multipliers = np.maximum(-np.nan_to_num(answer.ineqlin.marginals), 0.0)
        proposal = Proposal(
            np.nan_to_num(answer.x),
            -np.nan_to_num(answer.eqlin.marginals),
            multipliers[:count],
            multipliers[count:],
        )
        return proposal, False

    def bound_up(self, objective: FloatArray, proposal: Proposal | None) -> tuple[float, FloatArray]:
        """Return a proven upper bound of max objective @ v, and the residual objective of the box.

        Parameters
        ----------
        objective : array, shape (n,)
        proposal : Proposal or None
            Only its multipliers count, and they may be anything; None stands for zeros.

        Raises
        ------
        BoundOverflowError
            If the bound exceeds the range of float64.

        """
        if proposal is None:
            residual, fixed = MidRad.point(objective), 0.0
        else:
            residual, fixed = self._residual(objective, proposal)
        return total_up([fixed, *_box_terms_up(residual, self.box)]), residual.mid

    def direction(self, proposal: Proposal) -> FloatArray | None:
        """Return the part of the objective that the ball bounds: any vector is sound; None without a cut."""
        if self.cuts is None or not self.cuts.upper.size:
            return None
        direction: FloatArray = np.maximum(proposal.cuts, 0.0) @ self.cuts.normals
        return direction

    def record(self, proposal: Proposal) -> ProgramProof:
        """Return what a solver proposed for a program of a :class:`~.pair_model.PairModel`."""
        slopes = self.inequalities.slopes
        if slopes is None:
            raise ValueError("only a program whose inequalities know their slopes can be recorded")
        return ProgramProof(slopes, proposal.equalities, proposal.inequalities, self.direction(proposal))

    def proven_empty(self, proposal: Proposal | None = None) -> bool:
        """Tell whether multipliers prove that no v meets all rows and the box; False proves nothing.

        Those of :meth:`propose_empty` are asked for where none are given.
        """
        proposal = self.propose_empty() if proposal is None else proposal
        return proposal is not None and self.bound_up(np.zeros(self.box.low.size), proposal)[0] < 0.0

    def propose_empty(self, time_limit: float | None = None) -> Proposal | None:
        """Ask HiGHS by how much all rows must give to be met; None without an answer."""
        from scipy.sparse import csr_array, hstack, vstack

        matrix, upper = self._rows()
        a, b = self.equalities.matrix, self.equalities.rhs.mid
        elastic = csr_array(np.full((2 * b.size + upper.size, 1), -1.0))
        answer = _highs(  # the smallest amount t by which all rows must give
            np.append(np.zeros(a.shape[1]), 1.0),
            A_ub=hstack([vstack([a, -a, matrix]), elastic], format="csr"),
            b_ub=np.concatenate([b, -b, upper]),
            bounds=np.stack([np.append(self.box.low, 0.0), np.append(self.box.high, np.inf)], axis=1),
            time_limit=time_limit,
        )
        if answer.status != 0 or answer.x is None:
            return None
        multipliers = np.maximum(-np.nan_to_num(answer.ineqlin.marginals), 0.0)
        ends = np.cumsum([b.size, b.size, self.inequalities.upper.size])
        above, below, rows, cuts = np.split(multipliers, ends)
        return Proposal(answer.x[:-1], above - below, rows, cuts)

    def _rows(self) -> tuple[csr_array[Any, Any], FloatArray]:
        """Return the inequalities with the cuts below them."""
        from scipy.sparse import csr_array, vstack

        matrix, upper = self.inequalities.matrix, self.inequalities.upper
        if self.cuts is None or not self.cuts.upper.size:
            return matrix, upper
        normals = np.zeros((self.cuts.upper.size, matrix.shape[1]))
        normals[:, : self.cuts.center.size] = self.cuts.normals
        return vstack([matrix, csr_array(normals)], format="csr"), np.append(upper, self.cuts.upper)

    def _residual(self, objective: FloatArray, proposal: Proposal) -> tuple[MidRad, float]:
        """Enclose c - A^T y - G^T z, less what the ball takes, and bound y b + z h + the ball's part."""
        from scipy.sparse import hstack

        free, signed = proposal.equalities, np.maximum(proposal.inequalities, 0.0)
        rows = hstack([self.equalities.matrix.T, self.inequalities.matrix.T], format="csr")
        residual = affine(rows, MidRad.point(-np.concatenate([free, signed])), objective)
        rhs = self.equalities.rhs
        parts = [
            *products_up(free, rhs.mid),
            *times_up(np.abs(free), rhs.rad),
            *products_up(signed, self.inequalities.upper),
        ]
        direction = self.direction(proposal)
        if self.cuts is not None and direction is not None:
            d = self.cuts.center.size
            parts.append(
                float(ball_support_up(direction[np.newaxis], self.cuts.center, self.cuts.ball.radius)[0])
            )
            taken = np.zeros_like(objective)
            taken[:d] = direction
            residual = residual.minus(MidRad.point(taken))
        return residual, total_up(parts)


def _highs(objective: FloatArray, *, time_limit: float | None, **rows: Any) -> Any:
    """Return what HiGHS makes of a minimisation; see :func:`scipy.optimize.linprog`."""
    from scipy.optimize import linprog

    options: dict[str, Any] = dict(_OPTIONS)
    if time_limit is not None:
        options["time_limit"] = max(time_limit, 0.0)
    solve: Any = linprog  # its type is an overload for every method's options
    return solve(objective, method="highs", options=options, **rows)


def ball_support_up(directions: FloatArray, center: FloatArray, radius: float) -> FloatArray:
    """Return upper bounds of ``u x`` over a ball for every row u of ``directions`` (k, d); shape (k,).

    Examples
    --------
    >>> ball_support_up(np.array([[3.0, 4.0]]), np.zeros(2), 2.0).round(9)
    array([10.])

    """
    middle = affine(directions, MidRad.point(center))
    reach = times_up(row_norms_up(directions), np.array(radius))
    return MidRad(middle.mid, inflate(middle.rad + reach, 1)).bounds()[1]


@np.errstate(over="ignore", invalid="ignore")
def products_up(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return upper bounds of the entrywise products."""
    product = a * b
    bound: FloatArray = product + 2.0 * rounding_error(product, 1) + (2.0 * TINY) * ((a != 0.0) & (b != 0.0))
    return bound


@np.errstate(over="ignore", invalid="ignore")
def box_bound_up(objective: FloatArray, box: Range) -> float:
    """Return a proven upper bound of max objective @ v over a box alone."""
    return total_up(_box_terms_up(MidRad.point(objective), box))


def _box_terms_up(residual: MidRad, box: Range) -> FloatArray:
    """Return upper bounds of r_j v_j over r in ``residual`` and v in ``box``."""
    ends = np.maximum(products_up(residual.mid, box.low), products_up(residual.mid, box.high))
    spread = times_up(residual.rad, np.maximum(np.abs(box.low), np.abs(box.high)))
    moved = spread != 0.0
    return np.where(moved, np.nextafter(ends + spread, np.inf), ends)


@np.errstate(over="ignore", invalid="ignore")
def total_up(parts: Any) -> float:
    """Return an upper bound of a sum of floats of any sign."""
    values = np.asarray(parts, dtype=np.float64)
    slack = inflate(rounding_error(np.abs(values).sum(), values.size), values.size)
    total = float(values.sum())
    return total if slack == 0.0 else float(np.nextafter(total + slack, np.inf))


def sparse_rows(
    rows: list[Ints], columns: list[Ints], values: list[FloatArray], shape: tuple[int, int]
) -> csr_array[Any, Any]:
    """Return a CSR matrix from lists of triplet arrays."""
    from scipy.sparse import csr_array

    triplets = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(triplets, shape=shape)
