"""Domains: the bounded sets of inputs over which two networks are compared.

ReLU networks without biases are positive-homogeneous, so an error bound exists only over a bounded set
(Pensia et al. 2020, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import Bools, FloatArray, exact_float64
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, eq=False, repr=False)
class Box:
    """The box of all x with ``low <= x <= high``, coordinate by coordinate.

    Parameters
    ----------
    low, high : float or array_like, shape (d,)
        Bounds. A scalar holds for every coordinate.

    Raises
    ------
    InvalidNetworkError
        If a bound is not finite, if ``low > high`` somewhere, or if the shapes differ.

    Examples
    --------
    >>> Box(0, 1)
    Box(0.0, 1.0)
    >>> Box([0, -1], [1, 1]).bounds(2)
    (array([ 0., -1.]), array([1., 1.]))

    """

    low: Any
    high: Any

    def __post_init__(self) -> None:
        low, high = exact_float64(self.low, "Box low"), exact_float64(self.high, "Box high")
        if low.ndim > 1 or high.ndim > 1:
            raise InvalidNetworkError(
                f"Box bounds must be scalars or 1-D arrays, got shapes {low.shape} and {high.shape}"
            )
        if low.ndim and high.ndim and low.shape != high.shape:
            raise InvalidNetworkError(f"Box low has shape {low.shape} but high has shape {high.shape}")
        if bool(np.any(low > high)):
            raise InvalidNetworkError(f"Box low must not exceed high, got low {low} and high {high}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def bounds(self, dimension: int) -> tuple[FloatArray, FloatArray]:
        """Return (low, high), each of shape (dimension,); exactly the box."""
        _check_dimension(self, dimension)
        return (
            np.broadcast_to(self.low, (dimension,)).copy(),
            np.broadcast_to(self.high, (dimension,)).copy(),
        )

    @property
    def ball(self) -> None:
        """The domain as a ball: it is none."""
        return

    def centre(self, dimension: int) -> FloatArray:
        """Return a point in the middle, shape (dimension,), that lies in the box exactly."""
        low, high = self.bounds(dimension)
        return np.clip(0.5 * low + 0.5 * high, low, high)

    @property
    def dimension(self) -> int | None:
        """Number of coordinates; None where the bounds hold for every coordinate."""
        return max(self.low.size, self.high.size) if self.low.ndim or self.high.ndim else None

    def project(self, points: FloatArray) -> FloatArray:
        """Return the nearest points of the box; ``points`` has shape (..., d)."""
        return np.clip(points, self.low, self.high)

    def contains(self, point: FloatArray) -> bool:
        """Tell whether ``point``, shape (d,), lies in the box (exact)."""
        return bool(np.all((self.low <= point) & (point <= self.high)))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`domain_from_json` reads it back exactly."""
        return {"kind": "box", "low": self.low.tolist(), "high": self.high.tolist()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((*self.low.ravel().tolist(), *self.high.ravel().tolist()))

    def __repr__(self) -> str:
        return f"Box({self.low.tolist()}, {self.high.tolist()})"


@dataclass(frozen=True, eq=False, repr=False)
class Ball:
    """The l2 ball of all x with ``||x - center|| <= radius``.

    Parameters
    ----------
    radius : float
        At least 0.
    center : float or array_like, shape (d,)
        A scalar holds for every coordinate.

    Raises
    ------
    InvalidNetworkError
        If the radius is negative or not finite, the centre is not finite or not 1-D, or the ball reaches
        beyond the largest float64.

    Examples
    --------
    >>> Ball(0.5)
    Ball(0.5, 0.0)

    """

    radius: Any = 1.0
    center: Any = 0.0

    def __post_init__(self) -> None:
        radius, center = exact_float64(self.radius, "Ball radius"), exact_float64(self.center, "Ball center")
        if radius.ndim or float(radius) < 0:
            raise InvalidNetworkError(f"Ball radius must be one number >= 0, got {self.radius!r}")
        if center.ndim > 1:
            raise InvalidNetworkError(
                f"Ball center must be a scalar or a 1-D array, got shape {center.shape}"
            )
        with np.errstate(over="ignore"):
            reach = np.abs(center) + radius
        if not bool(np.all(reach < np.finfo(np.float64).max)):
            raise InvalidNetworkError(
                f"a ball of radius {self.radius!r} about {self.center!r} reaches beyond the largest float64"
            )
        object.__setattr__(self, "radius", float(radius))
        object.__setattr__(self, "center", center)

    def bounds(self, dimension: int) -> tuple[FloatArray, FloatArray]:
        """Return (low, high), each of shape (dimension,): the box around the ball, rounded outward."""
        _check_dimension(self, dimension)
        center = np.broadcast_to(self.center, (dimension,))
        low, high = center - self.radius, center + self.radius
        return (
            np.where(_is_sum(low, center, -self.radius), low, np.nextafter(low, -np.inf)),
            np.where(_is_sum(high, center, self.radius), high, np.nextafter(high, np.inf)),
        )

    @property
    def ball(self) -> Ball:
        """The domain as a ball, which bounds by Cauchy-Schwarz are for."""
        return self

    def centre(self, dimension: int) -> FloatArray:
        """Return the center, shape (dimension,)."""
        return np.array(np.broadcast_to(self.center, (dimension,)))

    @property
    def dimension(self) -> int | None:
        """Number of coordinates; None where the center is the same in every coordinate."""
        return self.center.size if self.center.ndim else None

    def project(self, points: FloatArray) -> FloatArray:
        """Return the nearest points of the ball; ``points`` has shape (..., d).

        Points outside are put one part in 10**12 inside the surface, so that rounding leaves them inside, or
        at the centre for a radius up to 2**-1000. Only about a centre some 10**3 times farther out than the
        radius can adding it back round a point out again, which :meth:`contains` tells.
        """
        offset = points - self.center
        largest = np.max(np.abs(offset), axis=-1, keepdims=True, initial=0.0)
        _, exponent = np.frexp(largest)
        direction = np.ldexp(offset, -exponent)  # largest entry in [1/2, 1): no square over- or underflows
        length = np.sqrt(np.sum(direction * direction, axis=-1, keepdims=True))
        # Near subnormal numbers rounding is not relative any more: there the centre itself is near enough.
        radius = self.radius * (1 - 1e-12) if self.radius > 2.0**-1000 else 0.0
        with np.errstate(over="ignore"):  # infinity, far inside the ball, is as good as the exact number
            inside = length <= np.ldexp(radius, -exponent)
        shrink = np.divide(radius, length, out=np.zeros_like(length), where=~inside)
        projected: FloatArray = np.where(inside, points, self.center + direction * shrink)
        return projected

    def contains(self, point: FloatArray) -> bool:
        """Tell whether ``point``, shape (d,), lies in the ball; decided in exact rational arithmetic."""
        from fractions import Fraction

        center = np.broadcast_to(self.center, point.shape)
        if not bool(np.all(np.isfinite(point))):
            return False
        squares = sum(
            (Fraction(float(x)) - Fraction(float(c))) ** 2 for x, c in zip(point, center, strict=True)
        )
        return squares <= Fraction(self.radius) ** 2

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`domain_from_json` reads it back exactly."""
        return {"kind": "ball", "radius": self.radius, "center": self.center.tolist()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ball) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.radius, *self.center.ravel().tolist()))

    def __repr__(self) -> str:
        return f"Ball({self.radius}, {self.center.tolist()})"


def _is_sum(total: FloatArray, a: FloatArray, b: float) -> Bools:
    """Tell where the float64 sum ``total`` of a and b is exact: its error, found as Knuth's TwoSum, is 0."""
    from_b = total - a
    return np.asarray((a - (total - from_b)) + (b - from_b) == 0.0)


Domain = Box | Ball


def _check_dimension(domain: Domain, dimension: int) -> None:
    if domain.dimension not in (None, dimension):
        raise InvalidNetworkError(
            f"the domain has {domain.dimension} coordinates, the network {dimension} inputs"
        )


def domain_from_json(description: Mapping[str, Any]) -> Domain:
    """Read back what ``Box.to_json`` or ``Ball.to_json`` wrote.

    Raises
    ------
    InvalidNetworkError
        If ``description`` is neither.

    """
    try:
        if description["kind"] == "box":
            return Box(description["low"], description["high"])
        if description["kind"] == "ball":
            return Ball(description["radius"], description["center"])
    except (KeyError, TypeError) as error:
        raise InvalidNetworkError(f"not a domain: {description!r}") from error
    raise InvalidNetworkError(f"unknown domain kind {description['kind']!r}; known are 'box' and 'ball'")
