"""What errors on held-out points say about all inputs of the same distribution: nothing but their ranks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.arguments import checked_number

if TYPE_CHECKING:
    from collections.abc import Iterable


class PopulationBound(NamedTuple):
    """With the stated confidence, less than ``share`` of all inputs have an error above ``error``."""

    error: float
    share: float


def population_bound(
    errors: Any,
    *,
    confidence: float = 0.95,
    indices: Iterable[int] | None = None,
    chosen_by: Iterable[int] | None = None,
) -> PopulationBound:
    """Return what the largest error of n held-out points says about new ones, whatever their distribution.

    If a share s of all inputs had an error above the largest of n independent ones, all n would have missed
    that share: with probability ``(1 - s)^n`` at most. So with confidence ``1 - (1 - s)^n`` it is less.

    Parameters
    ----------
    errors : array_like, shape (n,)
        Of points drawn from the distribution independently, which took no part in choosing the network.
    confidence : float
        In (0, 1).
    indices, chosen_by : iterable of int, optional
        Which points of a data set the errors are of, and which of them chose the network
        (:attr:`.SparsifiedNetwork.chosen_by`): the statement is refused where a point is in both.

    Returns
    -------
    PopulationBound
        ``error``, the largest, and ``share = 1 - (1 - confidence)^(1/n)``, rounded up.

    Raises
    ------
    ValueError
        For no errors, one that is negative or NaN, a confidence outside (0, 1), or points in both roles.

    Examples
    --------
    >>> bound = population_bound([0.1, 0.3, 0.2] * 100)
    >>> bound.error, round(bound.share, 5)
    (0.3, 0.00994)

    """
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 1 or not values.size or not (values >= 0.0).all():
        raise ValueError(f"errors must be a list of at least one number >= 0, got {errors!r}")
    level = checked_number(confidence, "confidence", 0.0, 1.0, "()")
    if indices is not None:
        _check_held_out(indices, chosen_by, len(values))
    share = -math.expm1(math.log1p(-level) / len(values))
    return PopulationBound(float(values.max()), min(1.0, share * (1 + 1e-12)))


def _check_held_out(indices: Iterable[int], chosen_by: Iterable[int] | None, count: int) -> None:
    held_out = [int(index) for index in indices]
    if len(held_out) != count or len(set(held_out)) != count:
        raise ValueError(f"indices must name each of the {count} points once, got {len(held_out)}")
    chosen = [] if chosen_by is None else chosen_by
    both = set(held_out) & {int(index) for index in chosen}
    if both:
        raise ValueError(
            f"point {min(both)} and {len(both) - 1} others chose the network: errors there say nothing about "
            "new points; measure on points that took no part"
        )
