"""Digests: SHA-256 names of networks and masks, so that a certificate says exactly what it is about."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from subsetsum_nets.networks.relu_network import ReluNetwork

_NETWORK_TAG = b"subsetsum-nets network digest 1\0"
_ARRAYS_TAG = b"subsetsum-nets arrays digest 1\0"
_OPTIONS = 2**63  # no array and no size of images begins with such a number
_BLOCK = 1 << 16  # entries converted at a time where an array is not stored as it is hashed


def network_digest(network: ReluNetwork) -> str:
    """Return the SHA-256 of a network's function as it is stored: layers, weights, biases, ReLUs.

    The hashed bytes are self-delimiting and the same on every machine: weights are little-endian float64
    in row-major order, sparse ones compressed rows with int64 indices, kernels arrays of four axes, with
    their stride, padding, dilation and groups where those are not the usual ones. The size of the images that
    a convolutional network takes is part of them, the domain is not.
    Digests tell *stored* networks apart: 0.0 and -0.0, a sparse weight and the same weight dense, or a stored
    zero and none, have different digests although the function is the same.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> network_digest(ReluNetwork([Dense([[1.0]])]))[:16]
    'd084c35b6f9d3d1a'

    """
    digest = hashlib.sha256(_NETWORK_TAG)
    _add_numbers(digest, len(network.layers), *network.relu_after)
    for layer in network.layers:
        _add_array(digest, layer.stored, "<f8")
        _add_numbers(digest, layer.bias is not None)
        if layer.bias is not None:
            _add_array(digest, layer.bias, "<f8")
        _add_options(digest, layer.options)
    if network.input_shape is not None:
        _add_numbers(digest, *network.input_shape)
    return digest.hexdigest()


def array_digest(*arrays: Any) -> str:
    """Return the SHA-256 of arrays: of their number, and the type, shape and entries of each, in order.

    Parameters
    ----------
    *arrays : array of bool, integers or floats, or scipy.sparse array
        A sparse array is hashed by its stored entries in row-major order; it differs from the same array
        dense.

    Returns
    -------
    str
        64 hexadecimal digits; independent of byte order and memory layout.

    Raises
    ------
    TypeError
        For arrays of anything else, such as Python objects.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([[True, False], [False, True]])
    >>> array_digest(mask) == array_digest(mask.T), array_digest(mask) == array_digest(~mask)
    (True, False)

    """
    digest = hashlib.sha256(_ARRAYS_TAG)
    _add_numbers(digest, len(arrays))
    for array in arrays:
        values = array if is_sparse(array) else np.asarray(array)
        if values.dtype.kind not in "biuf":
            raise TypeError(
                f"only arrays of booleans and real numbers have a digest, got dtype {values.dtype}"
            )
        stored = values.dtype.newbyteorder("<").str
        digest.update(stored.encode().ljust(8))
        _add_array(digest, values, stored)
    return digest.hexdigest()


def _add_numbers(digest: hashlib._Hash, *numbers: int) -> None:
    for number in numbers:
        digest.update(int(number).to_bytes(8, "little"))


def _add_options(digest: hashlib._Hash, options: Mapping[str, Any]) -> None:
    """Hash what else changes the function of a layer, behind a number of its own; nothing where nothing."""
    told = {name: value for name, value in options.items() if name != "fixed"}
    if told:
        text = json.dumps(told, sort_keys=True).encode()
        _add_numbers(digest, _OPTIONS, len(text))
        digest.update(text)


def _add_array(digest: hashlib._Hash, array: Any, stored: str) -> None:
    """Hash the layout, the shape, and the entries converted to the dtype ``stored``."""
    sparse = is_sparse(array)
    _add_numbers(digest, sparse, array.ndim, *array.shape)
    if not sparse:
        _add_entries(digest, array, stored)
        return
    rows = array.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    _add_numbers(digest, rows.nnz)
    _add_entries(digest, rows.indptr, "<i8")
    _add_entries(digest, rows.indices, "<i8")
    _add_entries(digest, rows.data, stored)


def _add_entries(digest: hashlib._Hash, array: Any, stored: str) -> None:
    # nditer hands out row-major blocks of the array's own memory where it can and converted copies where not,
    # so that no array is ever copied whole.
    nditer: Any = np.nditer  # its type stubs know no "contig"
    blocks = nditer(
        array,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly", "contig"]],
        op_dtypes=[np.dtype(stored)],
        order="C",
        buffersize=_BLOCK,
    )
    for block in blocks:
        digest.update(memoryview(block))
