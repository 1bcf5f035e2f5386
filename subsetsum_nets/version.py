"""The version of the package, for certificates and the build."""

__version__ = "0.1.0"
