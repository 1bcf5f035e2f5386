"""Command verify: a ticket's folder checked again, or any two network files compared."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from subsetsum_nets.choices import MethodName, Norm  # noqa: TC001 - typer reads the annotations
from subsetsum_nets.cli.coreset import verify_coreset
from subsetsum_nets.cli.network_options import Logits, Output, check_ticket, read_pair
from subsetsum_nets.cli.options import MAIN, Json, MaxMemory, app
from subsetsum_nets.cli.pairs import show_checked, show_results
from subsetsum_nets.cli.questions import (
    Around,
    Asked,
    BallRadius,
    BoxFile,
    ChannelsFirst,
    DomainRange,
    Radius,
    Spec,
    in_one_order,
    questions,
)
from subsetsum_nets.cli.terminal import at_least, at_most, console, print_pairs, refusing_bad_input
from subsetsum_nets.cli.verdicts import verdict
from subsetsum_nets.stage_lines import shown_to_people

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from subsetsum_nets.audit import Audit
    from subsetsum_nets.verification.certificate import Certificate


class _Means(NamedTuple):
    """How a bound is to be proven, and where its certificate goes."""

    method: MethodName
    time_limit: float | None
    exact: bool
    certificate: Path | None
    as_json: bool

    @property
    def options(self) -> dict[str, Any]:
        return {"method": self.method, "time_limit": self.time_limit, "exact": self.exact}

    @property
    def shown(self) -> AbstractContextManager[Any]:
        """Where stages are shown, on a terminal: to be left before the results are printed."""
        return shown_to_people(as_json=self.as_json, time_limit=self.time_limit)


@app.command(rich_help_panel=MAIN)
def verify(
    first: Annotated[
        Path, typer.Argument(metavar="DIR|F", help="A folder that prune wrote, or a network file.")
    ],
    second: Annotated[
        Path | None, typer.Argument(metavar="G", help="The network file to compare F with.")
    ] = None,
    domain: DomainRange = None,
    box: BoxFile = None,
    ball: BallRadius = None,
    spec: Spec = None,
    around: Around = None,
    radius: Radius = None,
    norm: Annotated[Norm | None, typer.Option(help="Of the outputs; l2 if not given.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="To decide: is sup ||f - g|| <= epsilon?")] = None,
    output: Output = None,
    logits: Logits = False,  # noqa: ARG001 - the callback of output sees to it
    channels_first: ChannelsFirst = None,
    method: Annotated[MethodName, typer.Option(help="How the bound is proven.")] = "auto",
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for each bound; with a limit, auto branches too.")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Replay the bound in exact arithmetic too.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="Write what is proven now as a certificate.", metavar="FILE")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Check this certificate of F and G again.", metavar="FILE")
    ] = None,
    max_memory: MaxMemory = None,  # noqa: ARG001 - its callback sees to it
    as_json: Json = False,
) -> None:
    """Check a folder again, or prove how far two networks are apart.

    DIR is checked from its files alone; a tampered one is refused with exit code 2.

    F and G are any two network files: with an epsilon the exit code says whether it is verified.

    Boxes and points of images are in the order of the flattened (h, w, c) input.
    """
    asked = Asked(domain, box, ball, spec, around, radius, norm, epsilon, channels_first)
    means = _Means(method, time_limit, exact, certificate, as_json)
    with refusing_bad_input(as_json):
        if second is None:
            _only_for_pairs(
                [*asked.given, *(["--check"] if check else []), *(["--output"] if output else [])]
            )
            verified = _verify_folder(first, means)
        elif check is not None:
            _only_without_check(asked.given, means)
            verified = _check_pair((first, second), check, output, means)
        else:
            verified = _verify_pair((first, second), asked, output, means)
    raise typer.Exit(0 if verified else 1)


def _only_for_pairs(given: list[str]) -> None:
    if given:
        raise ValueError(
            f"{given[0]} is for two network files, verify F G; what a folder's certificate asks stands in it"
        )


def _only_without_check(given: list[str], means: _Means) -> None:
    if given:
        raise ValueError(f"--check asks what its certificate says, so that {given[0]} has no place there")
    if means.certificate is not None:
        raise ValueError("--check reads a certificate and --certificate writes one; give one of the two")


def _verify_pair(files: tuple[Path, Path], asked: Asked, output: str | None, means: _Means) -> bool:
    from subsetsum_nets.verification import verify as run
    from subsetsum_nets.verification.certificate import PairCertificate

    read = read_pair(*files, output)
    f, g = in_one_order(*read, asked.channels_first)
    what = questions(asked, f, g)
    if means.certificate is not None and (f, g) != read:
        raise ValueError("a certificate is about the networks as they are stored, in one order; save them so")
    if means.certificate is not None and what.around:
        raise ValueError("a certificate speaks of one domain; --certificate does not go with --around")
    ask: dict[str, Any] = {"norm": what.norm, "epsilon": what.epsilon, **means.options}
    with means.shown:
        results = [run(f, g, domain=domain, **ask) for domain in what.domains]
    if means.certificate is not None:
        PairCertificate.about(f, g, results[0]).save(means.certificate)
    show_results(files, (f, g), what, results, means.as_json)
    return what.epsilon is None or all(result.verified for result in results)


def _check_pair(files: tuple[Path, Path], check: Path, output: str | None, means: _Means) -> bool:
    from subsetsum_nets.audit import audit_pair
    from subsetsum_nets.verification.certificate import PairCertificate

    f, g = in_one_order(*read_pair(*files, output), None)
    claimed = PairCertificate.load(check)
    with means.shown:
        checked = audit_pair(f, g, claimed, **means.options)
    show_checked(files, checked, means.as_json)
    return checked.verified


def _verify_folder(folder: Path, means: _Means) -> bool:
    from subsetsum_nets.audit import audit
    from subsetsum_nets.coresets.folder import is_coreset

    if is_coreset(folder):
        return verify_coreset(folder, means.as_json)
    with means.shown:
        checked = audit(check_ticket(folder), **means.options)
    if means.certificate is not None:
        checked.certificate_anew().save(means.certificate)
    _show_folder(folder, checked, means.as_json)
    return checked.verified


def _show_folder(folder: Path, checked: Audit[Certificate], as_json: bool) -> None:
    result, certificate, epsilon = checked.result, checked.certificate, checked.certificate.epsilon
    if as_json:
        page = {
            "folder": str(folder),
            "verified": checked.verified,
            "epsilon": epsilon,
            "bound": result.upper,
            "bound_exact": result.replayed,
            "attack": result.lower,
            "method": result.method,
            "domain": certificate.domain,
            "norm": certificate.norm,
            "unchecked": checked.unchecked,
            "seconds": result.seconds,
        }
        print(json.dumps(page))  # noqa: T201
        return
    exact_bound = result.replayed
    rows = [
        ("files", "target, random network, masks and pruned network match the certificate"),
        *(("not checked", note) for note in checked.unchecked),
        ("random network", "drawn again from its seed" if certificate.recipe else "read"),
        ("proven bound", f"{at_most(result.upper, epsilon)}  ({result.method}, computed anew)"),
        *([] if exact_bound is None else [("in exact arithmetic", at_most(exact_bound, epsilon))]),
        ("certificate says", f"{at_most(certificate.bound, epsilon)}  ({certificate.method})"),
        ("attack lower bound", at_least(result.lower, epsilon)),
    ]
    print_pairs(str(folder), rows)
    claim = result.upper, epsilon, result.lower, certificate.norm, certificate.domain_set
    console().print(verdict(*claim, certificate.output_exponent))
