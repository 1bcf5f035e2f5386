"""Pictures of graphs show what is in the graph, nothing overlaps, and files are the same every time."""

import io
import itertools
import re
from functools import cache
from xml.etree import ElementTree as ET

import matplotlib as mpl
import networkx as nx
import numpy as np
import pytest
from graphs.graph_cases import bias, has_relu, kind, live_nodes, random_dag
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.image import imread
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text

from subsetsum_nets import Dense, ReluNetwork, prune
from subsetsum_nets.graphs import EdgeBlock, InvalidGraphError, LayeredDag
from subsetsum_nets.graphs.dag.edges import Edges
from subsetsum_nets.graphs.gadgets import diamond, integer_layer
from subsetsum_nets.graphs.pictures.layered_drawing import layered_figure
from subsetsum_nets.graphs.pictures.mask_maps import mask_density, masks_figure
from subsetsum_nets.graphs.pictures.picture_files import graph_style, share
from subsetsum_nets.graphs.pictures.summary_drawing import summary_figure
from subsetsum_nets.networks import random_network


@cache
def pruned_graph(rows=((0.37, -0.6, 0.2), (-0.8, 0.25, 0.5)), construction="relu", **options):
    target = ReluNetwork([Dense(rows, [0.3] * len(rows))])
    return LayeredDag.from_network(prune(target, construction=construction, epsilon=0.5, **options))


def skipping():
    """Return a graph of several layers with edges over one and over three layers."""
    graph = LayeredDag.from_network(random_network([3, 70, 70, 5, 2])).to_networkx()
    for source, sink in itertools.product(range(3), range(70)):
        graph.add_edge((0, source), (2, sink), weight=1.0)
    for source in range(70):
        graph.add_edge((1, source), (4, 0), weight=-1.0, kept=source % 2 == 0)
    return LayeredDag.from_networkx(graph)


def drawn(make, graph, **options):
    with graph_style():
        figure = make(
            graph, title=options.pop("title", None), layers=options.pop("layers", (0, graph.depth)), **options
        )
        FigureCanvasAgg(figure).draw()
    return figure


def by_gid(figure, kind_of_artist):
    return {a.get_gid(): a for a in figure.findobj(kind_of_artist) if a.get_gid() is not None}


def lines(figure):
    return {name: len(found.get_segments()) for name, found in by_gid(figure, LineCollection).items()}


def without_dead(counts):
    """Join the counts of edges that end at dead units and those that do not."""
    joined = {}
    for name, count in counts.items():
        look = name.removesuffix(" to removed")
        joined[look] = joined.get(look, 0) + count
    return joined


# -- what is drawn is what is there ------------------------------------------------------------------


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_every_edge_and_bias_is_drawn_once_in_its_look(seed):
    graph = random_dag(seed)
    figure = drawn(layered_figure, LayeredDag.from_networkx(graph))
    expected = {}
    weights = [(d["weight"], d.get("kept", True)) for _, _, d in graph.edges(data=True)]
    weights += [
        (d["bias"], d.get("bias_kept", True))
        for name, d in graph.nodes(data=True)
        if d.get("bias", 0.0) != 0.0
    ]
    for weight, kept in weights:
        look = "pruned" if not kept else "positive" if weight > 0 else "negative" if weight < 0 else "zero"
        expected[look] = expected.get(look, 0) + 1
    assert without_dead(lines(figure)) == expected


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_every_node_is_drawn_once_in_its_look_and_dead_ones_faint(seed):
    graph = random_dag(seed)
    figure = drawn(layered_figure, LayeredDag.from_networkx(graph))
    live = live_nodes(graph)
    expected = {}
    for name in graph:
        look = kind(graph, name)
        if look == "hidden":
            look = "relu" if has_relu(graph, name) else "linear"
            look += "" if name in live else ", removed"
        elif has_relu(graph, name):
            look = "relu output"
        expected[look] = expected.get(look, 0) + 1
    found = {name: len(marks.get_offsets()) for name, marks in by_gid(figure, PathCollection).items()}
    assert {name: n for name, n in found.items() if not name.startswith("constant")} == expected
    biased = any(d.get("bias", 0.0) != 0.0 for _, d in graph.nodes(data=True))
    assert biased == any(name.startswith("constant") for name in found)
    assert all(bias(graph, name) == 0 for name in graph) or biased


