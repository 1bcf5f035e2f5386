"""What a graph is made of: layers of nodes, blocks of edges, and how they are put together."""
