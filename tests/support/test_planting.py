"""The planter is itself tested: it finds code whatever its names, and refuses what it cannot place."""

import ast
import functools
import importlib
import inspect
import sys
import textwrap

import numpy as np
import pytest
from graphs.test_random_dags import MUTANTS as ROWS_OF_GRAPHS
from support.fitting import NAMED, Scope
from support.planting import Nth, inner_function, module_tree, plain_python, plant, planted

from solvers.kernels import two_pointers
from subsetsum_nets.verification.enclosures.midrad import MidRad

Refused = pytest.fail.Exception
HOUSE = '''
import math
from collections import Counter as Tally

WIDTH = 3


def area(width, height, *, scale=1):
    """Return something of each kind."""
    total = 0
    for row in range(height):
        inner = [cell * scale for cell in range(width) if cell > row and cell < 9 and row >= 0]
        if row > 1:
            total += sum(inner)
            continue
        total += math.floor(max(row, width))
    first, last = total + 1 - scale, total + 2 - scale
    return {"first": first, "last": last, "total": total}


class Room:
    size: int = WIDTH

    @property
    def doors(self):
        return self.size + 1

    @classmethod
    def of(cls, size):
        room = cls()
        room.size = size
        return room

    def walk(self, steps):
        def one(step):
            try:
                return step / self.size
            except ZeroDivisionError as error:
                return str(error)

        return [one(step) for step in steps]
'''
TREE = ast.parse(HOUSE)


def run(where, old, new, tree=TREE):
    """Return the names of the module with a mistake in it."""
    names = {"__name__": "house"}
    exec(compile(planted(tree, where, old, new), "house", "exec"), names)  # noqa: S102
    return names


def difference(where, old, new, tree=TREE):
    """Return the lines of the module's code that are others afterwards."""
    before, after = (ast.unparse(t).splitlines() for t in (tree, planted(tree, where, old, new)))
    return [line.strip() for line in after if line not in before]


# -- where a mistake goes ------------------------------------------------------------------------------

# name: function, right code, wrong code, the line that comes of it
PLACED = {
    "an expression": ("area", "total + 1 - scale", "total", "first, last = (total, total + 2 - scale)"),
    "the beginning of a sum": (
        "area",
        "total + 1",
        "total",
        "first, last = (total - scale, total + 2 - scale)",
    ),
    "a whole call": ("area", "max(row, width)", "row", "total += math.floor(row)"),
    "a statement": (
        "area",
        "total += math.floor(max(row, width))",
        "total = row",
        "total = row",
    ),
    "a statement that goes": ("area", "continue", "pass", "pass"),
    "the end of a chain": (
        "area",
        "cell < 9 and row >= 0",
        "cell < 8",
        "inner = [cell * scale for cell in range(width) if cell > row and cell < 8]",
    ),
    "a block whatever is in it": ("area", "if row > 1: ...", "if row > 2: ...", "if row > 2:"),
    "after another piece": (
        "area",
        "total + 1 - scale, total + 2 - scale\n...\nreturn {'first': a, 'last': b, 'total': total}",
        "return a",
        "return first",
    ),
    "after the head of a loop": (
        "area",
        "for row in range(height): ...\n...\nmath.floor(max(row, width))",
        "math.floor(row)",
        "total += math.floor(row)",
    ),
    "a method": ("Room.walk", "step / self.size", "step * self.size", "return step * self.size"),
    "a function inside": ("Room.walk.one", "str(error)", "''", "return ''"),
    "what is assigned to": ("Room.of", "room.size", "room.width", "room.width = size"),
    "code of a class": ("Room", "WIDTH", "WIDTH + 1", "size: int = WIDTH + 1"),
    "code of the module": ("", "WIDTH = 3", "WIDTH = 4", "WIDTH = 4"),
}


@pytest.mark.parametrize("name", PLACED)
def test_the_mistake_goes_where_the_code_stands(name):
    where, old, new, line = PLACED[name]
    assert difference(where, old, new) == [line]


def test_of_several_one_is_told_by_number():
    shown = [difference("area", Nth("range(width)", k), "range(7)") for k in (1, 2)]
    assert shown == [
        ["for row in range(7):"],
        ["inner = [cell * scale for cell in range(7) if cell > row and cell < 9 and (row >= 0)]"],
    ]


def test_what_follows_in_a_block_stays():
    (taken_out,) = difference("area", "if row > 1: ...", "if True: ...")
    assert taken_out == "if True:"
    unchanged = run("area", "if row > 1: ...", "if row > 1 or False: ...")
    assert unchanged["area"](4, 5) == run("area", "total = 0", "total = 0 + 0")["area"](4, 5)


