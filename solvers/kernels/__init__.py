"""Compiled inner loops: arrays in, arrays out, no policy. Importing a kernel module loads numba."""
