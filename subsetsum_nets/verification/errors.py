"""Errors of the verification room."""


class UnsupportedStructureError(NotImplementedError):
    """A pruned network that is not built from pairs of layers as the constructions build them.

    Methods that compare layer by layer ("norms", "differential") raise it; "interval" works for any pair.
    """


class BoundOverflowError(OverflowError):
    """A bound left the range of float64 and proves nothing; :func:`verify` reports ``inf`` then."""


class SoundnessError(RuntimeError):
    """A proven upper bound lies below a proven lower bound: a defect of this package or of the arithmetic."""
