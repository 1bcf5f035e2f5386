"""Dual bounds in exact arithmetic, for the replay of unit splitting: see ``methods.splitting.dual_bounds``.

Multipliers and slopes are those of the floating bound; any multipliers and slopes in [0, 1] are sound.
The linear functions are then the same, and only the offsets of the lines depend on ranges, growing with them:
narrower ranges give a bound that is no larger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, positive_part, zeros
from subsetsum_nets.verification.replay.forms import ExactFeatures, error_of_relu
from subsetsum_nets.verification.replay.zonotope import ExactPairRanges, deviation_error, exact_slope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.verification.records import LineChoices, RowsProof
    from subsetsum_nets.verification.replay.exact_comparison import ExactComparison

# For each layer the phases of its units in g and in f: two lists of 1, -1 or 0.
Signs = tuple[list[int], list[int]]


class ReplayedDual:
    """Exact dual bounds for one pair of networks and one domain.

    Parameters
    ----------
    pair : ExactComparison
    features : ExactFeatures
        Of the domain.

    Raises
    ------
    UnsupportedStructureError
        If a layer with two slopes follows a layer without a ReLU.

    """

    def __init__(self, pair: ExactComparison, features: ExactFeatures) -> None:
        layers, effective, errors, relu_after = pair.layers, pair.effective, pair.errors, pair.relu_after
        for index in range(1, len(layers)):
            if effective[index].negative is not effective[index].positive and not relu_after[index - 1]:
                raise UnsupportedStructureError(
                    f"layer {index} has two slopes and follows no ReLU: its dual is not supported"
                )
        self._features, self._relu_after = features, relu_after
        # After a ReLU only the slopes for inputs >= 0 count.
        self._slopes = [features.coefficients(effective[0]), *(e.positive for e in effective[1:])]
        self._errors = [features.coefficients(errors[0]), *(e.positive for e in errors[1:])]
        self._weights = [layer.positive for layer in layers]
        self._bias, self._bias_error = [e.bias for e in effective], [e.bias for e in errors]

    def bound(
        self, layer: int, proof: RowsProof, before: Sequence[ExactPairRanges], signs: Sequence[Signs]
    ) -> ExactMatrix:
        """Return upper bounds of ``p . z + q . D`` of a layer, a column.

        Parameters
        ----------
        layer : int
        proof : RowsProof
        before : sequence of ExactPairRanges
            Proven ranges before the ReLUs of the layers before ``layer``, in the part that is bounded.
        signs : sequence of (list of int, list of int)
            The phases that this part gives the units of g and of f of these layers.

        """
        p, q = ExactMatrix.from_floats(proof.p), ExactMatrix.from_floats(proof.q)
        constant = p @ self._bias[layer] + q @ self._bias_error[layer]
        for index in range(layer, 0, -1):
            a = p @ self._slopes[index] + q @ self._errors[index]
            b = q @ self._weights[index]
            choices = proof.choices[index - 1]
            p, q, added = self._relaxed(index - 1, a, b, choices, before[index - 1], signs[index - 1])
            constant = constant + added + p @ self._bias[index - 1] + q @ self._bias_error[index - 1]
        return constant + self._features.support(p @ self._slopes[0] + q @ self._errors[0]).high

    def _relaxed(
        self,
        index: int,
        a: ExactMatrix,
        b: ExactMatrix,
        choices: LineChoices,
        before: ExactPairRanges,
        signs: Signs,
    ) -> tuple[ExactMatrix, ExactMatrix, ExactMatrix]:
        """Return p, q and c with ``a . y + b . d <= p . z + q . D + c``.

        Where y, x and d are the values of g, f and g - f after the ReLU, z and D those of g and g - f before,
        0 = m (y - x - d) is added first, with any m.
        """
        split = ExactMatrix.from_floats(choices.split)
        of_g, of_f, of_d = a + split, -split, b - split
        if self._relu_after[index]:
            g_above, f_above = exact_slope(choices.g_above), exact_slope(choices.f_above)
            d_above, d_below = exact_slope(choices.d_above), exact_slope(choices.d_below)
            constant = (
                positive_part(of_g) @ error_of_relu(before.g, g_above)
                + positive_part(of_f) @ error_of_relu(before.f, f_above)
                + positive_part(of_d) @ deviation_error(before, d_above)[1]
                - positive_part(-of_d) @ deviation_error(before, d_below)[0]
            )
            # max(z, 0) lies above every line through 0 with a slope in [0, 1].
            sloped_g = positive_part(of_g).scaled_columns(g_above) - products(
                positive_part(-of_g), exact_slope(choices.g_below)
            )
            sloped_f = positive_part(of_f).scaled_columns(f_above) - products(
                positive_part(-of_f), exact_slope(choices.f_below)
            )
            of_d = positive_part(of_d).scaled_columns(d_above) - positive_part(-of_d).scaled_columns(d_below)
        else:
            sloped_g, sloped_f = of_g, of_f
            constant = zeros(a.shape[0])
        # 0 <= sign z in the part, and 0 <= sign (z - D) for f, times multipliers >= 0.
        held_g, held_f = (
            positive_part(ExactMatrix.from_floats(m)).scaled_columns(
                ExactMatrix.from_ints(sign, (len(sign), 1), 0)
            )
            for m, sign in zip((choices.phase_g, choices.phase_f), signs, strict=True)
        )
        return sloped_g + sloped_f + held_g + held_f, of_d - sloped_f - held_f, constant


def products(a: ExactMatrix, b: ExactMatrix) -> ExactMatrix:
    """Return the entrywise products."""
    numbers = [x * y for x, y in zip(a.ints.entries(), b.ints.entries(), strict=True)]
    return ExactMatrix.from_ints(numbers, a.shape, a.scale + b.scale)
