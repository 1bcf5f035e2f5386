"""Pages of reproductions in headless Chromium: nothing overflows, the console is silent, light and dark."""

import json
import re
import shutil
import subprocess

import pytest
from support.idx import write_folder
from typer.testing import CliRunner

from subsetsum_nets.cli import app

BROWSER = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
# Run inside a copy of the page, behind what it holds: what it measures of itself goes into its title.
PROBE = """<script>
document.title = JSON.stringify({
  wide: document.documentElement.scrollWidth, window: window.innerWidth,
  loaded: performance.getEntriesByType("resource").map(entry => entry.name),
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    write_folder(place / "idx", 60, 30)
    asked = ("--data", place / "idx", "--hidden", "4", "--items", "6", "--out", place / "run")
    result = CliRunner().invoke(app, ["reproduce", "experiment-1", *map(str, asked)])
    assert result.exit_code == 0, result.output
    return place / "run" / "report.html"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no chromium and no google-chrome")
@pytest.mark.parametrize("width", [400, 1600])
def test_the_page_fits_and_loads_nothing(page, tmp_path, width):
    copy = tmp_path / "probe.html"
    copy.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    words += [f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}", copy.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    measured = json.loads(title[1])
    assert measured["wide"] <= measured["window"]
    assert measured["loaded"] == []
    assert "CONSOLE" not in done.stderr
