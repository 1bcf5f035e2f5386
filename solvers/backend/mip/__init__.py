"""Backends that ask a mixed-integer solver: CP-SAT in integers, HiGHS and PuLP's in floats."""
