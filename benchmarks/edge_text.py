"""How long an edge takes to be written as text, beside what polars and pyarrow take for a CSV line of it.

``python benchmarks/edge_text.py [EDGES]``; processor time, the least of some runs. The two libraries write
source, target and weight and nothing else; the formats of a graph have more bytes in a line. A library that
is not installed is left out.
"""

import importlib
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.networks import Dense, ReluNetwork

RUNS = 3


def least(write, runs=RUNS):
    """Return the least processor time of several runs."""
    times = []
    for _ in range(runs):
        begun = time.process_time()
        write()
        times.append(time.process_time() - begun)
    return min(times)


def with_polars(columns, path):
    polars = importlib.import_module("polars")
    frame = polars.DataFrame(columns)
    return lambda: frame.write_csv(path)


def with_pyarrow(columns, path):
    table = importlib.import_module("pyarrow").table(columns)
    writer = importlib.import_module("pyarrow.csv")
    return lambda: writer.write_csv(table, path)


def main():
    edges = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    width = round(edges**0.5)
    rng = np.random.default_rng(0)
    weights = rng.uniform(-1, 1, (width, width))
    dag = LayeredDag.from_network(ReluNetwork([Dense(weights)]))
    target, source = np.divmod(np.arange(width * width), width)
    columns = {"source": source, "target": target, "weight": weights.ravel()}
    with TemporaryDirectory() as folder:
        for suffix in ("graphml", "json", "dot"):
            path = Path(folder) / f"edges.{suffix}"
            dag.save(path)  # compiles
            seconds = least(lambda path=path: dag.save(path))
            size = path.stat().st_size / width**2
            print(f"{'.' + suffix:12}{seconds / width**2 * 1e9:8.0f} ns{size:8.1f} bytes an edge")
        for make in (with_polars, with_pyarrow):
            path = Path(folder) / "edges.csv"
            try:
                seconds = least(make(columns, path))
            except ImportError:
                print(f"{make.__name__[5:]:12} is not installed")
                continue
            size = path.stat().st_size / width**2
            print(f"{make.__name__[5:]:12}{seconds / width**2 * 1e9:8.0f} ns{size:8.1f} bytes a line of CSV")


if __name__ == "__main__":
    main()
