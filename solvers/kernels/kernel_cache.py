"""Where compiled kernels are kept between runs: in the user's cache, never where the package is installed.

What numba keeps of a kernel holds the machine code of the kernels that it calls and the constants that it
uses, from whatever file, but numba looks for changes in the kernel's own file only. Here each state of all
sources beside this file has a folder of its own, so that no upgrade in place ever runs old code, and equal
sources share what is kept, wherever they are installed. A kernel of another package is known by the digest
of its own file as well.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

from solvers.kernels.first_use import say_that_kernels_are_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_UNREADABLE = (OSError, EOFError, pickle.UnpicklingError, ValueError, AttributeError, ImportError, IndexError)


def cache_folder() -> Path:
    """Return the folder that NUMBA_CACHE_DIR names, or this package's in the user's cache.

    RuntimeError where the user has no home.
    """
    if config.CACHE_DIR:  # type: ignore[attr-defined]
        return Path(config.CACHE_DIR)  # type: ignore[attr-defined]
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "subsetsum_nets"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "subsetsum_nets" / "Cache"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))  # what is not absolute counts as not given
    return (given if given.is_absolute() else Path.home() / ".cache") / "subsetsum_nets"


@cache
def digest_of_sources() -> str:
    """Return a digest of the sources of all kernels."""
    digest = hashlib.sha256()
    for source in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if source.name.endswith(".py"):
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _stamp_of(file: str) -> str:
    """Return what tells the state of a kernel's file, and of all sources beside this one."""
    return digest_of_sources() + hashlib.sha256(Path(file).read_bytes()).hexdigest()


class _UsersFolder:
    """Tells numba to keep a kernel in the cache, in the folder of these very sources."""

    def __init__(self, line: int, file: str) -> None:
        self._line, self._py_file, self._stamp = line, file, _stamp_of(file)
        self._path = cache_folder() / f"kernels-{digest_of_sources()[:16]}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _UsersFolder | None:
        """Return the place of a kernel, or None where it cannot be written."""
        with suppress(OSError, RuntimeError):
            place = cls(function.__code__.co_firstlineno, file)
            place.ensure_cache_path()
            return place
        return None

    def ensure_cache_path(self) -> None:
        """Make the folder, for this user alone; OSError where it cannot be written."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=self._path).close()

    def get_cache_path(self) -> str:
        return str(self._path)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._line)


class _KernelFiles(CompileResultCacheImpl):
    _locator_classes = [_UsersFolder]  # noqa: RUF012 - as numba declares it


class _KernelIndex(IndexDataCacheFile):
    """What is kept of a kernel, in files that are named by what they are compiled for.

    Numba counts: two processes that compile one kernel for different types at once would give both files one
    number, and the index of one of them would then lead to the code of the other.
    """

    def save(self, key: tuple[Hashable, ...], data: Any) -> None:
        compiled_for = repr(key[:2])  # types and processor; the sources have a stamp of their own
        digest = hashlib.sha256(compiled_for.encode()).hexdigest()[:16]
        name = self._data_name_pattern.replace("{number:d}", digest)
        self._save_data(name, data)  # type: ignore[no-untyped-call]
        self._save_index({**self._load_index(), key: name})  # type: ignore[no-untyped-call]


class KernelCache(FunctionCache):
    """What is kept of a kernel; RuntimeError where no place can be written.

    What cannot be read is compiled anew, what cannot be written is not kept.
    """

    _impl_class = _KernelFiles

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _KernelIndex(self._cache_path, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for a signature; None, with a word to those who wait, if nothing is."""
        try:
            kept = super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except _UNREADABLE:
            kept = None
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
        if kept is None:
            say_that_kernels_are_compiled()
        return kept

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature."""
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
