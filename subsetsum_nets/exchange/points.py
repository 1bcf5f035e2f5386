"""Boxes and data points from files: .csv, .npy and .npz, for bounds over a box or around points.

Numbers of .npy and .npz files are taken as they are; decimals of a .csv file are the nearest float64, as
those of a command line are.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, exact_float64
from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.files.budget import open_regular, read_regular
from subsetsum_nets.networks.files.npz_files import npy_array, read_npz

if TYPE_CHECKING:
    from os import PathLike

_POINTS = (
    "points",
    "inputs",
    "x",
    "X",
    "images",
    "data",
    "x_test",
    "arr_0",
)  # in an .npz file, the first found


class PointsFileError(ValueError):
    """A file that holds no box, or no points."""


def read_box(path: str | PathLike[str]) -> Box:
    r"""Read a box, coordinate by coordinate.

    Parameters
    ----------
    path : path
        .npz with arrays ``low`` and ``high`` of shape (d,), or of images, which are taken flattened; or .csv
        with a line "low, high" for each coordinate, a line of names at the top being skipped.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PointsFileError
        If it holds anything else; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "box.csv"
    >>> _ = path.write_text("low, high\n-1, 1\n0, 0.5\n")
    >>> read_box(path)
    Box([-1.0, 0.0], [1.0, 0.5])

    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        arrays = _arrays(path)
        if set(arrays) != {"low", "high"}:
            raise PointsFileError(f"{path} holds {_names(arrays)}; a box has the arrays low and high")
        low, high = (arrays[name].ravel() for name in ("low", "high"))
    elif suffix == ".csv":
        rows = _csv(path)
        if rows.shape[1] != 2:
            raise PointsFileError(
                f"{path}: a box has a line 'low, high' for each coordinate, not {rows.shape[1]} "
                "numbers a line"
            )
        low, high = rows.T
    else:
        raise PointsFileError(
            f"{path}: a box is read from .npz (arrays low and high) or .csv (low, high a line)"
        )
    try:
        return Box(low.copy(), high.copy())
    except InvalidNetworkError as error:
        raise PointsFileError(f"{path}: {error}") from error


def read_points(path: str | PathLike[str]) -> FloatArray:
    """Read data points.

    Parameters
    ----------
    path : path
        .csv with a point a line, a line of names at the top being skipped; .npy with an array (n, d) or, of
        images, (n, h, w, c); .npz with one such array, or several of which one is called points, inputs, x,
        X, images, data or x_test.

    Returns
    -------
    float64 array, shape (n, d)
        Images are flattened row by row.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PointsFileError
        If it holds anything else; the message names the line.

    """
    suffix = Path(path).suffix
    if suffix == ".csv":
        return _csv(path)
    if suffix == ".npy":
        array = _npy(path)
    elif suffix == ".npz":
        arrays = _arrays(path)
        name = (
            next((name for name in _POINTS if name in arrays), None)
            if len(arrays) != 1
            else next(iter(arrays))
        )
        if name is None:
            raise PointsFileError(f"{path} holds {_names(arrays)}; which are the points? Call them 'points'")
        array = arrays[name]
    else:
        raise PointsFileError(f"{path}: points are read from .csv, .npy or .npz")
    if array.ndim < 2 or 0 in array.shape:
        raise PointsFileError(f"{path}: points have the shape (n, d) or (n, h, w, c), not {array.shape}")
    try:
        return exact_float64(array.reshape(len(array), math.prod(array.shape[1:])), "the array of points")
    except InvalidNetworkError as error:
        raise PointsFileError(f"{path}: {error}") from error


def ball_boxes(points: FloatArray, radius: float, domain: Box | None = None) -> list[Box]:
    """Return the l_inf balls of a radius around points, cut to a box where one is given; rounded outward.

    Parameters
    ----------
    points : array, shape (n, d)
    radius : float
        At least 0.
    domain : Box, optional

    Raises
    ------
    ValueError
        If the radius is negative or not finite, or a ball does not meet the domain.

    Examples
    --------
    >>> ball_boxes(np.array([[0.5, 1.0]]), 0.25, Box(0, 1))
    [Box([0.25, 0.75], [0.75, 1.0])]

    """
    if not 0 <= radius < math.inf:
        raise ValueError(f"radius must be a finite number >= 0, got {radius!r}")
    ends = (None, None) if domain is None else domain.bounds(points.shape[1])
    boxes = []
    for number, point in enumerate(points):
        low, high = _down(point, -radius), -_down(-point, -radius)
        if ends[0] is not None and ends[1] is not None:
            low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
        if bool(np.any(low > high)):
            place = int(np.argmax(low > high))
            raise ValueError(
                f"point {number} is {point[place]!r} at coordinate {place}: the ball of radius {radius!r} "
                f"around it has nothing in common with {domain!r}"
            )
        boxes.append(Box(low, high))
    return boxes


def _down(values: FloatArray, step: float) -> FloatArray:
    """Return values + step, rounded down."""
    total = values + step
    from_step = total - values
    error = (values - (total - from_step)) + (step - from_step)  # Knuth's TwoSum: exact
    lower: FloatArray = np.where(error < 0, np.nextafter(total, -np.inf), total)
    return lower


def _csv(path: str | PathLike[str]) -> FloatArray:
    """Return the numbers of a file with as many on every line, (lines, numbers)."""
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise PointsFileError(f"{path} is no text: byte {error.start}") from error
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(",")]
        values = [_value(cell) for cell in cells]
        if not rows and number == 1 and all(value is None for value in values):
            continue  # the names of the columns
        for cell, value in zip(cells, values, strict=True):
            if value is None:
                raise PointsFileError(f"{path}, line {number}: {cell[:40]!r} is no finite number")
        rows.append([value for value in values if value is not None])
        if len(rows[-1]) != len(rows[0]):
            raise PointsFileError(
                f"{path}, line {number} has {len(rows[-1])} numbers, the first one {len(rows[0])}"
            )
    if not rows:
        raise PointsFileError(f"{path} holds no numbers")
    return np.array(rows)


def _value(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _npy(path: str | PathLike[str]) -> Any:
    """Return the array of an .npy file; nothing is unpickled."""
    raw = bytearray(read_regular(path))
    try:
        return npy_array(Path(path).name, raw)
    except Exception as error:  # array headers fail in a dozen ways, all of which mean the same here
        raise PointsFileError(f"{path} is not a complete .npy file of numbers ({error})") from error


def _arrays(path: str | PathLike[str]) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            return read_npz(file)
    except OSError:
        raise
    except Exception as error:  # zip and array headers fail in a dozen ways, all of which mean the same here
        raise PointsFileError(f"{path} is not a complete .npz file ({error})") from error


def _names(arrays: dict[str, Any]) -> str:
    return f"the arrays {', '.join(map(repr, sorted(arrays)[:8]))}" if arrays else "no arrays"