def test_edges_end_at_their_nodes_and_are_as_thick_as_their_weight():
    graph = LayeredDag.from_network(ReluNetwork([Dense([[1.0, -0.5], [0.25, 4.0]])]))
    figure = drawn(layered_figure, graph)
    marks = by_gid(figure, PathCollection)
    inputs, outputs = (np.asarray(marks[look].get_offsets()) for look in ("input", "output"))
    found = by_gid(figure, LineCollection)
    ends = [segment for name in ("positive", "negative") for segment in found[name].get_segments()]
    expected = [
        (inputs[0], outputs[1]),
        (inputs[0], outputs[0]),
        (inputs[1], outputs[1]),
        (inputs[1], outputs[0]),
    ]
    assert np.allclose(ends, expected)
    assert np.all(np.diff(found["positive"].get_linewidths()) > 0)  # 0.25, 1, 4


def test_pruned_edges_are_dashed_and_kept_ones_are_not():
    for name, found in by_gid(drawn(layered_figure, pruned_graph(candidates=4)), LineCollection).items():
        assert {dashes is None for _, dashes in found.get_linestyles()} == {not name.startswith("pruned")}


def test_pruned_edges_are_left_out_when_asked():
    graph = pruned_graph(candidates=4)
    counts = without_dead(lines(drawn(layered_figure, graph, pruned=False)))
    assert "pruned" not in counts
    biases = sum(int(layer.bias_kept.sum()) for layer in graph.layers if layer.bias_kept is not None)
    assert sum(counts.values()) == graph.kept_edges + biases


def test_weights_are_written_where_there_are_few():
    graph = LayeredDag.from_network(ReluNetwork([Dense([[0.37, -0.6], [0.1, 0.25]])]))
    figure = drawn(layered_figure, graph)
    assert {"0.37", "−0.6", "0.1", "0.25"} <= {text.get_text() for text in figure.findobj(Text)}
    without = drawn(layered_figure, graph, weights=False)
    assert "0.37" not in {text.get_text() for text in without.findobj(Text)}
    assert not any("." in text.get_text() for text in drawn(layered_figure, diamond(3)).findobj(Text))


def test_labels_are_the_numbers_that_nodes_have_in_the_whole_graph():
    part = pruned_graph(candidates=6).serving(0, 1, 2)
    words = {text.get_text() for text in drawn(layered_figure, part).findobj(Text)}
    assert {"x₃", "y₂"} <= words
    assert {str(number + 1) for number in part.layers[1].index} <= words


def test_only_some_layers_are_drawn_and_dead_units_are_those_of_the_whole():
    graph = LayeredDag.from_network(
        ReluNetwork([Dense(np.ones((3, 2))), Dense([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]]), Dense([[1.0, 1.0]])])
    )
    figure = drawn(layered_figure, graph, layers=(1, 2))
    assert lines(figure) == {"positive": 2, "zero to removed": 4}
    marks = {name: len(found.get_offsets()) for name, found in by_gid(figure, PathCollection).items()}
    assert marks == {"relu": 3, "relu, removed": 2}


def test_summary_has_a_block_for_each_layer_and_an_arrow_for_each_pair():
    graph = skipping()
    figure = drawn(summary_figure, graph)
    blocks = {name for name in by_gid(figure, Rectangle) if name.startswith("layer")}
    assert blocks == {f"layer {number}" for number in range(5)}
    arrows = set(by_gid(figure, FancyArrowPatch))
    assert arrows == {f"edges {a} to {b}" for a, b in graph.blocks}
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"210 edges", "4,900 edges", "35 of 70, 50.0 % kept", "210 edges, all kept"} <= words


def test_summary_says_how_many_units_are_dead():
    graph = pruned_graph(candidates=40)
    dead = graph.widths[1] - graph.without_dead_units().widths[1]
    words = {text.get_text() for text in drawn(summary_figure, graph).findobj(Text)}
    block = graph.blocks[1, 2]
    assert {f"{dead:,} dead", f"{block.kept_edges:,} of {block.edges:,}"} <= words


def test_summary_of_a_deep_graph_leaves_out_the_middle():
    graph = LayeredDag.from_network(random_network([3, *[61] * 30, 1]))
    figure = drawn(summary_figure, graph)
    blocks = {int(name.split()[1]) for name in by_gid(figure, Rectangle) if name.startswith("layer")}
    assert blocks == {*range(7), *range(25, 32)}
    assert "18 layers\nnot drawn" in {text.get_text() for text in figure.findobj(Text)}


