"""The true sup ||f - g|| of tiny networks of one or two inputs, in rational arithmetic, without any solver.

The domain is cut into the cells on which both networks are affine, unit after unit. A cell is the list of its
vertices, each with exact values; f - g is affine on it, and a norm of it is largest at a vertex.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat

from subsetsum_nets.networks import Ball

ZERO = fmpq(0)


def true_sup(f, g, domain, norm, sides=48):
    """Return (low, high) around sup ||f - g||, squared for l2, as Fractions.

    They are equal but over a ball in the plane, which is bracketed by polygons of so many sides.
    """
    polygons = domain_polygons(domain, f.widths[0], sides)
    values = [_fraction(_largest(f, g, polygon, norm)) for polygon in polygons]
    return values[0], values[-1]


def domain_polygons(domain, dimension, sides):
    """Return the domain as one exact cell, or a cell inside it and one outside; lists of rational points."""
    if isinstance(domain, Ball):
        center, radius = (
            [_exact(c) for c in np.broadcast_to(domain.center, (dimension,))],
            _exact(domain.radius),
        )
        if dimension == 1:
            return [[[center[0] - radius], [center[0] + radius]]]
        circle = [_on_circle(2.0 * np.pi * (k + 0.3) / sides) for k in range(sides)]
        outer = [_tangents_meet(a, b) for a, b in zip(circle, [*circle[1:], circle[0]], strict=True)]
        return [
            [[c + radius * x for c, x in zip(center, p, strict=True)] for p in ps] for ps in (circle, outer)
        ]
    low, high = ([_exact(v) for v in side] for side in domain.bounds(dimension))
    if dimension == 1:
        return [[low, high]]
    return [[low, [high[0], low[1]], high, [low[0], high[1]]]]


def _on_circle(angle):
    """Return a rational point on the unit circle near an angle."""
    t = _exact(round(float(np.tan(angle / 2)) * 1024)) / 1024
    square = t * t
    return [(1 - square) / (1 + square), 2 * t / (1 + square)]


def _tangents_meet(a, b):
    """Return where the tangents of the unit circle at two of its points meet."""
    factor = 1 / (1 + a[0] * b[0] + a[1] * b[1])
    return [factor * (a[0] + b[0]), factor * (a[1] + b[1])]


def _largest(f, g, polygon, norm):
    # A vertex is (values of the network at work, values kept along), all of them affine on the cell.
    cells = _through(f, [[(list(point), list(point)) for point in polygon]])
    cells = _through(g, [[(point, of_f) for of_f, point in cell] for cell in cells])
    return max(_size(of_f, of_g, norm) for cell in cells for of_g, of_f in cell)


def _size(a, b, norm):
    sizes = [abs(x - y) for x, y in zip(a, b, strict=True)]
    if norm == "l2":
        return sum((v * v for v in sizes), ZERO)
    return max(sizes) if norm == "linf" else sum(sizes, ZERO)


def _through(network, cells):
    """Return the cells on which all units of a network keep their sign, with its outputs as the values."""
    for layer, relu in zip(network.layers, network.relu_after, strict=True):
        weight = layer.weight.toarray() if hasattr(layer.weight, "tocsr") else layer.weight
        matrix = fmpq_mat([[_exact(w) for w in row] for row in weight])
        bias = [ZERO] * layer.d_out if layer.bias is None else [_exact(b) for b in layer.bias]
        cells = [_affine(matrix, bias, cell) for cell in cells]
        if relu:
            for unit in range(layer.d_out):
                cells = [part for cell in cells for part in _split(cell, unit)]
            cells = [[([max(v, ZERO) for v in values], kept) for values, kept in cell] for cell in cells]
    return cells


def _affine(matrix, bias, cell):
    product = matrix * fmpq_mat([[values[i] for values, _ in cell] for i in range(len(cell[0][0]))])
    columns = product.transpose().tolist()
    return [
        ([v + b for v, b in zip(column, bias, strict=True)], kept)
        for column, (_, kept) in zip(columns, cell, strict=True)
    ]


def _split(cell, unit):
    """Cut a cell where a unit is zero."""
    signs = [values[unit] for values, _ in cell]
    if all(s >= 0 for s in signs) or all(s <= 0 for s in signs):
        return [cell]
    above, below = [], []
    for index, (vertex, sign) in enumerate(zip(cell, signs, strict=True)):
        if sign >= 0:
            above.append(vertex)
        if sign <= 0:
            below.append(vertex)
        following = (index + 1) % len(cell)
        if sign * signs[following] < 0 and (len(cell) > 2 or following):  # a segment has one edge
            between = _between(vertex, cell[following], sign / (sign - signs[following]))
            above.append(between)
            below.append(between)
    return [above, below]


def _between(a, b, t):
    return tuple([x + t * (y - x) for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True))


def _exact(value):
    ratio = Fraction(float(value))
    return fmpq(ratio.numerator, ratio.denominator)


def _fraction(value):
    return Fraction(int(value.p), int(value.q))
