"""What a contributor runs: ``nox -s check`` before each commit, ``nox -s test`` before handing it in.

Everything runs in the environment that nox itself stands in (``pip install -e ".[dev]"``): no session makes
another, downloads anything, or needs the network, but ``lowest`` and ``newest``, which are there to try other
versions. Words behind ``--`` go to the tool of the session.
"""

import os
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["check"]
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

STATIC = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)

# Every room of the house, by the tests that say most in the least time: together some 40 s of one core. A
# test of the tests holds that each folder of tests/ is here; what a change is about is run beside these.
FAST_TESTS = (
    "tests/solvers/test_problem.py",
    "tests/solvers/test_exact.py",
    "tests/solvers/test_solution.py",
    "tests/solvers/test_choosing.py",
    "tests/solvers/test_backends_against_brute_force.py::test_hard_cases",
    "tests/solvers/test_mitm_counting.py",
    "tests/solvers/test_batch_rows.py",
    "tests/solvers/test_batch_solution.py",
    "tests/solvers/test_checkpoint.py",
    "tests/solvers/test_instance_files.py",
    "tests/networks/test_relu_network.py",
    "tests/networks/test_random_networks.py",
    "tests/networks/test_conv2d.py",
    "tests/networks/test_onnx_files.py",
    "tests/constructions/test_rows_and_masks.py",
    "tests/coresets/test_drawing.py",
    "tests/verification/test_midrad.py",
    "tests/verification/test_norms_and_interval.py",
    "tests/verification/test_differential.py",
    "tests/verification/test_zonotope.py",
    "tests/verification/test_replay.py",
    "tests/graphs/test_networks_as_graphs.py",
    "tests/graphs/test_diamond_gadgets.py",
    "tests/theory/test_bounds.py",
    "tests/theory/test_random_subset_sum_theory.py",
    "tests/exchange/test_scores.py",
    "tests/exchange/test_pair.py",
    "tests/experiments/test_per_weight_law.py",
    "tests/reports/test_report.py::test_rounding_is_outward",
    "tests/reports/test_report.py::test_every_number_is_that_of_the_certificate",
    "tests/test_audit.py",
    "tests/test_masks.py",
    "tests/test_pruned_network.py",
    "tests/test_selftest.py",
    "tests/test_papers.py",
    "tests/test_contributing.py",
)

# What the fast tests need beside the package, where they run in an environment of their own.
TEST_TOOLS = ("hypothesis", "matplotlib", "onnx", "pytest", "pytest-xdist", "pyyaml", "nox")


@nox.session
def check(session: nox.Session) -> None:
    """Run the fast gate: style, types, imports, and the fast tests of every room; under a minute."""
    for command in STATIC:
        session.run(*command)
    session.run("pytest", "-q", *FAST_TESTS, *session.posargs)


@nox.session
def test(session: nox.Session) -> None:
    """Run all tests but the slow ones; with ``-- PATH`` those there."""
    session.run("pytest", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests, which CI runs after the others."""
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages into build/site, and run everything that they and the docstrings print."""
    session.run("zensical", "build", "--strict", "--clean")
    session.run(
        "pytest",
        "-m",
        "",
        "tests/test_site.py",
        "tests/test_snippets.py",
        "tests/test_examples.py",
        "tests/test_papers.py",
    )


@nox.session(venv_backend="venv", python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the fast tests with the lowest version of each dependency that pyproject.toml allows."""
    with Path("pyproject.toml").open("rb") as file:
        needs = tomllib.load(file)["project"]["dependencies"]
    with_versions(session, [need.replace(">=", "==") for need in needs])


@nox.session(venv_backend="venv")
def newest(session: nox.Session) -> None:
    """Run the fast tests with the newest versions that there are, releases to come among them."""
    with_versions(session, ["--upgrade", "--upgrade-strategy=eager", "--pre"])


def with_versions(session: nox.Session, wanted: list[str]) -> None:
    """Run the fast tests in an environment of its own."""
    session.install(*TEST_TOOLS, ".", *wanted)
    tests = [test for test in FAST_TESTS if "contributing" not in test]  # whose tools are not there
    session.run("pytest", "-q", "-n0", *tests, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the short forms of the benchmarks that guard speed; a few minutes on a quiet machine."""
    for script in ("solve_many.py", "solvers.py --quick", "verification.py --quick"):
        name, *options = script.split()
        session.run("python", f"benchmarks/{name}", *options)
