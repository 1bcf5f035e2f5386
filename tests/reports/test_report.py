"""The report: valid, self-contained, true to the certificate, and never more than was proven."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from support.pages import Tags

from subsetsum_nets import Ball, Box, Dense, ReluNetwork, prune
from subsetsum_nets.reports import docs_images, page, templates, write_report
from subsetsum_nets.reports.figures import FIGURES, svg_text
from subsetsum_nets.reports.rows import rows_by_layer
from subsetsum_nets.rounding import lower, nearest, upper
from subsetsum_nets.verification.certificate import CertificateFileError

HOSTILE = "<script>alert('x')</script>\"&"


def network(widths=(3, 4, 2), *, bias=True, seed=0):
    generator = np.random.default_rng(seed)
    layers = []
    for d_in, d_out in pairwise(widths):
        offsets = generator.uniform(-1, 1, d_out) if bias else None
        layers.append(Dense(generator.uniform(-1, 1, (d_out, d_in)), offsets))
    return ReluNetwork(layers)


@pytest.fixture(scope="module")
def pruned():
    return prune(network(), epsilon=0.01, threads=1)


@pytest.fixture(scope="module")
def short():
    return prune(network(), epsilon=1e-6, candidates=6, threads=1)


@pytest.fixture
def written(tmp_path):
    def write(result, **options):
        path = tmp_path / "report.html"
        write_report(result, path, **options)
        return path.read_text(encoding="utf-8")

    return write


@pytest.fixture
def bare(monkeypatch, written):
    """As ``written``, without the figures, which take most of the time."""
    monkeypatch.setattr(page, "FIGURES", ())
    return written


def certified(pruned, **changes):
    return replace(pruned, certificate=replace(pruned.certificate, **changes))


# -- what is claimed -----------------------------------------------------------------------------------


def test_a_verified_network_is_called_so(pruned, bare):
    certificate = pruned.certificate
    text = Tags(bare(pruned)).text
    assert "✓ Verified" in text
    shown = upper(certificate.bound)
    assert f"Proven: ‖f(x) − g(x)‖2 ≤ {shown} for every x in Box(-1, 1); required 0.01." in text


@pytest.mark.parametrize(
    "changes",
    [
        {"verified": False},
        {"bound": 0.02},  # says verified, but its own numbers do not
        {"bound": np.nextafter(0.01, 1)},
        {"bound": float("inf")},
        {"bound": float("nan")},
        {"verified": False, "bound": 0.02, "attack": 0.015},
    ],
)
def test_nothing_else_is_called_verified(pruned, bare, changes):
    text = bare(certified(pruned, **changes))
    assert "Verified" not in text
    assert ("Falsified" in text) == ("attack" in changes)
    Tags(text)


def test_a_result_without_certificate_claims_nothing(pruned, bare):
    text = Tags(bare(replace(pruned, certificate=None))).text
    assert "Nothing is proven about this network." in text
    assert "Verified" not in text


@pytest.mark.parametrize("field", ["target_digest", "masks_digest", "pruned_digest"])
def test_a_certificate_about_something_else_is_refused(pruned, bare, field):
    with pytest.raises(CertificateFileError, match="about another"):
        bare(certified(pruned, **{field: "0" * 64}))


def test_a_shortfall_is_told(short, bare):
    assert short.shortfall is not None
    text = Tags(bare(short)).text
    assert str(short.shortfall) in text
    assert "Falsified" in text
    assert "proven out of reach of their tolerance" in text
    assert "Verified" not in text


# -- the numbers ---------------------------------------------------------------------------------------


def test_every_number_is_that_of_the_certificate(pruned, bare):
    certificate = pruned.certificate
    tags = Tags(bare(pruned, accuracy=(0.9722, 0.9694)))
    stated = [certificate.bound, certificate.attack, certificate.epsilon, certificate.worst_weight_error]
    for layer in certificate.layers:
        stated += [layer["weight_error"], layer["deviation_before"], layer["deviation_after"]]
    counted = [*certificate.counts.values(), certificate.candidates, certificate.status_counts["optimal"]]
    expected = {repr(float(number)) for number in stated} | {str(number) for number in counted}
    assert expected <= tags.values
    assert repr(certificate.bound / certificate.attack) in tags.values
    for word in ("3 → 4 → 2", "97.22% target, 96.94% pruned", f"delta {certificate.delta}"):
        assert word in tags.text
    for digest in (certificate.target_digest, certificate.random_digest, certificate.to_json()["digest"]):
        assert digest in tags.text
    for name, version in certificate.versions.items():
        assert f"{name} {version}" in tags.text


def test_accuracy_may_be_missing(pruned, bare):
    assert "accuracy of" not in bare(pruned)
    assert "Test accuracy" not in bare(pruned)


def test_the_commands_are_there(pruned, bare):
    text = Tags(bare(pruned)).text
    assert "subsetsum-nets verify DIR" in text
    words = text[text.index("subsetsum-nets prune") :].replace("\\ ", "")
    assert words.startswith(
        "subsetsum-nets prune DIR/target.safetensors --out AGAIN --construction relu --epsilon 0.01 "
        f"--candidates {pruned.candidates} --seed 0 --delta 0.01 "
    )


@pytest.mark.parametrize(
    ("domain", "option"),
    [
        (Box(0, 2), "--box 0.0 2.0"),
        (Ball(2.0), "--ball 2.0"),
        (Box([0, 0, 0], [1, 2, 3]), "# from Python"),
        (Ball(1.0, [1, 0, 0]), "# from Python"),
        (Box(-1, 1), None),
    ],
)
def test_the_command_states_the_domain(bare, domain, option):
    text = Tags(bare(prune(network(), domain=domain, threads=1))).text
    command = text[text.index("subsetsum-nets prune") :]
    assert option in command if option else "--b" not in command


@pytest.mark.parametrize("value", [0.0116449, 1.0001, 9.9999e-5, 1 / 3, 999.9999, 12345.678, 5e-324, 1.7e308])
def test_rounding_is_outward(value):
    assert float(upper(value)) >= value >= float(lower(value))
    assert float(upper(value)) == pytest.approx(value, rel=0.01)
    assert float(lower(value)) == pytest.approx(value, rel=0.01)
    assert float(upper(value, within=value)) == value == float(lower(value, beyond=np.nextafter(value, 0)))


def test_numbers_that_are_none():
    assert [shown(float("inf")) for shown in (upper, lower, nearest)] == ["∞"] * 3
    assert [shown(float("nan")) for shown in (upper, lower, nearest)] == ["not a number"] * 3
    assert [shown(0.0) for shown in (upper, lower, nearest)] == ["0"] * 3


# -- the file ------------------------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("construction", "widths"),
    [("relu", (1, 1)), ("relu", (2, 2, 2, 2, 2, 2, 1)), ("relu-paper", (2, 3, 1)), ("linear", (2, 3, 1))],
)
def test_the_page_is_html_that_loads_nothing(written, construction, widths):
    result = prune(network(widths), construction=construction, threads=1)
    text = written(result)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    tags = Tags(text)
    assert not {"script", "link", "iframe", "object", "img", "metadata"} & set(tags.seen)
    assert tags.seen.count("svg") == (3 if widths == (1, 1) else 4)
    for reference in tags.references:
        inside = reference.startswith("#") and reference[1:] in tags.ids
        assert inside or reference.startswith("data:image/png;base64,")
    addresses = set(re.findall(r"\w+://[^\"'\s<)]*", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert "@import" not in text


def test_the_layout_of_rows_is_that_of_the_constructions():
    for construction in ("relu", "relu-paper", "linear"):
        for domain in (Box(0, 1), Box(-1, 1), Box([0, -1, -1], [1, 0, 1])):
            result = prune(network(), construction=construction, domain=domain, threads=1)
            layers = rows_by_layer(result)
            for index, rows in enumerate(layers):
                second = result.masks[2 * index + 1]
                kept = np.asarray(second.sum(axis=1)).ravel()
                assert np.array_equal(rows.picture.sum(axis=1), kept)


def test_an_unknown_construction_pools_its_layers(pruned, written):
    text = Tags(written(replace(pruned, construction="own"))).text
    assert "All layers" in text
    assert "Where weights are kept" not in text


def test_hostile_strings_stay_text(pruned, written):
    changes = {
        "construction": HOSTILE,
        "method": HOSTILE,
        "norm": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
        "random_digest": HOSTILE,
        "status_counts": {HOSTILE: HOSTILE},
        "counts": {"random_parameters": HOSTILE},
        "layers": [{"index": 0, "weight_error": HOSTILE, "deviation_before": True, "deviation_after": None}],
    }
    tags = Tags(text := written(replace(certified(pruned, **changes), construction=HOSTILE)))
    assert "<script" not in text
    assert "script" not in tags.seen
    assert " ".join(HOSTILE.split()) in tags.text


def test_a_page_that_escapes_nothing_would_be_noticed(pruned, bare, monkeypatch):
    careless = templates.environment.__wrapped__()
    careless.autoescape = False
    monkeypatch.setattr(page, "environment", lambda: careless)
    text = bare(replace(pruned, construction=HOSTILE))
    assert "<script" in text
    assert "script" in Tags(text).seen


def test_the_same_network_gives_the_same_bytes(pruned, written):
    assert written(pruned) == written(prune(network(), epsilon=0.01, threads=1))


def test_the_users_matplotlib_settings_do_not_matter(pruned):
    import matplotlib as mpl

    first = svg_text(FIGURES[0], pruned)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        assert svg_text(FIGURES[0], pruned) == first
        assert mpl.rcParams["font.size"] == 30


def test_a_failure_leaves_the_old_page(pruned, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "FIGURES", FIGURES[:1])
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(pruned, path)
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(page, "svg_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(pruned, path)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.slow
def test_large_results_give_pages_of_bounded_size(pruned, written):
    """400,000 subset sums of a layer 500 x 800, without solving them."""
    generator = np.random.default_rng(0)
    d_out, d_in, n = 500, 800, 24
    rows = d_out * d_in
    solution = replace(
        pruned.solution,
        masks=generator.random((rows, n)) < 0.5,
        errors=10.0 ** generator.uniform(-300, -2, rows),
        lower_bounds=np.zeros(rows),
        status=generator.integers(0, 4, rows).astype(np.uint8),
        tolerances=10.0 ** generator.uniform(-12, 0, rows),
    )
    target = ReluNetwork([Dense(np.ones((d_out, d_in)))])
    certificate = replace(pruned.certificate, domain=Box(0, 1).to_json())
    big = replace(pruned, target=target, solution=solution, certificate=certificate)
    figures = [svg_text(kind, big) for kind in FIGURES if kind.applies(big)]
    assert len(figures) == 4
    assert sum(map(len, figures)) < 400_000


@pytest.mark.thinned
@pytest.mark.parametrize(
    "changes",
    [
        {"errors": "zero", "tolerances": "zero"},
        {"errors": "inf", "tolerances": "inf"},
        {"tolerances": None},
    ],
)
def test_degenerate_errors_are_drawn(pruned, written, changes):
    rows = len(pruned.solution)
    arrays = {"zero": np.zeros(rows), "inf": np.full(rows, np.inf), None: None}
    solution = replace(pruned.solution, **{name: arrays[kind] for name, kind in changes.items()})
    Tags(written(replace(pruned, solution=solution)))


def test_an_exact_network_is_drawn(written):
    Tags(text := written(prune(ReluNetwork([Dense([[0.0, 0.0]])]), threads=1)))
    assert "Verified" in text


def test_the_pictures_of_the_docs(pruned, tmp_path):
    written = docs_images.write_pictures(pruned, tmp_path / "images")
    assert [path.name for path in written] == ["layers.png", "errors.png"]
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 100_000
    assert docs_images.main([]) == 2


def test_figures_scroll_on_a_narrow_screen_instead_of_shrinking(written):
    text = written(prune(network(), threads=1))
    assert ".drawn { overflow-x: auto; }" in text
    assert "min-width: 42rem" in text
    assert text.count('<div class="drawn" tabindex="0"') == text.count("<figure ")
    width = float(re.search(r'<svg[^>]* viewBox="0 0 ([0-9.]+)', text)[1])
    smallest = min(float(size) for size in re.findall(r"font-size: ([0-9.]+)px", text))
    assert smallest * 42 * 16 / width >= 8  # superscripts and all
