"""Backends that search without a proof of their own: large neighbourhoods and k-trees."""
