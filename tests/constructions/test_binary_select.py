"""Layout select without biases: as many layers as the relu constructions, in other units."""

import numpy as np

from subsetsum_nets import Box, Dense, ReluNetwork, prune
from subsetsum_nets.audit import audit
from subsetsum_nets.verification import check_certificate


def test_hidden_units_in_other_units_are_compared_in_the_targets(tmp_path):
    rng = np.random.default_rng(0)
    target = ReluNetwork([Dense(rng.uniform(-1, 1, (3, 4))), Dense(rng.uniform(-1, 1, (2, 3)))])
    for domain in (Box(0, 1), Box(-1, 1)):
        pruned = prune(target, construction="binary", bits=5, layout="select", domain=domain, epsilon=0.5)
        assert len(pruned.random.layers) == 4
        assert pruned.certificate.verified
        pruned.save(tmp_path / "ticket")
        checked = audit(tmp_path / "ticket", method="differential")
        checked.certificate_anew().save(tmp_path / "differential.json")
        exact = check_certificate.check(tmp_path / "ticket", tmp_path / "differential.json")
        assert exact / check_certificate.ONE <= checked.result.upper < 1.0
