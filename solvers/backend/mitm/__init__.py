"""Backends that meet in the middle: halves, quarters and vectors of sums, and exact hits."""
