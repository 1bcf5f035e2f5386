"""Mistakes planted in our own code, to see that the tests notice them.

A mistake is told by the function it stands in and two pieces of Python, the right code and the wrong::

    plant(monkeypatch, MidRad.bounds, "np.nextafter(low, -np.inf)", "low")
    plain_python(monkeypatch, "solvers.covering", "covering_radius", "low <= high", "low < high")

Right code is looked for in the function's syntax tree, not in its text: layout and comments do not matter,
and neither do names of the function's local variables, as long as they are used alike. So a local variable
can be renamed without a look at any test. Attributes, constants and names from outside of the function are
what they are. Right code must stand there once; of several, ``Nth(code, 2)`` means the second.

An expression stands for an expression, statements for as many consecutive ones; ``pass`` as wrong code takes
them out. ``...`` at the end of a block stands for what follows there, in wrong code for the same again. On a
line of its own between two pieces of right code it means that the second stands somewhere after the first;
only the last piece is replaced. The others say which place is meant, and what names mean::

    "for query in range(first, last): ...\n...\npoints[row]", "points[query]"

A row that fits nowhere, or in several places, or that changes nothing, fails the test that plants it, as does
wrong code with a name of which right code does not tell what it is there.
"""

import ast
import copy
import functools
import importlib
import inspect
import sys
import textwrap
import types
from typing import NamedTuple

from support.fitting import Scope, is_open, places, refuse


class Nth(NamedTuple):
    """Code that stands in a function several times; meant is occurrence ``number``, the first is 1."""

    code: str
    number: int


# -- what tests call ---------------------------------------------------------------------------------


def plant(monkeypatch, function, old, new):
    """Replace ``old`` by ``new`` in a function, method or property, for all who know it."""
    inner = inner_function(function)
    tree = planted(module_tree(inner.__module__), inner.__qualname__, old, new)
    compiled = all_codes(compile(tree, inner.__code__.co_filename, "exec"))
    (code,) = [code for code in compiled if place_of(code) == place_of(inner.__code__)]
    monkeypatch.setattr(inner, "__code__", code)


def plain_python(monkeypatch, name, where="", old="", new="", *, constants=None, imports=None):
    """Return a copy of a module whose kernels are not compiled, with or without a mistake in it.

    Parameters
    ----------
    name : str
        Of the module; the copy stands in ``sys.modules`` as ``name`` + "_copy".
    where : str
        The function ("place", "Halves.nearest"), or "" for code outside of all functions.
    old, new : str
        The right code and the wrong one; "" plants nothing.
    constants : dict, optional
        Other values of the module's constants: to make blocks small, say.
    imports : dict, optional
        Modules that the copy imports from, and those to take in their place.

    """
    tree = module_tree(name)
    tree = planted(tree, where, old, new) if old else copy.deepcopy(tree)
    Elsewhere(imports or {}).visit(tree)
    for constant, value in (constants or {}).items():
        set_constant(tree, constant, value)
    module = types.ModuleType(f"{name}_copy")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    code = compile(ast.fix_missing_locations(tree), importlib.import_module(name).__file__, "exec")
    exec(code, module.__dict__)  # noqa: S102 - our own source
    return module


# -- planting ----------------------------------------------------------------------------------------


def planted(tree, where, old, new):
    """Return a copy of a module's tree in which ``old`` is replaced by ``new`` in the function ``where``."""
    code, number = old if isinstance(old, Nth) else (old, None)
    scope = Scope.of(tree, where)
    pieces, wrong = parsed(code, new)
    found = places(scope, pieces)
    if not found:
        refuse(f"{code!r} does not stand in {scope}")
    lines = ", ".join(str(place.start[0]) for place in found)
    if number is None and len(found) > 1:
        refuse(f"{code!r} stands {len(found)} times in {scope}, lines {lines}: widen it, or say which by Nth")
    if number is not None and not 1 <= number <= len(found) > 1:
        refuse(f"{code!r} stands {len(found)} times in {scope}, lines {lines}: Nth({number}) says nothing")
    place, copies = found[(number or 1) - 1], {}
    changed = copy.deepcopy(tree, copies)
    place._replace(parent=copies[id(place.parent)]).fill(wrong, scope)
    if ast.dump(changed) == ast.dump(tree):
        refuse(f"{new!r} in place of {code!r} changes nothing in {scope}")
    return ast.fix_missing_locations(changed)


def parsed(old, new):
    """Return the pieces of right code, each an expression or a list of statements, and wrong code's tree."""
    pieces = [[]]
    for number, statement in enumerate(body := tree_of(old).body):
        if is_open(statement) and 0 < number < len(body) - 1:
            pieces.append([])
        else:
            pieces[-1].append(statement)
    pieces = [p[0].value if len(p) == 1 and isinstance(p[0], ast.Expr) else p for p in pieces]
    wrong = tree_of(new)
    if isinstance(pieces[-1], ast.expr) and len(wrong.body) == 1 and isinstance(wrong.body[0], ast.Expr):
        return pieces, ast.Expression(wrong.body[0].value)
    return [*pieces[:-1], body[-1:] if isinstance(pieces[-1], ast.expr) else pieces[-1]], wrong


def tree_of(code):
    try:
        return ast.parse(textwrap.dedent(code).strip())
    except SyntaxError as error:
        return refuse(f"{code!r} is no Python: {error.msg}")


# -- modules and functions --------------------------------------------------------------------------


@functools.cache
def module_tree(name):
    """Return the syntax tree of a module; it must not be changed."""
    return ast.parse(inspect.getsource(importlib.import_module(name)))


def all_codes(code):
    """Yield a code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from all_codes(constant)


def place_of(code):
    return code.co_qualname, code.co_firstlineno


def inner_function(function):
    """Return the plain Python function of a method, a property or a compiled function."""
    for attribute in ("fget", "func", "__func__"):
        function = getattr(function, attribute, function)
    return inspect.unwrap(function)


class Elsewhere(ast.NodeTransformer):
    """Imports from other modules, and nothing compiled."""

    def __init__(self, imports):
        self.imports = imports

    def visit_ImportFrom(self, node):
        if node.module == "solvers.kernels.compiling":
            return ast.parse("compiled = lambda function: function").body
        node.module = self.imports.get(node.module, node.module)
        return node


def set_constant(tree, name, value):
    """Give a constant of a module another value."""
    found = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in map(ast.unparse, targets(node))
    ]
    if len(found) != 1 or len(targets(found[0])) != 1:
        refuse(f"{name} is not assigned once, alone, at the top of the module")
    found[0].value = ast.parse(repr(value), mode="eval").body


def targets(node):
    return node.targets if isinstance(node, ast.Assign) else [node.target]
