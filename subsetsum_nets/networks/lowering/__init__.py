"""Networks of any piecewise-linear graph as a chain of layers: what readers of files and of modules call.

A :class:`~subsetsum_nets.networks.lowering.tracer.Tracer` follows a graph operation by operation,
:func:`~subsetsum_nets.networks.lowering.chains.network_of` returns the chain.
"""
