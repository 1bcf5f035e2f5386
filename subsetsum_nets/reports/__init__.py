"""Reports: a pruned network and its certificate as one self-contained HTML page with figures."""

from subsetsum_nets.reports.page import write_report

__all__ = ["write_report"]