# -- names -----------------------------------------------------------------------------------------------


class Renaming(ast.NodeTransformer):
    """Gives the local names of a function others."""

    def __init__(self, local):
        self.local = local

    def generic_visit(self, node):
        field = NAMED.get(type(node))
        if field and getattr(node, field) in self.local:
            setattr(node, field, f"{getattr(node, field)}_anew")
        return super().generic_visit(node)


def renamed(tree, where, names):
    """Return a copy of a tree in which names of a function are others, wherever they stand in it."""
    tree = ast.parse(ast.unparse(tree))
    node = Scope.of(tree, where).node
    for part in (node.args, *node.body):
        Renaming(names).visit(part)
    return tree


@pytest.mark.parametrize("name", [name for name in PLACED if PLACED[name][0] not in ("", "Room")])
def test_names_of_local_variables_do_not_matter(name):
    where, old, new, _ = PLACED[name]
    local = Scope.of(TREE, where).local
    other = renamed(TREE, where, local)
    assert ast.dump(other) != ast.dump(TREE)
    expected = renamed(planted(TREE, where, old, new), where, local)
    assert ast.unparse(planted(other, where, old, new)) == ast.unparse(expected)


@pytest.mark.parametrize(("module", "function", "old", "new"), ROWS_OF_GRAPHS)
def test_rows_of_a_real_test_stand_whatever_the_names(module, function, old, new):
    tree = module_tree(f"subsetsum_nets.graphs.{module}")
    local = Scope.of(tree, function).local
    anew = planted(renamed(tree, function, local), function, old, new)
    assert ast.unparse(anew) == ast.unparse(renamed(planted(tree, function, old, new), function, local))


def test_names_from_outside_matter():
    for old in ("min(row, width)", "cmath.floor(max(row, width))"):
        with pytest.raises(Refused, match="does not stand"):
            planted(TREE, "area", old, "0")


def test_names_must_be_used_alike():
    assert difference("area", "a > b and a < 9", "a < b") == difference(
        "area", "cell > row and cell < 9", "cell < row"
    )
    for old in ("a > b and b < 9", "a > a and a < 9"):
        with pytest.raises(Refused, match="does not stand"):
            planted(TREE, "area", old, "False")


# -- what is refused -------------------------------------------------------------------------------------

