"""write_report(): what was proven about a pruned network, on one HTML page that needs nothing else.

Everything on the page comes from the certificate, the solution and the networks; nothing is computed that
would need to be believed. Upper bounds are shown rounded up and lower bounds rounded down, with the stored
number in the ``<data>`` element around them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.sparse_form import sparse_form
from subsetsum_nets.reports.figures import FIGURES, PALETTE, svg_text
from subsetsum_nets.reports.rounding import exact, lower, nearest, upper
from subsetsum_nets.reports.rows import all_rows, rows_by_layer
from subsetsum_nets.verification.certificate import SEMANTICS, CertificateFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.pruned_network import PrunedNetwork
    from subsetsum_nets.reports.rows import LayerRows
    from subsetsum_nets.verification.certificate import Certificate

_NORMS = {"l2": "<sub>2</sub>", "l1": "<sub>1</sub>", "linf": "<sub>∞</sub>"}
_CONSTRUCTIONS = {
    "relu": "Theorem 1 of Pensia et al. 2020, hidden units used by their sign",
    "relu-paper": "Theorem 1 of Pensia et al. 2020, as in its proof",
    "linear": "section 3.1 of Pensia et al. 2020, linear hidden units of their own for every weight",
}
_MOST_LAYERS = 200  # rows of the per-layer table


def write_report(
    pruned: PrunedNetwork, path: str | PathLike[str], *, accuracy: tuple[float, float] | None = None
) -> None:
    """Write the report of a pruned network as one self-contained HTML file, atomically.

    Parameters
    ----------
    pruned : PrunedNetwork
    path : path
        The same network gives the same bytes, with the same version of matplotlib.
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
    verdict = _verdict(pruned.certificate)
    shape, name = escape(" → ".join(map(str, pruned.target.widths))), escape(pruned.construction)
    figures = "\n".join(
        f'<figure id="figure-{kind.name}">\n<h3>{kind.title}</h3>\n{svg_text(kind, pruned)}\n'
        f"<figcaption>{kind.caption}{_finding(kind.name, pruned)}</figcaption>\n</figure>"
        for kind in FIGURES
        if kind.applies(pruned)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{verdict.word}: {name}, {shape}</title>
<style>
{_css()}
</style>
</head>
<body>
<header class="{verdict.tone}">
<p class="kicker">subsetsum_nets report · target {shape} · construction {name}</p>
<h1><span aria-hidden="true">{verdict.symbol}</span> {verdict.word}</h1>
<p class="claim">{verdict.claim}</p>
{_paragraphs(verdict.remarks)}
</header>
<main>
<section>
<h2>What this says, and what not</h2>
{_meaning(pruned.certificate)}
</section>
<section>
<h2>Main numbers</h2>
{_main_table(pruned, accuracy)}
{_shortfall(pruned)}
</section>
<section>
<h2>Figures</h2>
{figures}
</section>
<section>
<h2>Layer by layer</h2>
{_layer_table(pruned)}
</section>
<section>
<h2>Do it again</h2>
{_reproduction(pruned)}
</section>
<section>
<h2>Digests and versions</h2>
{_provenance(pruned.certificate)}
</section>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class _Verdict:
    """The headline: a word, and the claim in HTML."""

    word: str
    symbol: str
    tone: str
    claim: str
    remarks: tuple[str, ...] = ()


def _verdict(certificate: Certificate | None) -> _Verdict:
    if certificate is None:
        return _Verdict("No certificate", "?", "open", "Nothing is proven about this network.")
    domain, epsilon = _domain(certificate.domain_set), certificate.epsilon
    difference = f"‖f(x) − g(x)‖{_norm(certificate)}"
    bound = _number(certificate.bound, upper, within=epsilon)
    required = f"required {_number(epsilon, exact)}"
    proven = f"{difference} ≤ {bound} for every x in {domain}"
    if certificate.verified and certificate.bound <= epsilon:
        return _Verdict("Verified", "✓", "good", f"Proven: {proven}; {required}.")
    if certificate.attack > epsilon:
        attack = _number(certificate.attack, lower, beyond=epsilon)
        return _Verdict(
            "Falsified",
            "✗",
            "bad",
            f"{difference} ≥ {attack} at an input that was found in {domain}; {required}.",
            (f"Proven is no more than {proven}.",),
        )
    attack = _number(certificate.attack, lower)
    return _Verdict(
        "Not verified",
        "?",
        "open",
        f"Proven is only {proven}; {required}.",
        (f"Not refuted either: the largest difference found is {attack}.",),
    )


def _meaning(certificate: Certificate | None) -> str:
    if certificate is None:
        return (
            "<p>This result was stored without a certificate. The numbers below say how the subset sums "
            "went; they bound nothing about the networks' outputs.</p>"
        )
    return f"""<p>{escape(SEMANTICS)}</p>
<ul>
<li>The bound is proven by the method “{escape(str(certificate.method))}” with outward rounding, from the
weights alone; it holds whatever the solver did.</li>
<li>The attack bound is attained: the certificate stores an input of the domain at which the networks differ
at least that much. The true worst case lies between the two numbers.</li>
<li>Nothing is claimed for inputs outside the domain, nor for the rounding errors of a floating-point
evaluation of f or g, nor about accuracy on data.</li>
</ul>"""


def _main_table(pruned: PrunedNetwork, accuracy: tuple[float, float] | None) -> str:
    certificate = pruned.certificate
    drawn, kept = pruned.random_counts
    rows = [
        ("Target network", " → ".join(map(str, pruned.target.widths))),
        ("Random network", " → ".join(map(str, pruned.random.widths))),
        ("Construction", _with_note(pruned.construction, _CONSTRUCTIONS.get(pruned.construction))),
        ("Seed", "none: the random network was given" if pruned.seed is None else str(int(pruned.seed))),
        ("Candidates per subset sum", _count(pruned.candidates)),
        ("Weights of the target", _count(pruned.target.parameters)),
        ("Random parameters", _count(drawn)),
        ("Kept parameters", f"{_count(kept)} ({kept / max(1, drawn):.2%} of them)"),
        ("Kept per target weight", nearest(kept / max(1, pruned.target.parameters))),
        ("Subset sums", _statuses(pruned)),
    ]
    if certificate is not None:
        ratio = certificate.bound / certificate.attack if certificate.attack > 0 else None
        rows += [
            ("Domain", _domain(certificate.domain_set)),
            ("Worst weight error", _number(certificate.worst_weight_error, upper)),
            ("<strong>Proven bound</strong>", f"<strong>{_bound(certificate)}</strong>"),
            ("Required (epsilon)", _number(certificate.epsilon, exact)),
            ("Attack lower bound", _number(certificate.attack, lower)),
            ("Bound / attack", "—" if ratio is None else _number(ratio, nearest)),
        ]
    if accuracy is not None:
        before, after = accuracy
        rows.append(("Test accuracy", f"{before:.2%} target, {after:.2%} pruned network"))
    body = "\n".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows)
    return f'<div class="wide"><table class="pairs">\n{body}\n</table></div>'


