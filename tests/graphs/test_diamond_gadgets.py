"""Gadgets of weights 1 and -1 compute exactly what the lemmas say, and the figures are of such networks."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subsetsum_nets.experiments.shipped import gadget_figures
from subsetsum_nets.graphs import InvalidGraphError
from subsetsum_nets.graphs.gadgets import diamond, integer_layer, mirrored

POINTS = (3.0, 0.5, 0.0, -1.0, -2.25)


def weights(graph):
    return {float(w) for block in graph.blocks.values() for w in block.all_edges().weight}


def values(graph, point):
    return list(graph.exact_values(point)[-1])


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_diamonds_double_once_a_layer(depth):
    for power in range(depth + 1):
        graph = diamond(power, depth)
        assert graph.widths == (1, *[2] * depth, 1)
        assert weights(graph) == {1.0}
        for x in POINTS:
            assert values(graph, [x]) == [2**power * max(Fraction(x), 0)]
    assert diamond(depth).kept_edges == diamond(depth).edges  # Figure 2a has nothing to prune
    assert diamond(0, depth).kept_edges == depth + 1  # a single path


@settings(max_examples=25)
@given(power=st.integers(0, 30), sign=st.sampled_from([1, -1]), more=st.integers(0, 3))
def test_mirrored_gadgets_are_linear(power, sign, more):
    graph = mirrored(power, sign=sign, depth=max(1, power) + more)
    assert weights(graph) == {1.0, -1.0}
    for x in POINTS:
        assert values(graph, [x]) == [sign * 2**power * Fraction(x)]


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(-300, 300), min_size=2, max_size=2), min_size=1, max_size=3))
def test_integer_layers_are_exact(rows):
    graph = integer_layer(rows)
    for x in ((3.0, -0.5), (-1.0, -2.25), (0.25, 4.0)):
        exact = [max(sum(w * Fraction(v) for w, v in zip(row, x, strict=True)), 0) for row in rows]
        assert values(graph, x) == exact


def test_layers_of_any_weights_differ_in_their_last_edges_only():
    one, other = integer_layer([[7, 0], [-3, 1]]), integer_layer([[1, -1], [2, -5]], largest=7)
    assert one.widths == other.widths
    compared = one.compare(other)
    last = (one.depth - 1, one.depth)
    for span, edges in compared.edges.items():
        changed = len(edges.only_here) + len(edges.only_there)
        assert (changed > 0) == (span == last)
        assert not edges.difference.any()


def test_the_largest_weight_is_reached_inclusively():
    for power in range(1, 8):  # n gadgets reach 2**n - 1
        graph = integer_layer([[2**power - 1]])
        assert graph.depth == max(1, power - 1) + 1
        assert values(graph, [1.0]) == [2**power - 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: diamond(-1), "-1"),
        (lambda: diamond(31), "31"),
        (lambda: diamond(4, depth=3), "from 4 to 1000 hidden layers, got 3"),
        (lambda: mirrored(1, sign=2), "got 2"),
        (lambda: integer_layer([[0.5]]), "integers"),
        (lambda: integer_layer([1, 2]), "rows"),
        (lambda: integer_layer([[9]], largest=8), "from 9"),
        (lambda: integer_layer([[2**31]]), "2147483648"),
    ],
)
def test_impossible_gadgets_are_refused(make, message):
    with pytest.raises(InvalidGraphError, match=message):
        make()


# -- the figures -------------------------------------------------------------------------------------


def test_every_figure_is_of_a_network_that_computes_what_it_says():
    drawings = [*gadget_figures.links(), *gadget_figures.blocks(), *gadget_figures.gadgets()]
    assert len({drawing.name for drawing in drawings}) == len(drawings) == 11
    for drawing in drawings:
        gadget_figures.check(drawing)


def test_wrong_networks_are_not_drawn():
    for drawing in [*gadget_figures.links(), *gadget_figures.blocks(), *gadget_figures.gadgets()]:
        span = max(drawing.graph.blocks)
        first = drawing.graph.blocks[span].all_edges()
        edges = first._replace(weight=-first.weight)
        block = type(drawing.graph.blocks[span]).from_edges(drawing.graph.blocks[span].shape, edges)
        wrong = drawing.graph.with_parts(drawing.graph.layers, {**drawing.graph.blocks, span: block})
        with pytest.raises(ArithmeticError, match=drawing.name):
            gadget_figures.check(drawing._replace(graph=wrong))


@pytest.mark.slow
def test_the_figures_of_the_docs_are_small_and_complete(tmp_path):
    written = gadget_figures.write(tmp_path)
    assert len(written) == 15
    assert all(0 < path.stat().st_size < 200_000 for path in written)
    assert not np.any([path.name.startswith(".") for path in tmp_path.iterdir()])
