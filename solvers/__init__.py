"""solvers: exact subset-sum solving, scalar and multidimensional, one instance or a million at a time.

>>> from solvers import SubsetSum, solve
>>> answer = solve(SubsetSum([0.5, 0.25, -0.75], target=0.7))
>>> answer.subset, answer.status.name
(array([0, 1]), 'OPTIMAL')

Heavy parts (numba, OR-Tools) are loaded when a backend that needs them is first used.
"""

from solvers.backend.registry import backends
from solvers.batch.solve_many import BatchSolution, solve_many
from solvers.covering import CoveringRadius, covering_radius
from solvers.dispatch import solve
from solvers.errors import (
    BackendUnavailableError,
    CertificateError,
    InvalidProblemError,
    UnsupportedProblemError,
)
from solvers.estimating import CountBounds, count_bounds
from solvers.listing import count, solutions
from solvers.problem import SubsetSum
from solvers.sampling import sample
from solvers.solution import Proof, Solution, Status, Stop
from solvers.version import __version__

__all__ = [
    "BackendUnavailableError",
    "BatchSolution",
    "CertificateError",
    "CountBounds",
    "CoveringRadius",
    "InvalidProblemError",
    "Proof",
    "Solution",
    "Status",
    "Stop",
    "SubsetSum",
    "UnsupportedProblemError",
    "__version__",
    "backends",
    "count",
    "count_bounds",
    "covering_radius",
    "sample",
    "solutions",
    "solve",
    "solve_many",
]
