"""The bounds of all papers side by side, with what our construction took."""

from subsetsum_nets.experiments.requirements.outputs import write_outputs
from subsetsum_nets.experiments.requirements.run import (
    THEOREMS,
    RequirementTable,
    requirement_table,
    requirements,
)

__all__ = ["THEOREMS", "RequirementTable", "requirement_table", "requirements", "write_outputs"]
