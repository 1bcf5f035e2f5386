"""Experiments that run as modules: ``python -m subsetsum_nets.experiments.<name>``."""
