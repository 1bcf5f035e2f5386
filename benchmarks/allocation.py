"""How many parameters it takes to prove the same epsilon: allocation "tight" against "recursion".

For shipped networks and a He-normal one, at several epsilon: candidates, random and kept parameters, the
bound proven and by which method, and seconds, means over seeds; and the ratios tight / recursion. Run it with

    python benchmarks/allocation.py [--seeds 3] [--seconds 900]
"""

import argparse
import time
from itertools import pairwise

import numpy as np

from subsetsum_nets import Box, Dense, ReluNetwork, load_network, prune, shipped_network

SHIPPED = ("digits-64-32-10", "digits-64-128-64-10")


def he_normal(widths, seed=0):
    """Return a network with normal weights of variance 2 / d_in and no biases, over Box(-1, 1)."""
    rng = np.random.default_rng(seed)
    layers = [Dense(rng.normal(0, np.sqrt(2 / d_in), (d_out, d_in))) for d_in, d_out in pairwise(widths)]
    return ReluNetwork(layers, domain=Box(-1, 1))


def measure(target, epsilon, allocation, seeds):
    """Return means over seeds, how many were verified, and the methods that proved them."""
    rows, methods, verified = [], set(), 0
    for seed in range(seeds):
        started = time.perf_counter()
        pruned = prune(target, epsilon=epsilon, allocation=allocation, seed=seed)
        seconds = time.perf_counter() - started
        certificate = pruned.certificate
        counts = certificate.counts
        rows.append(
            (
                pruned.candidates,
                counts["random_parameters"],
                counts["kept_parameters"],
                certificate.bound,
                seconds,
            )
        )
        methods.add(certificate.method)
        verified += certificate.verified
    return np.mean(rows, axis=0), verified, "/".join(sorted(methods))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[0.1, 0.01, 0.001])
    parser.add_argument("--networks", nargs="*", default=[*SHIPPED, "196-200-200-10"])
    parser.add_argument("--seconds", type=float, default=900.0, help="after which no new cell begins")
    arguments = parser.parse_args()
    started = time.perf_counter()
    prune(ReluNetwork([Dense([[0.5]])]))  # compiles the kernels
    print(
        "| network | epsilon | allocation | n | random parameters | kept | proven bound | method | verified "
        "| s | random ratio | kept ratio |"
    )
    print("|---|---:|---|---:|---:|---:|---:|---|---:|---:|---:|---:|")
    for name in arguments.networks:
        shipped = name in SHIPPED
        target = load_network(shipped_network(name)) if shipped else he_normal([*map(int, name.split("-"))])
        seeds = arguments.seeds if shipped else 1
        for epsilon in arguments.epsilons:
            if time.perf_counter() - started > arguments.seconds:
                print(f"| {name} | {epsilon:g} | not begun: time is up |")
                continue
            before = None
            for allocation in ("recursion", "tight"):
                mean, verified, methods = measure(target, epsilon, allocation, seeds)
                ratios = ("", "") if before is None else (f"{r:.2f}" for r in (mean / before)[1:3])
                before = mean
                n, drawn, kept, bound, seconds = mean
                print(
                    f"| {name} | {epsilon:g} | {allocation} | {n:.1f} | {drawn:,.0f} | {kept:,.0f} "
                    f"| {bound:.2e} | {methods} | {verified}/{seeds} | {seconds:.1f} "
                    f"| {' | '.join(ratios)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
