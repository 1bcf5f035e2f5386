"""Pictures of graphs: layered, as a summary, and of masks."""
