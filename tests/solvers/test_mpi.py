"""solve_many() on the ranks of an MPI job: bit for bit the answers of one thread."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = """
import importlib.util
import sys

from mpi4py.futures import MPIPoolExecutor
from solvers import solve_many
from solvers.backend.protocol import Limits
from solvers.batch.workers import Workers

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("questions", sys.argv[1])
    asked = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(asked)
    with MPIPoolExecutor() as pool:
        print("workers:", Workers(pool, Limits()).count)
        for name, question in asked.QUESTIONS.items():
            alone = asked.content(solve_many(**question, threads=1))
            for size in (None, 37):
                same = asked.content(solve_many(**question, executor=pool, chunk_size=size)) == alone
                print("the same" if same else "DIFFERS:", name)
"""


def launcher():
    """Return the command that starts MPI jobs: of this environment, as its wheel has it, or of the system."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def why_not():
    """Return why no MPI job can run here, or None."""
    if find_spec("mpi4py") is None:
        return "mpi4py is not installed"
    if launcher() is None:
        return "there is no mpiexec (an MPI library brings it; pip install mpich is one)"
    loads = subprocess.run([sys.executable, "-c", "from mpi4py import MPI"], capture_output=True, check=False)
    return None if loads.returncode == 0 else "mpi4py finds no MPI library"


@pytest.mark.slow
def test_mpi_ranks_change_nothing(tmp_path):
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    (tmp_path / "job.py").write_text(JOB)
    questions = Path(__file__).with_name("test_executors.py")
    command = [launcher(), "-n", "3", sys.executable, "-m", "mpi4py.futures", "job.py", questions]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *outcomes = done.stdout.splitlines()
    assert first == "workers: 2"
    assert len(outcomes) == 16
    assert all(line.startswith("the same") for line in outcomes), done.stdout
