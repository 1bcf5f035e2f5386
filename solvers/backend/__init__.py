"""The backends: how one problem is solved, by methods that answer behind one small protocol.

Singular, since ``solvers.backends()`` is a public function. :mod:`.protocol` says what a backend
is, :mod:`.registry` which there are, :mod:`.automatic` which of them "auto" asks.
"""
