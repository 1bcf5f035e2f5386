"""The per-weight experiment: subset sums for the weights of a trained network."""