def _bound(certificate: Certificate) -> str:
    return _number(certificate.bound, upper, within=certificate.epsilon)


def _statuses(pruned: PrunedNetwork) -> str:
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
    found = [(escape(meanings.get(name, str(name))), count) for name, count in counts.items() if count]
    total = _count(len(pruned.solution))
    if len(found) == 1 and found[0][1] == len(pruned.solution):
        return f"{total}, all {found[0][0]}"
    return f"{total}: " + "; ".join(f"{_count(count)} {meaning}" for meaning, count in found)


def _shortfall(pruned: PrunedNetwork) -> str:
    if pruned.shortfall is None:
        return ""
    return f'<p class="note"><strong>Shortfall.</strong> {escape(str(pruned.shortfall))}.</p>'


def _layer_table(pruned: PrunedNetwork) -> str:
    certificate = pruned.certificate
    layers, rows = pruned.target.dense_layers, rows_by_layer(pruned)
    bounds = {} if certificate is None else {entry.get("index"): entry for entry in certificate.layers}
    lines = []
    for index, layer in enumerate(layers[:_MOST_LAYERS]):
        part = None if rows is None else rows[index]
        bound = bounds.get(index, {})
        cells = [
            str(index + 1),
            f"{layer.d_out} × {layer.d_in}" + ("" if layer.bias is None else " + bias"),
            *_row_cells(part),
            _number(bound.get("weight_error"), upper),
            _number(bound.get("deviation_before"), upper),
            _number(bound.get("deviation_after"), upper),
        ]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    more = len(layers) - len(lines)
    note = f"<p>{more:,} more layers are in certificate.json.</p>" if more else ""
    what = (
        "of the layer's output in l2"
        if certificate and certificate.method == "norms"
        else "of the largest unit"
    )
    body = "\n".join(lines)
    return f"""<div class="wide"><table class="layers">
<thead>
<tr><th rowspan="2" scope="col">Layer</th><th rowspan="2" scope="col">Weights</th>
<th colspan="4" scope="colgroup">Subset sums</th><th colspan="3" scope="colgroup">Proven at most</th></tr>
<tr><th scope="col">number</th><th scope="col">median error</th><th scope="col">worst error / tolerance</th>
<th scope="col">kept, mean</th><th scope="col">weight error</th><th scope="col">deviation before ReLU</th>
<th scope="col">after ReLU</th></tr>
</thead>
<tbody>
{body}
</tbody>
</table></div>
<p class="small">Deviations of g from f are {what}. An input that is never negative needs no subset sum for
negative values: weight errors count only where some input of the domain makes them matter.</p>
{note}"""


