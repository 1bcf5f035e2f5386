"""What it takes to prune a small convolutional network by weights, 2-D kernels and filters.

The shipped classifier of digits, 3x3 1->4, 3x3 4->8, Dense 512->10 with biases, 8x8 pixels, over
Box(0, 1); at several epsilon. Run it with

    python benchmarks/convolutions.py [--epsilons 0.1 0.01 0.001] [--seed 0]
        [--constructions relu structured-kernels structured]

"whole" is what would be drawn if first layers were not drawn by blocks; "conv" counts the parameters of the
two convolutional layers' pairs alone; accuracy is that of the collapsed network on the test split.
"""

import argparse
import time

from subsetsum_nets import Dense, ReluNetwork, load_network, prune, shipped_network
from subsetsum_nets.networks import load_test_split


def conv_counts(pruned):
    """Return how many parameters of the pairs of convolutions are random, and how many of them kept."""
    pairs = range(2 * sum(len(layer.takes) > 1 for layer in pruned.target.layers))
    return sum(pruned.recipe.layers[k].random_parameters for k in pairs), pruned.all_masks.kept_in(pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[0.1, 0.01, 0.001])
    parser.add_argument("--constructions", nargs="*", default=["relu", "structured-kernels", "structured"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    target = load_network(shipped_network("digits-conv-8x8-4-8-10"))
    prune(ReluNetwork([Dense([[0.5]])]))  # compiles the kernels
    prune(ReluNetwork([Dense([[0.5], [0.25]])]), construction="structured")
    images, labels = load_test_split(shipped_network().with_name("digits-test-split.safetensors"))
    print("| epsilon | construction | candidates | random | whole | kept | conv random | conv kept ", end="")
    print("| hidden left | proven | attack | accuracy | CPU s |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|")
    for epsilon in arguments.epsilons:
        for construction in arguments.constructions:
            started = time.process_time()
            pruned = prune(target, construction=construction, epsilon=epsilon, seed=arguments.seed, threads=1)
            seconds = time.process_time() - started
            found, small = pruned.certificate, pruned.collapse()
            hidden = " + ".join(f"{small.shapes[k + 1][-1]:,}" for k in pruned.hidden_layers)
            random, kept = conv_counts(pruned)
            accuracy = (small(images).argmax(axis=1) == labels).mean()
            whole = found.counts.get("whole_parameters", found.counts["random_parameters"])
            proven = f"{found.bound:.2e}" + ("" if found.verified else ", not enough")
            print(
                f"| {epsilon:g} | `{construction}` | {pruned.candidates} "
                f"| {found.counts['random_parameters']:,} | {whole:,} | {found.counts['kept_parameters']:,} "
                f"| {random:,} | {kept:,} | {hidden} | {proven} | {found.attack:.1e} | {accuracy:.2%} "
                f"| {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
