"""Which layer of the chain computes what: atoms as early as they can be, others passed on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.lowering.index_maps import IndexMap, image_map
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix
from subsetsum_nets.networks.lowering.values import Affine, Atom, Term, Value, is_nonnegative

if TYPE_CHECKING:
    Views = dict[Atom, IndexMap]


@dataclass(frozen=True)
class Level:
    """What one layer computes.

    Attributes
    ----------
    computed : tuple of (Atom, Affine)
        Its own atoms, and the sums that they are (of), their entries in the order of their views.
    passed : tuple of Atom
        Those of earlier levels that later ones need.
    relu : bool
        Whether a ReLU follows.

    """

    computed: tuple[tuple[Atom, Affine], ...]
    passed: tuple[Atom, ...]
    relu: bool


@dataclass(frozen=True)
class Levels:
    """The levels of a chain, the input, and how atoms are seen as images (c, h, w) where they can be."""

    levels: tuple[Level, ...]
    input: Atom
    views: Views


def levels_of(out: Atom) -> Levels:
    """Return the levels of the chain that computes an atom.

    Raises
    ------
    NetworkFileError
        If it does not depend on the input.

    """
    arguments = _early(_arguments(out))
    atoms = sorted(_mentioned(arguments) | {out}, key=lambda atom: atom.serial)
    inputs = [atom for atom in atoms if atom.argument is None]
    if len(inputs) != 1:
        raise NetworkFileError("its output does not depend on its input")
    views = _views(atoms, arguments)
    depth = _depths(arguments)
    last: dict[Atom, int] = {}
    for atom, affine in arguments.items():
        for term in affine.terms:
            last[term.atom] = max(last.get(term.atom, 0), depth[atom])
    levels = []
    by_depth: dict[int, list[Atom]] = {}
    for atom in arguments:
        by_depth.setdefault(depth[atom], []).append(atom)
    alive: list[Atom] = [*inputs]
    for level in range(1, depth[out] + 1):
        alive = [atom for atom in alive if last.get(atom, 0) > level]
        own = sorted(by_depth[level], key=lambda atom: atom.serial)
        computed = tuple((atom, _viewed(arguments[atom], views[atom])) for atom in own)
        levels.append(Level(computed, tuple(alive), any(atom.relu for atom in own)))
        alive += own
    return Levels(tuple(levels), inputs[0], views)


def _arguments(out: Atom) -> dict[Atom, Affine]:
    """Return the sums of an atom and of all that it depends on, the oldest first."""
    found: dict[Atom, Affine] = {}
    waiting = [out]
    while waiting:
        atom = waiting.pop()
        if atom in found or atom.argument is None:
            continue
        found[atom] = atom.argument
        waiting += [term.atom for term in atom.argument.terms]
    return dict(sorted(found.items(), key=lambda item: item[0].serial))


def _mentioned(arguments: dict[Atom, Affine]) -> set[Atom]:
    return {term.atom for affine in arguments.values() for term in affine.terms} | set(arguments)


def _depths(arguments: dict[Atom, Affine]) -> dict[Atom, int]:
    """Return for each atom the number of its level; the input, which is in none, has 0."""
    depth: dict[Atom, int] = {}
    for atom, affine in arguments.items():
        depth[atom] = 1 + max((depth.get(term.atom, 0) for term in affine.terms), default=0)
    return depth


def _early(arguments: dict[Atom, Affine]) -> dict[Atom, Affine]:
    """Return the sums with terms of old atoms computed early where that is smaller to pass on.

    So a strided shortcut is computed beside the strided convolution that it skips.
    """
    depth = _depths(arguments)
    early: dict[Term, tuple[Atom, Affine]] = {}
    result: dict[Atom, Affine] = {}
    for atom, affine in arguments.items():
        top = max((depth.get(term.atom, 0) for term in affine.terms), default=0)
        terms = list(affine.terms)
        for place, term in enumerate(terms):
            if depth.get(term.atom, 0) < top and _shrinks(term, affine):
                made, argument = early.setdefault(term, _early_atom(term, affine))
                result[made] = argument
                terms[place] = Term(made, term.post or IndexMap(made.shape, made.shape))
        result[atom] = replace(affine, terms=tuple(terms))
    return dict(sorted(result.items(), key=lambda item: item[0].serial))


def _early_atom(term: Term, affine: Affine) -> tuple[Atom, Affine]:
    core = term.core
    shape = core.gives if isinstance(core, Matrix | Convolution) else affine.shape
    argument = Affine(shape, (replace(term, post=None),))
    serial = term.atom.serial + 0.5  # older than whatever uses what it is made of
    return Atom(shape, argument, nonnegative=is_nonnegative(argument), serial=serial), argument


def _shrinks(term: Term, affine: Affine) -> bool:
    """Tell whether what a term gives is less to pass on than its atom, or an image of another size."""
    size = math.prod(term.atom.shape) * (1 if term.atom.nonnegative else 2)
    if isinstance(term.core, Convolution):
        return term.core.gives[1:] != term.core.takes[1:]
    if isinstance(term.core, Matrix):
        return 2 * math.prod(term.core.gives) < size
    seen = image_map(term.pre, term.atom.shape, affine.shape)
    if seen is not None:
        return affine.shape[1:] != term.atom.shape[1:]
    return 2 * math.prod(affine.shape) < size


def _views(atoms: list[Atom], arguments: dict[Atom, Affine]) -> Views:
    """Return how each atom's entries are an image (c, h, w): as what takes it last sees them."""
    views: Views = {}
    for atom in reversed(atoms):
        view = views.setdefault(atom, IndexMap(atom.shape, atom.shape))
        for term in arguments[atom].terms if atom in arguments else ():
            seen = _seen(term, view)
            if seen is not None and (term.atom.argument is not None or _keeps_order(seen)):
                views.setdefault(term.atom, seen)
    return views


def _seen(term: Term, view: IndexMap) -> IndexMap | None:
    if isinstance(term.core, Convolution):
        seen = term.pre.shaped(term.core.takes)
    elif isinstance(term.core, Matrix):
        return None
    else:
        seen = term.pre.then(view.from_shape(term.pre.shape))
    return seen if len(seen.shape) == 3 and seen.bijective else None


def _keeps_order(view: IndexMap) -> bool:
    """Tell whether an image (c, h, w) is the input as it stands in the file, or stands there as (h, w, c)."""
    if view.places is None:
        return True
    c, h, w = view.shape
    last = np.arange(view.size).reshape(h, w, c).transpose(2, 0, 1)
    return np.array_equal(view.places, last)


def _viewed(affine: Affine, view: IndexMap) -> Affine:
    return Value(affine, view).settled
