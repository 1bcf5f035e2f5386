"""How kernels are compiled: without the GIL, IEEE arithmetic, cached on disk where a disk can be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a kernel on first call; the machine code is cached next to the module or in the user's cache.

    Where neither place can be written the kernel still runs, compiled anew in each process.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy"}
    try:
        kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no writable place for its cache
        kernel = numba.njit(**options)(function)
    return kernel  # type: ignore[no-any-return]
