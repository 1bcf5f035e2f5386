"""serving() in networks of signs: all kept paths that make one weight, and no others."""

import itertools

import numpy as np
import pytest
from support.planting import plant

from subsetsum_nets import Box, Dense, ReluNetwork, prune
from subsetsum_nets.graphs import InvalidGraphError, LayeredDag
from subsetsum_nets.graphs.analysis import paths as path_room
from subsetsum_nets.networks.rounding import rounded

BITS = (4, 3)


def pruned(layout, domain, *, biases):
    rng = np.random.default_rng(0)
    layers = [
        Dense(rng.uniform(-1, 1, (b, a)), rng.uniform(-1, 1, b) if biases else None)
        for a, b in itertools.pairwise([5, 4, 3])
    ]
    asked = {"bits": BITS, "layout": layout, "scale": "every", "epsilon": 9.0}
    return prune(ReluNetwork(layers), construction="binary", domain=domain, **asked)


def check(layout, domain, *, biases):
    """Every weight is what its part gives at 1, and minus that at -1 where inputs can be negative."""
    found = pruned(layout, domain, biases=biases)
    graph, target = LayeredDag.from_network(found), rounded(found.target, BITS)
    for index, layer in enumerate(target.layers):
        for row, column in np.ndindex(layer.weight.shape):
            weight = layer.weight[row, column]
            if not weight:
                with pytest.raises(InvalidGraphError, match="no edge serves"):
                    graph.serving(index, row, column)
                continue
            part = graph.serving(index, row, column)
            assert part([1.0])[0] == weight
            if not index and domain == Box(-1, 1):
                assert part([-1.0])[0] == -weight
            assert (part.widths[0], part.widths[-1]) == (1, 1)
            assert part.kept_edges == part.edges
            assert part.without_dead_units().nodes == part.nodes
            if layout == "accumulate":
                assert graph.serving(index, row, column, candidates=True).kept_edges == part.edges


CASES = [
    ("accumulate", Box(0, 1), True),
    ("accumulate", Box(-1, 1), False),
    ("select", Box(-1, 1), True),
    ("select", Box(0, 1), False),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("layout", "domain", "biases"), CASES)
def test_a_part_has_the_paths_of_its_weight(layout, domain, biases):
    check(layout, domain, biases=biases)


def test_biases_of_later_layers_are_paths_from_the_constant():
    found = pruned("accumulate", Box(0, 1), biases=True)
    graph, target = LayeredDag.from_network(found), rounded(found.target, BITS)
    for row, bias in enumerate(target.layers[1].bias):
        if bias:
            assert graph.serving(1, row, 4)([1.0])[0] == bias


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (
            path_room.paths,
            "back[at - 1] = np.intersect1d(ahead[at - 1], _sources(graph.blocks[at - 1, at], back[at]))",
            "back[at - 1] = ahead[at - 1]",
        ),
        (path_room.paths, "np.intersect1d(ahead[end], [row])", "ahead[end]"),
        (path_room._forward, "edges.rows[edges.kept]", "edges.rows"),
        (path_room.shares_units, "bool(np.intersect1d(np.intersect1d(mine, theirs), behind).size)", "False"),
        (path_room.block_ends, "ends[layer], ends[layer + 1]", "ends[0], ends[layer + 1]"),
    ],
)
def test_a_planted_mistake_is_seen(monkeypatch, function, old, new):
    plant(monkeypatch, function, old, new)
    with pytest.raises(Exception):  # noqa: B017 - a mistake may end in any way
        check("accumulate", Box(-1, 1), biases=False)
