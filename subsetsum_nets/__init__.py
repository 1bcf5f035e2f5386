"""subsetsum_nets: strong lottery tickets by exactly solved subset sums, with proofs of their error.

>>> from subsetsum_nets import load_network, prune, shipped_network
>>> pruned = prune(load_network(shipped_network("digits-64-32-10")), epsilon=0.01)
>>> pruned.certificate.verified
True

Names are loaded when they are first used, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from subsetsum_nets.version import __version__

if TYPE_CHECKING:
    from subsetsum_nets.compiler import prune
    from subsetsum_nets.exchange import from_torch, to_torch
    from subsetsum_nets.networks import (
        AvgPool2d,
        Ball,
        Box,
        Conv2d,
        Dense,
        MaxPool2d,
        ReluNetwork,
        load_network,
        random_network,
        save_network,
        shipped_network,
    )
    from subsetsum_nets.pruned_network import PrunedNetwork
    from subsetsum_nets.verification import VerificationResult, verify
    from subsetsum_nets.verification.certificate import Certificate

_HOMES = {
    "AvgPool2d": "networks",
    "Ball": "networks",
    "Box": "networks",
    "Certificate": "verification.certificate",
    "Conv2d": "networks",
    "Dense": "networks",
    "MaxPool2d": "networks",
    "PrunedNetwork": "pruned_network",
    "ReluNetwork": "networks",
    "VerificationResult": "verification",
    "from_torch": "exchange",
    "load_network": "networks",
    "prune": "compiler",
    "random_network": "networks",
    "save_network": "networks",
    "shipped_network": "networks",
    "to_torch": "exchange",
    "verify": "verification",
}

__all__ = [
    "AvgPool2d",
    "Ball",
    "Box",
    "Certificate",
    "Conv2d",
    "Dense",
    "MaxPool2d",
    "PrunedNetwork",
    "ReluNetwork",
    "VerificationResult",
    "__version__",
    "from_torch",
    "load_network",
    "prune",
    "random_network",
    "save_network",
    "shipped_network",
    "to_torch",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
