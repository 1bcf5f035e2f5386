"""Constructions: a theorem each. What random network, which subset-sum rows, where the subsets go.

A construction lays out the random network (a recipe), turns every target weight into rows of one big batch,
and writes the solved subsets into masks. It neither solves nor verifies, and shares no epsilon out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.constructions.binary.blocks import BlockNetwork
from subsetsum_nets.constructions.binary.construction import RandomSigns
from subsetsum_nets.constructions.binary.given import GivenNetwork, Misfit
from subsetsum_nets.constructions.binary.integers import integer_layers
from subsetsum_nets.constructions.linear_link import LinearLink
from subsetsum_nets.constructions.protocol import Construction, InputSigns, RowGroup, RowPlace
from subsetsum_nets.constructions.relu_blocks import BlockConstruction, block_units
from subsetsum_nets.constructions.relu_paper import ReluPaper
from subsetsum_nets.constructions.relu_signed import ReluSigned
from subsetsum_nets.constructions.structured import (
    Structured,
    StructuredBlocks,
    StructuredKernels,
    StructuredPaper,
)

if TYPE_CHECKING:
    from subsetsum_nets.mask_structure import Whole

CONSTRUCTIONS: dict[str, Construction] = {
    construction.name: construction
    for construction in (
        LinearLink(),
        ReluPaper(),
        ReluSigned(),
        StructuredPaper(),
        Structured(),
        StructuredKernels(),
    )
}
EXACT: dict[str, RandomSigns] = {RandomSigns.name: RandomSigns()}
"""Constructions whose pruned network equals the target rounded to finite precision."""

DEFAULT = ReluSigned.name
"""What :func:`subsetsum_nets.prune` takes unless told otherwise."""


def construction_named(name: str) -> Construction:
    """Return the construction of that name.

    Raises
    ------
    ValueError
        If there is none.

    """
    if name not in CONSTRUCTIONS:
        raise ValueError(f"unknown construction {name!r}; choose one of {construction_names()}")
    return CONSTRUCTIONS[name]


def construction_names() -> list[str]:
    """Return the names of all constructions, the default first."""
    return sorted({*CONSTRUCTIONS, *EXACT}, key=lambda name: (name != DEFAULT, name))


def removed_whole(name: str) -> Whole | None:
    """Return what masks of a construction remove as a whole, "filters" or "kernels"; None of any other."""
    return CONSTRUCTIONS[name].whole if name in CONSTRUCTIONS else None


__all__ = [
    "CONSTRUCTIONS",
    "DEFAULT",
    "EXACT",
    "BlockConstruction",
    "BlockNetwork",
    "Construction",
    "GivenNetwork",
    "InputSigns",
    "LinearLink",
    "Misfit",
    "RandomSigns",
    "ReluPaper",
    "ReluSigned",
    "RowGroup",
    "RowPlace",
    "Structured",
    "StructuredBlocks",
    "StructuredKernels",
    "StructuredPaper",
    "block_units",
    "construction_named",
    "construction_names",
    "integer_layers",
    "removed_whole",
]
