"""Theory in numbers: what the theorems on strong lottery tickets require, to call from scripts.

One module a topic: :mod:`.network_sizes` (how large a random network must be), :mod:`.structured_sizes` (the
same for structured pruning), :mod:`.random_subset_sum` (how many random items a subset sum needs),
:mod:`.subset_sizes` (how many items a nearest subset keeps), :mod:`.packings` and :mod:`.prunings` (the lower
bound: separated sets, and whether any pruning serves a member). Every function names its theorem;
docs/theory.md is the formula sheet.
"""
