"""The page of Experiment 2, from the JSON of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.reports.curves import at_share, best_curve, compiled_curve
from subsetsum_nets.reports.reproduction import ReproductionPage, about_the_data, percent, shell_command
from subsetsum_nets.reports.reproduction_1 import SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from subsetsum_nets.reports.curves import Curve

_STRUCTURES = {"linear": "linear structure", "relu": "ReLU structure", "wide": "wide"}
# Read off the published picture, two-layer, at 500, 200 and 100 thousand of 1,991,420 parameters.
_PAPER = {
    "linear": {0.25: 0.975, 0.1: 0.96, 0.05: 0.89},
    "relu": {0.25: 0.935, 0.1: 0.79, 0.05: 0.57},
    "wide": {0.25: 0.98, 0.1: 0.97, 0.05: 0.95},
}
_PAPER_BASELINE = 0.985


def experiment_2_page(page: Mapping[str, Any]) -> ReproductionPage:
    """Return what the page says of a run, from its JSON."""
    network = page["networks"][0]
    points = [point for point in page["points"] if point["network"] == network]
    lost = len(page["diverged"])
    claims = [_claim(points, kind, page["redundancy"]) for kind in ("relu", "linear")]
    claims.append(f"Data: {page['data']}, {page['test_images']:,} images to measure on.")
    if lost:
        claims.append(f"{lost} of {len(page['points'])} points have no accuracy: their scores diverged.")
    seeds = page["seeds"]
    return ReproductionPage(
        title="Experiment 2",
        source=SOURCE,
        word=f"{len(page['points']) - lost:,} pruned networks beside Figure 4",
        symbol="?" if lost else "✓",
        tone="open" if lost else "good",
        claims=claims,
        asked=_asked(page),
        beside=(("two-layer, share kept", "ours", "the paper, as its picture shows"), _beside(page)),
        notes=_notes(page),
        captions={
            "experiment_2": (
                "Accuracy on the test images over the number of random parameters that stay. Lines are means "
                f"over {len(seeds)} seed{'s' if len(seeds) > 1 else ''}, bands go from the worst to the best."
            )
        },
        tables=[
            ("Exact subset sums in the same random networks", *_compiled(page)),
            ("Edge-popup, point by point", *_popup(page)),
        ],
        command=_command(page),
        digests=[*about_the_data(page), ("torch", page["torch"])],
    )


def _claim(points: Sequence[Mapping[str, Any]], kind: str, redundancy: int) -> str:
    """Set exact subset sums, nearest, beside edge-popup's smallest network that keeps at least as many."""
    nearest = [
        point
        for point in points
        if point["structure"] == f"compiled-{kind}" and point["tolerance"] is None
        and point["redundancy"] == redundancy
    ]  # fmt: skip
    kept, _, reached, _ = compiled_curve(nearest, kind, redundancy, by="redundancy")[0]
    larger = [point for point in best_curve(points, kind) if point[0] >= kept]
    exact = f"{_STRUCTURES[kind]}: exact subset sums keep {kept:,.0f} parameters at {percent(reached)}"
    if not larger:
        return f"{exact[0].upper()}{exact[1:]}; no smaller edge-popup network was run."
    other = larger[0]
    word = "ahead of" if reached > other[2] else "behind"
    return (
        f"{exact[0].upper()}{exact[1:]}, {word} edge-popup with {other[0]:,.0f} at {percent(other[2])} "
        f"(r = {redundancy}, mean over seeds)."
    )


def _asked(page: Mapping[str, Any]) -> list[tuple[str, str]]:
    sparsities = ", ".join(f"{share:g}" for share in page["sparsities"])
    return [
        ("Networks", ", ".join(page["networks"])),
        ("Hidden units", str(page["hidden"])),
        ("Units an input (r)", str(page["redundancy"])),
        ("Epochs", ", ".join(map(str, page["epochs"]))),
        ("Sparsities", sparsities),
        ("Seeds", ", ".join(map(str, page["seeds"]))),
        (
            "Training",
            "SGD, momentum 0.9, weight decay 0.0005, cosine annealing, batch 64, rate 0.1; LeNet5 0.01",
        ),
    ]


