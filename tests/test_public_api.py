"""The public names of both packages and how they are called, as agreed: a change is told to users."""

import inspect
import re
from enum import Enum

import pytest
from support.snapshots import UPDATE, check_snapshot

import solvers
import subsetsum_nets

ADVICE = (
    "the public API changed. What users wrote must go on working: give new arguments a default, keep old "
    "names. Say it in CHANGELOG.md"
)


def described(package):
    """Return a line for each public name, and for each of its public members."""
    lines = []
    for name in sorted(package.__all__):
        value = getattr(package, name)
        kind = "class" if inspect.isclass(value) else "def" if callable(value) else "value"
        lines.append(f"{kind} {package.__name__}.{name}{signature(value) if kind != 'value' else ''}")
        if kind == "class":
            lines += [f"    {line}" for line in members(value)]
    return lines


def members(cls):
    """Yield the public methods, properties and fields of a class, inherited ones of the packages too."""
    fields = getattr(cls, "__dataclass_fields__", {})
    names = {n for base in cls.__mro__ if ours(base) for n in (*vars(base), *getattr(base, "__slots__", ()))}
    for name in sorted(
        {n for n in {*names, *fields} if not n.startswith("_") or n in ("__call__", "__len__")}
    ):
        value = inspect.getattr_static(cls, name, None)
        if isinstance(value, classmethod | staticmethod):
            yield f"{type(value).__name__} {name}{signature(value.__func__)}"
        elif inspect.isfunction(value):
            yield f"def {name}{signature(value)}"
        else:
            yield f"attribute {name}"


def ours(base):
    return base.__module__.partition(".")[0] in ("solvers", "subsetsum_nets")


def signature(value):
    """Return the arguments and what is returned, defaults by their repr, without addresses."""
    if inspect.isclass(value) and issubclass(value, Enum):
        return ""  # its members are what counts; how Python makes enumerations changes
    try:
        text = str(inspect.signature(value))
    except ValueError:  # builtins, of exceptions say
        return "(..)"
    text = re.sub(r"ForwardRef\('([^']*)'[^)]*\)", r"\1", text)  # annotations of named tuples
    return re.sub(r"<factory>|<[^<>]* at 0x[0-9a-f]+>", "..", text.replace("'", ""))


@pytest.mark.parametrize("package", [solvers, subsetsum_nets], ids=lambda package: package.__name__)
def test_names_and_signatures_are_those_agreed(package):
    check_snapshot(f"api_of_{package.__name__}.txt", described(package), ADVICE)


def test_a_changed_default_a_lost_argument_and_a_lost_name_are_seen(monkeypatch):
    def before(a, *, b=1):
        return a, b

    def after(a, *, b=2):
        return a, b

    assert signature(before) == "(a, *, b=1)" != signature(after)
    lines = described(solvers)
    assert any(line.startswith("def solvers.solve(problem") for line in lines)
    assert "    def check(self, problem: SubsetSum) -> None" in lines
    monkeypatch.delenv(UPDATE, raising=False)
    with pytest.raises(AssertionError, match="the public API changed"):
        check_snapshot("api_of_solvers.txt", lines[1:], ADVICE)
