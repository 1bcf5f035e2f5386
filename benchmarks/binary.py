"""Construction "binary": widths, random and kept signs, seconds; beside the paper's sizes.

    python benchmarks/binary.py            digits, single layers over seeds
    python benchmarks/binary.py --large    784-500-10 with 8 bits, too: 82 million signs for its first layer

Sizes do not depend on the machine. Seconds are those of one run; layers are drawn and chosen by one core.
"""

from __future__ import annotations

import argparse
import resource
import sys
from time import perf_counter

import numpy as np

from subsetsum_nets import Box, Dense, ReluNetwork, load_network, prune
from subsetsum_nets.constructions import EXACT
from subsetsum_nets.networks import shipped_network
from subsetsum_nets.theory.binary_sizes import signs_by_counting, sreenivasan_2021_integers

BINARY = EXACT["binary"]
UNIT = Box(0, 1)
LAYERS = ((64, 32, 10), (32, 10, 10), (8, 1, 10), (256, 128, 1))  # inputs, outputs, seeds


def main() -> None:
    """Print a line for every job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="784-500-10 with 8 bits, too")
    for epsilon in (0.01, 0.1):
        whole_prune(load_network(shipped_network("digits-64-32-10")), f"epsilon {epsilon}", epsilon=epsilon)
    whole_prune(load_network(shipped_network("digits-64-32-10")), "5 bits", bits=5, epsilon=10.0)
    for job in LAYERS:
        single_layer(*job)
    if parser.parse_args().large:
        rng = np.random.default_rng(0)
        shapes = ((500, 784), (10, 500))
        layers = [Dense(rng.uniform(-1, 1, shape)) for shape in shapes]
        whole_prune(ReluNetwork(layers, domain=UNIT), "8 bits", bits=8, epsilon=1e6)


def whole_prune(target: ReluNetwork, job: str, **options: object) -> None:
    """Plan, draw, solve, mask and verify."""
    started = perf_counter()
    pruned = prune(target, construction=BINARY.name, **options)  # type: ignore[arg-type]
    seconds, certificate = perf_counter() - started, pruned.certificate
    counts = certificate.counts
    report(
        f"{'-'.join(map(str, target.widths))}, {job}",
        bits=certificate.exact["bits"],
        signs=counts["random_parameters"],
        kept=counts["kept_parameters"],
        width=max(pruned.random.widths[1:]),
        depth=len(pruned.random.layers),
        bound=certificate.bound,
        seconds=seconds,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def single_layer(inputs: int, outputs: int, seeds: int) -> None:
    """Grow networks for random layers of weights up to 255: drawing and choosing alone."""
    sizes, first, started = [], 0, perf_counter()
    for seed in range(seeds):
        weight = np.random.default_rng(seed).integers(-255, 256, (outputs, inputs)).astype(float)
        target = ReluNetwork([Dense(weight)])
        grown = BINARY.grow(target, [0], UNIT, 2, seed)
        first += [[draw.d_out for draw in grown.draws]] == BINARY.plan(target, [0], UNIT, 2)[1]
        sizes.append(grown.recipe.random_parameters)
    papers = sreenivasan_2021_integers(max(inputs, outputs), 1, 8)
    report(
        f"{inputs} -> {outputs}, integers to 255",
        signs=round(np.mean(sizes)),
        planned=f"{first} of {seeds} seeds",
        width=max(draw.d_out for draw in grown.draws),
        depth=len(grown.draws),
        seconds=(perf_counter() - started) / seeds,
        counting=signs_by_counting(inputs, outputs, 255),
        paper=papers.parameters,
    )


def report(job: str, **found: object) -> None:
    """Print what was found."""
    shown = {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in found.items()}
    numbers = {k: f"{v:,}" if isinstance(v, int) else v for k, v in shown.items()}
    sys.stdout.write(f"{job:34}" + "  ".join(f"{k} {v}" for k, v in numbers.items()) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
