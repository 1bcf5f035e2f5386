"""How many candidates: from (epsilon, delta) to the number of random units a subset sum draws from.

The proofs use Lueker's theorem (Pensia et al. 2020, Theorem 3), whose constant is not known. We use the count
behind it. Given m items, the sum of a random subset has mean ``sum/2``, variance ``s^2 = sum of squares / 4``
and roughly a normal density. With z = (target - mean) / s about

    2^m * 2 q * phi(z) / s

subsets lie within q of the target. If their number is Poisson, all of N rows have one, with probability
1 - delta/2, within

    q = L s / (2^(m+1) phi(z)),  L = ln(2 N / delta);    never more than |w|, the error of the empty subset.

For m items of second moment v, s^2 is about m v / 4 and z about normal around u = w / s. What adds up in the
network's error is the mean of q. Over the z that N rows meet, |z| <= Z = u + Phi^-1(1 - delta / (4 N)), it is

    q(m) = L s / 2^(m+1) * exp(-u^2/2) * 2 sinh(Z u) / u,

or, where there are units to spare, chosen such that z is near 0, q'(m) = L s sqrt(2 pi) / 2^(m+1). Both are
averaged over the target's own weights.

In the block constructions m is Binomial(units, 1/2), one draw a block. Errors add up over at least B blocks,
so by Cantelli's inequality their average stays below

    E[q(m)] + sqrt(Var[q(m)] (2/delta - 1) / B)

with probability 1 - delta/2. For rows that are d-vectors, a sum is within q of the target in all coordinates
with probability (2 q phi(z) / s)^d, as if these were independent: 2 q phi(z) / s = (L / 2^m)^(1/d). In the
linear construction m is fixed; there the share of the worst row, 1/N
of its error at z = Z, is added to the mean instead. The number chosen by allocation "recursion" is the least
for which this is at most the weight error that the required epsilon allows; "tight" puts the same q through
the methods of the verifier. It is a prediction; what is claimed in the end is only what verification proves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.protocol import Construction, ItemLaw, RowGroup, weight_with_bias
from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.input_scaling import kept_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork

MOST_ITEMS = 44  # offered to one row: beyond it meet in the middle takes seconds a row
MOST_CANDIDATES = 1024
_BLOCK = 1 << 14  # rows whose densities are computed at a time
_NEWTON_STEPS = 12
_FREE_ITEMS = 16  # offered to any row that has them: solved in microseconds
SPARE_ITEMS = 2  # offered beyond the need, so that blocks with few units can borrow from the others


@dataclass(frozen=True)
class Sizing:
    """What a network needs for a uniform weight error.

    Attributes
    ----------
    candidates : int
        Units per subset sum (n of Lemma 1).
    items : int
        Items at most to offer to a row.
    enough : bool
        Whether the prediction meets the weight error; False when it is too small for ``MOST_ITEMS`` items.

    """

    candidates: int
    items: int
    enough: bool


def size_network(
    construction: Construction, target: ReluNetwork, weight_error: float, rows: int, delta: float
) -> Sizing:
    """Return the least number of candidates predicted to reach ``weight_error`` in every row.

    Parameters
    ----------
    construction : Construction
    target : ReluNetwork
    weight_error : float
        The uniform error of effective weights that the required epsilon allows.
    rows : int
        N, the number of subset sums.
    delta : float
        The probability of failure that is accepted, in (0, 1).

    """
    counts = range(MOST_ITEMS + 1)
    drawn = np.array([_worst_layer(construction, target, m, rows, delta, mean_over_rows) for m in counts])
    law = construction.law
    if law.usable == 1.0:
        worst = np.array([_worst_layer(construction, target, m, rows, delta, worst_row) for m in counts])
        reached = drawn + worst / rows <= weight_error
        candidates = max(1, int(np.argmax(reached)) if reached.any() else MOST_ITEMS)
        return Sizing(candidates, MOST_ITEMS, enough=bool(reached.any()))
    chosen = np.array([_worst_layer(construction, target, m, rows, delta, centred) for m in counts])
    needed = int(np.argmax(chosen <= weight_error)) if (chosen <= weight_error).any() else MOST_ITEMS
    items = min(MOST_ITEMS, max(_FREE_ITEMS, needed + SPARE_ITEMS))
    errors = np.append(drawn[:items], chosen[items])
    blocks = min(weight_with_bias(layer).shape[1] for layer in _approximated(target))
    for candidates in range(1, MOST_CANDIDATES + 1):
        chances = binomial(candidates * law.share, law.usable, items)
        mean = float(chances @ errors)
        variance = max(0.0, float(chances @ errors**2) - mean * mean)
        if mean + math.sqrt(variance * (2 / delta - 1) / blocks) <= weight_error:
            return Sizing(candidates, items, enough=True)
    return Sizing(math.ceil(2 * items / (law.share * law.usable)), items, enough=False)


def binomial(trials: int, chance: float, top: int) -> FloatArray:
    """Return the probabilities of 0..top successes, the last one of ``top`` or more."""
    from scipy.stats import binom

    chances = np.asarray(binom.pmf(np.arange(top + 1), trials, chance))
    chances[-1] = binom.sf(top - 1, trials, chance)
    return chances


def _approximated(target: ReluNetwork) -> list[Layer]:
    """Return the layers of the target that subset sums stand for."""
    return [layer for layer, kept in zip(target.layers, kept_layers(target), strict=True) if not kept]


def _worst_layer(
    construction: Construction,
    target: ReluNetwork,
    m: int,
    rows: int,
    delta: float,
    inverse_density: Callable[[FloatArray, float], FloatArray],
) -> float:
    """Return the mean over a layer's weights of the error with m items; where it is largest.

    ``inverse_density(u, Z - u)`` gives the 1/phi(z) that counts for weights at u deviations.
    """
    worst = 0.0
    for layer in _approximated(target):
        weights = np.abs(np.append(dense_array(layer.stored), [] if layer.bias is None else layer.bias))
        d = construction.dimension(layer)
        errors = errors_with(
            construction.law, weights, construction.scale(layer), m, rows, delta, inverse_density, d
        )
        worst = max(worst, float(errors.mean()))
    return worst


def errors_with(
    law: ItemLaw,
    weights: FloatArray,
    scale: float,
    m: int,
    rows: int,
    delta: float,
    inverse_density: Callable[[FloatArray, float], FloatArray],
    dimension: int = 1,
) -> FloatArray:
    """Return q for absolute weights (k,) with m items of a scale; the rest as above."""
    if not m:
        return weights
    from scipy.special import ndtri

    spread = scale * math.sqrt(m * law.second_moment / 4)
    beyond = -float(ndtri(delta / (4 * rows)))
    base: float = spread / 2 * math.ldexp(level(rows, delta), -m) ** (1 / dimension)
    return np.minimum(base * inverse_density(weights / spread, beyond), weights)


def level(rows: int, delta: float) -> float:
    """Return L: but with probability delta/2, none of N errors exceeds L times its mean."""
    return math.log(2 * rows / delta)


def mean_over_rows(u: FloatArray, beyond: float) -> FloatArray:
    """Return the mean of 1/phi(z) over normal z around u, cut at |z| = u + beyond."""
    z, u = u + beyond, np.maximum(u, 1e-6)
    mean: FloatArray = np.exp(np.minimum(z * u - u**2 / 2, 700.0)) * -np.expm1(-2 * z * u) / u
    return mean


def worst_row(u: FloatArray, beyond: float) -> FloatArray:
    """Return 1/phi(z) at that cut."""
    worst: FloatArray = math.sqrt(2 * math.pi) * np.exp(np.minimum((u + beyond) ** 2 / 2, 700.0))
    return worst


def centred(u: FloatArray, beyond: float) -> FloatArray:  # noqa: ARG001 - one of three alike
    """Return 1/phi(0)."""
    return np.full(u.shape, math.sqrt(2 * math.pi))


def predicted_errors(group: RowGroup, rows: int, delta: float) -> FloatArray:
    """Return q for every row of a group from its own items, shape (R, J); never above |target|.

    With the items known, the density of their subset sums at the target is taken from the saddlepoint
    approximation (Daniels 1954) instead of the normal law: exp(K(t) - t w) / sqrt(2 pi K''(t)) with
    K(t) = sum of log((1 + exp(t a_i)) / 2) and K'(t) = w. It holds out to the ends of what the items reach.
    """
    d, targets = group.place.dimension, group.flat(group.targets)
    expected = expected_errors(group.flat(group.items), group.valid.sum(axis=2).ravel(), targets)
    error = 2.0 ** (1 / d - 1) * (level(rows, delta) * expected) ** (1 / d)
    largest = np.abs(targets.reshape(-1, d)).max(axis=1)
    return np.asarray(np.minimum(error, largest).reshape(group.place.shape))


def expected_errors(items: FloatArray, counts: Ints, targets: FloatArray) -> FloatArray:
    """Return the mean error of the nearest subset, 1 / (2^(m+1) p), for rows of items (N, m).

    ``counts`` of the items of each row are valid, the others 0. Out of reach it is huge. For vectors, items
    (N, m, d), p is the density in d dimensions, as if the coordinates were independent.
    """
    if items.ndim == 2:
        items, targets = items[:, :, np.newaxis], targets[:, np.newaxis]
    log_density = np.zeros(len(items))
    for first, k in product(range(0, len(items), _BLOCK), range(items.shape[2])):
        part = slice(first, first + _BLOCK)
        log_density[part] += _log_density(items[part, :, k], targets[part, k])
    errors: FloatArray = np.exp(np.minimum(-log_density - (counts + 1) * math.log(2), 700.0))
    return errors


def _log_density(items: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the log density at the targets of random subsets' sums, a row each; -inf out of reach."""
    reach_low, reach_high = np.minimum(items, 0).sum(axis=1), np.maximum(items, 0).sum(axis=1)
    inside = (reach_low < targets) & (targets < reach_high)
    largest = np.abs(items).max(axis=1)
    largest = np.where(largest > 0, largest, 1.0)
    tilt = np.zeros(len(items))
    slope, curvature = np.zeros(len(items)), np.ones(len(items))
    for _ in range(_NEWTON_STEPS):
        share = 0.5 + 0.5 * np.tanh(
            0.5 * tilt[:, np.newaxis] * items
        )  # of subsets that take the item, tilted
        slope = (items * share).sum(axis=1)
        curvature = np.maximum((items**2 * share * (1 - share)).sum(axis=1), np.finfo(float).tiny)
        missing = np.where(inside, targets - slope, 0.0)
        with np.errstate(over="ignore"):  # at the very ends of the reach
            step = np.clip(missing / curvature * largest, -2.0, 2.0)  # in units where no item exceeds 1
        tilt = tilt + step / largest
    cumulant = (np.logaddexp(0.0, tilt[:, np.newaxis] * items) - math.log(2)).sum(axis=1)
    log_density = cumulant - tilt * targets - 0.5 * np.log(2 * math.pi * curvature)
    return np.where(inside, log_density, -np.inf)


def most_items(groups: Sequence[RowGroup]) -> int:
    """Return the most items that a row has; at least 1."""
    return max((int(group.valid.sum(axis=2).max(initial=1)) for group in groups), default=1)


def wider(
    construction: Construction,
    sizing: Sizing,
    candidates: int,
    worst_ratio: float,
    groups: Sequence[RowGroup],
) -> int | None:
    """Return how many candidates would do where some weight missed its tolerance by ``worst_ratio``.

    None when even ``MOST_ITEMS`` items a row are not predicted to.

    Each item halves the error (d items that of a d-vector), so log2 of the ratio more items are needed in the
    row that missed; the formula of :func:`size_network` is the other lower limit.
    """
    if not sizing.enough:
        return None
    per_item = candidates / max(1, min(most_items(groups), candidates))
    halvings = math.log2(max(worst_ratio, 2.0)) * max((g.place.dimension for g in groups), default=1)
    more = math.ceil(halvings * max(per_item, 1 / construction.law.share))
    return max(sizing.candidates, candidates + more)
