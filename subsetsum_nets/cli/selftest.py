"""Command selftest: whether this installation computes the truth on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from subsetsum_nets.cli.options import INSTALLATION, Json, app
from subsetsum_nets.cli.terminal import refusing_bad_input, solver_chatter_on_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from subsetsum_nets.selftest import Outcome


@app.command(rich_help_panel=INSTALLATION)
def selftest(as_json: Json = False) -> None:
    """Check this installation in a few seconds: every backend against brute force, a ticket there and back.

    A line a check, as it ends. Exit code 0: all passed; 1: the checks that say FAILED did not.
    """
    from subsetsum_nets.selftest import selftest as run

    outcomes = []
    with refusing_bad_input(as_json):
        for outcome in _quietly(run()):
            outcomes.append(outcome)
            if not as_json:
                verdict = "ok    " if outcome.passed else "FAILED"
                print(f"{verdict} {outcome.name:<24} {outcome.detail}", flush=True)  # noqa: T201
    passed = all(outcome.passed for outcome in outcomes)
    if as_json:
        print(json.dumps({"passed": passed, "checks": [outcome._asdict() for outcome in outcomes]}))  # noqa: T201
    raise typer.Exit(0 if passed else 1)


def _quietly(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Run each check with what solvers print on stderr, and hand on its outcome without."""
    while True:
        with solver_chatter_on_stderr():
            outcome = next(outcomes, None)
        if outcome is None:
            return
        yield outcome
