"""Deliberate bugs in method "propagated", each of which its checks must catch."""

import pytest
from planting import plain_python
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
    ("methods.propagated", "            total = range_sum(total, self._effect(layer, matrix))\n", ""),
    # what D does beside T
    ("methods.propagated", "            total = range_sum(total, Range(-spread, spread))\n", ""),
    (
        "methods.propagated",
        "product_up(matrix.magnitude(), self._residuals[layer])",
        "0.5 * product_up(matrix.magnitude(), self._residuals[layer])",
    ),
    (
        "methods.propagated",
        "return range_sum(effect, box_slope_range(constant, constant, one))",
        "return effect",
    ),
    # the wrong half
    ("methods.propagated", "negative = _times_enclosed(matrix, error.negative)", "negative = positive"),
    ("methods.propagated", "error.negative is not error.positive and (inputs.low < 0.0).any()", "False"),
    # wrong D
    ("methods.propagated", "both_on = (of_f.low >= 0.0) & (of_g.low >= 0.0)", "both_on = of_f.low >= 0.0"),
    ("methods.propagated", "both_on = (of_f.low >= 0.0) & (of_g.low >= 0.0)", "both_on = of_g.low >= 0.0"),
    ("methods.propagated", "(~both_on & (of_f.high <= 0.0) & (of_g.high <= 0.0))", "(of_f.high <= 0.0)"),
    ("methods.propagated", "(~both_on & (of_f.high <= 0.0) & (of_g.high <= 0.0))", "(of_g.high <= 0.0)"),
    ("methods.propagated", "on / divisor", "2.0 * on / divisor"),
    ("methods.propagated", "np.nextafter(off / divisor, 0.0), 2.0)", "2.0 * off / divisor, 2.0)"),
    ("methods.propagated", "np.nextafter(on / divisor, 0.0), 0.0)", "np.nextafter(on / divisor, 1.0), 0.0)"),
    (
        "methods.propagated",
        "np.nextafter(1.0 - np.nextafter(off / divisor, 0.0), 2.0)",
        "np.nextafter(1.0 - off / divisor, 0.0)",
    ),
    (
        "methods.propagated",
        "times_up(_distance_up(slopes, middle), before)",
        "times_up(slopes.high - middle, before * 0.5)",
    ),
    ("methods.propagated", "np.maximum(slopes.high - middle, middle - slopes.low)", "slopes.low - middle"),
    # stale
    (
        "methods.propagated",
        "        of_g = range_sum(of_f, change).meet(Range(*image.bounds()))\n",
        "        of_g = of_f\n",
    ),
    # stale
    (
        "methods.propagated",
        "        self._inputs.append(of_g)\n",
        "        self._inputs.append(inputs if inputs.low.shape == of_g.low.shape else of_g)\n",
    ),
    # wrong layer
    (
        "methods.propagated",
        "self._target.affine_layers[layer + 1].weight)",
        "self._target.affine_layers[layer].weight)",
    ),
    # wrong operand order
    (
        "methods.propagated",
        "    product = affine(transposed, ",
        "    product = affine(transposed.T if transposed.shape[0] == transposed.shape[1] else transposed, ",
    ),
    (
        "methods.propagated",
        "np.minimum(before, difference_up(of_f, of_g))\n        self",
        "np.minimum(before, np.abs(of_f.high - of_g.high))\n        self",
    ),
    ("methods.propagated", "inflate(product.rad + spread, 1)", "product.rad"),
    # inward rounding
    ("methods.propagated", "times_up(matrix.rad, factors) + error, 1)", "times_up(matrix.rad, factors), 1)"),
    ("methods.propagated", "times_up(matrix.rad, factors) + error, 1)", "error, 1)"),
    ("methods.propagated", "inflate(product.rad + spread, 1)", "0.0 * product.rad + spread"),
    # inward rounding
    (
        "methods.slope_ranges",
        ".widened(rounding_error(magnitude, x.low.size + 4))",
        ".widened(-rounding_error(magnitude, x.low.size + 4))",
    ),
    (
        "methods.slope_ranges",
        "x.high >= 0.0), _chosen(positive, negative, x.low > 0.0)",
        "x.high < 0.0), _chosen(positive, negative, x.low > 0.0)",
    ),
    (
        "methods.slope_ranges",
        "_chosen(positive, negative, x.low > 0.0)",
        "_chosen(positive, positive, x.low > 0.0)",
    ),
    ("methods.slope_ranges", "np.maximum(high, 0.0)", "high"),
    ("methods.slope_ranges", "np.minimum(low, 0.0)", "low"),
    ("methods.slope_ranges", "mid + rad for", "mid for"),
    ("methods.slope_ranges", "mid - rad for", "mid for"),
    (
        "methods.slope_ranges",
        "times_up(row_norms_up(counted), np.array(radius))",
        "times_up(counted.max(axis=1), np.array(radius))",
    ),
    ("methods.slope_ranges", "Range(center, center)", "Range(0.0 * center, 0.0 * center)"),
    ("methods.slope_ranges", "np.nextafter(low, -np.inf)))", "np.nextafter(low, np.inf)))"),
]


def all_checks(name, mutant, module):
    if name == "methods.slope_ranges":
        check_slope_ranges(mutant)
    else:
        check_relu_slopes(module)
        check_products(module)
    for case, true in known("unstable") + known("traps") + known("tight") + known("few"):
        check(module, case, true)


@pytest.mark.parametrize(("name", "right", "wrong"), MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_is_caught(monkeypatch, name, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", right, wrong)
    module = mutant
    if name == "methods.slope_ranges":
        for part in ("box_slope_range", "ball_slope_range", "range_sum"):
            monkeypatch.setattr(propagated, part, getattr(mutant, part))
        module = propagated
    with pytest.raises(AssertionError):
        all_checks(name, mutant, module)
