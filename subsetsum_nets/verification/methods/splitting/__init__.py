"""Method "splitting": branch and bound on inputs or on the phases of units."""
