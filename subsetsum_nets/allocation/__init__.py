"""Allocation: how epsilon is shared out over layers and weights, and what it then takes."""
