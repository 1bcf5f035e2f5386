"""Random subset sum: the laws of the items, and how many items a target needs.

Lueker (1998) shows that n = O(log 1/epsilon) random items have a subset within epsilon of every target of an
interval (Theorem 3 of Pensia et al. 2020), for every law that contains a uniform one: a mixture of U[-a, a]
with weight p and anything else. Lemma 4 and Corollary 1 find p for products of uniforms, the items of a
pruned ReLU network; both are derived here again, since the paper's proofs have slips:

- the distribution function of a product X Y is 1/2 + (z - z ln z) / 2 for 0 < z <= 1 (the proof of Lemma 4
  starts its integral at 0 and so loses the 1/2);
- the weight of U[-1/2, 1/2] in it is the density at 1/2 times the width 1, (1/2) ln 2 (the proof of
  Corollary 1 says ln 2); half of that, (1/4) ln 2, when half of all items are 0.

The constant C of the theorem is unknown. What can be said without it: a count of subsets that every n must
meet, and a prediction from the number of subsets near a target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer, checked_number, checked_positive
from subsetsum_nets.theory.requirement import checked_constant, checked_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Sampler = Callable[[np.random.Generator, int], Any]

_FACTOR_BITS = 26  # of a factor, so that products are multiples of 2^-52 and exact in float64
_NORMAL_BITS = 48  # after the point


# -- products of uniforms -------------------------------------------------------------------------------


def product_density(z: Any) -> Floats:
    """Return the density of X Y, X ~ U[0, 1] and Y ~ U[-1, 1]: (1/2) ln(1/abs(z)) on [-1, 1].

    Lemma 4 of Pensia et al. (2020). Infinite at 0.

    Parameters
    ----------
    z : array_like, any shape

    Returns
    -------
    float64 array, same shape

    Examples
    --------
    >>> product_density([0.5, 1.0, 2.0]).round(6).tolist()
    [0.346574, 0.0, 0.0]

    """
    size = np.abs(np.asarray(z, dtype=np.float64))
    with np.errstate(divide="ignore"):
        density: Floats = np.where(size < 1, -0.5 * np.log(np.minimum(size, 1.0)), 0.0)
    return density


def product_distribution(z: Any) -> Floats:
    """Return P(X Y <= z): (1 + z - z ln(abs z)) / 2 on [-1, 1].

    Lemma 4 of Pensia et al. (2020), with the half that its proof loses.

    Parameters
    ----------
    z : array_like, any shape

    Returns
    -------
    float64 array, same shape

    Examples
    --------
    >>> product_distribution([-1.0, 0.0, 0.5, 1.0]).round(6).tolist()
    [0.0, 0.5, 0.923287, 1.0]

    """
    cut = np.clip(np.asarray(z, dtype=np.float64), -1.0, 1.0)
    from scipy.special import xlogy

    chance: Floats = (1.0 + cut - xlogy(cut, np.abs(cut))) / 2
    return chance


def product_component(half_width: float = 0.5, zeros: float = 0.0) -> float:
    """Return the weight of U[-a, a] in the law of X Y: (1 - zeros) a ln(1/a).

    Corollary 1 of Pensia et al. (2020): the density is at least its value at a on all of [-a, a], so the
    uniform law with density 1/(2a) fits in 2 a (1/2) ln(1/a) times, and no more often. At a = 1/2 that is
    (1/2) ln 2; with the half of zeros of the law D, (1/4) ln 2. The largest is 1/e, at a = 1/e.

    Parameters
    ----------
    half_width : float
        a, in (0, 1].
    zeros : float
        The share of items that are 0, in [0, 1).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> round(product_component(), 6), round(product_component(zeros=0.5), 6)
    (0.346574, 0.173287)

    """
    checked_number(half_width, "half_width", 0, 1, "(]")
    checked_number(zeros, "zeros", 0, 1, "[)")
    return (1 - zeros) * half_width * -math.log(half_width)


# -- laws of items --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ItemLaw:
    """A law of random items.

    Attributes
    ----------
    name : str
    sample : callable(rng, size) -> float array of that size
    component : float or None
        The weight of U[-1/2, 1/2] in it, which Lueker's theorem needs to be positive; None if not known.
    second_moment : float or None
        The mean of the squares of items other than 0; None if not known.
    zeros : float
        The share of items that are 0.

    """

    name: str
    sample: Sampler
    component: float | None = None
    second_moment: float | None = None
    zeros: float = 0.0

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return ``size`` items, checked to be finite numbers.

        Raises
        ------
        ValueError
            If the sampler returned something else.

        """
        drawn = np.asarray(self.sample(rng, size))
        if drawn.shape != (size,) or drawn.dtype.kind not in "fiu" or not np.isfinite(drawn).all():
            raise ValueError(
                f"the sampler {self.name} must return {size} finite numbers, got an array of shape "
                f"{drawn.shape} and type {drawn.dtype}"
            )
        return drawn.astype(np.float64)