def _beside(page: Mapping[str, Any]) -> list[Sequence[str]]:
    points = [point for point in page["points"] if point["network"] == "two-layer"]
    levels = [point["accuracy"] for point in points if point["structure"] == "baseline"]
    ours = percent(sum(levels) / len(levels)) if levels else "not run"
    rows: list[Sequence[str]] = [("trained network", ours, percent(_PAPER_BASELINE))]
    for kind, shares in _PAPER.items():
        for share, paper in shares.items():
            reached = at_share(points, kind, share)
            shown = "not run" if reached is None else percent(reached)
            rows.append((f"{_STRUCTURES[kind]}, {share:.0%}", shown, f"about {100 * paper:g} %"))
    rows.append(("exact subset sums in the same networks", "below", "not in the paper"))
    return rows


def _notes(page: Mapping[str, Any]) -> list[str]:
    notes = list(_ALWAYS)
    if page["diverged"]:
        where = ", ".join(
            f"{point['structure']} {point['network']} at sparsity {point['sparsity']:g}, seed {point['seed']}"
            for point in page["diverged"]
        )
        notes.append(f"Scores became no numbers in: {where}. They are in the tables, not in the figure.")
    return notes


_ALWAYS = tuple(
    """\
Structures are those of Figure 1c: each input goes to r units, and these to all outputs; wide networks have \
as many parameters. The authors' run has 500 hidden units and the full data: --paper runs that.
Of several numbers of epochs the best is shown, chosen on the test images, as in the paper.
Exact subset sums need a trained network, whose weights they approximate; edge-popup needs only the data. \
Neither trains a weight of the random network.
“Fewest” is the least number of units whose sum comes within a tolerance of each weight, and the nearest \
sum where none does.
With ReLUs only units of positive w1 pass inputs that are never negative, half of them.""".splitlines()
)


def _compiled(page: Mapping[str, Any]) -> tuple[Sequence[str], list[Sequence[str]]]:
    headings: Sequence[str] = (
        "network",
        "structure",
        "r",
        "tolerance",
        "random",
        "kept",
        "accuracy",
        "seeds",
    )
    rows: list[Sequence[str]] = []
    for network in page["networks"]:
        points = [point for point in page["points"] if point["network"] == network]
        for kind in ("linear", "relu"):
            for redundancy, tolerance in _settings(points, kind):
                mine = [
                    point
                    for point in points
                    if point["structure"] == f"compiled-{kind}"
                    and (point["redundancy"], point["tolerance"]) == (redundancy, tolerance)
                ]
                curve: Curve = compiled_curve(
                    mine, kind, redundancy, by="redundancy" if tolerance is None else "tolerance"
                )
                kept, _, reached, _ = curve[0]
                shown = "nearest" if tolerance is None else f"{tolerance:g}"
                size = mine[0]["parameters"]
                numbers = (f"{size:,}", f"{kept:,.0f}", percent(reached), str(len(mine)))
                rows.append((network, kind, str(redundancy), shown, *numbers))
    return headings, rows


def _settings(points: Sequence[Mapping[str, Any]], kind: str) -> list[tuple[int, float | None]]:
    found = [
        (point["redundancy"], point["tolerance"])
        for point in points
        if point["structure"] == f"compiled-{kind}"
    ]
    return list(dict.fromkeys(found))


def _popup(page: Mapping[str, Any]) -> tuple[Sequence[str], list[Sequence[str]]]:
    headings: Sequence[str] = ("network", "structure", "random", "kept", "worst", "mean", "best")
    rows: list[Sequence[str]] = []
    for network in page["networks"]:
        points = [point for point in page["points"] if point["network"] == network]
        for kind in _STRUCTURES:
            sizes = [point["parameters"] for point in points if point["structure"] == kind]
            for kept, *reached in reversed(best_curve(points, kind)):
                rows.append((network, kind, f"{sizes[0]:,}", f"{kept:,.0f}", *map(percent, reached)))
    return headings, rows


def _command(page: Mapping[str, Any]) -> str:
    options = {
        "data": page["where"],
        "networks": ",".join(page["networks"]),
        "hidden": page["hidden"],
        "redundancy": page["redundancy"],
        "epochs": ",".join(map(str, page["epochs"])),
        "sparsities": ",".join(f"{share!r}" for share in page["sparsities"]),
        "seed": page["seed"],
        "seeds": len(page["seeds"]),
    }
    return shell_command("experiment-2", list(options.items()))
