"""Errors of the verification room."""


class UnsupportedStructureError(NotImplementedError):
    """Networks that a method cannot compare, or a method whose bound cannot be replayed.

    Every method but "interval" and "milp" compares layer by layer: the pruned network must be built of layers
    that stand for one of the target each, as the constructions build it. "interval" takes any pair, "milp"
    any small one.
    """


class BoundOverflowError(OverflowError):
    """A bound left the range of float64 and proves nothing; :func:`verify` reports ``inf`` then."""


class SoundnessError(RuntimeError):
    """A proven upper bound lies below a proven lower bound: a defect of this package or of the arithmetic."""
