"""The version of the package, for certificates and the build, and of what computes beside it."""

__version__ = "0.1.0"


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries that its numbers depend on."""
    import platform
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("numpy", "scipy", "ortools", "numba")}
    return {"subsetsum-nets": __version__, "python": platform.python_version(), **libraries}
