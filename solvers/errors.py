"""The errors of the solver layer, each a subclass of the nearest builtin."""


class InvalidProblemError(ValueError):
    """A question that makes no sense: NaN items, ragged arrays, a negative tolerance, an unknown backend."""


class UnsupportedProblemError(NotImplementedError):
    """A sensible question that the chosen backend cannot answer; the message names those that can."""


class BackendUnavailableError(ImportError):
    """A backend whose package is not installed; the message names the extra to install."""


class CertificateError(RuntimeError):
    """A claim that exact recomputation refutes: a wrong sum, error, bound, status or cardinality."""