def _uniform(rng: np.random.Generator, size: int) -> Floats:
    return rng.uniform(-1.0, 1.0, size)


def _normal(rng: np.random.Generator, size: int) -> Floats:
    """Round to a grid, so that sums stay exact in 64 bits."""
    return np.ldexp(np.rint(np.ldexp(rng.standard_normal(size), _NORMAL_BITS)), -_NORMAL_BITS)


def _product(rng: np.random.Generator, size: int) -> Floats:
    """Multiply factors of 26 bits, at the middles of their cells: the product is exact."""
    cells = 1 << (_FACTOR_BITS - 1)
    first = np.ldexp(rng.integers(0, cells, size) + 0.5, -(_FACTOR_BITS - 1))
    second = np.ldexp(rng.integers(-cells, cells, size) + 0.5, -(_FACTOR_BITS - 1))
    product: Floats = first * second
    return product


def _product_or_zero(rng: np.random.Generator, size: int) -> Floats:
    kept: Floats = np.where(rng.random(size) < 0.5, _product(rng, size), 0.0)
    return kept


LAWS: dict[str, ItemLaw] = {
    law.name: law
    for law in (
        ItemLaw("uniform", _uniform, 0.5, 1 / 3),
        ItemLaw("normal", _normal, math.exp(-1 / 8) / math.sqrt(2 * math.pi), 1.0),
        ItemLaw("product", _product, product_component(), 1 / 9),
        ItemLaw("product-or-zero", _product_or_zero, product_component(zeros=0.5), 1 / 9, 0.5),
    )
}
"""U[-1, 1]; N(0, 1); X Y with X ~ U[0, 1], Y ~ U[-1, 1] (P of Corollary 1); the same or 0, half each (D)."""


def item_law(law: str | Sampler | ItemLaw) -> ItemLaw:
    """Return the law of that name, or one around a sampler ``callable(rng, size)``.

    Parameters
    ----------
    law : {"uniform", "normal", "product", "product-or-zero"}, callable or ItemLaw

    Raises
    ------
    ValueError
        If there is no law of that name.
    TypeError
        If it is none of these.

    Examples
    --------
    >>> item_law("product").component == 0.5 * math.log(2)
    True
    >>> item_law(lambda rng, size: rng.exponential(size=size)).draw(np.random.default_rng(0), 3).shape
    (3,)

    """
    if isinstance(law, ItemLaw):
        return law
    if isinstance(law, str):
        if law not in LAWS:
            raise ValueError(f"no law of items {law!r}; there are: {', '.join(LAWS)}")
        return LAWS[law]
    if callable(law):
        return ItemLaw(getattr(law, "__qualname__", type(law).__qualname__), law)
    raise TypeError(f"a law of items is a name or a callable(rng, size), got {law!r}")


# -- how many items -------------------------------------------------------------------------------------


def items_enough(epsilon: float, delta: float, *, constant: float, numerator: float = 1.0) -> float:
    """Return C log2(numerator / min(epsilon, delta)): enough items by Theorem 3, for the right C.

    Items, not rounded; Theorem 3 and Corollary 2 of Pensia et al. (2020) have the numerator 2 (and Corollary
    2 delta = epsilon), their Experiment 1 has 1: with C = 3 and epsilon = 0.01 that is 19.93, where the paper
    says "about 21". C is not known; experiments fit it.

    Parameters
    ----------
    epsilon, delta : float
        In [1e-100, 1).
    constant : float
        C.
    numerator : float
        At least 1.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> round(items_enough(0.01, 0.01, constant=3), 2)
    19.93

    """
    checked_number(numerator, "numerator", 1, 1e6)
    least = min(checked_share(epsilon, "epsilon"), checked_share(delta, "delta"))
    return checked_constant(constant, "C") * math.log2(numerator / least)


