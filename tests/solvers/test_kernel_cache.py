"""Compiled kernels on disk: found again by the next process, unless any kernel's source has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import solvers
from solvers.kernels import kernel_cache

CALLED = """
from solvers.kernels.compiling import compiled

STEP = {step}


@compiled
def following(x):
    return x + {step}
"""
CALLING = """
from solvers.kernels.compiling import compiled
from solvers.kernels.zz_called import STEP, following


@compiled
def answer(x):
    return 1000 * STEP + following(x)
"""
PROGRAM = """
from solvers.kernels.zz_calling import answer
print(answer(40), sum(answer.stats.cache_hits.values()), sum(answer.stats.cache_misses.values()))
"""


def copied(folder):
    """Copy the package into a folder; return that of its kernels."""
    package = folder / "solvers"
    shutil.copytree(Path(solvers.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "kernels" / "zz_calling.py").write_text(CALLING)
    return package / "kernels"


def run(kernels, step=None, **places):
    """Return the answer, and how often it was loaded and compiled; the environment has ``places`` in it."""
    if step is not None:
        (kernels / "zz_called.py").write_text(CALLED.format(step=step))
        os.utime(kernels / "zz_called.py", (step, step))  # or Python's own bytecode may be taken for current
    root = str(kernels.parent.parent)
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "PYTHONPATH": root, **{name: str(place) for name, place in places.items()}},
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_a_change_in_an_imported_kernel_makes_what_is_kept_stale(tmp_path, name):
    if name != "NUMBA_CACHE_DIR" and sys.platform != "linux":
        pytest.skip("the names of Linux")
    kernels, kept = copied(tmp_path), tmp_path / "kept"
    places = {"XDG_CACHE_HOME": "", name: kept}
    assert run(kernels, 2, **places) == [2042, 0, 1]
    assert run(kernels, 3, **places) == [3043, 0, 1]
    assert run(kernels, 3, **places) == [3043, 1, 0]
    assert run(copied(tmp_path / "elsewhere"), 3, **places) == [3043, 1, 0], (
        "equal sources share what is kept"
    )
    assert len(list(kept.rglob("zz_calling.*.nbi"))) == 2, "each state of the sources has its own folder"
    assert list(kernels.parent.rglob("*.nb*")) == [], "nothing is kept where the package is"


OUTSIDE = """
from solvers.kernels.compiling import compiled


@compiled
def following(x):
    return x + {step}


@compiled
def answer(x):
    return 1000 + following(x)
"""


@pytest.mark.slow
def test_a_change_in_a_kernel_that_stands_elsewhere_makes_what_is_kept_stale(tmp_path):
    root = str(Path(solvers.__file__).parent.parent)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONPATH": root}
    program = "from zz_outside import answer; print(answer(40), len(answer.stats.cache_hits))"
    for step, wanted in ((2, "1042 0"), (3, "1043 0"), (3, "1043 1")):
        (tmp_path / "zz_outside.py").write_text(OUTSIDE.format(step=step))
        os.utime(tmp_path / "zz_outside.py", (step, step))
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, check=True, text=True
        )
        assert done.stdout.strip() == wanted


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_what_is_damaged_is_compiled_anew(tmp_path, suffix):
    kernels, kept = copied(tmp_path), tmp_path / "kept"
    run(kernels, 2, NUMBA_CACHE_DIR=kept)
    (damaged,) = kept.rglob(f"zz_calling.*.{suffix}")
    damaged.write_bytes(damaged.read_bytes()[:50])
    assert run(kernels, NUMBA_CACHE_DIR=kept) == [2042, 0, 1]


@pytest.mark.slow
def test_without_a_place_to_write_kernels_run_all_the_same(tmp_path):
    kernels = copied(tmp_path)
    (tmp_path / "file").write_text("no folder")
    assert run(kernels, 2, NUMBA_CACHE_DIR=tmp_path / "file" / "kept") == [2042, 0, 1]


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_cache.config, "CACHE_DIR", "")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert kernel_cache.cache_folder() == tmp_path / "xdg" / "subsetsum_nets"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert kernel_cache.cache_folder() == tmp_path / ".cache" / "subsetsum_nets"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kernel_cache.cache_folder() == tmp_path / "Library" / "Caches" / "subsetsum_nets"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert kernel_cache.cache_folder() == tmp_path / "Local" / "subsetsum_nets" / "Cache"


def test_code_for_other_types_is_never_taken_for_it(tmp_path):
    """Two processes have both saved that knew of no index; the one that is left leads to the right code."""
    cpu = ("x86_64", "generic", "")
    for order in ([1, 0], [0, 1]):
        writers = [kernel_cache._KernelIndex(str(tmp_path), "kernel", "stamp") for _ in range(2)]
        for writer in writers:
            writer._load_index = dict  # as both saw it, before either had saved
        for who in order:
            writers[who].save((f"types {who}", cpu, ("code", "cells")), f"code for types {who}")
        reader = kernel_cache._KernelIndex(str(tmp_path), "kernel", "stamp")
        found = [reader.load((f"types {who}", cpu, ("code", "cells"))) for who in range(2)]
        assert found[order[1]] == f"code for types {order[1]}"
        assert found[order[0]] is None
