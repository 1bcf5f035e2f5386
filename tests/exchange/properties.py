"""A small reader of VNN-LIB: it tells whether an assignment satisfies a property, in exact arithmetic."""

import math
import re
from fractions import Fraction
from operator import eq, ge, gt, le, lt

COMPARE = {"<=": le, ">=": ge, "<": lt, ">": gt, "==": eq}


def statements(text):
    """Return the s-expressions of a file as nested lists of tokens; comments are left out."""
    text = re.sub(r";[^\n]*", "", text)
    stack = [[]]
    for part in re.findall(r"[()]|[^\s()]+", text):
        if part == "(":
            stack.append([])
        elif part == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(part)
    assert len(stack) == 1, "brackets do not match"
    return stack[0]


def declared(text):
    """Return the shapes by name of a 2.0 query's tensors, or {} for each constant of a 1.0 property."""
    found = {}
    for statement in statements(text):
        if statement[0] == "declare-const":
            assert statement[2] == "Real"
            found[statement[1]] = ()
        elif statement[0] == "declare-network":
            for kind, name, element, shape in statement[2:]:
                assert kind in ("declare-input", "declare-output")
                assert element == "real"
                found[name] = tuple(map(int, shape.strip("[]").split(",")))
    return found


def satisfied(text, values):
    """Tell whether all assertions hold; ``values`` maps X_0, or X[0,0], to a number."""
    return all(_truth(s[1], values) for s in statements(text) if s[0] == "assert")


def assignment(name, tensor):
    """Return every entry of an array by its 2.0 name, such as X[0,3]."""
    import numpy as np

    return {f"{name}[{','.join(map(str, place))}]": tensor[place] for place in np.ndindex(tensor.shape)}


def _truth(expression, values):
    operator, *arguments = expression
    if operator == "and":
        return all(_truth(argument, values) for argument in arguments)
    if operator == "or":
        return any(_truth(argument, values) for argument in arguments)
    left, right = arguments
    return COMPARE[operator](_number(left, values), _number(right, values))


def _number(expression, values):
    if isinstance(expression, list):
        operator, first, *others = expression
        assert operator == "-"
        return _number(first, values) - sum(_number(other, values) for other in others)
    if re.fullmatch(r"-?\d+\.\d+", expression):
        return Fraction(expression)
    value = values[expression]
    assert math.isfinite(value)
    return Fraction(value)
