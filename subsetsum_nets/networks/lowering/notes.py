"""What reading a network had to round, and the warning that says so."""

from __future__ import annotations

from dataclasses import dataclass


class RoundedFoldingWarning(UserWarning):
    """Weights that were folded from constants that float64 cannot hold, such as 1/3 or a square root.

    The network is exactly what its weights say, as always; they are the nearest float64 to those of the file.
    """


@dataclass(frozen=True)
class Rounding:
    """One operation that had to round.

    Attributes
    ----------
    where : str
        The operation, as messages name it.
    what : str
        Which numbers were rounded.
    bound : float
        Largest relative error of a rounded number, proven.

    """

    where: str
    what: str
    bound: float

    def __str__(self) -> str:
        return f"{self.where} rounds {self.what}, each by at most {self.bound:.3g} of it"


def warning_of(roundings: list[Rounding]) -> str:
    """Return the text of the warning about what was rounded.

    >>> print(warning_of([Rounding("node 'bn'", "its scale", 2.0**-53)]))
    weights that float64 cannot hold were rounded: node 'bn' rounds its scale, each by at most 1.11e-16 of it
    """
    shown = "; ".join(map(str, roundings[:5]))
    more = f"; and {len(roundings) - 5} more" if len(roundings) > 5 else ""
    return f"weights that float64 cannot hold were rounded: {shown}{more}"
