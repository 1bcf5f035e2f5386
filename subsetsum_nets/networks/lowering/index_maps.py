"""Maps that only move numbers, out[i] = in[place i] or 0: reshapes, transposes, slices, pads, concatenations.

A map is kept as an array of places only where it really moves something; a reshape has none. Seen as maps of
images, (channels, h, w), those that keep rows and columns apart are convolutions with kernels of one entry.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray, Ints

    Sizes = tuple[int, ...]


class IndexMap:
    """A map of arrays of shape ``source`` to arrays of shape ``shape``.

    Parameters
    ----------
    source, shape : tuple of int
    places : int array, optional
        For every entry of the result the flat place in the source, or -1 for a zero. Without it the result
        is the source in another shape.

    Examples
    --------
    >>> swap = IndexMap.of((2, 2), np.transpose)
    >>> swap.on(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    >>> swap.then(swap).places is None
    True

    """

    __slots__ = ("__dict__", "places", "shape", "source")

    def __init__(self, source: Sizes, shape: Sizes, places: Ints | None = None) -> None:
        self.source: tuple[int, ...] = tuple(source)
        self.shape: tuple[int, ...] = tuple(shape)
        self.places: NDArray[np.int64] | None = (
            None if places is None else np.asarray(places).reshape(self.shape)
        )

    @classmethod
    def of(cls, source: Sizes, move: Callable[[Ints], NDArray[np.int64]]) -> IndexMap:
        """Return the map that does with an array of shape ``source`` what ``move`` does; -1 stands for 0."""
        count = math.prod(source)
        moved = np.asarray(move(np.arange(count).reshape(source)), dtype=np.int64)
        still = moved.size == count and np.array_equal(moved.ravel(), np.arange(count))
        return cls(source, moved.shape, None if still else moved)

    @property
    def size(self) -> int:
        """Number of entries of the result."""
        return math.prod(self.shape)

    @property
    def flat(self) -> Ints:
        """The places of all entries in a row."""
        return np.arange(self.size) if self.places is None else self.places.ravel()

    @cached_property
    def injective(self) -> bool:
        """Whether no entry of the source goes to two places."""
        if self.places is None:
            return True
        used = self.places[self.places >= 0]
        seen = np.zeros(math.prod(self.source), bool)
        seen[used] = True
        return int(seen.sum()) == used.size

    @cached_property
    def bijective(self) -> bool:
        """Whether every entry of the source goes to just one place, and there are no others."""
        if self.places is None:
            return True
        return self.size == math.prod(self.source) and self.places.min(initial=0) >= 0 and self.injective

    @property
    def inverse(self) -> IndexMap:
        """The map back, of a bijective one."""
        if self.places is None:
            return IndexMap(self.shape, self.source)
        back = np.empty(self.size, np.int64)
        back[self.places.ravel()] = np.arange(self.size)
        return IndexMap(self.shape, self.source, back)

    def then(self, other: IndexMap) -> IndexMap:
        """Return this map and another behind it as one."""
        if other.places is None or self.places is None:
            places = self.places if other.places is None else other.places
        else:
            places = np.where(other.places >= 0, self.places.ravel()[other.places], -1)
            if np.array_equal(places.ravel(), np.arange(math.prod(self.source))):
                places = None
        return IndexMap(self.source, other.shape, places)

    def shaped(self, shape: Sizes) -> IndexMap:
        """Return the map with its result in another shape."""
        return IndexMap(self.source, shape, self.places)

    def from_shape(self, source: Sizes) -> IndexMap:
        """Return the map for sources in another shape of as many entries."""
        return IndexMap(source, self.shape, self.places)

    def same(self, other: IndexMap) -> bool:
        """Tell whether two maps do the same with flat arrays."""
        if self.size != other.size:
            return False
        if self.places is None or other.places is None:
            return self.places is None and other.places is None
        return np.array_equal(self.places.ravel(), other.places.ravel())

    def on(self, numbers: FloatArray) -> FloatArray:
        """Return what the map makes of an array of shape ``source``."""
        if self.places is None:
            return numbers.reshape(self.shape)
        moved: FloatArray = np.where(self.places >= 0, numbers.ravel()[self.places], 0.0)
        return moved


class ImageMap(NamedTuple):
    """An index map of images: out[k, i, j] = in[channels[k], s i + o, t j + p], 0 outside of the image.

    Attributes
    ----------
    channels : int array
        The channel of the source for each of the result, or -1 for zeros.
    strides : pair of int or None
        (s, t), None where the result has one row, or one column, so that it does not matter.
    offsets : (int, int)
        (o, p).
    least : (bool, bool)
        Whether larger strides do the same, since all but one place is outside of the image.

    """

    channels: Ints
    strides: tuple[int | None, int | None]
    offsets: tuple[int, int]
    least: tuple[bool, bool] = (False, False)


def image_map(index_map: IndexMap, source: Sizes, shape: Sizes) -> ImageMap | None:
    """Return an index map as one of images (channels, h, w) of the given sizes, or None if it is none."""
    if len(source) != 3 or len(shape) != 3:
        return None
    if index_map.places is None:
        if source != shape:
            return None
        return ImageMap(np.arange(shape[0]), _free(shape, (1, 1)), (0, 0))
    places = index_map.places.reshape(shape)
    kept = places >= 0
    if not kept.any():
        return ImageMap(np.full(shape[0], -1), _free(shape, (1, 1)), (0, 0))
    channel, row, column = np.unravel_index(np.maximum(places, 0), source)
    rows, columns = (
        _progression(np.where(kept, along, -1).max(axis=axes), length)
        for along, axes, length in ((row, (0, 2), source[1]), (column, (0, 1), source[2]))
    )
    if rows is None or columns is None:
        return None
    channels = np.where(kept, channel, -1).max(axis=(1, 2))
    strides = _free(shape, (rows[0], columns[0]))
    found = ImageMap(channels, strides, (rows[1], columns[1]), (rows[2], columns[2]))
    return found if np.array_equal(_places(found, source, shape), places) else None


def _free(shape: Sizes, strides: tuple[int, int]) -> tuple[int | None, int | None]:
    return (None if shape[1] == 1 else strides[0], None if shape[2] == 1 else strides[1])


def _progression(found: Ints, length: int) -> tuple[int, int, bool] | None:
    """Return (s, o) with ``found[i] = s i + o`` wherever that is not -1, and whether s is only the least."""
    (known,) = np.nonzero(found >= 0)
    place, first = int(known[0]), int(found[known[0]])
    if len(known) == 1:
        step = max(1, length - first if place < len(found) - 1 else 1, first + 1 if place else 1)
    else:
        step = int(found[known[1]] - first) // int(known[1] - place)
    return None if step < 1 else (step, first - step * place, len(known) == 1 and place == 0)


def _places(of: ImageMap, source: Sizes, shape: Sizes) -> Ints:
    inside, parts = np.ones(shape, bool), [of.channels.reshape(-1, 1, 1)]
    for axis in (1, 2):
        at = np.arange(shape[axis]) * (of.strides[axis - 1] or 1) + of.offsets[axis - 1]
        parts.append(at.reshape([-1 if axis == other else 1 for other in range(3)]))
    for part, size in zip(parts, source, strict=True):
        inside &= (part >= 0) & (part < size)
    flat = (parts[0] * source[1] + parts[1]) * source[2] + parts[2]
    places: Ints = np.where(inside, flat, -1)
    return places
