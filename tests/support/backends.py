"""Which backends a test runs on: those of a kind, told by what a backend says of itself. See conftest.py."""

import importlib
import sys
from pathlib import Path

from solvers import SubsetSum
from solvers.backend.protocol import Enumerator
from solvers.backend.registry import backend_named, register

OBJECTIVES = ["nearest", "within", "sparsest"]

# What these were made to take, of small problems, they must not refuse. Any other backend may.
TAKE_EVERYTHING = ["cp-sat", "highs", "pulp", "lns"]
TAKE_VECTORS = ["mitm-nd", *TAKE_EVERYTHING]
TAKE_SCALARS = ["mitm", "schroeppel-shamir", *TAKE_VECTORS]
TAKE_INTEGERS = ["dp", "k-tree", *TAKE_SCALARS]

_SMALL = [SubsetSum([3, 5, 9], 10, tolerance=0), SubsetSum([(3, 1), (5, 2), (9, 4)], (10, 4), tolerance=0)]


def proves(backend):
    """Whether it offers a proof of anything."""
    return any(backend.seconds_to_proof(p, o) is not None for p in _SMALL for o in OBJECTIVES)


KINDS = {
    "backend": lambda backend: True,
    "proving_backend": proves,
    "counting_backend": lambda backend: isinstance(backend, Enumerator),
}


def asked_for(text):
    """Return the backend that ``--backend`` asks for; MODULE:CLASS is registered.

    Raises
    ------
    ImportError, AttributeError, TypeError, ValueError
        If there is none, or it cannot be registered.

    """
    module, _, attribute = text.partition(":")
    if not attribute or module == "pulp":
        return backend_named(text)
    sys.path.insert(0, str(Path.cwd()))
    backend = getattr(importlib.import_module(module), attribute)()
    register(backend)
    return backend
