"""How many random parameters the constructions need for the same proven epsilon.

For each shipped network and construction: the number of candidates that the documented formula chooses for
epsilon, and the least number whose pruned network is still *proven* to be within epsilon for each of three
seeds. Run it with

    python benchmarks/random_parameters.py [--epsilon 0.01] [--seeds 3]
"""

import argparse

from subsetsum_nets import load_network, prune, shipped_network


def proven(target, construction, epsilon, candidates, seeds):
    return all(
        prune(
            target, construction=construction, epsilon=epsilon, candidates=candidates, seed=seed
        ).certificate.verified
        for seed in range(seeds)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilon", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=["digits-64-32-10"])
    arguments = parser.parse_args()
    print("network, construction, chosen n, random parameters, bound, least n proven, random parameters")
    for name in arguments.networks:
        target = load_network(shipped_network(name))
        for construction in ("relu-paper", "relu", "linear"):
            chosen = prune(target, construction=construction, epsilon=arguments.epsilon)
            low, high = 1, chosen.candidates  # bisection: more candidates are better, but for luck
            while low < high:
                middle = (low + high) // 2
                if proven(target, construction, arguments.epsilon, middle, arguments.seeds):
                    high = middle
                else:
                    low = middle + 1
            least = prune(target, construction=construction, epsilon=arguments.epsilon, candidates=low)
            print(
                name,
                construction,
                chosen.candidates,
                chosen.certificate.counts["random_parameters"],
                f"{chosen.certificate.bound:.2e}",
                low,
                least.certificate.counts["random_parameters"],
                sep=", ",
            )


if __name__ == "__main__":
    main()
