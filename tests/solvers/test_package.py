"""The package as a whole: its examples run, and importing it is cheap."""

import pkgutil
import subprocess
import sys

import solvers

MODULES = sorted(m.name for m in pkgutil.walk_packages(solvers.__path__, "solvers."))


def test_public_names():
    assert sorted(solvers.__all__) == solvers.__all__
    for name in solvers.__all__:
        assert getattr(solvers, name).__doc__, name
    assert issubclass(solvers.InvalidProblemError, ValueError)
    assert issubclass(solvers.UnsupportedProblemError, NotImplementedError)
    assert issubclass(solvers.BackendUnavailableError, ImportError)
    assert issubclass(solvers.CertificateError, RuntimeError)


def loaded_after(statements):
    wanted = "{'numba', 'ortools', 'scipy', 'rich', 'pandas', 'subsetsum_nets'}"
    program = f"import sys; {statements}; print(' '.join(sorted({wanted} & set(sys.modules))))"
    path = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; "
    done = subprocess.run([sys.executable, "-c", path + program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_import_loads_nothing_heavy():
    assert loaded_after("import solvers") == []
    assert loaded_after("import solvers; solvers.backends(); solvers.SubsetSum([1], 1)") == []


def test_heavy_modules_come_with_the_backend_that_needs_them():
    loaded = loaded_after("import solvers; solvers.solve(solvers.SubsetSum([1], 1), backend='mitm')")
    assert "numba" in loaded
    assert not {"ortools", "rich", "pandas"} & set(loaded)
