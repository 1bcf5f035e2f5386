"""What a method records, so that its bound can be proven once more: every free choice, and nothing else.

Any choices prove some bound; these are those for which the replay reaches the bound of the method. This is
all that the floating methods and the exact replay share, and it imports neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Bools, FloatArray

PHASES_OF_PART = tuple[tuple[int, int, int, int], ...]  # layer, unit, 0 for g or 1 for f, +1 or -1


@dataclass(frozen=True, eq=False)
class PropagatedSlopes:
    """What "propagated" chooses layer by layer.

    Parameters
    ----------
    relus : tuple of arrays, shape (units,)
        The slope T that stands for every unit's ReLU after a layer; not looked at where none follows.
    followed : tuple of bool
        Whether the errors of all earlier layers are followed to this one.

    """

    relus: tuple[FloatArray, ...]
    followed: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class ReluSlopes:
    """The slopes of one layer of ReLU pairs; all arrays have shape (units,).

    Parameters
    ----------
    g, f : array
        Slopes of the two ReLUs, each relaxed on its own.
    deviation : array
        Slope of the deviation where it is relaxed as such.
    apart : bool array
        Units whose deviation is the difference of two separately relaxed ReLUs.

    """

    g: FloatArray
    f: FloatArray
    deviation: FloatArray
    apart: Bools


@dataclass(frozen=True, eq=False)
class ChosenSlopes:
    """The slopes of a differential zonotope.

    Parameters
    ----------
    relus : tuple of ReluSlopes or None
        At each layer's ReLU; None where none follows.
    signs : tuple of arrays or None
        For max(x, 0) of each layer's inputs x in g where no ReLU stands before it; None elsewhere.
    inputs : array, shape (d_0,)
        For max(x, 0) of the inputs, in the norm "l2".

    """

    relus: tuple[ReluSlopes | None, ...]
    signs: tuple[FloatArray | None, ...]
    inputs: FloatArray


@dataclass(eq=False)
class BoxProof:
    """A box of inputs, bounded by a zonotope, and the halves it was cut into.

    Parameters
    ----------
    bound : float
        Of this box alone.
    slopes : ChosenSlopes
    axis : int
        The input that was cut; -1 for none.
    at : float
        Where: the halves hold the inputs up to there and from there on.
    halves : list of BoxProof
        Two of them, or none.

    """

    bound: float
    slopes: ChosenSlopes
    axis: int = -1
    at: float = 0.0
    halves: list[BoxProof] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class LineChoices:
    """The multipliers and lines of one layer's ReLU in a dual bound; see ``methods.splitting.dual_bounds``.

    Parameters
    ----------
    split, phase_g, phase_f, g_below, f_below : array, shape (rows, units)
        Multipliers of ``0 = y - x - d`` and of given phases, and slopes of the lines below g's and f's units.
    g_above, f_above, d_above, d_below : array, shape (units,)
        Slopes of the other lines.

    """

    split: FloatArray
    phase_g: FloatArray
    phase_f: FloatArray
    g_below: FloatArray
    f_below: FloatArray
    g_above: FloatArray
    f_above: FloatArray
    d_above: FloatArray
    d_below: FloatArray


@dataclass(frozen=True, eq=False)
class RowsProof:
    """Dual bounds of some rows: the linear functions of one layer and the choices of the layers before."""

    p: FloatArray
    q: FloatArray
    choices: Sequence[LineChoices]


@dataclass(eq=False)
class UnitProof:
    """What unit splitting did.

    Parameters
    ----------
    narrowed : list of (layer, name, units, ends)
        The ranges that were narrowed, one after the other. The name is "g", "f" or "deviation"; the ends are
        the proofs of upper bounds of the units and of their negatives, each a list of (first unit, proof).
    whole : ChosenSlopes or None
        Of the zonotope with these ranges; None until there is one.
    objectives : list of arrays
        The linear functions of g - f that were bounded, a matrix for each separate search.
    parts : dict
        From (objective, phases) to the proof of its rows' bounds.
    cuts : dict
        From (objective, phases) to the (layer, unit, network) that was cut into its two phases.

    """

    narrowed: list[tuple[int, str, list[int], tuple[list[tuple[int, RowsProof]], ...]]] = field(
        default_factory=list
    )
    whole: ChosenSlopes | None = None
    objectives: list[FloatArray] = field(default_factory=list)
    parts: dict[tuple[int, PHASES_OF_PART], RowsProof] = field(default_factory=dict)
    cuts: dict[tuple[int, PHASES_OF_PART], tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SplitProof:
    """What branch and bound did.

    Parameters
    ----------
    upper : float
        What it proved.
    whole : ChosenSlopes
        Of the zonotope over the whole domain.
    search : BoxProof, UnitProof or None
        None where the zonotope was enough, or nothing could be split.

    """

    upper: float
    whole: ChosenSlopes
    search: BoxProof | UnitProof | None


@dataclass(frozen=True, eq=False)
class ProgramProof:
    """The multipliers of a linear program over a box of a pair of networks; see ``milp.certified_lp``.

    Parameters
    ----------
    slopes : array, shape (units + 2 pairs,)
        Of the lines above every unit, and above and below every pair's ``e``.
    equalities : array, shape (defined variables,)
    inequalities : array, shape (2 units + 2 pairs,)
        Negative ones count as 0.
    direction : array, shape (d_0,), or None
        The part of the objective that the ball of inputs bounds.

    """

    slopes: FloatArray
    equalities: FloatArray
    inequalities: FloatArray
    direction: FloatArray | None


@dataclass(eq=False)
class MilpNode:
    """A node of the branch and bound "milp".

    Parameters
    ----------
    slope : array, shape (outputs,), or None
        Of the linear function that bounds the norm here; None where the node is empty by its box.
    program : ProgramProof or None
        That bounds it; None where the box is enough.
    empty : ProgramProof or None
        That the objective 0 is below 0: there is no such point.
    variable : int
        That was cut at zero into two children, below and above; -1 for none.
    ratio, at : int, float
        The output whose ratio was cut into two children, and where; -1 for none.
    children : list of MilpNode
        Two, or without a cut the same node once more within the root's tightened box, or none.

    """

    slope: FloatArray | None = None
    program: ProgramProof | None = None
    empty: ProgramProof | None = None
    variable: int = -1
    ratio: int = -1
    at: float = 0.0
    children: list[MilpNode] = field(default_factory=list)


@dataclass(eq=False)
class MilpProof:
    """What the branch and bound "milp" did.

    Parameters
    ----------
    upper : float
        What it proved.
    layer_by_layer : bool
        Whether g was read as effective layers; else the two networks meet at their outputs only.
    scales : tuple of float
        Powers of two that the differences are divided by: of each layer, or of the outputs.
    halved : tuple of bool
        Whether the inputs of each layer in g were cut into positive and negative parts.
    tightened : list of (variable, below, above) or None
        The root's box: programs for the least and the largest value of a variable, and None where interval
        arithmetic went through all layers once more.
    aims : list of MilpNode
        One for every aim of the norm.

    """

    upper: float
    layer_by_layer: bool
    scales: tuple[float, ...]
    halved: tuple[bool, ...]
    tightened: list[tuple[int, ProgramProof | None, ProgramProof | None] | None] = field(default_factory=list)
    aims: list[MilpNode] = field(default_factory=list)


Record = PropagatedSlopes | ChosenSlopes | SplitProof | MilpProof
