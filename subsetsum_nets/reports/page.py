"""write_report(): what was proven about a pruned network, on one HTML page that needs nothing else.

Everything on the page comes from the certificate, the solution and the networks; nothing is computed that
would need to be believed. Upper bounds are shown rounded up and lower bounds rounded down, with the stored
number in the ``<data>`` element around them. The page itself is ``report.html.jinja`` with ``report.css`` in
it, where all that is not marked as HTML is escaped.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.constructions import CONSTRUCTIONS, EXACT
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.pictures import can_draw
from subsetsum_nets.reports.exact_rows import exact_rows
from subsetsum_nets.reports.figures import FIGURES, svg_text
from subsetsum_nets.reports.page_svg import PALETTE
from subsetsum_nets.reports.rows import all_rows, rows_by_layer
from subsetsum_nets.reports.templates import environment
from subsetsum_nets.rounding import exact
from subsetsum_nets.ticket_folder import CERTIFICATE, RANDOM, TARGET
from subsetsum_nets.verification.certificate import CertificateFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.pruned_network import PrunedNetwork
    from subsetsum_nets.reports.rows import LayerRows
    from subsetsum_nets.verification.certificate import Certificate

_NORMS = {"l2": "2", "l1": "1", "linf": "∞"}
_MOST_LAYERS = 200  # rows of the per-layer table


def write_report(
    pruned: PrunedNetwork, path: str | PathLike[str], *, accuracy: tuple[float, float] | None = None
) -> None:
    """Write the report of a pruned network as one self-contained HTML file, atomically.

    Parameters
    ----------
    pruned : PrunedNetwork
    path : path
        The same network gives the same bytes, with the same version of matplotlib. Without matplotlib the
        page has no figures and says so.
    accuracy : (float, float), optional
        Test accuracy of the target and of the pruned network, from 0 to 1.

    Raises
    ------
    CertificateFileError
        If the certificate is about other networks or masks.
    OSError
        If the file cannot be written; an earlier one is then left as it was.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from subsetsum_nets import Dense, ReluNetwork, prune
    >>> path = pathlib.Path(tempfile.mkdtemp(), "report.html")
    >>> write_report(prune(ReluNetwork([Dense([[0.5]])])), path)
    >>> "Verified" in path.read_text()
    True

    """
    if pruned.certificate is not None:
        _check_subject(pruned, pruned.certificate)
    page = _page(pruned, accuracy).encode()
    with atomic_write(path) as file:
        file.write(page)


def _check_subject(pruned: PrunedNetwork, certificate: Certificate) -> None:
    digests = {
        "target": (network_digest(pruned.target), certificate.target_digest),
        "pruned network": (network_digest(sparse_form(pruned.network)), certificate.pruned_digest),
        "masks": (pruned.all_masks.digest(), certificate.masks_digest),
    }
    for what, (found, stated) in digests.items():
        if found != stated:
            raise CertificateFileError(f"the certificate is about another {what}; no report is written")


# -- the page ----------------------------------------------------------------------------------------


def _page(pruned: PrunedNetwork, accuracy: tuple[float, float] | None) -> str:
    certificate = pruned.certificate
    word, symbol, tone = _verdict(certificate)
    template = environment().get_template("report.html.jinja")
    return template.render(
        pruned=pruned,
        certificate=certificate,
        accuracy=accuracy,
        palette=PALETTE,
        word=word,
        symbol=symbol,
        tone=tone,
        norm=certificate and _NORMS.get(str(certificate.norm), certificate.norm),
        domain=certificate and _domain(certificate.domain_set),
        semantics=certificate and certificate.semantics,
        source=getattr((CONSTRUCTIONS | EXACT).get(pruned.construction), "source", None),
        exact_rows=exact_rows(pruned),
        statuses=_statuses(pruned),
        figures=[(kind, svg_text(kind, pruned)) for kind in FIGURES if can_draw() and kind.applies(pruned)],
        can_draw=can_draw(),
        rows=all_rows(pruned),
        layers=_layers(pruned),
        layers_left_out=max(0, len(pruned.target.layers) - _MOST_LAYERS),
        certificate_file=CERTIFICATE,
        prune_command=_prune_command(pruned),
        digest=certificate and certificate.to_json()["digest"],
    )


def _verdict(certificate: Certificate | None) -> tuple[str, str, str]:
    """Return the headline: a word, its symbol and its tone."""
    if certificate is None:
        return "No certificate", "?", "open"
    if certificate.verified and certificate.bound <= certificate.epsilon:
        return "Verified", "✓", "good"
    if certificate.attack > certificate.epsilon:
        return "Falsified", "✗", "bad"
    return "Not verified", "?", "open"


def _statuses(pruned: PrunedNetwork) -> list[tuple[str, Any]]:
    """Return what became of the subset sums, and of how many."""
    meanings = {
        "optimal": "proven nearest, within tolerance",
        "feasible": "within tolerance",
        "infeasible": "proven out of reach of their tolerance",
        "unknown": "not settled",
    }
    if pruned.solution.objective == "sparsest":
        meanings["optimal"] = "proven sparsest within tolerance"
    certificate = pruned.certificate
    counts: dict[str, Any] = (
        pruned.solution.summary()["status"] if certificate is None else certificate.status_counts
    )
    return [(meanings.get(name, str(name)), count) for name, count in counts.items() if count]


def _layers(pruned: PrunedNetwork) -> list[tuple[Any, LayerRows | None, dict[str, Any]]]:
    """Return the first target layers, each with its subset sums and what the certificate says of it."""
    layers, certificate = pruned.target.layers, pruned.certificate
    rows: Sequence[LayerRows | None] = rows_by_layer(pruned) or [None] * len(layers)
    bounds = {} if certificate is None else {entry.get("index"): entry for entry in certificate.layers}
    return [(layer, rows[index], bounds.get(index, {})) for index, layer in enumerate(layers[:_MOST_LAYERS])]


def _prune_command(pruned: PrunedNetwork) -> str:
    certificate = pruned.certificate
    extra: list[str] = []
    options = [("construction", pruned.construction), ("epsilon", repr(pruned.epsilon))]
    if pruned.seed is None:
        options.append(("into", f"DIR/{RANDOM}"))
    else:
        options += [("candidates", str(pruned.candidates)), ("seed", str(pruned.seed))]
    if certificate is not None:
        options += _exact_options(certificate)
        options.append(("delta", repr(certificate.delta)))
        area, stored = certificate.domain_set, pruned.target.domain or Box(-1, 1)
        extra = [] if area == stored else [_domain_option(area)]
    if pruned.solution.objective != "nearest":
        options.append(("objective", pruned.solution.objective))
    words = [f"--{name} {shlex.quote(value)}" for name, value in options] + extra
    lines = [" ".join(words[first : first + 3]) for first in range(0, len(words), 3)]
    return " \\\n    ".join([f"subsetsum-nets prune DIR/{TARGET} --out AGAIN", *lines])


def _exact_options(certificate: Certificate) -> list[tuple[str, str]]:
    """Return the options of an exact construction, with the bits that were chosen."""
    said = certificate.exact
    if said is None:
        return []
    options = [("bits", ",".join(map(str, said["bits"])))]
    layouts = {layout.partition("-")[0] for layout in said["layouts"]}  # "select-3" is one of "select"
    options += [("layout", layout) for layout in layouts if len(layouts) == 1]
    if "outputs" in said:
        options.append(("scale", "none"))
    elif len(said["ends"]) > 1 and any(said["ends"][:-1]):
        options.append(("scale", "every"))
    return options


def _domain_option(domain: Domain) -> str:
    """Return the command's option for a domain; a remark where only Python can state it."""
    if isinstance(domain, Box) and domain.low.ndim == domain.high.ndim == 0:
        return f"--box {float(domain.low)!r} {float(domain.high)!r}"
    if isinstance(domain, Ball) and not np.any(domain.center):
        return f"--ball {domain.radius!r}"
    return f"# from Python, with prune(.., domain=Certificate.load('DIR/{CERTIFICATE}').domain_set)"


def _domain(domain: Domain) -> str:
    """Return the domain as Python writes it, or its extent when it has a bound for every coordinate."""
    if isinstance(domain, Box):
        if domain.low.size == domain.high.size == 1:
            return f"Box({exact(domain.low.item())}, {exact(domain.high.item())})"
        low, high = float(domain.low.min()), float(domain.high.max())
        coordinates = max(domain.low.size, domain.high.size)
        return f"a Box of {coordinates:,} coordinates within [{exact(low)}, {exact(high)}]"
    if not np.any(domain.center):
        return f"Ball({exact(domain.radius)})"
    if domain.center.size == 1:
        return f"Ball({exact(domain.radius)}, {exact(domain.center.item())})"
    return f"a Ball of radius {exact(domain.radius)} about a centre of {domain.center.size:,} coordinates"
