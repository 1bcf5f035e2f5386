"""The order in which modules are evaluated, told from their names, their shapes and the file that holds them.

A state dict says which tensors there are, not what feeds what. Numbers in names count: ``fc2`` comes before
``fc10``. Where names say nothing, shapes may: what a layer gives, the next one takes. What is left open after
that is not guessed.
"""

from __future__ import annotations

import json
import re
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike

    Shape = tuple[int, ...]

MODULES = "modules"  # the metadata of our own files that lists them in order
TENSORS = "tensors"  # and what lists the tensors of a file that has no header of its own
_NAMED = 3  # orders that a refusal names
_MOST_STEPS = 20_000  # of the search for orders


def natural_order(modules: Iterable[str]) -> list[str]:
    """Return names in natural order: numbers in them by their value.

    >>> natural_order(["fc10.0", "fc9.1", "fc9"])
    ['fc9', 'fc9.1', 'fc10.0']
    """
    return sorted(modules, key=_natural_key)


def module_order(
    path: str | PathLike[str], weights: Mapping[str, Shape], metadata: Mapping[str, str]
) -> list[str]:
    """Return the modules of a file in the order of evaluation.

    Parameters
    ----------
    path : path
        Of a .safetensors, .pt or .pth file.
    weights : mapping of str to tuple of int
        The shape (d_out, d_in) or (c_out, c_in, rows, columns) of each module's weight.
    metadata : mapping of str to str
        Of the file.

    Raises
    ------
    InvalidNetworkError
        If several orders fit and neither the names nor the file tell which is meant.

    """
    kept = _listed(metadata, MODULES)
    if kept is not None and set(kept) == set(weights):
        return kept
    natural = natural_order(weights)
    orders = list(_orders(natural, weights))
    if len(orders) <= 1:
        return orders[0] if orders else natural  # no order fits: its layers' shapes will be said to misfit
    names = _listed(metadata, TENSORS) or _names_in_file(path)
    kept = _order_of(names, list(weights))
    if kept is not None:
        return kept
    shown = "; ".join(str(order) for order in orders[:_NAMED])
    raise InvalidNetworkError(
        f"{Path(path)}: the modules fit one another in more than one order, and neither their names nor the "
        f"file say which: {shown}{'; ..' if len(orders) > _NAMED else ''}. Give the order of evaluation, "
        f"names={orders[0]}"
    )


def _listed(metadata: Mapping[str, str], what: str) -> list[str] | None:
    """Return the modules or tensors that the metadata list, None where they do not."""
    try:
        listed = json.loads(metadata.get(what, "null"))
    except (ValueError, RecursionError):
        return None
    proper = isinstance(listed, list) and all(isinstance(name, str) for name in listed)
    return listed if proper and len(set(listed)) == len(listed) else None


def _orders(natural: list[str], weights: Mapping[str, Shape]) -> Iterator[list[str]]:
    """Yield up to a few orders in which numbers in names rise and shapes fit, those near ``natural`` first.

    Names that differ in numbers alone leave no choice, whatever the shapes.
    """
    before = {name: {other for other in weights if _numbered_before(other, name)} for name in weights}
    if all(a in before[b] for a, b in pairwise(natural)):
        yield natural
        return
    found, steps = 0, 0
    stack: list[list[str]] = [[]]
    while stack and found <= _NAMED and steps < _MOST_STEPS:
        steps += 1
        order = stack.pop()
        if len(order) == len(natural):
            found += 1
            yield order
            continue
        used = set(order)
        following = [
            name
            for name in natural
            if name not in used
            and before[name] <= used
            and (not order or _feeds(weights[order[-1]], weights[name]))
        ]
        stack += [[*order, name] for name in reversed(following)]


def _feeds(one: Shape, other: Shape) -> bool:
    """Tell whether a layer can take what another one gives: images of any size, flattened before a matrix."""
    if len(one) not in (2, 4) or len(other) not in (2, 4):
        return True  # no layers; that is said elsewhere
    if len(one) == 4 and len(other) == 2:
        return one[0] > 0 and other[1] % one[0] == 0
    return len(one) == len(other) and one[0] == other[1]


def _numbered_before(one: str, other: str) -> bool:
    """Tell whether two names first differ in a number, and the first has the smaller one."""
    for place, (a, b) in enumerate(zip(_natural_key(one), _natural_key(other), strict=False)):
        if a != b:
            return place % 2 == 1 and a < b
    return False


def _natural_key(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", name)  # text and numbers in turn; longer numbers are larger
    values = [part.lstrip("0") if index % 2 else part for index, part in enumerate(parts)]
    return [(len(value) if index % 2 else 0, value) for index, value in enumerate(values)]


def _names_in_file(path: str | PathLike[str]) -> list[str]:
    """Return the tensors as a file's header lists them; none where it lists them by type and name.

    That is how the library of the format writes them, whatever order they were in.
    """
    header = _header(path)
    for _, tensors in groupby(header.items(), key=lambda item: item[1]):
        names = [name for name, _ in tensors]
        if names != sorted(names):
            return list(header)
    return []


def _order_of(names: Sequence[str], modules: Sequence[str]) -> list[str] | None:
    """Return the modules in the order of their tensors; None where one has no tensor there."""
    places = {
        module: min(place for place, name in enumerate(names) if _belongs(name, module))
        for module in modules
        if any(_belongs(name, module) for name in names)
    }
    return sorted(places, key=places.__getitem__) if len(places) == len(modules) else None


def _belongs(name: str, module: str) -> bool:
    return not module or name.startswith(f"{module}.")


def _header(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the type of each tensor, as the header of a file that was read before lists them."""
    with Path(path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
