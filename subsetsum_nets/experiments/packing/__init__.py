"""The packing experiment: what share of a packing random two-layer networks serve."""
