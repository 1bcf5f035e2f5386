"""Errors of the verification room."""


class UnsupportedStructureError(NotImplementedError):
    """Networks that a method cannot compare, or a method whose bound cannot be replayed.

    Every method but "interval" and "milp" compares layer by layer: the layers of the pruned network must fall
    into groups, each in place of one layer of the target, as the constructions build them. "interval" takes
    any pair, "milp" any small one.
    """


class BoundOverflowError(OverflowError):
    """A bound left the range of float64 and proves nothing; :func:`verify` reports ``inf`` then."""


class SoundnessError(RuntimeError):
    """A proven upper bound lies below a proven lower bound: a defect of this package or of the arithmetic."""