REFUSED = {
    "code that is not there": ("area", "total + 3", "total", "does not stand in area"),
    "code of another function": ("area", "self.size + 1", "self.size", "does not stand in area"),
    "code that stands twice": ("area", "range(width)", "range(3)", r"stands 2 times in area, lines \d+, \d+"),
    "a number too high": ("area", Nth("range(width)", 3), "range(3)", "Nth.3. says nothing"),
    "a number for what stands once": ("area", Nth("total = 0", 1), "total = 1", "Nth.1. says nothing"),
    "a number for nothing": ("area", Nth("total = 99", 1), "total = 1", "does not stand"),
    "no change": ("area", "total = 0", "total = 0", "changes nothing"),
    "no change but of layout": ("area", "max(row, width)", "max(row,  width,)", "changes nothing"),
    "no change but of a name": ("area", "max(a, b)", "max(a,  b)", "changes nothing"),
    "a name that is not told": ("area", "max(row, width)", "max(row, height)", "does not tell: height"),
    "a name that is not there": ("area", "max(row, width)", "max(row, wdith)", "does not tell: wdith"),
    "a name assigned that is not told": ("area", "continue", "total = 0", "does not tell: total"),
    "no Python": ("area", "total +", "total", "is no Python"),
    "wrong code that is no Python": ("area", "total = 0", "total = = 0", "is no Python"),
    "no such function": ("volume", "total", "0", "'volume' of 'volume' is defined 0 times"),
    "no such method": ("Room.run", "total", "0", "defined 0 times"),
    "a block that was not there": ("area", "continue", "if True: ...", "stands for nothing"),
    "pieces in the wrong order": ("area", "sum(inner)\n...\ntotal = 0", "total = 1", "does not stand"),
    "a function's code outside": ("", "total = 0", "total = 1", "does not stand in the module"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_placed_is_refused(name):
    where, old, new, message = REFUSED[name]
    with pytest.raises(Refused, match=message):
        planted(TREE, where, old, new)


def test_code_that_differs_by_names_alone_is_ambiguous():
    tree = ast.parse("def f(a, b, c):\n    return g(a + b) * g(b + c)\n")
    with pytest.raises(Refused, match="stands 2 times"):
        planted(tree, "f", "a + b", "a - b")
    assert "a - b" in ast.unparse(planted(tree, "f", Nth("a + b", 1), "a - b"))
    assert "b - c" in ast.unparse(planted(tree, "f", "g(a + b)\n...\nb + c", "b - c"))


def test_two_definitions_of_a_name_are_refused():
    tree = ast.parse("def f(x):\n    return x\n\n\ndef f(x):\n    return x + 1\n")
    with pytest.raises(Refused, match="defined 2 times"):
        planted(tree, "f", "x + 1", "x")


def test_a_refusal_is_no_exception_that_a_test_of_mutants_could_take_for_its_own():
    with pytest.raises(Refused), pytest.raises(Exception):  # noqa: B017
        planted(TREE, "area", "total + 3", "0")


# -- planted in place ----------------------------------------------------------------------------------


def halved(x):
    return x / 2


class Base:
    def value(self):
        return 1


class Derived(Base):
    factor = 3

    def value(self):
        return super().value() + 1

    @property
    def double(self):
        return 2 * self.factor

    @classmethod
    def made(cls):
        return cls.factor + 1

    @functools.cached_property
    def kept(self):
        return self.factor + 7


@functools.lru_cache
def remembered(x):
    return x + 1


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or inspect.getmodule(halved))


IN_PLACE = {
    "a function": (halved, "x / 2", "x / 4", lambda: halved(8), 4, 2),
    "a method that calls super": (
        Derived.value,
        "super().value() + 1",
        "super().value() - 1",
        lambda: Derived().value(),
        2,
        0,
    ),
    "a property": (Derived.double, "2 * self.factor", "self.factor", lambda: Derived().double, 6, 3),
    "a class method": (Derived.made, "cls.factor + 1", "cls.factor", Derived.made, 4, 3),
    "a cached property": (Derived.kept, "self.factor + 7", "0", lambda: Derived().kept, 10, 0),
    "a decorated function": (remembered, "x + 1", "x", lambda: remembered.__wrapped__(5), 6, 5),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_function_is_changed_for_all_who_know_it_and_put_back(name):
    function, old, new, call, right, wrong = IN_PLACE[name]
    known_elsewhere = inner_function(function)
    assert call() == right
    with pytest.MonkeyPatch.context() as patch:
        plant(patch, function, old, new)
        assert call() == wrong
        assert inner_function(function) is known_elsewhere
    assert call() == right


def test_a_mistake_in_the_package_is_undone(monkeypatch):
    x = MidRad(np.array([1.0]), np.array([0.25]))
    right = x.bounds()[0][0]
    with monkeypatch.context() as patch:
        plant(patch, MidRad.bounds, "np.nextafter(low, -np.inf)", "low + 1.0")
        assert x.bounds()[0][0] > right
    assert x.bounds()[0][0] == right


# -- copies of modules ---------------------------------------------------------------------------------

KERNELS = "solvers.kernels.two_pointers"
LEFT, RIGHT = np.array([0, 3, 9]), np.array([0, 1, 7])  # 3 + 1 is 4


def nearest(module):
    return module.nearest_pair(LEFT, RIGHT, 4, 0)[2]


def test_a_copy_is_plain_python_and_right(monkeypatch):
    copy = plain_python(monkeypatch, KERNELS)
    assert inspect.isfunction(copy.nearest_pair)
    assert nearest(copy) == nearest(two_pointers) == 0
    assert sys.modules[f"{KERNELS}_copy"] is copy
    assert not inspect.isfunction(two_pointers.nearest_pair)


def test_a_copy_with_a_mistake_is_wrong(monkeypatch):
    copy = plain_python(monkeypatch, KERNELS, "nearest_pair", "difference > 0", "difference < 0")
    assert nearest(copy) != 0
    assert nearest(two_pointers) == 0


def test_constants_and_imports_of_a_copy(monkeypatch, tmp_path):
    text = "from math import floor\nSIZE = 2**10\nTWICE = 2 * SIZE\n\n\ndef f(x):\n    return floor(x)\n"
    (tmp_path / "some_module.py").write_text(textwrap.dedent(text))
    (tmp_path / "some_maths.py").write_text("def floor(x):\n    return -1\n")
    monkeypatch.syspath_prepend(tmp_path)
    copy = plain_python(monkeypatch, "some_module", constants={"SIZE": 3}, imports={"math": "some_maths"})
    assert (copy.SIZE, copy.TWICE, copy.f(2.5)) == (3, 6, -1)
    assert importlib.import_module("some_module").f(2.5) == 2
    with pytest.raises(Refused, match="NO_SUCH is not assigned once"):
        plain_python(monkeypatch, "some_module", constants={"NO_SUCH": 3})
