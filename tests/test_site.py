"""The pages as a site: strictly built, of this host alone, never wider than the reader's window."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from support.browser import CHROMIUM, measured
from test_names_in_docs import resolves

import solvers
import subsetsum_nets

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CONFIGURATION = (ROOT / "mkdocs.yml").read_text()
WIDTHS = (400, 1280)
REFERENCES = sorted((DOCS / "reference").glob("*.md"))
# What these packages offer is all on the reference pages.
PACKAGES = (
    "solvers",
    "subsetsum_nets",
    *(f"subsetsum_nets.{room}" for room in ("networks", "verification", "graphs")),
)


def built(folder, configuration=CONFIGURATION):
    """Build the site of a folder, strictly."""
    (folder / "mkdocs.yml").write_text(configuration)
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("zensical")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    for package in ("solvers", "subsetsum_nets"):
        (folder / package).symlink_to(ROOT / package)
    done = built(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "site"


class Loads(HTMLParser):
    """What a page loads: everything it refers to but by a link that a reader follows."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag != "a":
            self.addresses += [
                value or "" for name, value in attrs if name in {"src", "srcset", "href", "data"}
            ]


def foreign(site):
    """Return what the pages and their styles load from another host."""
    pages = {path: Loads(path.read_text()).addresses for path in site.rglob("*.html")}
    styles = {
        path: re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", path.read_text())
        for path in site.rglob("*.css")
    }
    return [
        (path.name, address)
        for path, addresses in {**pages, **styles}.items()
        for address in addresses
        if re.match(r"(https?:)?//", address)
    ]


def pages_of(nav):
    """Return the pages of a navigation, through all its levels."""
    for entry in nav:
        (value,) = entry.values()
        yield from pages_of(value) if isinstance(value, list) else [value]


# -- the sources ---------------------------------------------------------------------------------------


def test_every_page_is_in_the_navigation_once():
    nav = list(pages_of(yaml.safe_load(CONFIGURATION)["nav"]))
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert sorted(nav) == pages


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_its_place_in_the_reference(package):
    listed = {
        name.rpartition(".")[2]
        for path in REFERENCES
        for name in re.findall(r"^::: (\S+)", path.read_text(), re.MULTILINE)
    }
    public = set(importlib.import_module(package).__all__) - {"__version__"}
    assert public - listed == set()


@pytest.mark.parametrize("page", REFERENCES, ids=lambda page: page.stem)
def test_what_the_reference_lists_is_there(page):
    names = re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
    assert names
    assert [name for name in names if not resolves(name)] == []


# -- the site ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site):
    assert len(list(site.rglob("*.html"))) >= 30
    assert foreign(site) == []


@pytest.mark.slow
def test_the_search_finds_every_public_name(site):
    found = {
        re.sub(r"<[^>]+>|¶", "", item["title"])
        for item in json.loads((site / "search.json").read_text())["items"]
    }
    words = {word for title in found for word in re.split(r"[\s.]", title)}
    for package in (solvers, subsetsum_nets):
        assert set(package.__all__) - {"__version__"} - words == set()
    assert "covering_radius" in words


@pytest.mark.slow
def test_docstrings_are_set_as_pages(site):
    text = "".join((site / "reference" / f"{page.stem}.html").read_text() for page in REFERENCES)
    assert not re.search(r":(func|class|mod|meth):", text)
    assert "<blockquote>" not in text, "an example was taken for a quotation"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the pages in")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_their_window_and_load_nothing_from_elsewhere(site, dark):
    seen = measured(site, WIDTHS, dark=dark)
    assert len(seen) == len(WIDTHS) * len(list(site.rglob("*.html")))
    assert [
        (page["page"], page["width"], page["needs"]) for page in seen if page["needs"] > page["width"]
    ] == []
    assert {re.match(r"https?://([^:/]+)", name)[1] for page in seen for name in page["loaded"]} == {
        "127.0.0.1"
    }
    brightness = [sum(map(int, re.findall(r"\d+", page["background"])[:3])) for page in seen]
    assert max(brightness) < 200 if dark else min(brightness) > 600


# -- planted mistakes ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_broken_link_fails_the_build(tmp_path):
    pytest.importorskip("zensical")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n\n[gone](gone.md)\n")
    assert built(tmp_path, "site_name: planted\n").returncode != 0
    (tmp_path / "docs" / "index.md").write_text("# A page\n\nNo link.\n")
    assert built(tmp_path, "site_name: planted\n").returncode == 0


def test_what_another_host_would_serve_is_noticed(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="https://b.example">b</a><link href="//c.example/c.css"><img src="d.png">'
    )
    (tmp_path / "a.css").write_text("@import 'https://e.example/e.css'; a { background: url(f.png) }")
    assert foreign(tmp_path) == [("a.html", "//c.example/c.css"), ("a.css", "https://e.example/e.css")]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the pages in")
def test_a_page_that_is_too_wide_is_noticed(tmp_path):
    (tmp_path / "a.html").write_text('<!doctype html><body><div style="width: 900px">wide</div>')
    assert [page["needs"] > page["width"] for page in measured(tmp_path, WIDTHS)] == [True, False]
