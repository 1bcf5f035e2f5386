"""The page of Experiment 1, from the JSON of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.reports.reproduction import ReproductionPage, about_the_data, percent, shell_command
from subsetsum_nets.rounding import exact, nearest, upper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCE = "Pensia et al. 2020, section 5"
_DRAWS = {
    "weight": "each weight has its own",
    "row": "the weights of a row of the weight matrix share them",
}
_OBJECTIVES = {
    "nearest": "the nearest subset",
    "within": "any subset within epsilon",
    "sparsest": "the fewest coefficients within epsilon",
}
_ALWAYS = tuple(
    """\
“About 21” is int(3 round(log2 100)) = 21 in the authors' program; 3 log2 100 is 19.93.
In that program coefficients are U[min w, max w], drawn once per row of the weight matrix, though the \
text says once per weight. --draw row does as the program, --draw weight as the text.
The 3,725,871 coefficients of their log cannot come from nearest subsets, which keep 3.90 to 3.91 \
million for their network, measured and by theory: their solver stopped at a gap of 1 %.
The fewest coefficients at the same epsilon are 212,379 for their network, 17.5 times fewer.
Accuracy and output errors are measured on the images named above, in float64; nothing is claimed for \
other images. Errors of weights are exact, rounded up; the stored weights are the subset sums rounded \
once to float64.""".splitlines()
)


def experiment_1_page(page: Mapping[str, Any]) -> ReproductionPage:
    """Return what the page says of a run, from its JSON."""
    missed, weights = page["misses"], page["weights"]
    good = missed == 0
    near = f"{weights:,} weights" if good else f"{weights - missed:,} of {weights:,} weights"
    kept = f"{page['kept']:,} of {weights * page['items']:,} coefficients kept"
    before, after = percent(page["accuracy_before"]), percent(page["accuracy_after"])
    claims = [
        f"Accuracy on {page['test_images']:,} test images: {before} before, {after} after. {kept}.",
        f"Data: {page['data']}.",
    ]
    relu = page.get("relu")
    if relu is not None:
        claims.append(_relu_claim(relu))
    return ReproductionPage(
        title="Experiment 1",
        source=SOURCE,
        word=f"{near} within {exact(page['epsilon'])}",
        symbol="✓" if good else "?",
        tone="good" if good else "open",
        claims=claims,
        asked=_asked(page),
        beside=(("", "ours", "the paper"), _beside(page)),
        notes=_notes(page),
        captions={
            "experiment_1": (
                "Left: distance from each weight to its subset sum, exact and rounded up; the dashed line is "
                "epsilon. Right: how many of its coefficients a weight keeps."
            )
        },
        tables=[("Layer by layer", *_layers(page))],
        command=_command(page),
        digests=[
            *about_the_data(page),
            ("SHA-256 of the target", page["target_digest"]),
            ("SHA-256 of the approximation", page["approximated_digest"]),
        ],
    )


def _relu_claim(relu: Mapping[str, Any]) -> str:
    if relu["bound"] is None:
        return "With ReLU structure nothing is proven."
    word = "proven" if relu["verified"] else "proven is only"
    return (
        f"With ReLU structure (Theorem 1) {relu['kept']:,} parameters stay, and {word}: outputs differ by "
        f"at most {upper(relu['bound'], within=relu['epsilon'])} for every image in [0, 1]^d; required was "
        f"{exact(relu['epsilon'])}."
    )


def _asked(page: Mapping[str, Any]) -> list[tuple[str, str]]:
    low, high = page["range"]
    trained = page["trained_here"]
    how = "as given"
    if trained is not None:
        how = (
            f"trained here on {page['train_images']:,} images: SGD, {trained['epochs']} epochs, batch "
            f"{trained['batch']}, rate {trained['rate']:g} with cosine annealing, momentum "
            f"{trained['momentum']:g}, weight decay {trained['decay']:g}, no biases"
        )
    return [
        ("Network", f"{page['network']}, {how}"),
        ("Coefficients a weight", f"{page['items']}, U[{exact(low)}, {exact(high)}]"),
        ("How they are drawn", _DRAWS[page["draw"]]),
        ("Which subset", _OBJECTIVES[page["objective"]]),
        ("Epsilon", exact(page["epsilon"])),
        ("Seed", str(page["seed"])),
    ]


def _beside(page: Mapping[str, Any]) -> list[Sequence[str]]:
    paper_kept = page["kept_paper"]
    predicted = page["kept_predicted"]
    statuses = ", ".join(f"{count:,} {name}" for name, count in page["statuses"].items())
    weights = page["weights"]
    rows: list[Sequence[str]] = [
        ("weights", f"{weights:,}", "397,000 (784-500-10, no biases)"),
        ("images tested on", f"{page['test_images']:,}", "10,000"),
        ("accuracy before", percent(page["accuracy_before"]), "97.19 %"),
        ("accuracy after", percent(page["accuracy_after"]), "97.19 %"),
        ("coefficients kept", f"{page['kept']:,}", f"{paper_kept:,}"),
        ("kept a weight", f"{page['kept_per_weight']:.3f}", f"{paper_kept / 397_000:.3f}"),
    ]
    if predicted is not None:
        rows.append(("kept, expected by theory", f"{predicted:,.0f}", "-"))
    rows += [
        ("worst error of a weight", upper(page["worst_error"], within=page["epsilon"]), "at most 0.01"),
        ("median error", nearest(page["median_error"]), "-"),
        ("errors above epsilon", f"{page['misses']:,}", "-"),
        ("largest output error on those images", upper(page["largest_output_error"]), "-"),
        ("what is proven of each row", statuses, "stopped at a gap of 1 %"),
        ("solving, wall clock", f"{page['solving_seconds']:.1f} s", "77,266 s"),
        (
            "solving, core time",
            f"{page['processor_seconds']:.1f} core seconds",
            f"{page['core_hours_paper']:,} core hours",
        ),
        ("memory at its peak", _megabytes(page["peak_megabytes"]), "-"),
    ]
    return rows + _relu_rows(page)


def _relu_rows(page: Mapping[str, Any]) -> list[Sequence[str]]:
    relu = page.get("relu")
    if relu is None:
        return []
    bound = "nothing" if relu["bound"] is None else upper(relu["bound"], within=relu["epsilon"])
    return [
        ("kept with ReLU structure", f"{relu['kept']:,}", "not in the paper"),
        ("random parameters there", f"{relu['random_parameters']:,}", "-"),
        ("candidates a subset sum there", f"{relu['candidates']}", "-"),
        (f"proven there for every image ({relu['method']}, {relu['norm']})", bound, "-"),
        ("core time there", f"{relu['processor_seconds']:.1f} core seconds", "-"),
        ("memory at its peak there", _megabytes(relu["peak_megabytes"]), "-"),
    ]


def _megabytes(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.0f} MB"


def _notes(page: Mapping[str, Any]) -> list[str]:
    notes = list(_ALWAYS)
    if page["trained_here"] is not None:
        notes.append("The network was trained here, on these data: the paper's own is another one.")
    if page["enlarged_from"] is not None:
        side = page["enlarged_from"]
        notes.append(f"The images, of {side} x {side} pixels, were enlarged to 28 x 28, with a margin of 0.")
    if page["misses"] and page["objective"] != "nearest":
        notes.append("Where no subset comes within epsilon the nearest one was taken, and counted as a miss.")
    if page.get("relu") is not None:
        notes.append(
            "The ReLU structure is Theorem 1 itself, not the linear toy: a random network of two layers "
            "for each layer of the target. Its bound holds for every image, seen or not."
        )
    return notes


def _layers(page: Mapping[str, Any]) -> tuple[Sequence[str], list[Sequence[str]]]:
    headings: Sequence[str] = (
        "layer",
        "shape",
        "weights",
        "kept",
        "a weight",
        "worst error",
        "median error",
        "misses",
    )
    rows: list[Sequence[str]] = [
        (
            str(layer["layer"]),
            layer["shape"],
            *(f"{layer['weights']:,}", f"{layer['kept']:,}", f"{layer['kept_per_weight']:.3f}"),
            upper(layer["worst_error"], within=page["epsilon"]),
            *(nearest(layer["median_error"]), f"{layer['misses']:,}"),
        )
        for layer in page["layers"]
    ]
    return headings, rows


def _command(page: Mapping[str, Any]) -> str:
    given = page["trained_here"] is None
    options: list[tuple[object, ...]] = [
        ("data", page["where"]),
        ("target", "FILE") if given else ("hidden", page["network"].split("-")[1]),
        ("items", page["items"]),
        ("range", *page["range"]),
        *((name, page[name]) for name in ("draw", "objective", "epsilon", "seed")),
    ]
    relu = page.get("relu")
    options += [] if relu is None else [("relu-epsilon", relu["epsilon"])]
    return shell_command("experiment-1", options)
