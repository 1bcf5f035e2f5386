"""Data points with their labels, from one file: what a network is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from subsetsum_nets.exchange.points import PointsFileError, read_points
from subsetsum_nets.networks.files.budget import open_regular
from subsetsum_nets.networks.files.npz_files import read_npz
from subsetsum_nets.networks.files.shipped import load_test_split

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.networks.arrays import FloatArray, Ints

_LABELS = ("labels", "y")


class LabelledPoints(NamedTuple):
    """Points (n, d), float64, and where the file has them their labels, integers (n,)."""

    points: FloatArray
    labels: Ints | None = None


def read_labelled_points(path: str | PathLike[str]) -> LabelledPoints:
    """Read points and, where they are there, labels.

    Parameters
    ----------
    path : path
        .safetensors as the shipped test split; .npz with points as :func:`~.points.read_points` takes them
        and optionally ``labels`` or ``y``; .npy or .csv, which have no labels. Numbers are taken as they are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PointsFileError, NetworkFileError
        If it holds anything else, or another number of labels.

    Examples
    --------
    >>> from subsetsum_nets import shipped_network
    >>> found = read_labelled_points(shipped_network().with_name("digits-test-split.safetensors"))
    >>> found.points.shape, found.labels.shape
    ((450, 64), (450,))

    """
    place = Path(path)
    if place.is_dir():
        raise PointsFileError(
            f"{place} is a folder; give one file: .npz with images and labels, .npy or .csv"
        )
    if place.suffix == ".safetensors":
        return LabelledPoints(*load_test_split(place))
    points = read_points(place)
    return LabelledPoints(points, _labels(place, len(points)) if place.suffix == ".npz" else None)


def _labels(place: Path, count: int) -> Ints | None:
    with open_regular(place) as file:
        arrays = read_npz(file)
    name = next((name for name in _LABELS if name in arrays), None)
    if name is None:
        return None
    labels = arrays[name]
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise PointsFileError(
            f"{place}: {name} must be integers of shape ({count},), as many as points, got {labels.dtype} "
            f"{labels.shape}"
        )
    return labels.astype("int64")