@given(data=st.data(), rows=st.integers(1, 9), columns=st.integers(1, 9), dense=st.booleans())
def test_mask_density_is_the_share_kept_in_each_cell(data, rows, columns, dense):
    cells = data.draw(
        st.lists(st.sampled_from([None, False, True]), min_size=rows * columns, max_size=rows * columns)
    )
    if dense:
        cells = [bool(cell) for cell in cells]
    there = [place for place, cell in enumerate(cells) if cell is not None]
    places = np.array(there, dtype=np.int64)
    kept = np.array([cells[place] for place in there], dtype=bool)
    edges = Edges(places // columns, places % columns, np.ones(len(there)), kept, np.full(len(there), -1))
    block = EdgeBlock.from_edges((rows, columns), edges)
    most = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    found = mask_density(block, most)
    shape = tuple(min(size, limit) for size, limit in zip((rows, columns), most, strict=True))
    assert found.shape == shape
    counts = {}
    for place in there:
        row, column = divmod(place, columns)
        cell = (row * shape[0] // rows, column * shape[1] // columns)
        counts.setdefault(cell, []).append(cells[place])
    for cell in itertools.product(range(shape[0]), range(shape[1])):
        if cell in counts:
            assert found[cell] == sum(counts[cell]) / len(counts[cell])
        else:
            assert np.isnan(found[cell])


def test_masks_are_drawn_as_they_are():
    graph = pruned_graph(candidates=4)
    figure = drawn(masks_figure, graph)
    pictures = [
        axes.images[0].get_array() for axes in figure.axes if axes.images and axes.get_title(loc="left")
    ]
    assert len(pictures) == 2
    for picture, block in zip(pictures, graph.blocks.values(), strict=True):
        assert np.array_equal(np.asarray(picture), block.kept.astype(float))


def test_shares_round_to_all_and_nothing_only_when_exact():
    assert [share(part, 1_000_000) for part in (0, 1, 500, 127_000, 999_999, 1_000_000)] == [
        "0 %",
        "< 0.01 %",
        "0.05 %",
        "12.7 %",
        "> 99.99 %",
        "100 %",
    ]


# -- nothing overlaps, nothing is cut off ------------------------------------------------------------

CASES = {
    "plain": lambda: LayeredDag.from_network(random_network([3, 4, 2], bias=True)),
    "one": lambda: LayeredDag.from_network(random_network([1, 1])),
    "many": lambda: LayeredDag.from_network(random_network([60, 20, 10])),
    "deep": lambda: LayeredDag.from_network(random_network([2, *[3] * 10, 1], bias=True)),
    "pruned": lambda: pruned_graph(candidates=4),
    "linear": lambda: pruned_graph(construction="linear", candidates=6),
    "serving": lambda: pruned_graph(candidates=9).serving(0, 1, 2, candidates=True),
    "a bias": lambda: pruned_graph(candidates=9).serving(0, 1, 3, candidates=True),
    "gadget": lambda: integer_layer([[5, -1]]),
    "skipping": skipping,
    "random": lambda: LayeredDag.from_networkx(random_dag(12)),
    "large": lambda: LayeredDag.from_network(random_network([784, 300, 10], bias=True)),
}


def overlapping(figure):
    """Return which texts and samples of the legend overlap, and which leave the picture."""
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    texts = [text for text in texts if text.axes is None or text.axes.axison or text in text.axes.texts]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    samples = [line for axes in figure.axes if not axes.axison for line in axes.lines]
    boxes += [(f"sample {line.get_color()}", line.get_window_extent(renderer)) for line in samples]
    width, height = figure.canvas.get_width_height()
    cut = [t for t, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]
    pairs = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if a.x0 < b.x1 - 0.5 and b.x0 < a.x1 - 0.5 and a.y0 < b.y1 - 0.5 and b.y0 < a.y1 - 0.5
    ]
    return cut + pairs


@pytest.mark.thinned
@pytest.mark.parametrize("name", CASES)
def test_no_texts_overlap_and_none_is_cut_off(name):
    graph = CASES[name]()
    title = "A title of some length, in bold letters"
    assert overlapping(drawn(summary_figure, graph, title=title)) == []
    if name in ("one", "linear", "skipping"):
        assert overlapping(drawn(masks_figure, graph, title=title)) == []
    if max(graph.widths) < 70:
        assert overlapping(drawn(layered_figure, graph, title=title)) == []


@pytest.mark.slow
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_no_texts_overlap_in_random_graphs(seed):
    graph = LayeredDag.from_networkx(random_dag(seed, most=12))
    assert overlapping(drawn(layered_figure, graph, weights=True)) == []


def test_the_check_for_overlaps_finds_some():
    figure = drawn(layered_figure, CASES["plain"]())
    axes = figure.axes[0]
    label = next(text for text in axes.texts if text.get_text() == "inputs")
    axes.text(*label.get_position(), "over it")
    FigureCanvasAgg(figure).draw()
    assert ("inputs", "over it") in overlapping(figure)
    axes.text(-0.5, 1, "outside")
    FigureCanvasAgg(figure).draw()
    assert "outside" in overlapping(figure)


# -- files -------------------------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize("view", ["layered", "summary", "masks"])
def test_files_are_proper_and_the_same_every_time(tmp_path, view):
    graph = pruned_graph(candidates=4)
    for suffix in ("svg", "png", "pdf"):
        one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
        assert graph.draw(one, view=view, title="$not math$ & <tags>") == view
        with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):  # what users set changes nothing
            graph.draw(other, view=view, title="$not math$ & <tags>")
        assert one.read_bytes() == other.read_bytes()
    assert imread(tmp_path / "one.png").shape[2] == 4
    text = (tmp_path / "one.svg").read_text()
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file
    assert "date" not in text
    assert re.search(r"<!-- (x₁|inputs) -->", text)


