"""Construction "binary": widths, random and kept signs, seconds; beside the paper's sizes.

    python benchmarks/binary.py            digits, single layers over seeds
    python benchmarks/binary.py --large    784-500-10 with 8 bits, too: 70 million signs for its first layer
    python benchmarks/binary.py --widths   widths over d, W and delta, measured and by the paper's proof

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
    parser.add_argument("--widths", action="store_true", help="widths over d, W and delta, and nothing else")
    asked = parser.parse_args()
    if asked.widths:
        widths()
        return
    for epsilon in (0.01, 0.1):
        whole_prune(load_network(shipped_network("digits-64-32-10")), f"epsilon {epsilon}", epsilon=epsilon)
    whole_prune(load_network(shipped_network("digits-64-32-10")), "5 bits", bits=5, epsilon=10.0)
    for job in LAYERS:
        single_layer(*job)
    if asked.large:
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
        first += [[layer.d_out for layer in grown.layers]] == BINARY.plan(target, [0], UNIT, 2)[1]
        sizes.append(grown.recipe.random_parameters)
    papers = sreenivasan_2021_integers(max(inputs, outputs), 1, 8)
    report(
        f"{inputs} -> {outputs}, integers to 255",
        signs=round(np.mean(sizes)),
        planned=f"{first} of {seeds} seeds",
        width=max(layer.d_out for layer in grown.layers),
        depth=len(grown.layers),
        seconds=(perf_counter() - started) / seeds,
        counting=signs_by_counting(inputs, outputs, 255),
        paper=papers.parameters,
    )


def widths() -> None:
    """Print the widest layer of networks grown for random layers, over seeds, and that of Lemma 7."""
    for d, bits in ((8, 8), (32, 8), (128, 8), (32, 4), (32, 16)):
        found = []
        for seed in range(5):
            weight = np.random.default_rng(seed).integers(1 - 2**bits, 2**bits, (d, d)).astype(float)
            target = ReluNetwork([Dense(weight)])
            grown = BINARY.grow(target, [0], UNIT, 2, seed, layout="accumulate")
            found.append(max(layer.d_out for layer in grown.layers))
        papers = {
            f"delta {delta:g}": sreenivasan_2021_integers(d, 1, bits, delta).width for delta in (0.1, 1e-6)
        }
        report(f"{d} -> {d}, {bits} bits", measured=f"{min(found)} to {max(found)}", **papers)


def report(job: str, **found: object) -> None:
    """Print what was found."""
    shown = {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in found.items()}
    numbers = {k: f"{v:,}" if isinstance(v, int) else v for k, v in shown.items()}
    sys.stdout.write(f"{job:34}" + "  ".join(f"{k} {v}" for k, v in numbers.items()) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
