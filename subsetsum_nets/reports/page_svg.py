"""Pictures inside a page: matplotlib's SVG with the page's own ids, fonts and colours, light and dark."""

from __future__ import annotations

import re
from dataclasses import dataclass

from subsetsum_nets import pictures


@dataclass(frozen=True)
class Colour:
    """A colour by its meaning: a name for CSS, and its value on white and on a dark page."""

    name: str
    light: str
    dark: str


# The palette of the house, lighter on dark pages.
INK = Colour("ink", pictures.INK, "#e6e8eb")
PAGE = Colour("page", pictures.PAPER, "#14181d")
MUTED = Colour("muted", pictures.MUTED, "#9aa4af")
GRID = Colour("grid", pictures.GRID, "#3a424c")
MET = Colour("met", pictures.BLUE, pictures.SKY)
MISSED = Colour("missed", pictures.ORANGE, "#ff9248")
WEIGHT = Colour("weight", pictures.GREEN, "#3ccba0")
PALETTE = (PAGE, INK, MUTED, GRID, MET, MISSED, WEIGHT)


def page_svg(svg: str, name: str, title: str) -> str:
    """Make matplotlib's file an element of a page: its own ids, the page's colours and fonts.

    ``name`` is what the ids begin with, ``title`` what it shows, in words.
    """
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view is not None  # noqa: S101 - matplotlib always writes one
    svg = re.sub(
        r"<svg[^>]*>",
        f'<svg xmlns="http://www.w3.org/2000/svg" {view[0]} role="img" aria-label="{title}">',
        svg,
        count=1,
    )
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    svg = re.sub(r"font: ([^;\"]*?)([\d.]+px)[^;\"]*", _font, svg)
    for colour in PALETTE:
        svg = svg.replace(colour.light, f"var(--{colour.name})")
    return svg


def _font(found: re.Match[str]) -> str:
    weight = "font-weight: 600; " if "bold" in found[1] or "700" in found[1] else ""
    return f"{weight}font-size: {found[2]}"
