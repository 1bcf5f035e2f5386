"""Compiled kernels on disk: found again by the next process, unless any kernel's source has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import solvers

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


@pytest.mark.slow
def test_a_change_in_an_imported_kernel_makes_what_is_kept_stale(tmp_path):
    package = tmp_path / "solvers"
    shutil.copytree(Path(solvers.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    kernels, kept = package / "kernels", tmp_path / "kept"
    (kernels / "zz_calling.py").write_text(CALLING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(kept)}

    def run(step):
        """Return the answer, and how often it was loaded and compiled."""
        (kernels / "zz_called.py").write_text(CALLED.format(step=step))
        os.utime(kernels / "zz_called.py", (step, step))  # or Python's own bytecode may be taken for current
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, check=True
        )
        return [int(word) for word in done.stdout.split()]

    assert run(step=2) == [2042, 0, 1]
    assert run(step=3) == [3043, 0, 1]
    assert run(step=3) == [3043, 1, 0]
    for kind in ("nbi", "nbc"):
        assert len(list(kept.rglob(f"zz_calling.*.{kind}"))) == 1, "what is stale is replaced, not added to"
