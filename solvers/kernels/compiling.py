"""How kernels are compiled: without the GIL, IEEE arithmetic, kept on disk where a disk can be written."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import numba

from solvers.kernels.kernel_cache import KernelCache

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a kernel on first call; the machine code is kept in the user's cache folder.

    Where that cannot be written the kernel still runs, compiled anew in each process.
    """
    make_cache: Callable[[Any], Any] = KernelCache
    kernel: Any = numba.njit(nogil=True, fastmath=False, error_model="numpy")(function)
    with suppress(RuntimeError):  # numba found no writable place for its cache
        kernel._cache = make_cache(function)  # noqa: SLF001 - what cache=True does with numba's own cache
    return kernel  # type: ignore[no-any-return]
