"""What others would run: small, fair programs for nearest subset sums around well-known libraries.

Each takes (items, target, seconds) in numpy and returns (subset, claim): the chosen indices or None, and
whether the program says that no subset is nearer. ``missing`` says why one cannot run here, or is None.
"""

# ruff: noqa: ARG001 - all programs take the same arguments

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np


@dataclass(frozen=True)
class Peer:
    """A program to compare with."""

    name: str
    program: Callable
    missing: str | None = None  # why it cannot run here

    def __call__(self, items, target, seconds):
        """Return (subset, claim)."""
        return self.program(np.asarray(items), np.asarray(target), seconds)


# -- plain numpy and scipy -----------------------------------------------------------------------------


def all_sums(items):
    sums = np.zeros((1, *items.shape[1:]), items.dtype)
    for item in items:
        sums = np.concatenate([sums, sums + item])
    return sums


def bits_of(mask, offset=0):
    return [offset + k for k in range(int(mask).bit_length()) if int(mask) >> k & 1]


def brute_force(items, target, seconds):
    return bits_of(np.abs(all_sums(items) - target).argmin()), True


def ten_line_horowitz_sahni(items, target, seconds):
    middle = len(items) // 2
    left, right = all_sums(items[:middle]), all_sums(items[middle:])
    order = np.argsort(right)
    right = right[order]
    places = np.searchsorted(right, target - left)
    nearby = [np.clip(places - k, 0, len(right) - 1) for k in (0, 1)]
    errors = np.abs(left + right[np.stack(nearby)] - target)
    side, i = np.unravel_index(errors.argmin(), errors.shape)
    return bits_of(i) + bits_of(order[nearby[side][i]], middle), True


def kd_tree(items, target, seconds):
    from scipy.spatial import cKDTree

    middle = len(items) // 2
    left, right = all_sums(items[:middle]), all_sums(items[middle:])
    distances, places = cKDTree(left).query(target - right, p=np.inf)
    j = distances.argmin()
    return bits_of(places[j]) + bits_of(j, middle), True


def integer_bitset(items, target, seconds):
    """Reachable sums of non-negative integers as the bits of one Python integer, one for each prefix."""
    reachable = [1]
    target = int(target)
    for item in items.tolist():
        reachable.append(reachable[-1] | reachable[-1] << item)
        if len(reachable) % 8 == 0 and reachable[-1] >> target & 1:
            break
    last = reachable[-1]
    below = last & ((1 << target + 1) - 1)
    sums = [below.bit_length() - 1]
    above = last >> target
    if above:
        sums.append(target + (above & -above).bit_length() - 1)
    total = min(sums, key=lambda x: abs(x - target))
    subset = []
    for i in range(len(reachable) - 2, -1, -1):
        if not reachable[i] >> total & 1:
            subset.append(i)
            total -= int(items[i])
    return subset[::-1], True


# -- solvers of mixed-integer programs -------------------------------------------------------------------


def cp_sat(items, target, seconds, *, scale):
    from ortools.sat.python import cp_model

    rows = [[round(x * scale) for x in row] for row in np.atleast_2d(items.T).tolist()]
    goals = [round(x * scale) for x in np.atleast_1d(target).tolist()]
    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in rows[0]]
    worst = max(sum(map(abs, row)) + abs(goal) for row, goal in zip(rows, goals, strict=True))
    error = model.new_int_var(0, worst, "")
    for row, goal in zip(rows, goals, strict=True):
        total = cp_model.LinearExpr.weighted_sum(chosen, row)
        model.add(total - goal <= error)
        model.add(goal - total <= error)
    model.minimize(error)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None, False
    return [i for i, x in enumerate(chosen) if solver.value(x)], status == cp_model.OPTIMAL


