"""Right code and where it stands in a function: syntax trees compared up to the names of local variables."""

import ast
import builtins
import copy
from typing import NamedTuple

import pytest

NAMED = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name", ast.ExceptHandler: "name"}  # by which field
UNSEEN = {"ctx", "kind", "type_comment"}  # fields that say nothing of their own
INNER = ast.FunctionDef | ast.ClassDef


def refuse(message):
    """Fail the test; no ``pytest.raises(Exception)`` around a mutant takes this for a mistake noticed."""
    pytest.fail(message, pytrace=False)


# -- the function, and its names ---------------------------------------------------------------------


class Scope(NamedTuple):
    """Where a mistake is planted. ``local`` names may have changed, ``known`` ones are what they are."""

    where: str
    node: ast.AST
    local: set
    known: set

    def __str__(self):
        return self.where or "the module, outside of its functions"

    @classmethod
    def of(cls, tree, where):
        """Return the function of a qualified name, or for "" the module without its functions."""
        node, local = tree, set()
        for name in where.replace(".<locals>", "").split(".") if where else ():
            named = [child for child in defined_in(node) if child.name == name]
            if len(named) != 1:
                refuse(f"{name!r} of {where!r} is defined {len(named)} times")
            node = named[0]
            local |= local_names(node) if isinstance(node, ast.FunctionDef) else set()
        known = {name for child in ast.walk(node) for name in names_imported(child)}
        local -= known
        for home in (tree, node) if isinstance(node, ast.ClassDef) else (tree,):
            known |= {
                name for child in outside(home) for name in (*names_bound(child), *names_imported(child))
            }
            known |= {child.name for child in defined_in(home)}
        return cls(where, node, local, known | {*vars(builtins), "__file__", "__name__"})

    def nodes(self):
        """Yield the nodes of the function, or those of a module or class outside of functions."""
        if not isinstance(self.node, ast.FunctionDef):
            yield from outside(self.node)
            return
        yield self.node
        for part in (self.node.args, *self.node.body):
            yield from ast.walk(part)


def defined_in(node):
    """Yield the functions and classes of a module, class or function; those under an ``if`` too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, INNER):
            yield child
        elif isinstance(child, ast.stmt):
            yield from defined_in(child)


def outside(node):
    """Yield a node and all below it, but not what is inside of functions and classes."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, INNER):
            yield from outside(child)


def local_names(function):
    """Return the names that a function binds, in comprehensions and functions inside it too."""
    inside = [child for child in ast.walk(function) if child is not function]
    shared = {name for child in inside if isinstance(child, ast.Global) for name in child.names}
    return {name for child in inside for name in names_bound(child)} - shared


def names_bound(node):
    """Return the name that a node binds, if it does."""
    name = getattr(node, NAMED.get(type(node), ""), None)
    return [] if name is None or isinstance(getattr(node, "ctx", None), ast.Load) else [name]


def names_imported(node):
    """Return the name that an import brings."""
    return [(node.asname or node.name).split(".")[0]] if isinstance(node, ast.alias) else []


def names_needed(node):
    """Return the names in wrong code that have to come from where it is put."""
    bound = [c.target for c in ast.walk(node) if isinstance(c, ast.comprehension)]
    bound += [c.args for c in ast.walk(node) if isinstance(c, ast.Lambda | ast.FunctionDef)]
    own = {name for part in bound for child in ast.walk(part) for name in names_bound(child)}
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)} - own


# -- where it fits -----------------------------------------------------------------------------------


