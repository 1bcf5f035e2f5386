"""The backends by name: a line in BACKENDS makes a new one take part everywhere."""

from __future__ import annotations

from solvers.backend.anytime.annealing import Annealing
from solvers.backend.anytime.greedy import Greedy
from solvers.backend.anytime.k_tree import KTree
from solvers.backend.anytime.large_neighbourhood import LargeNeighbourhood
from solvers.backend.anytime.lattice import Lattice
from solvers.backend.dp.dynamic_programming import DynamicProgramming
from solvers.backend.mip.cp_sat import CpSat
from solvers.backend.mip.highs import Highs
from solvers.backend.mip.pulp_mip import PulpMip
from solvers.backend.mitm.distinct_sums import DistinctSums
from solvers.backend.mitm.few_items import FewItems
from solvers.backend.mitm.meet_in_the_middle import MeetInTheMiddle
from solvers.backend.mitm.multidimensional import MultidimensionalMeetInTheMiddle
from solvers.backend.mitm.schroeppel_shamir import SchroeppelShamir
from solvers.backend.protocol import Backend
from solvers.errors import InvalidProblemError

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        MeetInTheMiddle(),
        SchroeppelShamir(),
        MultidimensionalMeetInTheMiddle(),
        FewItems(),
        DistinctSums(),
        DynamicProgramming(),
        CpSat(),
        Highs(),
        PulpMip(),
        LargeNeighbourhood(),
        KTree(),
        Lattice(),
        Annealing(),
        Greedy(),
    )
}


def register(backend: Backend) -> None:
    """Add a backend for this process, as if it stood above; ``del BACKENDS[name]`` takes it away again.

    Other processes do not know it until they register it too; an executor's ``initializer`` can.

    Raises
    ------
    TypeError
        If it is not an instance of a subclass of :class:`~solvers.backend.protocol.Backend`.
    ValueError
        If it has no summary, or no name of its own.

    """
    if not isinstance(backend, Backend):
        raise TypeError(f"register() takes an instance of a subclass of Backend, got {backend!r}")
    for attribute in ("name", "summary"):
        text = getattr(backend, attribute, None)
        if not (isinstance(text, str) and text.strip()):
            raise ValueError(f"a backend needs a {attribute}, {backend!r} has {text!r}")
    if backend.name in (*BACKENDS, "auto") or backend.name.startswith("pulp:"):
        raise ValueError(f"the name {backend.name!r} is taken; taken are 'auto', 'pulp:..', {list(BACKENDS)}")
    BACKENDS[backend.name] = backend


def backends() -> dict[str, str]:
    """List the backends by name, with what each accepts and, where it is missing, how to install it.

    Beyond these, ``pulp:<SOLVER>`` is any solver that PuLP knows.

    >>> ", ".join(backends())  # doctest: +ELLIPSIS
    'mitm, schroeppel-shamir, mitm-nd, few-items, distinct-sums, dp, cp-sat, highs, pulp, lns, ...'
    """
    return {
        name: backend.summary + (f" (not installed: {gap})" if (gap := backend.missing()) else "")
        for name, backend in BACKENDS.items()
    }


def backend_named(name: str) -> Backend:
    """Return the backend of this name, ``pulp:<SOLVER>`` included; InvalidProblemError if there is none."""
    text = str(name)  # whatever it is, the message below says what there is
    if text in BACKENDS:
        return BACKENDS[text]
    if text.startswith("pulp:"):
        return PulpMip(text.removeprefix("pulp:"))
    raise InvalidProblemError(
        f"unknown backend {name!r}; choose 'auto', 'pulp:<SOLVER>' or one of {list(BACKENDS)} "
        "(what was added with register() is known only to the processes that did so)"
    )
