"""The small trained networks that come with the package, and the test images that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.network_files import read_safetensors

if TYPE_CHECKING:
    import os

    from subsetsum_nets.networks.arrays import FloatArray, Ints

_TEST_SPLIT = "-test-split"  # how the name of a file ends that holds inputs and labels, not a network


def shipped_networks() -> list[str]:
    """Return the names of the networks that come with the package, sorted.

    Examples
    --------
    >>> shipped_networks()
    ['digits-64-128-64-10', 'digits-64-32-10', 'digits-conv-8x8-4-8-10']

    """
    return sorted(
        path.stem for path in _folder().glob("*.safetensors") if not path.stem.endswith(_TEST_SPLIT)
    )


def shipped_network(name: str = "digits-64-32-10") -> Path:
    """Return the file of a network that comes with the package.

    The images it was tested on stand in the same folder, in the file that ``read_extra(path)["test_split"]``
    names; :func:`load_test_split` reads them.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those there are.

    Examples
    --------
    >>> from subsetsum_nets.networks import load_network
    >>> load_network(shipped_network())
    ReluNetwork(64-32-10, 2410 parameters)

    """
    known = shipped_networks()
    if name not in known:
        raise ValueError(
            f"no network {name!r} comes with the package; there are: {', '.join(known) or 'none'}"
        )
    return _folder() / f"{name}.safetensors"


def load_test_split(path: str | os.PathLike[str]) -> tuple[FloatArray, Ints]:
    """Read the images and labels that a shipped network was tested on.

    Parameters
    ----------
    path : path
        A .safetensors file with uint8 arrays ``images`` (n, d) and ``labels`` (n,) and the metadata
        ``scale``, "1/16".

    Returns
    -------
    inputs : float64 array, shape (n, d)
        The pixels divided by 16, exactly: values in [0, 1].
    labels : int64 array, shape (n,)

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is not a file of test images: foreign, truncated, or with other arrays.

    Examples
    --------
    >>> inputs, labels = load_test_split(shipped_network().with_name("digits-test-split.safetensors"))
    >>> inputs.shape, float(inputs.min()), float(inputs.max())
    ((450, 64), 0.0, 1.0)

    """
    metadata, tensors = read_safetensors(path)
    if metadata.get("scale") != "1/16" or set(tensors) != {"images", "labels"}:
        raise NetworkFileError(f"{Path(path)} is not a file of test images and labels at scale 1/16")
    images, labels = tensors["images"], tensors["labels"]
    if not images.dtype == labels.dtype == np.uint8:
        raise NetworkFileError(
            f"{Path(path)}: images and labels must be uint8, not {images.dtype}, {labels.dtype}"
        )
    if images.ndim != 2 or labels.shape != images.shape[:1] or bool(np.any(images > 16)):
        raise NetworkFileError(
            f"{Path(path)}: images of shape {images.shape} do not go with labels of shape {labels.shape}, "
            "or a pixel exceeds 16"
        )
    return images / 16.0, labels.astype(np.int64)


def _folder() -> Path:
    """Find the shipped files: inside an installed package, else beside the packages of a checkout."""
    package = Path(__file__).parents[2]
    installed, checkout = package / "instances", package.parent / "instances"
    return checkout if not installed.is_dir() and (package.parent / "pyproject.toml").is_file() else installed
