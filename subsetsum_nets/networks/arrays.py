"""Arrays of float64: reading what users give without changing its values, telling sparse ones apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scipy.sparse import csr_array
    from typing_extensions import TypeIs

FloatArray = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
# Of the values between two layers: (d,), or (h, w, c) of images, h and w None where they may be any.
Shape = tuple[int | None, ...]


def is_sparse(weight: object) -> TypeIs[csr_array[Any, Any]]:
    """Tell whether ``weight`` is a scipy.sparse array or matrix, without importing scipy to find out.

    A :class:`~subsetsum_nets.networks.convolution_matrix.ConvolutionMatrix` is none.
    """
    return hasattr(weight, "tocoo")


def dense_array(weight: Any) -> FloatArray:
    """Return a weight as a dense array: one that is sparse, or the matrix of a convolution, unrolled."""
    dense: FloatArray = weight if isinstance(weight, np.ndarray) else weight.toarray()
    return dense


def csr_of_nonzeros(weight: Any) -> csr_array[Any, Any]:
    """Return a matrix, numpy or scipy.sparse, as CSR of its nonzero entries; that one stays as it is."""
    from scipy.sparse import csr_array

    matrix = csr_array(weight.tocsr() if hasattr(weight, "tocsr") else weight)
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix


def added(values: Iterable[float]) -> float:
    """Return a sum, rounded after every addition: the builtin does so before Python 3.12 only.

    What is decided by it, and checkpoints of what is, are to be the same for every Python.
    """
    total = 0.0
    for value in values:
        total += value
    return total


def exact_float64(values: Any, what: str) -> FloatArray:
    """Return ``values`` as a read-only float64 array holding exactly the given numbers.

    Parameters
    ----------
    values : array_like
        Real numbers. float16, float32 and integers are accepted when float64 holds them exactly. A tensor of
        PyTorch is its numbers, whatever its device, and whether it wants gradients or not.
    what : str
        The name to use in error messages, for example ``"the weight of layer 2"``.

    Returns
    -------
    read-only float64 array of the same shape
        Never memory that the caller can still write to, through a base of the array either: such memory
        is copied. Float64 arrays that are read-only down to their owner are not.

    Raises
    ------
    InvalidNetworkError
        For ragged nesting, a non-numeric dtype, NaN or infinite entries, or numbers that float64 would round.

    """
    try:
        given = np.asarray(_off_the_graph(values))
    except ValueError as error:
        raise InvalidNetworkError(f"{what} is not a rectangular array of numbers: {error}") from error
    if given.dtype.kind not in "fiu":
        raise InvalidNetworkError(f"{what} has dtype {given.dtype}; give real numbers (float64)")
    with np.errstate(over="ignore", invalid="ignore"):  # a signalling NaN is refused below
        exact = given.astype(np.float64, copy=False)
    if given.dtype.itemsize >= 8 and given.dtype != np.float64:
        changed = _rounded(given, exact)
        if bool(np.any(changed)):
            position = tuple(int(i) for i in np.argwhere(changed)[0])
            raise InvalidNetworkError(
                f"{what} holds {given[position]!r} at {position}, which float64 cannot hold exactly; "
                "round it first"
            )
    finite = np.isfinite(exact)
    if not finite.all():
        position = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InvalidNetworkError(f"{what} holds {exact[position]} at {position}; every entry must be finite")
    return frozen(exact) if np.may_share_memory(exact, given) else locked(exact)


def _off_the_graph(values: Any) -> Any:
    """Return a tensor of PyTorch as one that NumPy takes; anything else as it is."""
    if not (hasattr(values, "detach") and hasattr(values, "cpu")):
        return values
    plain = values.detach().cpu()
    return plain.float() if str(plain.dtype) == "torch.bfloat16" else plain


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the entries of a caller's array as ones that no later write can change: copied if need be."""
    memory: Any = array
    while isinstance(memory, np.ndarray):
        if memory.flags.writeable:
            return locked(array.copy())
        memory = memory.base
    return locked(array if memory is None or isinstance(memory, bytes) else array.copy())


def locked(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of an array of our own: it is kept without a copy, and not written to again."""
    memory: Any = array
    while isinstance(memory, np.ndarray):
        memory.flags.writeable = False
        memory = memory.base
    return array.view()


def narrowed(numbers: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return ``numbers`` as float32 where that changes none of them; random weights are drawn to allow it."""
    with np.errstate(over="ignore", under="ignore"):
        single = numbers.astype(np.float32)
    return single if np.array_equal(single, numbers) else numbers


def _rounded(given: NDArray[Any], exact: FloatArray) -> Bools:
    """Tell where the float64 ``exact`` differs from ``given``, which is a longdouble or a 64-bit integer."""
    if given.dtype.kind == "f":
        return np.asarray(exact.astype(given.dtype) != given)
    # Converting 2**64 back to uint64 is undefined in C, so large integers are compared as Python ints.
    changed = np.asarray((given > 2**53) | (given < -(2**53) if given.dtype.kind == "i" else False))
    changed[changed] = [int(x) != int(y) for x, y in zip(given[changed], exact[changed], strict=True)]
    return changed