def _row_cells(part: LayerRows | None) -> list[str]:
    if part is None or not part.errors.size:
        return ["—" if part is None else "0", "—", "—", "—"]
    ratio = part.worst_ratio
    return [
        _count(part.errors.size),
        nearest(float(np.median(part.errors))),
        "—" if ratio is None else nearest(ratio),
        f"{part.sizes.mean():.1f}",
    ]


def _finding(name: str, pruned: PrunedNetwork) -> str:
    """Return one sentence of what this very figure shows."""
    rows = all_rows(pruned)
    if name == "errors":
        exact_hits = int(np.count_nonzero(rows.errors == 0))
        text = f" Here the median error is {nearest(float(np.median(rows.errors)))}"
        if rows.worst_ratio is not None:
            text += f", the worst error {nearest(rows.worst_ratio)} times its tolerance"
        return text + f". Exact: {exact_hits:,} of {rows.errors.size:,}."
    if name == "sizes":
        return f" Here {nearest(float(rows.sizes.mean()))} on average, {int(rows.sizes.max())} at most."
    return ""


# -- doing it again ----------------------------------------------------------------------------------


def _reproduction(pruned: PrunedNetwork) -> str:
    if pruned.certificate is None:
        return f"<pre><code>{escape(_prune_command(pruned))}</code></pre>"
    return f"""<p>DIR is the folder in which <code>prune</code> left its result, with this page in it. Check
the certificate from the files alone; no solver is needed:</p>
<pre><code>subsetsum-nets verify DIR</code></pre>
<p>Prune again, to the same masks:</p>
<pre><code>{escape(_prune_command(pruned))}</code></pre>"""


def _prune_command(pruned: PrunedNetwork) -> str:
    certificate = pruned.certificate
    extra: list[str] = []
    options = [("construction", pruned.construction), ("epsilon", repr(pruned.epsilon))]
    if pruned.seed is None:
        options.append(("into", "DIR/random.safetensors"))
    else:
        options += [("candidates", str(pruned.candidates)), ("seed", str(pruned.seed))]
    if certificate is not None:
        options.append(("delta", repr(certificate.delta)))
        area, stored = certificate.domain_set, pruned.target.domain or Box(-1, 1)
        extra = [] if area == stored else [_domain_option(area)]
    if pruned.solution.objective != "nearest":
        options.append(("objective", pruned.solution.objective))
    words = [f"--{name} {shlex.quote(value)}" for name, value in options] + extra
    lines = [" ".join(words[first : first + 3]) for first in range(0, len(words), 3)]
    return " \\\n    ".join(["subsetsum-nets prune DIR/target.safetensors --out AGAIN", *lines])


