"""The version of the package, for those who look at ``solvers`` alone; both packages have the same."""

__version__ = "0.1.0"
