"""selftest(): does this installation compute the truth on this machine? Seconds, and no test suite needed.

Every check holds what the packages say against arithmetic that shares no code with them, on problems small
enough for that; the last ones plant wrong answers, which must be refused.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers import CertificateError, Solution, Status, SubsetSum, UnsupportedProblemError, solve, solve_many
from solvers.backend.protocol import Limits
from solvers.backend.registry import BACKENDS
from solvers.exact import float_up
from solvers.instances.files import Instance, contradiction, read_instance
from subsetsum_nets.audit import audit
from subsetsum_nets.compiler import prune
from subsetsum_nets.networks import Dense, ReluNetwork, load_network, shipped_network, shipped_networks
from subsetsum_nets.pruned_network import PrunedNetwork
from subsetsum_nets.ticket_folder import CERTIFICATE, MASKS
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError
from subsetsum_nets.verification.check_certificate import RefusedError, check
from subsetsum_nets.verification.enclosures.midrad import check_arithmetic
from subsetsum_nets.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from solvers.solution import Objective
    from subsetsum_nets.masks import NetworkMasks

_EXTRAS = {"onnx": "onnx", "torch": "torch", "distributed": "distributed", "experiments": "sklearn"}
_OBJECTIVES: tuple[Objective, ...] = ("nearest", "within", "sparsest")
_INSTANCES = ("uniform-20", "huge-24", "nsn-2-20", "nsn-2-20-8", "ties-24", "too-tight-products-21")


class SelftestError(RuntimeError):
    """Something that this installation says is not so."""


class Outcome(NamedTuple):
    """What one check saw: ``detail`` says what was compared, or what is wrong."""

    name: str
    passed: bool
    detail: str
    seconds: float


def selftest() -> Iterator[Outcome]:
    """Run every check, one at a time; a check that fails does not end the run.

    Examples
    --------
    >>> next(selftest()).name
    'libraries'

    """
    for name, run in checks().items():
        started = perf_counter()
        try:
            passed, detail = True, run()
        except Exception as error:  # noqa: BLE001 - a broken library may raise anything; that is the finding
            passed, detail = False, f"{type(error).__name__}: {error}"
        yield Outcome(name, passed, detail, perf_counter() - started)


def checks() -> dict[str, Callable[[], str]]:
    """Return the checks by name. Each returns a line on what it saw, and raises where something is wrong."""
    return {
        "libraries": _libraries,
        "arithmetic": _arithmetic,
        **{f"backend {name}": partial(_backend, name) for name in BACKENDS},
        "solve_many": _rows,
        "shipped files": _shipped_files,
        "ticket": _ticket,
        "wrong subsets": _wrong_subsets,
    }


def _needs(condition: object, complaint: str) -> None:
    if not condition:
        raise SelftestError(complaint)


def _libraries() -> str:
    from importlib.metadata import version

    found = [f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "ortools", "python-flint")]
    extras = [name for name, module in _EXTRAS.items() if find_spec(module)]
    return f"subsetsum-nets {__version__}, {', '.join(found)}; extras: {', '.join(extras) or 'none'}"


def _arithmetic() -> str:
    check_arithmetic()
    return "float64 rounds to nearest and underflows gradually"


def _backend(name: str) -> str:
    """Hold a backend against brute force: every tiny problem that it takes, every objective."""
    gap = BACKENDS[name].missing()
    if gap is not None:
        return f"not installed: {gap}"
    solved: list[Solution] = []
    for problem in tiny_problems():
        for objective in _OBJECTIVES[: 1 if problem.tolerance is None else None]:
            try:
                solution = solve(problem, objective=objective, backend=name, threads=1)
            except UnsupportedProblemError:
                continue
            wrong = _refuted(problem, solution)
            _needs(wrong is None, f"backend {name}, {problem!r}, {objective}: {wrong}")
            solved.append(solution)
    _needs(any(_finds(name, problem) for problem in tiny_problems()), f"backend {name} answers nothing")
    return f"{len(solved)} answers, none that brute force refutes"


def _finds(name: str, problem: SubsetSum) -> bool:
    """Tell whether the backend itself, without the guess that solve() shows in its place, finds a subset."""
    backend, limits = BACKENDS[name], Limits(threads=1)
    if backend.refusal(problem, "nearest", limits) is not None:
        return False
    try:
        return backend.solve(problem, "nearest", limits).subset is not None
    except UnsupportedProblemError:
        return False


def tiny_problems() -> list[SubsetSum]:
    """Return a dozen problems: floats, integers of any size, fractions, vectors, ties, what nothing meets."""
    rng = np.random.default_rng(0)
    floats, vectors = rng.uniform(-1, 1, 9), rng.normal(size=(8, 2))
    thirds = [Fraction(int(k), 3) for k in rng.integers(-20, 20, 8)]
    return [
        SubsetSum(floats, 0.3),
        SubsetSum(floats, 0.3, tolerance=0.01),
        SubsetSum(floats, 0.3, tolerance=Fraction(1, 10**9)),
        SubsetSum(floats, 0.3, tolerance=0.1, cardinality=3),
        SubsetSum([15, 22, 14, 26, 32, 9, 16, 8], 53, tolerance=0),
        SubsetSum([6, 4, 2, 8, 10, 12], 7, tolerance=0),
        SubsetSum([4, 6, -4, -6, 0, 5], 5, tolerance=1, cardinality=(2, 4)),
        SubsetSum([2**90 + k for k in range(7)], 2**91 + 4, tolerance=1),
        SubsetSum(thirds, Fraction(1, 7), tolerance=Fraction(1, 5)),
        SubsetSum([1.7e308, -1.7e308, 5e-324, 1.0], 5e-324, tolerance=0),
        SubsetSum([int(k) for k in rng.integers(1, 9, 24)], 50, tolerance=0),
        SubsetSum(vectors, [0.2, -0.1]),
        SubsetSum(vectors, [0.2, -0.1], tolerance=0.25, cardinality=(1, 5)),
    ]


def _outcomes(problem: SubsetSum) -> set[tuple[int, Fraction]]:
    """Return (size, error) of all subsets of an allowed size, in fractions: brute force."""
    target = problem.target if isinstance(problem.target, tuple) else (problem.target,)
    low, high = problem.sizes
    sums = {(0, tuple(-t for t in target))}
    for item in problem.items:
        row = [Fraction(x) for x in np.ravel(item).tolist()]
        sums |= {(n + 1, tuple(s + x for s, x in zip(total, row, strict=True))) for n, total in sums}
    return {(n, max(map(abs, total))) for n, total in sums if low <= n <= high}


def _refuted(problem: SubsetSum, solution: Solution) -> str | None:
    """Say what brute force has against a solution; None when it has nothing."""
    solution.check(problem)
    every, limit = _outcomes(problem), problem.tolerance
    least, slack = min(error for _, error in every), Fraction(solution.resolution)
    if solution.objective == "sparsest" and solution.status is Status.OPTIMAL and limit is not None:
        size, error = min(outcome for outcome in every if outcome[1] <= limit)
        if solution.size != size or solution.error is None or solution.error > error + slack:
            return f"OPTIMAL with {solution.size} items, but {size} items come as near as {error}"
    status = "OPTIMAL" if limit is None or least <= limit else "INFEASIBLE"
    return contradiction(Instance(problem, "", known={"status": status, "error": least}), solution)


def _rows() -> str:
    rng = np.random.default_rng(1)
    items, targets = rng.uniform(-1, 1, (40, 16)), rng.uniform(-0.5, 0.5, 40)
    batch = solve_many(items, targets, threads=1)
    batch.check(items, targets)
    for row, (numbers, target) in enumerate(zip(items, targets, strict=True)):
        alone = solve(SubsetSum(numbers, target), threads=1)
        found = None if alone.error is None else float_up(alone.error)
        _needs(
            batch.errors[row] == found, f"row {row}: solve_many says {batch.errors[row]!r}, solve {found!r}"
        )
    return f"{len(batch)} rows, each as solve() answers it"


def _shipped_files() -> str:
    for name in shipped_networks():
        load_network(shipped_network(name))
    folder = shipped_network().parent / "subset_sum"
    for name in _INSTANCES:
        instance = read_instance(folder / f"{name}.json")
        solution, known = solve(instance.problem), instance.known
        wrong = contradiction(instance, solution)
        _needs(wrong is None, f"{name}: {wrong}")
        _needs(known and solution.status.name == known["status"], f"{name}: {solution.status.name}")
    return f"networks {', '.join(shipped_networks())}; {len(_INSTANCES)} instances of known answer"


def _ticket() -> str:
    """Prune, save, load, audit, and confirm by the checker that shares no code with the package; forge it."""
    first, second = Dense([[0.3, -0.8], [0.5, 0.1]], [0.1, -0.2]), Dense([[1.0, -0.4]])
    pruned = prune(ReluNetwork([first, second]), epsilon=0.05, threads=1)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "ticket"
        pruned.save(folder)
        x = np.random.default_rng(2).uniform(-1, 1, (50, 2))
        same = np.array_equal(pruned.network(x), PrunedNetwork.load(folder).network(x))
        _needs(same, "the network that is loaded is not the one that was saved")
        _needs(audit(folder).verified, "the ticket is not verified")
        audit(folder, method="differential").certificate_anew().save(folder / "anew.json")
        check(folder, folder / "anew.json")
        _refuses_forgeries(folder, pruned.all_masks)
    return "saved, loaded, audited, confirmed by the stand-alone checker; forged, refused"


def _refuses_forgeries(folder: Path, masks: NetworkMasks) -> None:
    certificate = Certificate.load(folder / CERTIFICATE)
    less = replace(certificate, bound=certificate.attack / 2)
    less.save(folder / CERTIFICATE)
    _refuses(CertificateFileError, partial(audit, folder), "a bound that is too small")
    _refuses(RefusedError, partial(check, folder), "a bound that is too small, to the stand-alone checker,")
    certificate.save(folder / CERTIFICATE)
    masks.biases[0] = ~np.asarray(masks.biases[0])
    masks.save(folder / MASKS)
    _refuses(CertificateFileError, partial(audit, folder), "a flipped mask")


def _wrong_subsets() -> str:
    problem = SubsetSum([15, 22, 14, 26, 32, 9, 16, 8], 53, tolerance=0)
    right = solve(problem)
    bound, subset = Fraction(1), np.array([0, 1])
    lies: list[dict[str, Any]] = [
        {"subset": subset},
        {"total": bound},
        {"error": bound},
        {"lower_bound": bound},
    ]
    for lie in lies:
        _refuses(CertificateError, partial(replace(right, **lie).check, problem), f"a solution with {lie}")
    return f"{len(lies)} wrong solutions refused"


def _refuses(error: type[Exception], run: Callable[[], object], what: str) -> None:
    try:
        run()
    except error:
        return
    raise SelftestError(f"{what} is accepted")
