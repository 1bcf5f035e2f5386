"""Files of version 0.1.0, written before the modules moved: they load, resume, verify and check.

``tests/old_files/README.md`` says what made them. What is pickled is no file format, so none is here.
"""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.archives import digest
from typer.testing import CliRunner

from solvers import BatchSolution, Proof, Status, solve, solve_many
from solvers.batch import workers
from solvers.instances.files import contradiction, read_instance, write_instance
from subsetsum_nets import Dense, PrunedNetwork, ReluNetwork, prune
from subsetsum_nets.audit import audit
from subsetsum_nets.cli import app

OLD = Path(__file__).parent / "old_files"
TARGET = ReluNetwork(
    [
        Dense(np.array([[0.5, -0.25], [0.75, 0.125]]), np.array([0.1, 0.0])),
        Dense(np.array([[0.3, -0.6]])),
    ]
)


@pytest.fixture
def solved(monkeypatch):
    """Collect the number of rows of every chunk that is solved."""
    counts = []
    original = workers.solve_chunk

    def counted(rows, *more):
        counts.append(len(rows))
        return original(rows, *more)

    monkeypatch.setattr(workers, "solve_chunk", counted)
    return counts


@pytest.fixture
def old(tmp_path):
    """Return a copy of the old files that may be written to."""
    return shutil.copytree(OLD, tmp_path / "old")


def table(**options):
    rows = np.load(OLD / "rows.npz")
    return solve_many(
        rows["items"], rows["targets"], valid=rows["valid"], tolerance=0.25, threads=1, **options
    )


def stream(**options):
    rows = np.load(OLD / "rows.npz")
    chunks = [(rows["items"][part], rows["targets"][part]) for part in (slice(2), slice(2, None))]
    asked = {"objective": "within", "tolerance": 0.25, "cardinality": (1, 4), "backend": "mitm", "seed": 3}
    return solve_many(iter(chunks), threads=1, **asked, **options)


def content(answers):
    return [a.tobytes() for a in (answers.masks, answers.errors, answers.lower_bounds, answers.status)]


@pytest.mark.parametrize("run", [table, stream])
def test_a_checkpoint_resumes_without_solving_a_row_again(run, old, solved):
    folder = old / f"checkpoint_{run.__name__}"
    resumed = run(checkpoint=folder)
    assert solved == []
    assert content(resumed) == content(run())
    assert sum(solved) == len(resumed) == 6


@pytest.mark.parametrize("run", [table, stream])
def test_a_checkpoint_that_lost_a_shard_solves_its_rows_only(run, old, solved):
    folder = old / f"checkpoint_{run.__name__}"
    (folder / "rows-000000000004-000000000006.shard").unlink()
    resumed = run(checkpoint=folder)
    assert solved == [2]
    assert content(resumed) == content(run())


def test_a_batch_solution_loads_and_checks(solved):
    rows = np.load(OLD / "rows.npz")
    answers = BatchSolution.load(OLD / "batch_solution.npz")
    answers.check(rows["items"], rows["targets"])
    assert set(answers.status.tolist()) == {Status.OPTIMAL}
    assert content(answers) == content(table())


def test_an_instance_file_says_the_same_problem(tmp_path):
    instance = read_instance(OLD / "instance.json")
    problem = instance.problem
    assert problem.items.tolist() == [0.5, Fraction(1, 3), 7, -0.25]
    assert (problem.target, problem.tolerance) == (Fraction(22, 7), Fraction(1, 2))
    assert problem.cardinality == (1, 3)
    assert (instance.name, instance.source) == ("four numbers", "by hand")
    answer = solve(problem)
    assert (answer.status, answer.proof) == (Status.INFEASIBLE, Proof.EXACT)
    assert answer.error == instance.known["error"] == Fraction(97, 42)
    assert contradiction(instance, answer) is None
    write_instance(instance, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (OLD / "instance.json").read_bytes()


@pytest.mark.parametrize("name", ["relu", "relu-paper", "linear", "into"])
def test_a_ticket_loads_and_is_verified(name, old):
    folder = old / f"ticket_{name}"
    ticket = PrunedNetwork.load(folder)
    assert ticket.certificate.verified
    ticket.solution.summary()
    found = audit(folder)
    assert found.verified
    assert found.result.upper <= ticket.certificate.bound * (1 + 1e-9)
    result = CliRunner().invoke(app, ["verify", str(folder)])
    assert result.exit_code == 0, result.output
    foreign = OLD / ("ticket_relu" if name == "linear" else "ticket_linear") / "masks.npz"
    shutil.copy(foreign, folder / "masks.npz")
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 2


def test_a_compile_resumes_and_makes_the_same_ticket(old, solved, tmp_path):
    ticket = prune(TARGET, epsilon=0.2, seed=1, threads=1, checkpoint=old / "checkpoint_prune")
    assert solved == []
    assert content(ticket.solution) == content(PrunedNetwork.load(OLD / "ticket_relu").solution)
    ticket.save(tmp_path / "ticket")
    for name in ("masks.npz", "target.safetensors", "pruned.safetensors"):
        assert digest(tmp_path / "ticket" / name) == digest(OLD / "ticket_relu" / name)
