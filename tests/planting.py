"""Copies of our own modules with a mistake planted, to see that the tests notice it."""

import importlib
import inspect
import sys
import types


def plain_python(monkeypatch, name, old="", new="", replaced=()):
    """Return a copy of a module with ``old``, which must occur once, replaced by ``new``.

    Its kernels are not compiled. ``replaced`` are further pairs of texts: to make blocks small, say.
    """
    source = inspect.getsource(importlib.import_module(name))
    if old:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {name}"
        source = source.replace(old, new)
    compiled = "from solvers.kernels.compiling import compiled", "compiled = lambda function: function"
    for before, after in (compiled, *replaced):
        source = source.replace(before, after)
    copy = types.ModuleType(f"{name}_copy")
    monkeypatch.setitem(sys.modules, copy.__name__, copy)  # dataclasses look their module up
    exec(compile(source, copy.__name__, "exec"), copy.__dict__)  # noqa: S102 - our own source
    return copy