def _domain_option(domain: Domain) -> str:
    """Return the command's option for a domain; a remark where only Python can state it."""
    if isinstance(domain, Box) and domain.low.ndim == domain.high.ndim == 0:
        return f"--box {float(domain.low)!r} {float(domain.high)!r}"
    if isinstance(domain, Ball) and not np.any(domain.center):
        return f"--ball {domain.radius!r}"
    return "# from Python, with prune(.., domain=Certificate.load('DIR/certificate.json').domain_set)"


def _provenance(certificate: Certificate | None) -> str:
    if certificate is None:
        return "<p>None were stored.</p>"
    digests = [
        ("target", certificate.target_digest),
        ("random network", certificate.random_digest),
        ("masks", certificate.masks_digest),
        ("pruned network", certificate.pruned_digest),
        ("certificate", certificate.to_json()["digest"]),
    ]
    return (
        _pairs((f"SHA-256 of the {name}", f"<code>{escape(str(digest))}</code>") for name, digest in digests)
        + "<p>"
        + " · ".join(f"{escape(str(name))} {escape(str(v))}" for name, v in certificate.versions.items())
        + "</p>"
    )


# -- pieces of HTML ----------------------------------------------------------------------------------


def _number(value: object, shown: Callable[..., str], **limits: float) -> str:
    """Return a number as people read it, within the number as it is stored."""
    if value is None:
        return "—"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return escape(str(value))
    return f'<data value="{float(value)!r}">{shown(float(value), **limits)}</data>'


def _count(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return escape(str(value))
    return f'<data value="{int(value)}">{int(value):,}</data>'


def _with_note(text: str, note: str | None) -> str:
    return escape(text) if note is None else f'{escape(text)} <span class="small">({escape(note)})</span>'


def _norm(certificate: Certificate) -> str:
    norm = str(certificate.norm)
    return _NORMS.get(norm, f"<sub>{escape(norm)}</sub>")


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


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(f"<p>{text}</p>" for text in texts)


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    body = "\n".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows)
    return f'<div class="wide"><table class="pairs">\n{body}\n</table></div>\n'


def _css() -> str:
    light = " ".join(f"--{colour.name}: {colour.light};" for colour in PALETTE)
    dark = " ".join(f"--{colour.name}: {colour.dark};" for colour in PALETTE)
    return f""":root {{ color-scheme: light dark; --panel: #f5f7f9; {light} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ --panel: #1d232a; {dark} }} }}
{_RULES}"""


_RULES = """* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 2rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
header { border-left: 0.4rem solid var(--tone); background: var(--panel); padding: 1.1rem 1.4rem; }
header.good { --tone: var(--met); }
header.bad { --tone: var(--missed); }
header.open { --tone: var(--muted); }
header p { margin: 0.3rem 0; }
.kicker, .small, figcaption { color: var(--muted); font-size: 0.875rem; }
h1 { margin: 0.1rem 0 0.4rem; font-size: 1.9rem; line-height: 1.2; }
h1 span { color: var(--tone); }
.claim { font-size: 1.15rem; }
h2 { margin: 2.4rem 0 0.7rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--grid);
  font-size: 1.25rem; }
h3 { margin: 0 0 0.4rem; font-size: 1rem; }
sub { line-height: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.94rem; }
th, td { padding: 0.32rem 0.8rem 0.32rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--grid); }
th { font-weight: 600; }
.pairs { width: 100%; }
.pairs th { font-weight: 400; color: var(--muted); width: 15rem; }
.layers th, .layers td { text-align: right; white-space: nowrap; padding: 0.32rem 0 0.32rem 1rem; }
.layers thead th { vertical-align: bottom; white-space: normal; }
.layers thead th[colspan] { text-align: center; }
.layers td:nth-child(2), .layers thead tr:first-child th:nth-child(2) { text-align: left; }
.layers td:first-child, .layers thead tr:first-child th:first-child { text-align: left; padding-left: 0; }
.note { border-left: 0.25rem solid var(--missed); padding: 0.3rem 0.9rem; background: var(--panel); }
figure { margin: 1.4rem 0 2.2rem; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; stroke-linejoin: round; stroke-linecap: butt;
  font-family: inherit; }
figure svg text { fill: var(--ink); }
pre { background: var(--panel); padding: 0.7rem 0.9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: 0.875em ui-monospace, monospace; overflow-wrap: anywhere; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  header, .note, pre { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; }
}"""
