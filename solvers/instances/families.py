"""Generators of subset-sum instances: the classical hard families, random reals, NSN vectors, edge cases.

Each function returns an :class:`~solvers.instances.instance.Instance` whose ``source`` states its recipe.
Random numbers come from ``numpy.random.SeedSequence``: the same arguments give the same instance, different
families or sizes never share a stream.

Sources of the classical recipes, all of which put a capacity c that here is the target:

- Martello and Toth, *Knapsack Problems* (Wiley 1990), chapter 4: P3, P6, EVEN/ODD, AVIS, TODD.
- Curtis and Sanches, *A low-space algorithm for the subset-sum problem on GPU* (Computers & Operations
  Research 83, 2017) and *An improved balanced algorithm for the subset-sum problem* (European Journal of
  Operational Research 275, 2019): EVEN/ODD and TEN/FIVE with items up to 10^6 and 10^8. The capacities below
  are those of the instances that the authors published with the second paper.

Left out: the family of Soma and Toth (coprime w_1, w_2 with both quotients of (w_1 - 1)(w_2 - 1) - 1 below
n/2). Drawn by rejection, as usually written down, it may never find a pair.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.arguments import whole_number
from solvers.instances.instance import Instance
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from numpy.random import Generator

_BOOK = "Martello and Toth, Knapsack Problems, 1990, chapter 4"
_BALANCED = "Curtis and Sanches, EJOR 275 (2019); COR 83 (2017)"


def _random(seed: int, family: str, *sizes: int) -> Generator:
    for size in sizes:
        whole_number(size, f"a size of {family}", 1)
    whole_number(seed, "seed", 0)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*family.encode(), *sizes)))


def _named(
    family: str, sizes: tuple[int, ...], recipe: str, items: Any, target: Any, **more: Any
) -> Instance:
    name = "-".join([family, *map(str, sizes)])
    return Instance(SubsetSum(items, target, **more), name, recipe)


# -- the classical hard families ---------------------------------------------------------------------


def pthree(n: int, seed: int = 0) -> Instance:
    """P3: items uniform in [1, 10^3], c = floor(n 10^3 / 4) (Martello and Toth 1990).

    >>> pthree(20).problem
    SubsetSum(n=20, d=1)
    """
    items = _random(seed, "pthree", n).integers(1, 10**3, n, endpoint=True).tolist()
    return _named("pthree", (n,), f"P3, seed {seed}: {_BOOK}", items, n * 10**3 // 4)


def psix(n: int, seed: int = 0) -> Instance:
    """P6: items uniform in [1, 10^6], c = floor(n 10^6 / 4) (Martello and Toth 1990)."""
    items = _random(seed, "psix", n).integers(1, 10**6, n, endpoint=True).tolist()
    return _named("psix", (n,), f"P6, seed {seed}: {_BOOK}", items, n * 10**6 // 4)


def evenodd(n: int, seed: int = 0) -> Instance:
    """EVEN/ODD: even items in [1, 10^3], an odd c = 2 floor(n 10^3 / 8) + 1 (Martello and Toth 1990)."""
    items = _even(_random(seed, "evenodd", n), n, 10**3)
    return _named("evenodd", (n,), f"EVEN/ODD, seed {seed}: {_BOOK}", items, 2 * (n * 10**3 // 8) + 1)


def avis(n: int) -> Instance:
    """AVIS: w_j = n (n + 1) + j, c = n (n + 1) floor((n - 1) / 2) + n (n - 1) / 2 (Martello and Toth 1990).

    Any floor((n - 1) / 2) items stay below c and any more exceed it, which a search only knows at its end.
    """
    _random(0, "avis", n)  # checks n
    items = [n * (n + 1) + j for j in range(1, n + 1)]
    capacity = n * (n + 1) * ((n - 1) // 2) + n * (n - 1) // 2
    return _named("avis", (n,), f"AVIS: {_BOOK}", items, capacity)


def todd(n: int) -> Instance:
    """TODD: w_j = 2^(k+n+1) + 2^(k+j) + 1, k = floor(log2 n), c = floor(sum / 2) (Martello and Toth 1990).

    >>> todd(3).problem.items.tolist()
    [37, 41, 49]
    """
    _random(0, "todd", n)  # checks n
    k = n.bit_length() - 1
    items = [2 ** (k + n + 1) + 2 ** (k + j) + 1 for j in range(1, n + 1)]
    return _named("todd", (n,), f"TODD: {_BOOK}", items, sum(items) // 2)


def evenodd6(n: int, seed: int = 0) -> Instance:
    """EVEN/ODD 6: even items in [1, 10^6], an odd c = 2 floor(n 10^6 / 240) + 1 (Curtis and Sanches).

    c is a sixtieth of the expected sum, as in the published instances (833333 at n = 100).
    """
    items = _even(_random(seed, "evenodd6", n), n, 10**6)
    return _named(
        "evenodd6", (n,), f"EVEN/ODD 6, seed {seed}: {_BALANCED}", items, 2 * (n * 10**6 // 240) + 1
    )


def evenodd8(n: int, seed: int = 0) -> Instance:
    """EVEN/ODD 8: even items in [1, 10^8], an odd c at half the sum (Curtis and Sanches)."""
    items = _even(_random(seed, "evenodd8", n), n, 10**8)
    return _named("evenodd8", (n,), f"EVEN/ODD 8, seed {seed}: {_BALANCED}", items, 2 * (sum(items) // 4) + 1)


def tenfive6(n: int, seed: int = 0) -> Instance:
    """TEN/FIVE 6: multiples of 10 up to 10^6, c ends in 5, at a sixtieth of the sum (Curtis and Sanches)."""
    items = _tens(_random(seed, "tenfive6", n), n, 10**6)
    return _named(
        "tenfive6", (n,), f"TEN/FIVE 6, seed {seed}: {_BALANCED}", items, sum(items) // 600 * 10 + 5
    )


def tenfive8(n: int, seed: int = 0) -> Instance:
    """TEN/FIVE 8: multiples of 10 up to 10^8, c ends in 5, at half the sum (Curtis and Sanches)."""
    items = _tens(_random(seed, "tenfive8", n), n, 10**8)
    return _named("tenfive8", (n,), f"TEN/FIVE 8, seed {seed}: {_BALANCED}", items, sum(items) // 20 * 10 + 5)


def _even(random: Generator, n: int, largest: int) -> list[int]:
    return [2 * x for x in random.integers(1, largest // 2, n, endpoint=True).tolist()]


def _tens(random: Generator, n: int, largest: int) -> list[int]:
    return [10 * x for x in random.integers(1, largest // 10, n, endpoint=True).tolist()]


# -- random reals and vectors ------------------------------------------------------------------------


def uniform(n: int, seed: int = 0) -> Instance:
    """Items uniform in [-1, 1], a target uniform in [-1/2, 1/2]: Lueker's random subset sum (1998)."""
    random = _random(seed, "uniform", n)
    items = random.uniform(-1, 1, n).tolist()
    recipe = f"float64 uniform in [-1, 1], target in [-1/2, 1/2], seed {seed} (Lueker 1998)"
    return _named("uniform", (n,), recipe, items, float(random.uniform(-0.5, 0.5)))


