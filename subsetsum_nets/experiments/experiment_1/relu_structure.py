"""The same network by Theorem 1: a random ReLU network pruned into it, with a proven bound for all images."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from subsetsum_nets.compiler import prune
from subsetsum_nets.experiments.measuring import peak_megabytes
from subsetsum_nets.experiments.run_folder import read_json, write_json
from subsetsum_nets.networks.domains import Box

if TYPE_CHECKING:
    from pathlib import Path

    from subsetsum_nets.networks.relu_network import ReluNetwork

FOLDER = "relu"


def with_relu_structure(
    target: ReluNetwork, epsilon: float, place: Path, seed: int, threads: int | None
) -> dict[str, Any]:
    """Prune a random network into the target over [0, 1]^d, save the ticket, and return what is proven."""
    record = place / "checkpoint" / "relu.json"
    stored = read_json(record)
    if stored is not None and stored["epsilon"] == epsilon:
        return dict(stored)
    began, used = time.perf_counter(), time.process_time()
    pruned = prune(target, epsilon=epsilon, domain=Box(0, 1), seed=seed, threads=threads)
    random, kept = pruned.random_counts
    certificate = pruned.certificate
    found: dict[str, Any] = {
        "epsilon": epsilon,
        "candidates": pruned.candidates,
        "random_parameters": random,
        "kept": kept,
        "bound": None if certificate is None else certificate.bound,
        "attack": None if certificate is None else certificate.attack,
        "norm": None if certificate is None else certificate.norm,
        "method": None if certificate is None else certificate.method,
        "verified": certificate is not None and certificate.verified,
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - used,
    }
    pruned.save(place / FOLDER)
    found["peak_megabytes"] = peak_megabytes()
    write_json(record, found)
    return found
