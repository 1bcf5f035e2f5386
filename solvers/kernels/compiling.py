"""How kernels are compiled: without the GIL, IEEE arithmetic, cached on disk where a disk can be written.

What numba keeps of a kernel holds the machine code of the kernels that it calls and the constants that it
uses, from whatever file, but numba looks for changes in the kernel's own file only. Here a change in any
kernel's source makes all that is kept stale, so that no upgrade in place ever runs old code.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache

from solvers.kernels.first_use import say_that_kernels_are_compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a kernel on first call; the machine code is cached next to the module or in the user's cache.

    Where neither place can be written the kernel still runs, compiled anew in each process.
    """
    make_cache: Callable[[Any], Any] = _KernelCache
    kernel: Any = numba.njit(nogil=True, fastmath=False, error_model="numpy")(function)
    with suppress(RuntimeError):  # numba found no writable place for its cache
        kernel._cache = make_cache(function)  # noqa: SLF001 - what cache=True does with numba's own cache
    return kernel  # type: ignore[no-any-return]


@cache
def _digest_of_sources() -> str:
    """Return a digest of the sources of all kernels."""
    digest = hashlib.sha256()
    for source in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if source.name.endswith(".py"):
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


class _KernelFiles(CompileResultCacheImpl):
    """Where numba keeps a kernel, and the stamp that a kept one must bear: here of all sources."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        own = self._locator.get_source_stamp()
        self._locator.get_source_stamp = lambda: (own, _digest_of_sources())


class _KernelCache(FunctionCache):
    _impl_class = _KernelFiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kernel that is kept; None, with a word to those who wait, if it must be compiled."""
        kept = super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if kept is None:
            say_that_kernels_are_compiled()
        return kept