def test_resolution_sets_the_size_of_a_png(tmp_path):
    graph = diamond(2)
    for dpi in (50, 100):
        graph.draw(tmp_path / f"{dpi}.png", dpi=dpi)
    small, large = (imread(io.BytesIO((tmp_path / f"{dpi}.png").read_bytes())).shape for dpi in (50, 100))
    assert abs(large[0] - 2 * small[0]) <= 2
    assert abs(large[1] - 2 * small[1]) <= 2


def test_large_graphs_get_a_summary(tmp_path):
    assert LayeredDag.from_network(random_network([60, 20, 10])).draw(tmp_path / "a.svg") == "layered"
    assert LayeredDag.from_network(random_network([61, 2])).draw(tmp_path / "a.svg") == "summary"
    assert LayeredDag.from_network(random_network([50, 50])).draw(tmp_path / "a.svg") == "summary"
    large = LayeredDag.from_network(random_network([61, 3, 2]))
    assert large.draw(tmp_path / "a.svg", layers=(1, 2)) == "layered"


def test_graph_of_channels_and_constants_only(tmp_path):
    constant = nx.DiGraph()
    constant.add_node("c", bias=2.0, kind="output")
    assert LayeredDag.from_networkx(constant).draw(tmp_path / "a.png") == "layered"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.jpg", {}, r"\.png, \.svg or \.pdf.*'a\.jpg'.*\.graphml, \.json, \.dot"),
        ("a.graphml", {}, "save"),
        ("a", {}, "''"),
        ("a.svg", {"view": "matrix"}, "'matrix'"),
        ("a.svg", {"layers": (2, 1)}, r"\(2, 1\)"),
        ("a.svg", {"layers": (0, 3)}, "<= 2"),
        ("a.svg", {"layers": (-1, 2)}, r"\(-1, 2\)"),
        ("a.svg", {"dpi": 5}, "20 to 1200, got 5"),
        ("a.svg", {"dpi": float("nan")}, "nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_writes_nothing(tmp_path, name, options, message):
    graph = LayeredDag.from_network(random_network([2, 3, 1]))
    with pytest.raises(ValueError, match=message):
        graph.draw(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_too_many_edges_to_draw_each_are_refused(tmp_path):
    graph = LayeredDag.from_network(random_network([500, 2]))
    with pytest.raises(InvalidGraphError, match="view='summary'"):
        graph.draw(tmp_path / "a.svg", view="layered")
    with pytest.raises(OSError, match="no/such"):
        graph.draw(tmp_path / "no/such/a.svg")
    empty = LayeredDag(graph.layers, {})
    with pytest.raises(InvalidGraphError, match="no masks"):
        empty.draw(tmp_path / "a.svg", view="masks")
    assert empty.draw(tmp_path / "a.svg") == "summary"
