"""Replay: every method's bound once more in exact arithmetic, from weights and its record."""
