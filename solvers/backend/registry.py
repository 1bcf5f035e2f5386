"""The backends by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.backend.anytime.k_tree import KTree
from solvers.backend.anytime.large_neighbourhood import LargeNeighbourhood
from solvers.backend.dp.dynamic_programming import DynamicProgramming
from solvers.backend.mip.cp_sat import CpSat
from solvers.backend.mip.highs import Highs
from solvers.backend.mip.pulp_mip import PulpMip
from solvers.backend.mitm.meet_in_the_middle import MeetInTheMiddle
from solvers.backend.mitm.multidimensional import MultidimensionalMeetInTheMiddle
from solvers.backend.mitm.schroeppel_shamir import SchroeppelShamir
from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from solvers.backend.protocol import Backend

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        MeetInTheMiddle(),
        SchroeppelShamir(),
        MultidimensionalMeetInTheMiddle(),
        DynamicProgramming(),
        CpSat(),
        Highs(),
        PulpMip(),
        LargeNeighbourhood(),
        KTree(),
    )
}


def backends() -> dict[str, str]:
    """List the backends by name, with what each accepts and, where it is missing, how to install it.

    Beyond these, ``pulp:<SOLVER>`` is any solver that PuLP knows.

    >>> ", ".join(backends())
    'mitm, schroeppel-shamir, mitm-nd, dp, cp-sat, highs, pulp, lns, k-tree'
    """
    return {
        name: backend.summary + (f" (not installed: {gap})" if (gap := backend.missing()) else "")
        for name, backend in BACKENDS.items()
    }


def backend_named(name: str) -> Backend:
    """Return the backend of this name, ``pulp:<SOLVER>`` included.

    Raises
    ------
    InvalidProblemError
        If there is none.

    """
    text = str(name)  # whatever it is, the message below says what there is
    if text in BACKENDS:
        return BACKENDS[text]
    if text.startswith("pulp:"):
        return PulpMip(text.removeprefix("pulp:"))
    raise InvalidProblemError(
        f"unknown backend {name!r}; choose 'auto', 'pulp:<SOLVER>' or one of {list(BACKENDS)}"
    )
