"""Method "milp": branch and bound over a mixed-integer model of the pair."""
