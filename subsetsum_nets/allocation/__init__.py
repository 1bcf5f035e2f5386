"""Allocation: how epsilon is shared out over layers and weights, and what it then takes.

A construction names the allocations that go with its rows; here they are by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.allocation.one_pass import OnePassAllocation
from subsetsum_nets.allocation.recursion import RecursionAllocation
from subsetsum_nets.allocation.tight import TightAllocation

if TYPE_CHECKING:
    from subsetsum_nets.allocation.compile_task import Allocation
    from subsetsum_nets.constructions import Construction

ALLOCATIONS: dict[str, type[Allocation]] = {
    "tight": TightAllocation,
    "recursion": RecursionAllocation,
    "one-pass": OnePassAllocation,
}


def allocation_named(name: str | None, construction: Construction) -> type[Allocation]:
    """Return the allocation of that name, the construction's own for None.

    Raises
    ------
    ValueError
        If the construction has no such allocation.

    """
    chosen = construction.allocations[0] if name is None else name
    if chosen not in construction.allocations:
        raise ValueError(
            f"construction {construction.name!r} has no allocation {name!r}; "
            f"available are {', '.join(construction.allocations)}"
        )
    return ALLOCATIONS[chosen]