def highs(items, target, seconds, *, scale, gap):
    """Minimise t with -t <= sum - target <= t, as scipy.optimize.milp."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    rows, goals = np.atleast_2d(items.T) * scale, np.atleast_1d(target) * scale
    n = rows.shape[1]
    one = np.ones((len(rows), 1))
    answer = milp(
        np.append(np.zeros(n), 1.0),
        constraints=[
            LinearConstraint(np.hstack([rows, -one]), ub=goals),
            LinearConstraint(np.hstack([rows, one]), lb=goals),
        ],
        integrality=np.append(np.ones(n), 0),
        bounds=Bounds(0, np.append(np.ones(n), np.inf)),
        options={"time_limit": seconds} | ({} if gap is None else {"mip_rel_gap": gap}),
    )
    if answer.x is None:
        return None, False
    return np.flatnonzero(answer.x[:n] > 0.5).tolist(), answer.status == 0


def cbc(items, target, seconds, *, scale, gap):
    import pulp

    rows, goals = np.atleast_2d(items.T) * scale, np.atleast_1d(target) * scale
    model = pulp.LpProblem("nearest", pulp.LpMinimize)
    chosen = [pulp.LpVariable(f"x{i}", cat="Binary") for i in range(rows.shape[1])]
    error = pulp.LpVariable("t", lowBound=0)
    model += error
    for row, goal in zip(rows.tolist(), goals.tolist(), strict=True):
        total = pulp.lpSum(a * x for a, x in zip(row, chosen, strict=True))
        model += total - goal <= error
        model += goal - total <= error
    model.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=seconds, gapRel=gap, gapAbs=gap))
    subset = [i for i, x in enumerate(chosen) if (x.value() or 0) > 0.5]
    return subset, model.sol_status == pulp.LpSolutionOptimal


def gurobi(items, target, seconds, *, scale, gap):
    import gurobipy

    rows, goals = np.atleast_2d(items.T) * scale, np.atleast_1d(target) * scale
    model = gurobipy.Model(env=gurobipy.Env(params={"OutputFlag": 0}))
    chosen = model.addMVar(rows.shape[1], vtype="B")
    error = model.addMVar(1)
    model.addConstr(rows @ chosen - goals <= error)
    model.addConstr(goals - rows @ chosen <= error)
    model.setObjective(error.sum())
    model.Params.TimeLimit, model.Params.Threads = seconds, 1
    if gap is not None:
        model.Params.MIPGap = gap
    model.optimize()
    if model.SolCount == 0:
        return None, False
    return np.flatnonzero(chosen.X > 0.5).tolist(), model.Status == gurobipy.GRB.OPTIMAL


def gurobi_missing():
    if find_spec("gurobipy") is None:
        return "gurobipy is not installed"
    import gurobipy

    try:
        gurobipy.Model(env=gurobipy.Env(params={"OutputFlag": 0}))
    except gurobipy.GurobiError as error:
        return f"no licence: {error}"
    return None


# -- knapsack and partition programs ---------------------------------------------------------------------


def as_nonnegative(items, target):
    """Flip negative items: choosing one becomes leaving out its absolute value."""
    flipped = items < 0
    return np.abs(items), target - items[flipped].sum(), flipped


def unflipped(chosen, flipped):
    taken = np.zeros(len(flipped), dtype=bool)
    taken[chosen] = True
    return np.flatnonzero(taken ^ flipped).tolist()


def knapsack(items, target, seconds, *, scale):
    """OR-Tools' KnapsackSolver, once for the largest sum below the target and once for its complement."""
    from ortools.algorithms.python import knapsack_solver as ortools_knapsack

    sizes, goal, flipped = as_nonnegative(items, float(target))
    whole = [round(x * scale) for x in sizes.tolist()]
    goal, everything = round(goal * scale), sum(whole)
    kind = ortools_knapsack.SolverType.KNAPSACK_MULTIDIMENSION_BRANCH_AND_BOUND_SOLVER
    best, error, proven = [], abs(goal), True
    for capacity, complement in ((goal, False), (everything - goal, True)):
        if capacity < 0:
            continue
        solver = ortools_knapsack.KnapsackSolver(kind, "nearest")
        solver.init(whole, [whole], [capacity])
        solver.set_time_limit(seconds / 2)
        solver.solve()
        proven &= solver.is_solution_optimal()
        chosen = [i for i in range(len(whole)) if solver.best_solution_contains(i) != complement]
        distance = abs(sum(whole[i] for i in chosen) - goal)
        if distance < error:
            best, error = chosen, distance
    return unflipped(best, flipped), proven


def prtpy_partition(items, target, seconds):
    """Partition into two, with one more item that makes the halves equal where the target is met."""
    import prtpy

    sizes, goal, flipped = as_nonnegative(items, float(target))
    balance = sizes.sum() - 2 * goal
    weights = dict(enumerate([*sizes.tolist(), abs(balance)]))
    bins = prtpy.partition(algorithm=prtpy.partitioning.cbldm, numbins=2, items=weights)
    with_balance = next(one for one in bins if len(sizes) in one)
    chosen = with_balance if balance > 0 else next(one for one in bins if len(sizes) not in one)
    return unflipped([i for i in chosen if i < len(sizes)], flipped), True


# -- by task -------------------------------------------------------------------------------------------

FORTY, TWENTY = math.ldexp(1.0, 40), math.ldexp(1.0, 20)
NO_GUROBI = gurobi_missing()
NO_PRTPY = None if find_spec("prtpy") else "prtpy is not installed"

BRUTE_FORCE = Peer("numpy, all sums", brute_force)
TEN_LINES = Peer("numpy, ten-line Horowitz-Sahni", ten_line_horowitz_sahni)
KD_TREE = Peer("scipy cKDTree, two halves", kd_tree)
BITSET = Peer("Python integer as bitset", integer_bitset)
CP_SAT = Peer("CP-SAT, scaled by 2^40", partial(cp_sat, scale=FORTY))
CP_SAT_WHOLE = Peer("CP-SAT", partial(cp_sat, scale=1))
HIGHS = Peer("HiGHS, as it comes", partial(highs, scale=1.0, gap=None))
MIP_SOLVERS = [
    HIGHS,
    Peer("HiGHS, scaled by 2^20, gap 0", partial(highs, scale=TWENTY, gap=0.0)),
    Peer("CBC, as it comes", partial(cbc, scale=1.0, gap=None)),
    Peer("CBC, scaled by 2^20, gap 0", partial(cbc, scale=TWENTY, gap=0.0)),
    Peer("Gurobi, as it comes", partial(gurobi, scale=1.0, gap=None), NO_GUROBI),
    Peer("Gurobi, scaled by 2^20, gap 0", partial(gurobi, scale=TWENTY, gap=0.0), NO_GUROBI),
]
KNAPSACK = Peer("OR-Tools KnapsackSolver, 2^20", partial(knapsack, scale=TWENTY))
PRTPY = Peer("prtpy, cbldm", prtpy_partition, NO_PRTPY)
