"""selftest: an honest installation passes; each lie is caught by the check that is there for it."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from solvers import Solution
from solvers.backend.protocol import Finding
from solvers.backend.registry import BACKENDS
from subsetsum_nets import selftest as module
from subsetsum_nets.cli import app
from subsetsum_nets.selftest import checks, selftest
from subsetsum_nets.verification.certificate import CertificateFileError
from subsetsum_nets.verification.errors import SoundnessError


@pytest.mark.thinned
@pytest.mark.parametrize("name", list(checks()))
def test_this_installation_passes(name):
    assert checks()[name]()


@pytest.mark.slow
def test_the_command_passes_as_a_user_runs_it():
    done = subprocess.run(
        [sys.executable, "-m", "subsetsum_nets", "selftest", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    page = json.loads(done.stdout)  # one object and nothing else, whatever the solvers print
    assert page["passed"]
    assert [check["name"] for check in page["checks"]] == list(checks())


def all_items(problem, objective, limits):
    return list(range(problem.n))[: problem.sizes[1]]


def error_of(problem, subset):
    return problem.image.error(subset) * problem.image.unit


def claims_that_any_subset_is_nearest(problem, objective, limits):
    subset = all_items(problem, objective, limits)
    return Finding(subset, error_of(problem, subset), len(subset))


def claims_that_nothing_is_near(problem, objective, limits):
    return Finding(None, (problem.tolerance or 0) + Fraction(1))


def claims_a_bound_that_is_a_hair_too_high(problem, objective, limits):
    subset = all_items(problem, objective, limits)
    return Finding(subset, error_of(problem, subset) * Fraction(999_999, 1_000_000), problem.sizes[0])


def chooses_an_item_twice(problem, objective, limits):
    return Finding([0, 0])


def answers_nothing(problem, objective, limits):
    return Finding(None)


def breaks(problem, objective, limits):
    raise OSError("libsolver.so: undefined symbol")


LIARS = [
    claims_that_any_subset_is_nearest,
    claims_that_nothing_is_near,
    claims_a_bound_that_is_a_hair_too_high,
    chooses_an_item_twice,
    answers_nothing,
    breaks,
]


@pytest.mark.parametrize("backend", ["mitm", "highs", "lns"])
@pytest.mark.parametrize("liar", LIARS)
def test_a_backend_that_lies_is_named(monkeypatch, backend, liar):
    monkeypatch.setattr(type(BACKENDS[backend]), "solve", lambda self, *question: liar(*question))
    monkeypatch.setattr(module, "checks", lambda: {f"backend {backend}": checks()[f"backend {backend}"]})
    (outcome,) = selftest()
    assert not outcome.passed
    assert backend in outcome.name


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_fails_on_a_lie_and_goes_on(monkeypatch, as_json):
    monkeypatch.setattr(type(BACKENDS["dp"]), "solve", lambda self, *q: claims_that_any_subset_is_nearest(*q))
    wanted = ("arithmetic", "backend dp", "wrong subsets")
    monkeypatch.setattr(module, "checks", lambda: {name: checks()[name] for name in wanted})
    result = CliRunner().invoke(app, ["selftest", *(["--json"] if as_json else [])])
    assert result.exit_code == 1
    if as_json:
        page = json.loads(result.stdout)
        assert not page["passed"]
        assert [(c["name"], c["passed"]) for c in page["checks"]] == list(
            zip(wanted, (True, False, True), strict=True)
        )
    else:
        assert [line.split()[0] for line in result.stdout.splitlines()] == ["ok", "FAILED", "ok"]
        assert "backend dp" in result.stdout.splitlines()[1]


def test_a_missing_backend_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(type(BACKENDS["cp-sat"]), "missing", lambda self: "pip install ortools")
    assert checks()["backend cp-sat"]() == "not installed: pip install ortools"


def raises(error):
    def fail(*arguments, **options):
        raise error

    return fail


def one_row_is_worse(solve_many):
    def lying(items, targets, **options):
        batch = solve_many(items, targets, **options)
        errors = batch.errors.copy()
        errors[3] = np.nextafter(errors[3], np.inf)
        object.__setattr__(batch, "errors", errors)
        object.__setattr__(batch, "check", lambda *question: None)
        return batch

    return lying


class Unlike:
    def __init__(self, saved):
        self.saved = saved

    def network(self, x):
        return np.zeros((len(x), 1))


def lets_pass(audit):
    """Return an audit that is right about honest tickets and believes all others."""

    def lenient(folder, **options):
        try:
            return audit(folder, **options)
        except CertificateFileError:
            return None

    return lenient


BROKEN = {
    "arithmetic": ("check_arithmetic", lambda was: raises(SoundnessError("flush to zero"))),
    "solve_many": ("solve_many", one_row_is_worse),
    "shipped files": ("contradiction", lambda was: lambda instance, solution: "another answer"),
    "ticket": ("PrunedNetwork", lambda was: type("Loads", (), {"load": staticmethod(Unlike)})),
    "ticket, an audit that lets everything pass": ("audit", lets_pass),
    "ticket, a checker that lets everything pass": ("check", lambda was: lambda *folder: None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_check_can_fail(monkeypatch, case):
    name, broken = BROKEN[case]
    monkeypatch.setattr(module, name, broken(getattr(module, name)))
    with pytest.raises((SoundnessError, module.SelftestError)):
        checks()[case.split(",")[0]]()


def test_a_solution_check_that_lets_everything_pass_is_found(monkeypatch):
    monkeypatch.setattr(Solution, "check", lambda self, problem: None)
    with pytest.raises(module.SelftestError, match="is accepted"):
        checks()["wrong subsets"]()
