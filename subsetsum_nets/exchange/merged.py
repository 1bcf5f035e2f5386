"""f - g as one network, for other verifiers: :mod:`subsetsum_nets.networks.merged`, under its older name."""

from subsetsum_nets.networks.merged import difference_network, without_dead_units

__all__ = ["difference_network", "without_dead_units"]
