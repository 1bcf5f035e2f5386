"""Errors of the verification room."""

from subsetsum_nets.networks.errors import UnsupportedStructureError

__all__ = ["BoundOverflowError", "SoundnessError", "UnsupportedStructureError"]


class BoundOverflowError(OverflowError, ValueError):
    """A bound left the range of float64 and proves nothing; :func:`verify` reports ``inf`` then."""


class SoundnessError(RuntimeError):
    """A proven upper bound lies below a proven lower bound: a defect of this package or of the arithmetic."""
