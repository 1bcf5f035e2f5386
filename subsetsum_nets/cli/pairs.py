"""`verify F G`: what is proven of two networks, as JSON and as people read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from subsetsum_nets.cli.terminal import at_least, at_most, console, open_table, print_pairs
from subsetsum_nets.cli.verdicts import verdict

if TYPE_CHECKING:
    from pathlib import Path

    from subsetsum_nets.audit import Audit
    from subsetsum_nets.cli.questions import Questions
    from subsetsum_nets.networks import ReluNetwork
    from subsetsum_nets.verification import VerificationResult
    from subsetsum_nets.verification.certificate import PairCertificate

Files = tuple["Path", "Path"]


def result_page(result: VerificationResult) -> dict[str, Any]:
    """Return what is proven over one domain."""
    return {
        "verified": result.verified,
        "epsilon": result.epsilon,
        "bound": result.upper,
        "bound_exact": result.replayed,
        "attack": result.lower,
        "method": result.method,
        "domain": result.domain.to_json(),
        "norm": result.norm,
        "seconds": result.seconds,
    }


def show_results(
    files: Files,
    networks: tuple[ReluNetwork, ReluNetwork],
    asked: Questions,
    results: list[VerificationResult],
    as_json: bool,
) -> None:
    """Print what was proven of f and g over every domain that was asked about."""
    page: dict[str, Any] = {"f": str(files[0]), "g": str(files[1])}
    if as_json and not asked.around:
        print(json.dumps({**page, **result_page(results[0]), "notes": asked.notes}))  # noqa: T201
    elif as_json:
        verified = None if asked.epsilon is None else all(result.verified for result in results)
        points = [{"point": number, **result_page(result)} for number, result in enumerate(results)]
        print(json.dumps({**page, "verified": verified, "points": points, "notes": asked.notes}))  # noqa: T201
    elif asked.around:
        _show_points(files, asked, results)
    else:
        _show_one(files, networks, asked, results[0])


def _show_one(
    files: Files, networks: tuple[ReluNetwork, ReluNetwork], asked: Questions, result: VerificationResult
) -> None:
    exact = result.replayed
    print_pairs(
        f"{files[0].name} and {files[1].name}",
        [
            *((name, repr(network)) for name, network in zip("fg", networks, strict=True)),
            *(("note", note) for note in asked.notes),
            ("proven bound", f"{at_most(result.upper, result.epsilon)}  ({result.method})"),
            *([] if exact is None else [("in exact arithmetic", at_most(exact, result.epsilon))]),
            ("attack lower bound", at_least(result.lower, result.epsilon)),
        ],
    )
    console().print(verdict(result.upper, result.epsilon, result.lower, result.norm, result.domain))


def _show_points(files: Files, asked: Questions, results: list[VerificationResult]) -> None:
    title = f"{files[0].name} and {files[1].name}, {asked.norm}"
    headings = ("point", "proven bound", "attack", "method", "seconds", "")
    table = open_table(title, headings, ("method", ""))
    for number, result in enumerate(results):
        words = {None: "", True: "[green]verified[/]", False: "[red]not verified[/]"}[result.verified]
        table.add_row(
            str(number),
            at_most(result.upper, result.epsilon),
            at_least(result.lower, result.epsilon),
            result.method,
            f"{result.seconds:.2f}",
            "[red]falsified[/]" if result.falsified else words,
        )
    console().print(table)
    for note in asked.notes:
        console().print(f"note: {note}", markup=False, highlight=False)
    if asked.epsilon is not None:
        done = sum(bool(result.verified) for result in results)
        console().print(f"{done} of {len(results)} verified; required {asked.epsilon:g}", highlight=False)


def show_checked(files: Files, checked: Audit[PairCertificate], as_json: bool) -> None:
    """Print what came of checking a certificate of f and g again."""
    result, certificate = checked.result, checked.certificate
    if as_json:
        page = {"f": str(files[0]), "g": str(files[1]), **result_page(result)}
        print(json.dumps({**page, "unchecked": checked.unchecked}))  # noqa: T201
        return
    print_pairs(
        f"{files[0].name} and {files[1].name}",
        [
            ("files", "both networks are those of the certificate"),
            *(("not checked", note) for note in checked.unchecked),
            ("proven bound", f"{at_most(result.upper, result.epsilon)}  ({result.method}, computed anew)"),
            ("certificate says", f"{at_most(certificate.bound, result.epsilon)}  ({certificate.method})"),
            ("attack lower bound", at_least(result.lower, result.epsilon)),
        ],
    )
    console().print(verdict(result.upper, result.epsilon, result.lower, result.norm, result.domain))
