"""Maxima over windows as ReLUs: ``max(a, b) = a + relu(b - a)``, halving the candidates with every layer.

All weights are 0, 1 and -1. Behind a ReLU values are at least 0, so that zeros around an image change no
maximum; elsewhere places outside the image are replaced by ones of the same window inside.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.linear_maps import Scaling
from subsetsum_nets.networks.lowering.values import is_nonnegative

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Ints
    from subsetsum_nets.networks.lowering.tracer import Tracer
    from subsetsum_nets.networks.lowering.values import Value


class Window(NamedTuple):
    """Windows along an axis."""

    size: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def reach(self) -> int:
        """How many places a window spans."""
        return self.dilation * (self.size - 1) + 1

    def count(self, length: int) -> int:
        """Return how many windows there are."""
        return (length + self.before + self.after - self.reach) // self.stride + 1


def largest_of_windows(tracer: Tracer, image: Value, down: Window, along: Window) -> Value:
    """Return the maxima over windows of an image (c, h, w), first down the rows, then along the columns."""
    image = _computed(tracer, image)
    for axis, window in ((1, down), (2, along)):
        if window == Window(1):
            continue
        padded = window.before or window.after
        if padded and not is_nonnegative(image.affine):
            image = _of_places(tracer, image, window, axis)
        else:
            image = _by_doubling(tracer, image, window, axis)
    return image


def largest_of_rows(tracer: Tracer, value: Value) -> Value:
    """Return the largest of each row of a matrix."""
    value = _computed(tracer, value)
    rows, count = value.shape
    while count > 1:
        half = count // 2
        first = _taken(tracer, value, 1, np.arange(half))
        second = _taken(tracer, value, 1, np.arange(count - half, count))
        larger = _pair(tracer, first, second)
        if count % 2:
            middle = _taken(tracer, value, 1, np.arange(half, half + 1))
            larger = tracer.concatenate([larger, middle], 1)
        value, count = larger, count - half
    return tracer.reshape(value, (rows,))


def _by_doubling(tracer: Tracer, value: Value, window: Window, axis: int) -> Value:
    """Return the maxima over windows that grow from one place to all, zeros around the image."""
    length = value.shape[axis]
    check_demand(64 * (length + window.before + window.after), tracer.where)
    places = np.arange(-window.before, length + window.after)
    places = np.where((places >= 0) & (places < length), places, -1)
    size, stride = window.size, window.stride
    while size > 2 and size % 2 == stride % 2 == 0 and window.dilation == 1:  # pairs that do not overlap
        pairs = len(places) // 2
        value = _pair(
            tracer,
            _taken(tracer, value, axis, places[: 2 * pairs : 2]),
            _taken(tracer, value, axis, places[1 : 2 * pairs : 2]),
        )
        places, size, stride = np.arange(pairs), size // 2, stride // 2
    seen = 1
    while seen < size:
        gap = min(seen, size - seen)
        shift, seen = gap * window.dilation, seen + gap
        step = stride if seen == size else 1
        first = places[: len(places) - shift : step]
        value = _pair(
            tracer, _taken(tracer, value, axis, first), _taken(tracer, value, axis, places[shift::step])
        )
        places = np.arange(len(first))
    return _taken(tracer, value, axis, places[::stride]) if size == 1 else value


def _of_places(tracer: Tracer, value: Value, window: Window, axis: int) -> Value:
    """Return the maxima over windows, places outside the image replaced by the first one inside."""
    length = value.shape[axis]
    check_demand(64 * window.count(length) * window.size, tracer.where)
    starts = np.arange(window.count(length)) * window.stride - window.before
    places = starts[:, np.newaxis] + window.dilation * np.arange(window.size)
    inside = (places >= 0) & (places < length)
    first = places[np.arange(len(places)), inside.argmax(axis=1)]
    places = np.where(inside, places, first[:, np.newaxis])
    taken = _taken(tracer, value, axis, places.ravel())
    shape = list(taken.shape)
    moved = tracer.reshape(taken, (*shape[:axis], *places.shape, *shape[axis + 1 :]))
    last = tracer.rearrange(moved, lambda a: np.moveaxis(a, axis + 1, -1), math.prod(moved.shape))
    rows = tracer.reshape(last, (math.prod(last.shape[:-1]), last.shape[-1]))
    return tracer.reshape(largest_of_rows(tracer, rows), last.shape[:-1])


def _computed(tracer: Tracer, value: Value) -> Value:
    """Return a value as what layers compute, so that no weights are used for every candidate again."""
    affine = value.affine
    weights = any(term.core is not None and not isinstance(term.core, Scaling) for term in affine.terms)
    return tracer.cut(value) if weights or affine.constant is not None else value


def _pair(tracer: Tracer, a: Value, b: Value) -> Value:
    """Return ``max(a, b)``, of values that a layer computes."""
    larger = tracer.relu(tracer.subtract(b, a))
    if is_nonnegative(a.affine):
        return tracer.add(tracer.held(a), larger)
    kept = tracer.subtract(tracer.relu(a), tracer.relu(tracer.negate(a)))
    return tracer.add(kept, larger)


def _taken(tracer: Tracer, value: Value, axis: int, places: Ints) -> Value:
    """Return the entries at places of an axis; zeros for -1."""
    if np.array_equal(places, np.arange(value.shape[axis])):
        return value
    size = math.prod(value.shape) // value.shape[axis] * len(places)
    where = [1] * len(value.shape)
    where[axis] = -1
    outside = (places < 0).reshape(where)
    return tracer.rearrange(value, lambda a: np.where(outside, -1, a.take(places, axis=axis)), size)
