"""What is asked of a graph: dead units, paths, what serves a weight, what two share."""