def uniform_integers(n: int, bits: int, seed: int = 0) -> Instance:
    """Items uniform in [1, 2^bits], the target a random half of them, so that some subset hits it.

    With bits near n the density n / bits is near 1, where subset sum is hardest.
    """
    random = _random(seed, "uniform-integers", n, bits)
    items = [1 + int.from_bytes(random.bytes(bits // 8 + 1), "little") % 2**bits for _ in range(n)]
    hidden = random.permutation(n)[: n // 2].tolist()
    recipe = f"integers uniform in [1, 2^{bits}], target a hidden half of them, seed {seed}"
    return _named("uniform-integers", (n, bits), recipe, items, sum(items[i] for i in hidden))


def products(n: int, seed: int = 0) -> Instance:
    """Items that are exact products of two float64 uniform in [-1, 1], of up to 106 bits; a uniform target.

    The random subset sums of Pensia et al., *Optimal Lottery Tickets via SubsetSum* (2020), Corollary 1.
    """
    random = _random(seed, "products", n)
    pairs = zip(random.uniform(-1, 1, n).tolist(), random.uniform(-1, 1, n).tolist(), strict=True)
    items = [Fraction(x) * Fraction(y) for x, y in pairs]
    recipe = f"exact products of two float64 uniform in [-1, 1], target in [-1/2, 1/2], seed {seed}"
    return _named("products", (n,), recipe, items, float(random.uniform(-0.5, 0.5)))


def nsn_vectors(n: int, d: int, seed: int = 0, *, cardinality: int | None = None) -> Instance:
    """Normally-scaled normal vectors: Y_i = Z Z_i with Z, Z_1, .., Z_d standard normal, rounded to float64.

    Definition 4 of da Cunha, d'Amore and Natale, *Polynomially Over-Parameterized Convolutional Neural
    Networks Contain Structured Strong Winning Lottery Tickets* (2023). The target is uniform in
    [-1/2, 1/2]^d.
    """
    random = _random(seed, "nsn", d, n)
    items = random.standard_normal((n, 1)) * random.standard_normal((n, d))
    target = random.uniform(-0.5, 0.5, d)
    sizes = (d, n) if cardinality is None else (d, n, cardinality)
    recipe = (
        f"NSN vectors, target uniform in [-1/2, 1/2]^{d}, seed {seed} (da Cunha et al. 2023, Definition 4)"
    )
    return _named("nsn", sizes, recipe, items.tolist(), target.tolist(), cardinality=cardinality)


# -- edge cases --------------------------------------------------------------------------------------


def ties(n: int, seed: int = 0) -> Instance:
    """Four distinct values, many times each, a target between two sums: countless equally near subsets."""
    random = _random(seed, "ties", n)
    items = random.choice([-0.75, 0.5, 1.25, 2.0], n).tolist()
    return _named(
        "ties", (n,), f"items from {{-3/4, 1/2, 5/4, 2}}, target n/4 + 1/8, seed {seed}", items, n / 4 + 0.125
    )


def zeros(n: int, seed: int = 0) -> Instance:
    """Every second item 0, the others uniform in [-1, 1]: each subset has 2^(n/2) twins."""
    random = _random(seed, "zeros", n)
    items = random.uniform(-1, 1, n)
    items[1::2] = 0.0
    recipe = f"uniform in [-1, 1], every second item 0, seed {seed}"
    return _named("zeros", (n,), recipe, items.tolist(), float(random.uniform(-0.5, 0.5)))


def huge(n: int, seed: int = 0) -> Instance:
    """Items uniform in [-1, 1] times 2^1023: their sums overflow float64."""
    random = _random(seed, "huge", n)
    items = np.ldexp(random.uniform(-1, 1, n), 1023).tolist()
    recipe = f"uniform in [-1, 1] times 2^1023, seed {seed}"
    return _named("huge", (n,), recipe, items, float(np.ldexp(random.uniform(0.5, 1), 1023)))


def tiny(n: int, seed: int = 0) -> Instance:
    """Subnormal items, up to 2^40 times the smallest float64."""
    random = _random(seed, "tiny", n)
    items = np.ldexp(random.integers(-(2**40), 2**40, n).astype(float), -1074).tolist()
    target = float(np.ldexp(float(random.integers(-(2**39), 2**39)), -1074))
    return _named("tiny", (n,), f"multiples of 2^-1074 below 2^-1034, seed {seed}", items, target)


def mixed_magnitudes(n: int, seed: int = 0) -> Instance:
    """Items from 1e-300 to 1e300: on their common grid, integers of 2000 bits."""
    random = _random(seed, "mixed-magnitudes", n)
    signs, exponents = random.choice([-1.0, 1.0], n), random.integers(-300, 300, n)
    items = [
        s * m * 10.0 ** int(e) for s, m, e in zip(signs, random.uniform(1, 10, n), exponents, strict=True)
    ]
    hidden = random.permutation(n)[: n // 2].tolist()
    target = sum((Fraction(items[i]) for i in hidden), Fraction(0))
    recipe = f"1e-300 to 1e300, either sign, target the exact sum of a hidden half, seed {seed}"
    return _named("mixed-magnitudes", (n,), recipe, [float(x) for x in items], target)


def out_of_reach(n: int, seed: int = 0) -> Instance:
    """Infeasible: positive items, a target 1 above their sum, tolerance 1/2."""
    items = _random(seed, "out-of-reach", n).integers(1, 10**6, n, endpoint=True).tolist()
    recipe = f"integers in [1, 10^6], target 1 above their sum, seed {seed}"
    return _named("out-of-reach", (n,), recipe, items, sum(items) + 1, tolerance=Fraction(1, 2))


def off_the_grid(n: int, seed: int = 0) -> Instance:
    """Infeasible: items on a grid of 2^-20, a target halfway between two of its points, tolerance 2^-22."""
    random = _random(seed, "off-the-grid", n)
    items = np.ldexp(random.integers(-(2**20), 2**20, n).astype(float), -20).tolist()
    recipe = f"multiples of 2^-20 in [-1, 1], target 2^-21 off that grid, seed {seed}"
    target = float(np.ldexp(2.0 * float(random.integers(-(2**19), 2**19)) + 1, -21))
    return _named("off-the-grid", (n,), recipe, items, target, tolerance=2.0**-22)


def too_tight(instance: Instance, nearest: Fraction) -> Instance:
    """Infeasible, by no simple bound: the instance with half of its nearest error as tolerance."""
    problem = instance.problem
    tightened = SubsetSum(
        problem.items,
        problem.target,
        tolerance=nearest / 2,
        cardinality=problem.cardinality,
        multiplicity=problem.multiplicity,
    )
    source = f"{instance.source}; tolerance half the nearest error"
    return Instance(tightened, f"too-tight-{instance.name}", source)
