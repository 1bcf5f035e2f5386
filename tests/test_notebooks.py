"""The notebooks are the tutorials, executed: the same words and code, and what they print."""

import importlib.util
from pathlib import Path

import pytest
from support.snippets import environment
from test_snippets import NOTEBOOKS as NOTEBOOK_PAGES

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

NOTEBOOKS = Path(__file__).parent.parent / "docs" / "notebooks"


def made():
    spec = importlib.util.spec_from_file_location("make", NOTEBOOKS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = made()


def kept(name):
    return nbformat.read(NOTEBOOKS / name, as_version=4)


@pytest.mark.parametrize("name", make.PAGES)
def test_a_notebook_holds_what_its_page_says(name):
    page = make.notebook(make.PAGES[name])
    assert [(cell.cell_type, cell.source) for cell in kept(name).cells] == [
        (cell.cell_type, cell.source) for cell in page.cells
    ]
    nbformat.validate(kept(name))


@pytest.mark.parametrize("name", make.PAGES)
def test_a_notebook_prints_what_its_page_shows(name):
    shown = make.SHOWN.findall((NOTEBOOKS.parent / make.PAGES[name]).read_text())
    assert len(shown) >= 4
    assert make.printed(kept(name)) == "".join(shown)


def test_the_figure_is_in_the_notebook():
    outputs = [output for cell in kept("random_subset_sum.ipynb").cells for output in cell.get("outputs", [])]
    assert "image/png" in outputs[-1]["data"]


def test_pages_that_are_notebooks_are_run_here_alone():
    assert {f"docs/{page}" for page in make.PAGES.values()} == set(NOTEBOOK_PAGES)


@pytest.mark.slow
@pytest.mark.parametrize("name", make.PAGES)
def test_a_notebook_runs_and_prints_the_same(name, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])  # of the packages that the tests run in
    assert make.printed(make.executed(make.notebook(make.PAGES[name]), tmp_path)) == make.printed(kept(name))
