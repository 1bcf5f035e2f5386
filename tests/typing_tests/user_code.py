"""What a user writes against the public names, with the types that a checker must find for it. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import solvers
from solvers import (
    BatchSolution,
    CoveringRadius,
    Proof,
    Solution,
    Status,
    SubsetSum,
    count,
    covering_radius,
    solutions,
    solve,
    solve_many,
)
from subsetsum_nets import (
    Ball,
    Box,
    Certificate,
    Conv2d,
    Dense,
    PrunedNetwork,
    ReluNetwork,
    VerificationResult,
    load_network,
    prune,
    save_network,
    shipped_network,
    verify,
)
from subsetsum_nets.graphs import LayeredDag


def one_problem() -> None:
    problem = SubsetSum([0.5, Fraction(1, 3), 2], Fraction(5, 6), tolerance=0, cardinality=(1, 2))
    vectors = SubsetSum(np.ones((3, 2)), (1, 2.5), tolerance=0.1)
    answer = solve(problem, objective="sparsest", backend="mitm", time_limit=1.5, threads=2, seed=1)
    assert_type(answer, Solution)
    assert_type(answer.status, Status)
    assert_type(answer.proof, Proof)
    assert_type(answer.subset, NDArray[np.int64] | None)
    assert_type(answer.mask, NDArray[np.bool_] | None)
    assert_type(answer.error, Fraction | None)
    assert_type(answer.lower_bound, Fraction)
    assert_type(answer.gap, Fraction | None)
    answer.check(vectors)
    assert_type(count(problem), int)
    assert_type(solutions(problem, limit=3), Iterator[Solution])
    assert_type(covering_radius([0.1, 0.2], -1, 1), CoveringRadius)
    assert_type(covering_radius([0.1, 0.2], -1, 1).radius, Fraction)
    assert_type(solvers.backends(), dict[str, str])


def many_problems(items: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
    batch = solve_many(items, targets, tolerance=0.01, checkpoint=Path("run"), progress=True)
    assert_type(batch, BatchSolution)
    assert_type(batch.masks, NDArray[np.bool_])
    assert_type(batch.errors, NDArray[np.float64])
    assert_type(batch.status, NDArray[np.uint8])
    assert_type(batch.summary(), dict[str, Any])
    assert_type(BatchSolution.load("answers.npz"), BatchSolution)
    batch.check(items, targets)


def a_ticket() -> None:
    layers = [Dense([[0.3, -0.8]], [0.1]), Dense(np.ones((1, 1)))]
    target = ReluNetwork(layers, final_relu=False)
    images = ReluNetwork([Conv2d(np.ones((3, 3, 1, 2)))], input_shape=(8, 8, 1))
    pruned = prune(target, construction="relu", epsilon=0.01, seed=3, domain=Box(-1, 1), progress=print)
    assert_type(pruned, PrunedNetwork)
    assert_type(pruned.network, ReluNetwork)
    assert_type(pruned.certificate, Certificate | None)
    assert_type(pruned.solution, BatchSolution)
    pruned.save("ticket")
    assert_type(PrunedNetwork.load(Path("ticket")), PrunedNetwork)
    result = verify(target, pruned, domain=Ball(0.5), norm="linf", method="zonotope", time_limit=1)
    assert_type(result, VerificationResult)
    assert_type(result.upper, float)
    assert_type(result.lower, float)
    assert_type(result.verified, bool | None)
    verify(images, images)
    assert_type(load_network(shipped_network()), ReluNetwork)
    save_network(target, "target.onnx")
    assert_type(LayeredDag.from_network(target), LayeredDag)


def what_a_checker_must_refuse() -> None:
    solve([1, 2])  # type: ignore[arg-type]
    solve(SubsetSum([1], 1), backend=None)  # type: ignore[arg-type]
    solve(SubsetSum([1], 1), time_limit="1 s")  # type: ignore[arg-type]
    solve(SubsetSum([1], 1)).status = Status.OPTIMAL  # type: ignore[misc]
    solve(SubsetSum([1], 1), objective="nearst")  # type: ignore[arg-type]
    solve_many([[1.0]], [1.0], objective="best")  # type: ignore[arg-type]
    count([1, 2])  # type: ignore[arg-type]
    prune(Dense([[1.0]]))  # type: ignore[arg-type]
    prune(ReluNetwork([Dense([[1.0]])]), epsilon="small")  # type: ignore[arg-type]
    verify(ReluNetwork([Dense([[1.0]])]), "ticket")  # type: ignore[arg-type]
    verify(ReluNetwork([Dense([[1.0]])]), None)  # type: ignore[arg-type]
