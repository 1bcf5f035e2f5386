"""Graphs in files: GraphML, node-link JSON, DOT, safetensors; and networkx."""
