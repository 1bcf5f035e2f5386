"""Errors about networks and their files."""


class InvalidNetworkError(ValueError):
    """Layers that do not make a network: mismatched shapes, NaN or infinite weights, an empty list."""


class NetworkFileError(ValueError):
    """A file that cannot be read as a network: foreign, truncated, or of an unknown format."""
