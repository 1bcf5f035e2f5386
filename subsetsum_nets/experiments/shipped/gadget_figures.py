"""Figures 1-3 of Pensia et al. 2020 and 2-5 of Sreenivasan et al. 2021, drawn from networks made here.

And the paths that make one weight in networks of signs, cut from pruned ones.

``python -m subsetsum_nets.experiments.shipped.gadget_figures --out docs/images``. Every network is evaluated
before it is drawn: pruned random networks come as near their target as is proven, gadgets of weights 1 and -1
are exact.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.compiler import prune
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.graphs.gadgets import diamond, integer_layer, mirrored
from subsetsum_nets.networks import Box, Dense, ReluNetwork, load_network, shipped_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subsetsum_nets.choices import LayoutName
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.pruned_network import PrunedNetwork

WEIGHT = 0.37
ROWS = ((0.37, -0.6, 0.2), (-0.8, 0.25, 0.5))


class Drawing(NamedTuple):
    """A graph, how it is drawn, and what it must compute: ``expected(x)`` up to ``epsilon``."""

    name: str
    graph: LayeredDag
    title: str
    expected: Callable[[FloatArray], Any]
    epsilon: float = 0.0
    options: tuple[tuple[str, Any], ...] = ()


def links() -> list[Drawing]:
    """Return Figure 1 of Pensia et al.: a weight, its linear link, and its ReLU link."""
    weight = ReluNetwork([Dense([[WEIGHT]])])
    linear = prune(weight, construction="linear", epsilon=0.01, candidates=12)
    layer = ReluNetwork([Dense(ROWS)])
    relu = prune(layer, epsilon=0.5, candidates=9, seed=1)
    link = LayeredDag.from_network(relu).serving(0, 0, 0, candidates=True)

    def line(x: FloatArray) -> FloatArray:
        return WEIGHT * x

    return [
        Drawing("graph_weight", LayeredDag.from_network(weight), "A target weight", line),
        Drawing(
            "graph_linear_link",
            LayeredDag.from_network(linear),
            "The linear link of a weight",
            line,
            _bound(linear),
        ),
        Drawing(
            "graph_relu_link", link, "The ReLU link of a weight, cut from a pruned layer", line, _bound(relu)
        ),
    ]


def _bound(pruned: PrunedNetwork) -> float:
    """Return how far a pruned network may be from its target, and so each link from its weight."""
    assert pruned.certificate is not None  # noqa: S101 - prune() always makes one
    return pruned.certificate.bound


def blocks() -> list[Drawing]:
    """Return Figures 2 and 3 of Pensia et al.: a block of hidden units for each input."""
    found = []
    for name, rows, epsilon, title in (
        ("graph_neuron", ROWS[:1], 0.25, "A neuron: a block of units for each input"),
        ("graph_layer", ROWS, 0.5, "A layer: all its neurons share the blocks"),
    ):
        target = ReluNetwork([Dense(rows)], final_relu=True)
        pruned = prune(target, epsilon=epsilon, candidates=9, seed=1)
        options = (("pruned", False),)
        graph = LayeredDag.from_network(pruned)
        found.append(Drawing(name, graph, title, target, _bound(pruned), options))
    return found


def gadgets() -> list[Drawing]:
    """Return Figures 2-5 of Sreenivasan et al.: diamonds, mirrored diamonds, a weight, a layer."""
    matrix = np.array([[3, -1], [-2, 1]])
    return [
        Drawing(
            "graph_diamond", diamond(3), "A diamond gadget: 2³ max(x, 0)", lambda x: 8 * np.maximum(x, 0)
        ),
        Drawing(
            "graph_diamond_pruned",
            diamond(1, depth=3),
            "A pruned diamond gadget: 2 max(x, 0)",
            lambda x: 2 * np.maximum(x, 0),
        ),
        Drawing("graph_mirrored_plus", mirrored(2, depth=3), "Mirrored gadgets: 4x", lambda x: 4 * x),
        Drawing(
            "graph_mirrored_minus", mirrored(2, sign=-1, depth=3), "Mirrored gadgets: −4x", lambda x: -4 * x
        ),
        Drawing(
            "graph_integer",
            integer_layer([[5]]),
            "max(5x, 0) from weights 1 and −1",
            lambda x: np.maximum(5 * x, 0),
        ),
        Drawing(
            "graph_binary_layer",
            integer_layer(matrix.tolist()),
            "max(Wx, 0), W = [[3, −1], [−2, 1]], from weights 1 and −1",
            lambda x: np.maximum(x @ matrix.T, 0),
        ),
    ]


def signs() -> list[Drawing]:
    """Return what makes one weight of an integer layer in pruned networks of random signs."""
    found = []
    layer = ReluNetwork([Dense([[5.0, -3.0, 2.0], [-6.0, 1.0, 4.0]])], domain=Box(-1, 1))
    layouts: dict[LayoutName, str] = {
        "accumulate": "digits picked up on the way",
        "select": "chosen at the end",
    }
    for layout, words in layouts.items():
        pruned = prune(layer, construction="binary", bits=0, layout=layout, seed=1)
        part = LayeredDag.from_network(pruned).serving(0, 0, 0)
        title = f"5x in a pruned network of signs: {words}"
        found.append(
            Drawing(f"graph_signs_{layout}", part, title, lambda x: 5 * x, 1e-15)
        )  # x + x + .. rounds
    return found


def check(drawing: Drawing) -> None:
    """Evaluate a graph on the corners of the box and on random points.

    ArithmeticError if it is farther from what it stands for than it may be.
    """
    inputs = drawing.graph.widths[0]
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * inputs)).reshape(inputs, -1).T
    points = np.concatenate([corners, np.random.default_rng(0).uniform(-1, 1, (100, inputs))])
    error = float(abs(drawing.graph(points) - drawing.expected(points)).max())
    if error > drawing.epsilon:
        raise ArithmeticError(f"{drawing.name} is wrong by {error}, more than {drawing.epsilon}")


def digits(folder: Path) -> list[Path]:
    """Draw the shipped digits network in its random parent: a summary and maps of its masks."""
    graph = LayeredDag.from_network(prune(load_network(shipped_network("digits-64-32-10"))))
    title = "The shipped digits network, pruned out of a random one"
    paths = [folder / "graph_digits.svg", folder / "graph_digits_masks.png"]
    graph.draw(paths[0], title=title)
    graph.draw(paths[1], title=title, view="masks", dpi=100)
    return paths


def write(folder: str | Path) -> list[Path]:
    """Check and draw everything into a folder; return the files."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for drawing in (*links(), *blocks(), *gadgets(), *signs()):
        check(drawing)
        path = place / f"{drawing.name}.svg"
        drawing.graph.draw(path, title=drawing.title, **dict(drawing.options))
        written.append(path)
    return written + digits(place)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the figures and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    for path in write(parser.parse_args(arguments).out):
        print(path)


if __name__ == "__main__":
    main()
