"""Random networks of weights +-1, pruned to equal a network of integer weights (Sreenivasan et al. 2021)."""
