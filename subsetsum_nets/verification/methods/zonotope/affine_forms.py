"""Affine forms: many units as affine functions of the same input features and error symbols, rigorously.

A row stands for all values ``centre + joint @ (features, symbols) + own @ (own symbols) + e`` with symbols in
[-1, 1] and ``|e| <= radius``. Forms with the same ``joint`` columns share the symbols of these columns, so
that what cancels between them cancels; ``own`` symbols occur in one set of forms only. Every rounding ends in
``radius``, which passes a layer as ``|W| radius`` and needs no columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    TINY,
    Matrix,
    MidRad,
    entries,
    finite,
    inflate,
    product_up,
    rounding_error,
    sum_up,
    terms,
    times_up,
)
from subsetsum_nets.verification.enclosures.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.methods.zonotope.input_features import InputFeatures


@dataclass(frozen=True, eq=False)
class AffineForms:
    """Affine forms of m units.

    Parameters
    ----------
    features : InputFeatures
        What the first columns of ``joint`` multiply.
    centre, radius : array, shape (m,)
    joint : array, shape (m, number of features + shared symbols)
    own : array, shape (m, own symbols)

    """

    features: InputFeatures
    centre: FloatArray
    joint: FloatArray
    own: FloatArray
    radius: FloatArray

    @property
    def symbols(self) -> int:
        """Number of symbols, shared and own."""
        return int(self.joint.shape[1] - self.features.magnitude.size + self.own.shape[1])

    @np.errstate(over="ignore", invalid="ignore")
    def spread(self) -> FloatArray:
        """Return upper bounds of what the symbols and the radius contribute, shape (m,)."""
        shared = np.abs(self.joint[:, self.features.magnitude.size :])
        return inflate(sum_up(shared) + sum_up(np.abs(self.own)) + self.radius, 2)

    @np.errstate(over="ignore", invalid="ignore")
    def size(self) -> FloatArray:
        """Return upper bounds of the sums of the absolute values of all terms, shape (m,)."""
        inputs = np.abs(self.joint[:, : self.features.magnitude.size])
        terms_of_inputs = product_up(inputs, self.features.magnitude)
        return inflate(np.abs(self.centre) + terms_of_inputs + self.spread(), 2)

    @np.errstate(over="ignore", invalid="ignore")
    def range(self) -> Range:
        """Return bounds of every unit, rounded outward."""
        low, high = self.features.support(self.joint[:, : self.features.magnitude.size])
        spread = self.spread()
        # A sum of three terms: two roundings each way, of at most the sum of the sizes.
        slack_low = rounding_error(inflate(np.abs(self.centre) + np.abs(low) + spread, 2), 2)
        slack_high = rounding_error(inflate(np.abs(self.centre) + np.abs(high) + spread, 2), 2)
        return Range(
            finite(self.centre + low - inflate(spread + slack_low, 1)),
            finite(self.centre + high + inflate(spread + slack_high, 1)),
        )

    @np.errstate(over="ignore", invalid="ignore")
    def minus(self, other: AffineForms) -> AffineForms:
        """Enclose ``self - other``, of which only ``other`` has own symbols."""
        size = inflate(self.size() + other.size(), 1)
        radius = inflate(self.radius + other.radius + rounding_error(size, 1), 2)
        return replace(
            self,
            centre=finite(self.centre - other.centre),
            joint=finite(self.joint - other.joint),
            own=-other.own,
            radius=radius,
        )


@np.errstate(over="ignore", invalid="ignore")
def first_forms(features: InputFeatures, weights: MidRad, bias: MidRad) -> AffineForms:
    """Return the forms of a first layer with these weights on the features and this bias."""
    radius = bias.rad
    if weights.rad.any():
        radius = inflate(radius + product_up(weights.rad, features.magnitude), 1)
    return AffineForms(features, bias.mid, weights.mid, np.zeros((bias.mid.size, 0)), radius)


@np.errstate(over="ignore", invalid="ignore")
def linear_map(products: Sequence[tuple[Matrix, Matrix | None, AffineForms]], bias: MidRad) -> AffineForms:
    """Enclose ``sum of M_i @ forms_i + bias`` for all M_i within the given radii of the given matrices.

    Parameters
    ----------
    products : sequence of (matrix, its radius or None, forms)
        All forms have the same joint columns; only the first may have own symbols.
    bias : MidRad, shape (m,)

    Raises
    ------
    BoundOverflowError
        If an entry leaves the range of float64.

    """
    first_matrix, _, first = products[0]
    # One more product for the bias, and one rounding for each further matrix.
    roundings = sum(terms(matrix) for matrix, _, _ in products) + len(products) + 1
    centre, magnitude, radius = bias.mid, np.abs(bias.mid), bias.rad
    joint: FloatArray | None = None
    for matrix, matrix_radius, forms in products:
        size = forms.size()
        centre = centre + matrix @ forms.centre
        product = matrix @ forms.joint
        joint = product if joint is None else joint + product
        magnitude = magnitude + product_up(abs(matrix), size)
        radius = radius + product_up(abs(matrix), forms.radius)
        if matrix_radius is not None and entries(matrix_radius).any():
            radius = radius + product_up(matrix_radius, size)
    if joint is None:
        raise ValueError("linear_map needs at least one product")
    own = first_matrix @ first.own
    magnitude = inflate(magnitude, len(products) + 1)
    # Each coefficient is off by at most roundings * u times its absolute products, summed over all columns
    # by ``magnitude``; and each product by TINY more where it underflows.
    columns = first.features.magnitude.sum() + joint.shape[1] + own.shape[1] + 1.0
    underflow = inflate((2.0 * roundings * TINY) * columns * (magnitude != 0.0), 4)
    rounding = inflate(rounding_error(magnitude, roundings) + underflow, 1)
    radius = inflate(radius + rounding, 2 * len(products) + 1)
    return AffineForms(first.features, finite(centre), finite(joint), finite(own), radius)


@np.errstate(over="ignore", invalid="ignore")
def scaled_sum(
    slope: FloatArray, forms: AffineForms, slope_of_other: FloatArray, other: AffineForms
) -> AffineForms:
    """Enclose, row by row, ``slope * forms + slope_of_other * other``; ``other`` has no own symbols.

    Rows with a slope of 0 or 1 and nothing else to add are not rounded and get no wider.
    """
    t, s = slope[:, np.newaxis], slope_of_other[:, np.newaxis]
    centre = slope * forms.centre
    joint = t * forms.joint
    own = t * forms.own
    exact = ((slope == 0.0) | (slope == 1.0)) & (slope_of_other == 0.0)
    radius = _scaled(forms.radius, slope)
    if slope_of_other.any():
        centre = centre + slope_of_other * other.centre
        joint = joint + s * other.joint
        radius = np.where(
            slope_of_other == 0.0, radius, inflate(radius + _scaled(other.radius, slope_of_other), 1)
        )
    if not exact.all():
        magnitude = inflate(
            times_up(np.abs(slope), forms.size()) + times_up(np.abs(slope_of_other), other.size()), 1
        )
        columns = forms.features.magnitude.sum() + joint.shape[1] + own.shape[1] + 1.0
        underflow = inflate((8.0 * TINY) * columns * (magnitude != 0.0), 4)
        rounding = inflate(rounding_error(magnitude, 3) + underflow, 1)
        radius = np.where(exact, radius, inflate(radius + rounding, 1))
    return AffineForms(forms.features, finite(centre), finite(joint), finite(own), radius)


def _scaled(radius: FloatArray, slope: FloatArray) -> FloatArray:
    """Return upper bounds of ``|slope| radius``, exact for the slopes 0 and 1."""
    exact = (slope == 0.0) | (slope == 1.0)
    return np.where(exact, np.where(slope == 0.0, 0.0, radius), times_up(np.abs(slope), radius))


@np.errstate(over="ignore", invalid="ignore")
def with_errors(
    forms: AffineForms, errors: MidRad, shared: MidRad, carriers: NDArray[np.intp], own: NDArray[np.intp]
) -> AffineForms:
    """Return ``forms`` plus two errors a unit, each in an interval, on fresh symbols.

    Parameters
    ----------
    forms : AffineForms, of m units
    errors : MidRad, shape (m,)
        An error of these forms alone.
    shared : MidRad, shape (m,)
        An error of which other forms have a multiple too; a ``rad`` may be negative here: it is the
        coefficient of the shared symbol.
    carriers : int array
        Units whose shared error gets a joint column, in this order; that of the others joins the radius.
    own : int array
        Units whose own error gets an own column; that of the others joins the radius.

    """
    units = forms.centre.size
    joint = np.zeros((units, carriers.size))
    joint[carriers, np.arange(carriers.size)] = shared.rad[carriers]
    columns = np.zeros((units, own.size))
    columns[own, np.arange(own.size)] = errors.rad[own]
    loose, loose_shared = errors.rad.copy(), np.abs(shared.rad)
    loose[own], loose_shared[carriers] = 0.0, 0.0
    moved = (errors.mid != 0.0) | (shared.mid != 0.0)
    magnitude = inflate(np.abs(forms.centre) + np.abs(errors.mid) + np.abs(shared.mid), 2)
    rounding = np.where(moved, rounding_error(magnitude, 2), 0.0)
    added = inflate(loose + loose_shared + rounding, 2)
    return replace(
        forms,
        centre=finite(forms.centre + errors.mid + shared.mid),
        joint=np.concatenate([forms.joint, joint], axis=1),
        own=np.concatenate([forms.own, columns], axis=1),
        radius=np.where(added == 0.0, forms.radius, inflate(forms.radius + added, 1)),
    )
