"""Experiments: a folder each, of run.py (what is computed) and outputs.py (tables and pictures of it)."""