class Fit:
    """How right code fits somewhere: what its local names are called there, what its ``...`` stand for."""

    def __init__(self, scope, names):
        self.scope, self.names, self.rests = scope, dict(names), []

    def same(self, ours, theirs):
        """Whether right code is the code that stands there, but for the names of local variables."""
        if isinstance(ours, list) and isinstance(theirs, list):
            return self.same_list(ours, theirs)
        if type(ours) is not type(theirs):
            return False
        if not isinstance(ours, ast.AST):
            return repr(ours) == repr(theirs)
        pairs = [(f, getattr(ours, f), getattr(theirs, f)) for f in ours._fields if f not in UNSEEN]
        name = NAMED.get(type(ours))
        return all(self.same_name(a, b) if field == name else self.same(a, b) for field, a, b in pairs)

    def same_list(self, ours, theirs):
        if ends_open(ours):
            *ours, _ = ours
            self.rests.append(theirs[len(ours) :])
            theirs = theirs[: len(ours)]
        return len(ours) == len(theirs) and all(map(self.same, ours, theirs))

    def same_name(self, ours, theirs):
        if theirs not in self.scope.local or (ours != theirs and ours in self.scope.known):
            return ours == theirs
        return self.names.setdefault(ours, theirs) == theirs and [*self.names.values()].count(theirs) == 1

    def translated(self, wrong):
        """Return wrong code with the names that there are, and with what its ``...`` stand for."""
        wrong = copy.deepcopy(wrong)
        for child in ast.walk(wrong):
            for name in [NAMED[type(child)]] if type(child) in NAMED else []:
                setattr(child, name, self.names.get(getattr(child, name), getattr(child, name)))
        rests = iter(self.rests)
        for block in blocks(wrong):
            if ends_open(block):
                rest = next(rests, None)
                block[-1:] = copy.deepcopy(rest) if rest is not None else refuse("a '...' stands for nothing")
        return wrong


class Place(NamedTuple):
    """Where right code fits: in a field of ``parent``, or in ``length`` entries of it from ``index`` on."""

    parent: ast.AST
    field: str
    index: int | None
    length: int
    fit: Fit

    @property
    def first(self):
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    @property
    def start(self):
        return self.first.lineno, self.first.col_offset

    def fill(self, wrong, scope):
        """Put wrong code here."""
        strange = ", ".join(sorted(names_needed(wrong) - {*self.fit.names} - scope.known))
        if strange:
            refuse(f"wrong code for {scope} has names of which right code does not tell: {strange}")
        body = self.fit.translated(wrong).body
        for node in ast.walk(ast.Module(body if isinstance(body, list) else [body], [])):
            ast.copy_location(node, self.first)
        if isinstance(body, ast.expr):
            put_into(body, getattr(self.first, "ctx", ast.Load()))
        if self.index is None:
            setattr(self.parent, self.field, body)
        else:
            entries = body if isinstance(body, list) else [body]
            getattr(self.parent, self.field)[self.index : self.index + self.length] = entries


def places(scope, pieces):
    """Return where the last piece of right code stands after the others, in the order of the source."""
    *landmarks, code = pieces
    found = [None]
    for piece in (*landmarks, code):
        found = [place for before in found for place in standing(scope, piece, before)]
    different = {(id(p.parent), p.field, p.index, *sorted(p.fit.names.items())): p for p in found}
    return sorted(different.values(), key=lambda place: place.start)


def standing(scope, piece, before):
    """Yield where a piece of right code stands after the place of the one before it, if there is one."""
    for parent in scope.nodes():
        fields = ["body"] if parent is scope.node and isinstance(parent, ast.FunctionDef) else parent._fields
        for field in fields:
            value = getattr(parent, field)
            for index, length, ours, theirs in candidates(parent, value, piece):
                fit = Fit(scope, before.fit.names if before else {})
                place = Place(parent, field, index, length, fit)
                if (before is None or place.start > before.start) and fit.same(ours, theirs):
                    yield place


def candidates(parent, value, right):
    """Yield (index, length, right code, code there) for what in a field could be the right code."""
    if isinstance(right, list):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            for start in range(len(value)):
                length = len(value) - start if ends_open(right) else len(right)
                yield start, length, right, value[start : start + length]
    elif isinstance(value, ast.expr):
        yield None, 1, right, value
    elif isinstance(value, list):
        yield from ((i, 1, right, entry) for i, entry in enumerate(value) if isinstance(entry, ast.expr))
        if isinstance(parent, ast.BoolOp) and isinstance(right, ast.BoolOp):  # "a and b" in "a and b and c"
            length = len(right.values)
            starts = range(len(value) - length + 1) if length < len(value) else ()
            for start in starts if type(parent.op) is type(right.op) else ():
                yield start, length, right.values, value[start : start + length]


def ends_open(block):
    """Whether a block of right or wrong code ends in ``...``."""
    return bool(block) and is_open(block[-1])


def is_open(statement):
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and value.value is ...


def blocks(node):
    """Yield the lists of statements in a node, outer ones first, in the order of the source."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from blocks(child)


def put_into(expression, context):
    """Make an expression one that is read, or assigned to, as the one was in whose place it stands."""
    expression.ctx = context
    for entry in getattr(expression, "elts", []):
        put_into(entry, context)
