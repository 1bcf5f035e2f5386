"""What a run cost: memory at its peak."""

from __future__ import annotations

import sys


def peak_megabytes() -> float | None:
    """Return the largest memory that this process has held so far, in MB; None where that is not known."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
