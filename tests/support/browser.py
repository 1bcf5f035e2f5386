"""A headless Chromium that opens every page of a built site: how wide each is, and what it loads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MEASURING = "/measuring.html"
# One page that opens the others, in frames as wide as the windows asked for, and writes down what it saw.
HARNESS = """<!doctype html><pre id="seen">unfinished</pre><script>
const seen = [], pages = PAGES, widths = WIDTHS;
function measure(page, width) {
  return new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.style = `width:${width}px;height:900px;border:0`;
    frame.onload = () => setTimeout(() => {
      const view = frame.contentWindow, inside = frame.contentDocument;
      seen.push({
        page, width, needs: inside.documentElement.scrollWidth,
        background: view.getComputedStyle(inside.body).backgroundColor,
        loaded: view.performance.getEntriesByType("resource").map((entry) => entry.name),
      });
      frame.remove(); done();
    }, 50);
    frame.src = page;
    document.body.append(frame);
  });
}
(async () => {
  for (const page of pages) for (const width of widths) await measure(page, width);
  document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>"""


class _Pages(SimpleHTTPRequestHandler):
    def __init__(self, *arguments, harness, **options):
        self.harness = harness
        super().__init__(*arguments, **options)

    def do_GET(self):
        if self.path != MEASURING:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.harness.encode())

    def log_message(self, *_):
        """Say nothing."""


def measured(site, widths, *, dark=False, pages=None):
    """Return, for each page of a folder and each width, what a reader's window of that width would meet."""
    pages = pages or sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    harness = HARNESS.replace("PAGES", json.dumps(pages)).replace("WIDTHS", json.dumps(list(widths)))
    handler = partial(_Pages, harness=harness, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            dom = _opened(f"http://127.0.0.1:{server.server_port}{MEASURING}", dark=dark)
        finally:
            server.shutdown()
    (seen,) = re.findall(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    return json.loads(unescape(seen))


def _opened(address, *, dark):
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=600000",
        "--dump-dom",
        address,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=170).stdout
