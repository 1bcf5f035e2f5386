"""Rigorous floats: midpoint-radius arithmetic, norms, ranges and effective layers."""
