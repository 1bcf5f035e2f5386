"""The random subset-sum experiment: how many items serve every target of an interval."""
