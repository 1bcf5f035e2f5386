"""The methods (backends): one file each, behind the small protocol of :mod:`solvers.methods.protocol`.

The folder is not called ``backends`` because ``solvers.backends()`` is a public function.
"""
