"""Deliberate bugs in method "propagated", each of which its checks must catch."""

import pytest
from support.planting import plain_python
from verification.propagated_checks import (
    check,
    check_products,
    check_relu_slopes,
    check_slope_ranges,
    known,
)

from subsetsum_nets.verification.methods import propagated

MUTANTS = [
    # a layer's term
    (
        "methods.propagated",
        "_Propagation._rows",
        "total = range_sum(total, self._effect(layer, matrix))",
        "pass",
    ),
    # what D does beside T
    ("methods.propagated", "_Propagation._rows", "total = range_sum(total, Range(-spread, spread))", "pass"),
    (
        "methods.propagated",
        "_Propagation._rows",
        "product_up(matrix.magnitude(), self._residuals[layer])",
        "0.5 * product_up(matrix.magnitude(), self._residuals[layer])",
    ),
    (
        "methods.propagated",
        "_Propagation._effect",
        "return range_sum(effect, box_slope_range(constant, constant, one))",
        "return effect",
    ),
    # the wrong half
    (
        "methods.propagated",
        "_Propagation._effect",
        (
            "positive = _times_enclosed(matrix, error.positive)\n"
            "...\n"
            "negative = _times_enclosed(matrix, error.negative)"
        ),
        "negative = positive",
    ),
    (
        "methods.propagated",
        "_Propagation._effect",
        "error.negative is not error.positive and (inputs.low < 0.0).any()",
        "False",
    ),
    # wrong D
    (
        "methods.propagated",
        "relu_slopes",
        "both_on = (of_f.low >= 0.0) & (of_g.low >= 0.0)",
        "both_on = of_f.low >= 0.0",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "both_on = (of_f.low >= 0.0) & (of_g.low >= 0.0)",
        "both_on = of_g.low >= 0.0",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "~both_on & (of_f.high <= 0.0) & (of_g.high <= 0.0)",
        "of_f.high <= 0.0",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "~both_on & (of_f.high <= 0.0) & (of_g.high <= 0.0)",
        "of_g.high <= 0.0",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "np.where(on > 0.0, np.nextafter(on / divisor, 0.0), 0.0)",
        "np.where(on > 0.0, np.nextafter(2.0 * on / divisor, 0.0), 0.0)",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "1.0 - np.nextafter(off / divisor, 0.0)",
        "1.0 - 2.0 * off / divisor",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "np.where(on > 0.0, np.nextafter(on / divisor, 0.0), 0.0)",
        "np.where(on > 0.0, np.nextafter(on / divisor, 1.0), 0.0)",
    ),
    (
        "methods.propagated",
        "relu_slopes",
        "np.nextafter(1.0 - np.nextafter(off / divisor, 0.0), 2.0)",
        "np.nextafter(1.0 - off / divisor, 0.0)",
    ),
    (
        "methods.propagated",
        "_Propagation.step",
        "times_up(_distance_up(slopes, middle), before)",
        "times_up(slopes.high - middle, before * 0.5)",
    ),
    (
        "methods.propagated",
        "_distance_up",
        "np.maximum(slopes.high - middle, middle - slopes.low)",
        "slopes.low - middle",
    ),
    # stale
    (
        "methods.propagated",
        "_Propagation.step",
        "of_g = range_sum(of_f, change).meet(Range(*image.bounds()))",
        "of_g = of_f",
    ),
    # stale
    (
        "methods.propagated",
        "_Propagation.step",
        "of_f, inputs = self._ranges_of_f[index], self._inputs[index]\n...\nself._inputs.append(of_g)",
        "self._inputs.append(inputs if inputs.low.shape == of_g.low.shape else of_g)",
    ),
    # wrong layer
    (
        "methods.propagated",
        "_Propagation._rows",
        "self._target.affine_layers[layer + 1]",
        "self._target.affine_layers[layer]",
    ),
    # wrong operand order
    (
        "methods.propagated",
        "_times",
        "affine(transposed, MidRad(matrix.mid.T, matrix.rad.T))",
        (
            "affine(transposed.T if transposed.shape[0] == transposed.shape[1] else transposed, "
            "MidRad(matrix.mid.T, matrix.rad.T))"
        ),
    ),
    (
        "methods.propagated",
        "_Propagation.step",
        "before = np.minimum(before, difference_up(of_f, of_g))",
        "before = np.minimum(before, np.abs(of_f.high - of_g.high))",
    ),
    ("methods.propagated", "_times_enclosed", "inflate(product.rad + spread, 1)", "product.rad"),
    # inward rounding
    (
        "methods.propagated",
        "_scaled_columns",
        "times_up(matrix.rad, factors) + error",
        "times_up(matrix.rad, factors)",
    ),
    ("methods.propagated", "_scaled_columns", "times_up(matrix.rad, factors) + error", "error"),
    (
        "methods.propagated",
        "_times_enclosed",
        "inflate(product.rad + spread, 1)",
        "0.0 * product.rad + spread",
    ),
    # inward rounding
    (
        "methods.slope_ranges",
        "box_slope_range",
        "Range(low.sum(axis=1), high.sum(axis=1)).widened(rounding_error(magnitude, x.low.size + 4))",
        "Range(low.sum(axis=1), high.sum(axis=1)).widened(0.0 * magnitude, magnitude)",
    ),
    (
        "methods.slope_ranges",
        "box_slope_range",
        "Range(low.sum(axis=1), high.sum(axis=1)).widened(rounding_error(magnitude, x.low.size + 4))",
        "Range(low.sum(axis=1), high.sum(axis=1)).widened(magnitude, 0.0 * magnitude)",
    ),
    ("methods.slope_ranges", "box_slope_range", "x.high >= 0.0", "x.high < 0.0"),
    (
        "methods.slope_ranges",
        "box_slope_range",
        "_chosen(positive, negative, x.low > 0.0)",
        "_chosen(positive, positive, x.low > 0.0)",
    ),
    ("methods.slope_ranges", "box_slope_range", "np.maximum(high, 0.0)", "high"),
    ("methods.slope_ranges", "box_slope_range", "np.minimum(low, 0.0)", "low"),
    (
        "methods.slope_ranges",
        "box_slope_range",
        "(mid + rad for mid, rad in ends)",
        "(mid for mid, rad in ends)",
    ),
    (
        "methods.slope_ranges",
        "box_slope_range",
        "(mid - rad for mid, rad in ends)",
        "(mid for mid, rad in ends)",
    ),
    (
        "methods.slope_ranges",
        "ball_slope_range",
        "times_up(row_norms_up(counted), np.array(radius))",
        "times_up(counted.max(axis=1), np.array(radius))",
    ),
    (
        "methods.slope_ranges",
        "ball_slope_range",
        "Range(center, center)",
        "Range(0.0 * center, 0.0 * center)",
    ),
    ("methods.slope_ranges", "range_sum", "np.nextafter(low, -np.inf)", "np.nextafter(low, np.inf)"),
]


def all_checks(name, mutant, module):
    if name == "methods.slope_ranges":
        check_slope_ranges(mutant)
    else:
        check_relu_slopes(module)
        check_products(module)
    for case, true in known("unstable") + known("traps") + known("tight") + known("few"):
        check(module, case, true)


@pytest.mark.thinned
@pytest.mark.parametrize(("name", "where", "right", "wrong"), MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_is_caught(monkeypatch, name, where, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", where, right, wrong)
    module = mutant
    if name == "methods.slope_ranges":
        for part in ("box_slope_range", "ball_slope_range", "range_sum"):
            monkeypatch.setattr(propagated, part, getattr(mutant, part))
        module = propagated
    with pytest.raises(AssertionError):
        all_checks(name, mutant, module)
