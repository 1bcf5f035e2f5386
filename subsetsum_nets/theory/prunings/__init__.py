"""Can this random network be pruned to within epsilon of that matrix? With a proof either way."""
