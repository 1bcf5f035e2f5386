"""The choices of arguments that have few, by name: for type checkers, ``--help`` and shell completion.

What each is stands in the table of its room; a test holds that the names here are those there. Constructions
and backends stand in their registries alone, where others may be added at run time.
"""

from typing import Literal

Norm = Literal["l2", "linf", "l1"]
MethodName = Literal[
    "auto", "differential", "norms", "interval", "propagated", "zonotope", "milp", "splitting"
]
AllocationName = Literal["tight", "recursion", "one-pass"]
LayoutName = Literal["auto", "accumulate", "select"]
ScaleName = Literal["last", "every", "none"]
CoresetMethod = Literal[
    "corenet",
    "corenet+",
    "corenet++",
    "uniform",
    "magnitude",
    "magnitude-shift",
    "svd",
    "obs",
    "box-cost",
    "exact-mask",
]
PackingKind = Literal["lattice", "greedy"]
