"""A pruned network as a graph, at 16 million edges: LayeredDag against the same in plain networkx.

Three things a user does: build the graph of a network and its masks, remove dead units, write a text file.
networkx is measured at a size it can take; both as processor time and memory for each edge. Run with

    OMP_NUM_THREADS=1 python benchmarks/graphs.py [--width 4000] [--peer-width 500]
"""

import argparse
import json
import tempfile
import threading
from pathlib import Path
from time import process_time
from types import SimpleNamespace

import networkx as nx
import numpy as np

from subsetsum_nets import random_network
from subsetsum_nets.graphs import LayeredDag

FORMATS = ("graphml", "json", "dot", "safetensors")


def pruned_network(width):
    """Return a random network width-width-10 with masks that leave every eighth unit without an input."""
    rng = np.random.default_rng(width)
    network = random_network([width, width, 10], seed=width)
    masks = [rng.random((width, width)) < 2 / width, rng.random((10, width)) < 0.5]
    return SimpleNamespace(random=network, masks=masks, bias_masks=[None, None], target=None)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Cost:
    """Processor time, and memory at the end and at the most, beyond what was there before."""

    def __enter__(self):
        self._start, self.peak = resident(), 0
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._sample)
        self._watch.start()
        self._clock = process_time()
        return self

    def _sample(self):
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, resident() - self._start)

    def __exit__(self, *_):
        self.seconds = process_time() - self._clock
        self._stop.set()
        self._watch.join()
        self.held = max(0, resident() - self._start)
        self.peak = max(self.peak, self.held)


def best(job, runs):
    """Return the cheapest of some runs and what the last one gave."""
    costs, result = [], None
    for _ in range(runs):
        result = None
        with Cost() as cost:
            result = job()
        costs.append(cost)
    return min(costs, key=lambda cost: cost.seconds), costs[0], result


# -- networkx, as one writes it -----------------------------------------------------------------------


def build_with_networkx(pruned):
    graph = nx.DiGraph()
    for layer, (dense, mask) in enumerate(zip(pruned.random.layers, pruned.masks, strict=True)):
        for row, (weights, kept) in enumerate(zip(dense.weight.tolist(), mask.tolist(), strict=True)):
            graph.add_edges_from(
                ((layer, column), (layer + 1, row), {"weight": weight, "kept": keep})
                for column, (weight, keep) in enumerate(zip(weights, kept, strict=True))
            )
    return graph


def remove_dead_units_with_networkx(graph):
    last = max(layer for layer, _ in graph)
    kept = nx.DiGraph()
    kept.add_edges_from(
        (a, b) for a, b, data in graph.edges(data=True) if data["kept"] and data["weight"] != 0.0
    )
    kept.add_edges_from(("source", node) for node in graph if node[0] == 0)
    kept.add_edges_from((node, "sink") for node in graph if node[0] == last)
    live = nx.descendants(kept, "source") & nx.ancestors(kept, "sink")
    stays = [node for node in graph if node in live or node[0] in (0, last)]
    return graph.subgraph(stays).copy()


def write_with_networkx(graph, path):
    if path.suffix == ".graphml":
        nx.write_graphml_xml(graph, path)
    elif path.suffix == ".json":
        with path.open("w") as file:
            json.dump(nx.node_link_data(graph, edges="edges"), file)


# -- both ---------------------------------------------------------------------------------------------


def measure(pruned, edges, build, remove, write, formats, runs):
    """Return {step: (nanoseconds an edge, bytes an edge held, bytes an edge at most)}."""
    table = {}

    def note(step, quickest, first, count):
        table[step] = (quickest.seconds / count * 1e9, first.held / count, first.peak / count)

    quickest, first, graph = best(lambda: build(pruned), runs)
    note("build", quickest, first, edges)
    quickest, first, smaller = best(lambda: remove(graph), runs)
    note("remove dead units", quickest, first, edges)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in formats:
            path = Path(folder) / f"graph.{suffix}"
            quickest, first = best(lambda path=path: write(graph, path), runs)[:2]
            note(f"write .{suffix}", quickest, first, edges)
            size = path.stat().st_size / edges
            path.unlink()
            table[f"write .{suffix}"] += (size,)
    return table, graph, smaller


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--peer-width", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # compiled before the clock runs
        for suffix in FORMATS:
            LayeredDag.from_network(pruned_network(8)).save(Path(folder) / f"warm.{suffix}")

    pruned = pruned_network(options.width)
    edges = sum(mask.size for mask in pruned.masks)
    ours, dag, small = measure(
        pruned,
        edges,
        LayeredDag.from_network,
        LayeredDag.without_dead_units,
        LayeredDag.save,
        FORMATS,
        options.runs,
    )
    peer_pruned = pruned_network(options.peer_width)
    peer_edges = sum(mask.size for mask in peer_pruned.masks)
    theirs, graph, peer_small = measure(
        peer_pruned,
        peer_edges,
        build_with_networkx,
        remove_dead_units_with_networkx,
        write_with_networkx,
        FORMATS[:2],
        options.runs,
    )
    same = LayeredDag.from_network(peer_pruned).without_dead_units()
    assert same.nodes == len(peer_small)  # noqa: S101
    assert same.edges == peer_small.number_of_edges()  # noqa: S101

    print(f"LayeredDag: {dag!r}, without dead units {small!r}")
    print(f"networkx:   {graph}\n")
    print(
        "an edge             LayeredDag: ns    held B    most B   networkx: ns    held B    most B     x time"
    )
    for step, (time, held, most, *_size) in ours.items():
        line = f"{step:20}{time:14.2f}{held:10.2f}{most:10.2f}"
        if step in theirs:
            peer_time, peer_held, peer_most, *_peer_size = theirs[step]
            line += f"{peer_time:15.1f}{peer_held:10.1f}{peer_most:10.1f}{peer_time / time:11.0f}"
        print(line)
    held = theirs["build"][1]
    print("\nmemory of the graph, bytes an edge:")
    for name, size in (
        ("beyond the network and its masks", ours["build"][1]),
        ("all arrays, float64 weights shared with the network", dag.nbytes / edges),
        ("dag.compact(), on its own", dag.compact().nbytes / edges),
    ):
        print(f"  {name:55}{size:8.2f}{held / max(size, 1e-9):10.0f} x less than networkx ({held:.0f})")
    for suffix in FORMATS[:2]:
        steps = ("build", "remove dead units", f"write .{suffix}")
        total, peer = (sum(table[step][0] for step in steps) for table in (ours, theirs))
        print(f"all three with .{suffix}: {total:.0f} ns against {peer:.0f} ns an edge, {peer / total:.0f} x")
    for suffix in FORMATS:
        print(f"size of .{suffix}: {ours[f'write .{suffix}'][3]:.1f} bytes an edge")


if __name__ == "__main__":
    main()
