"""What it takes to prune a small convolutional network weight by weight, at several epsilon.

The shipped classifier of digits, 3x3 1->4, 3x3 4->8, Dense 512->10 with biases, 8x8 pixels, over
Box(0, 1). Run it with

    python benchmarks/convolutions.py [--epsilons 0.1 0.01 0.001] [--construction relu] [--seed 0]
"""

import argparse
import time

from subsetsum_nets import Dense, ReluNetwork, load_network, prune, shipped_network
from subsetsum_nets.reports.rounding import upper


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[0.1, 0.01, 0.001])
    parser.add_argument("--construction", default="relu")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    target = load_network(shipped_network("digits-conv-8x8-4-8-10"))
    prune(ReluNetwork([Dense([[0.5]])]))  # compiles the kernels
    print("| epsilon | n | random parameters | kept | proven bound | method | verified | CPU s |")
    print("|---:|---:|---:|---:|---:|---|---|---:|")
    for epsilon in arguments.epsilons:
        started = time.process_time()
        pruned = prune(
            target,
            construction=arguments.construction,
            epsilon=epsilon,
            seed=arguments.seed,
            threads=1,
        )
        seconds = time.process_time() - started
        found = pruned.certificate
        print(
            f"| {epsilon:g} | {pruned.candidates} | {found.counts['random_parameters']:,} "
            f"| {found.counts['kept_parameters']:,} | {upper(found.bound)} | {found.method} "
            f"| {found.verified} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
