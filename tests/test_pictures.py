"""One style for all pictures: nothing of the user's settings comes in, equal figures are equal files."""

import re
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from typer.testing import CliRunner

from subsetsum_nets import Dense, ReluNetwork, pictures, prune, save_network
from subsetsum_nets.cli import app
from subsetsum_nets.experiments.records import write_record
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.pictures import as_power_of_two, new_figure, picture_style, power, write_pictures
from subsetsum_nets.reports import write_report

PACKAGE = Path(pictures.__file__).parent


def plot():
    figure = new_figure(2.0)
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 3, 2], color=pictures.BLUE, label="a line")
    axes.set_title("title")
    axes.legend()
    return figure


def written(folder, **settings):
    folder.mkdir()
    with mpl.rc_context(settings):
        before = dict(mpl.rcParams)
        write_pictures(plot, folder / "a.png", folder / "a.svg", folder / "a.pdf", dpi=50, salt="a")
        assert dict(mpl.rcParams) == before
    return [(folder / name).read_bytes() for name in ("a.png", "a.svg", "a.pdf")]


def test_equal_figures_are_equal_files_whatever_the_users_settings(tmp_path):
    png, svg, pdf = written(tmp_path / "a")
    assert png.startswith(b"\x89PNG")
    assert b">title<" in svg  # text stays text
    for mark in (b"Matplotlib", b"<dc:date", b"tEXt"):
        assert mark not in png + svg
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # and there in its own font
    assert b"CreationDate" not in pdf
    user = {"axes.titlesize": 30, "text.color": "red", "svg.hashsalt": "other", "lines.linewidth": 9}
    assert written(tmp_path / "b", **user) == [png, svg, pdf]


def test_a_style_is_that_of_the_house_but_for_what_differs():
    with picture_style("salt", {"font.size": 8}):
        assert mpl.rcParams["svg.hashsalt"] == "salt"
        assert mpl.rcParams["font.size"] == 8
        assert mpl.rcParams["axes.edgecolor"] == pictures.MUTED
        assert not mpl.rcParams["axes.spines.top"]
    assert mpl.rcParams["axes.spines.top"]


def test_a_failed_drawing_leaves_nothing_behind(tmp_path):
    def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_pictures(fails, tmp_path / "a.png", dpi=50, salt="a")
    assert list(tmp_path.iterdir()) == []
    assert mpl.rcParams["axes.spines.top"]


@pytest.mark.parametrize("what", ["rcParams", "rc_context", "rcdefaults", "savefig", "svg.hashsalt"])
def test_nobody_else_has_a_style_or_writes_figures(what):
    users = {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if what in path.read_text()
    }
    assert users == {"pictures.py"}


def test_colours_of_the_palette_are_written_once():
    palette = {pictures.INK, pictures.MUTED, pictures.FAINT, pictures.GRID, *pictures.COLOURS}
    for path in PACKAGE.rglob("*.py"):
        found = palette & set(re.findall(r'"(#[0-9a-f]{6})"', path.read_text()))
        assert found == (palette if path.name == "pictures.py" else set()), path


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (2.0, "2¹"),
        (0.5, "2⁻¹"),
        (2.0**-12, "2⁻¹²"),
        (0.375, "0.375"),
        (0.1, "0.1"),
        (5e-324, "4.94066e-324"),
    ],
)
def test_powers_of_two_are_written_as_such(value, text):
    assert as_power_of_two(value) == text
    assert power(10, -3) == "10⁻³"


# -- without matplotlib --------------------------------------------------------------------------------


@pytest.fixture
def without_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed


@pytest.fixture(scope="module")
def pruned():
    return prune(ReluNetwork([Dense([[0.5, -0.25], [0.125, 1.0]])]), epsilon=0.05)


@pytest.mark.usefixtures("without_matplotlib")
def test_a_report_says_what_it_lacks_and_has_the_rest(pruned, tmp_path):
    write_report(pruned, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Verified" in text
    assert "subsetsum-nets[pictures]" in text
    assert "<figure" not in text


def test_a_report_with_figures_names_no_extra(pruned, tmp_path):
    write_report(pruned, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "<figure" in text
    assert "[pictures]" not in text


@pytest.mark.usefixtures("without_matplotlib")
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_what_draws_names_the_extra_and_writes_nothing(pruned, tmp_path, suffix):
    with pytest.raises(ImportError, match=r"subsetsum-nets\[pictures\]"):
        LayeredDag.from_network(pruned).draw(tmp_path / f"a.{suffix}")
    with pytest.raises(ImportError, match=r"subsetsum-nets\[pictures\]"):
        write_pictures(plot, tmp_path / f"a.{suffix}", dpi=50, salt="a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_matplotlib")
def test_an_experiment_keeps_its_tables(tmp_path):
    with pytest.raises(ImportError, match=r"\[pictures\].*all but the figure is written to"):
        write_record(
            tmp_path, "a test", None, tables={"a.csv": (["x"], [[1]])}, figure="a", draw=plot, about={}
        )
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "provenance.json"}


@pytest.mark.usefixtures("without_matplotlib")
def test_the_command_line_ends_with_the_extra(tmp_path):
    save_network(ReluNetwork([Dense([[0.5, -0.25]])]), tmp_path / "net.npz")
    done = CliRunner().invoke(app, ["graph", str(tmp_path / "net.npz"), "--out", str(tmp_path / "a.png")])
    assert done.exit_code == 2
    assert "subsetsum-nets[pictures]" in done.stderr