def items_needed(epsilon: float, low: float = -0.5, high: float = 0.5) -> int:
    """Return the fewest items of any law whose sums can be within epsilon of every target of [low, high].

    Items; by counting: 2^n sums reach 2 epsilon each, so 2^n >= (high - low) / (2 epsilon). Exact.

    Parameters
    ----------
    epsilon : float
        In [1e-100, 1).
    low, high : float
        Ends of the interval of targets.

    Raises
    ------
    ValueError
        If a number is out of range, or low > high.

    Examples
    --------
    >>> items_needed(0.125), items_needed(0.124)
    (2, 3)

    """
    from fractions import Fraction

    checked_number(low, "low", -math.inf, checked_number(high, "high", -math.inf, math.inf, "()"), "(]")
    ratio = (Fraction(high) - Fraction(low)) / (2 * Fraction(checked_share(epsilon, "epsilon")))
    return max(0, (math.ceil(ratio) - 1).bit_length())


def predicted_served(
    n: int,
    epsilon: float,
    second_moment: float,
    *,
    zeros: float = 0.0,
    low: float = -0.5,
    high: float = 0.5,
) -> float:
    """Predict the probability that n items serve every target of [low, high] within epsilon.

    A prediction, not a bound. The 2^n sums of symmetric items with second moment v are taken for a Poisson
    process with the normal density of mean m and variance s^2 = n v / 4, where m itself is normal with that
    variance; such a process of rate r leaves no gap wider than 2 epsilon in [low, high] with probability of
    about exp(-integral of r exp(-2 epsilon r)). The sums lie symmetrically about m (a subset and its
    complement), so only one side of m counts where [low, high] has both. With a share of zeros, n is
    binomial.

    Parameters
    ----------
    n : int
        From 1 to 1000.
    epsilon : float
        In [1e-100, 1).
    second_moment : float
        v of one item other than 0.
    zeros : float
        The share of items that are 0, in [0, 1).
    low, high : float
        Ends of the interval of targets.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> predicted_served(8, 0.01, 1 / 3) < 0.01 < 0.99 < predicted_served(24, 0.01, 1 / 3)
    True

    """
    checked_integer(n, "n", 1, 1000)
    checked_positive(second_moment, "second_moment")
    checked_number(zeros, "zeros", 0, 1, "[)")
    checked_number(low, "low", -math.inf, checked_number(high, "high", -math.inf, math.inf, "()"), "()")
    error = checked_share(epsilon, "epsilon")
    if not zeros:
        return _served_by(int(n), error, second_moment, low, high)
    from scipy.stats import binom

    counts = np.arange(1, n + 1)  # with no item but zeros nothing is served
    served = np.array([_served_by(int(k), error, second_moment, low, high) for k in counts])
    return float(served @ np.asarray(binom.pmf(counts, n, 1 - zeros)))


def _served_by(n: int, error: float, second_moment: float, low: float, high: float) -> float:
    spread = math.sqrt(n * second_moment / 4)
    nodes, weights = np.polynomial.hermite_e.hermegauss(63)
    means = spread * nodes
    inside = (low < means) & (means < high)
    nearest = np.where(inside, 0.0, np.minimum(np.abs(low - means), np.abs(high - means)))
    farthest = np.maximum(np.abs(low - means), np.abs(high - means))
    distances = np.linspace(nearest, farthest, 201)
    log_rate = n * math.log(2) - (distances / spread) ** 2 / 2 - math.log(spread * math.sqrt(2 * math.pi))
    in_reach = 2 * error * np.exp(np.minimum(log_rate, 700.0))  # sums expected within epsilon of a target
    # The count of gaps ends where fewer than one sum is expected: there some target is surely missed.
    gaps = np.where(in_reach < 1, np.inf, np.exp(log_rate - in_reach))
    chances = np.exp(-np.trapezoid(gaps, distances, axis=0))
    return float(chances @ weights / weights.sum())
