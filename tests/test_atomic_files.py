"""Both atomic writers, of the solvers and of the judge: the old file or the new one, never a part of it."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from solvers import atomic_files as solvers_atomic_files
from solvers.atomic_files import replacing
from subsetsum_nets.networks.files import atomic_files
from subsetsum_nets.networks.files.atomic_files import atomic_write


@pytest.fixture(params=[replacing, atomic_write], ids=["solvers", "subsetsum_nets"])
def writer(request):
    """Return the context manager of one of the two."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Return the path of a file that holds something old."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_untouched(path):
    assert path.read_bytes() == b"old"
    assert names(path.parent) == [path.name]


def test_the_file_appears_only_at_the_end(writer, tmp_path):
    path = tmp_path / "a.bin"
    with writer(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_a_reader_of_the_old_file_keeps_it_whole(writer, path):
    with path.open("rb") as reader:
        with writer(path) as file:
            file.write(b"new and longer")
            assert path.read_bytes() == b"old"
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit, OSError, GeneratorExit])
def test_an_interruption_leaves_the_old_file_and_nothing_else(writer, path, failure):
    def interrupted():
        with writer(path) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(failure):
        interrupted()
    assert_untouched(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_of_the_disk_leaves_the_old_file_and_nothing_else(writer, path, monkeypatch, step):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"), writer(path) as file:
        file.write(b"new")
    assert_untouched(path)


def test_a_file_that_may_not_grow_leaves_the_old_one_and_nothing_else(writer, path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"), writer(path) as file:
            file.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_untouched(path)


def test_two_writers_of_one_file_do_not_mix(writer, path):
    with writer(path) as first, writer(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first", "the one that ends last"
    assert names(path.parent) == [path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_devices_and_folders_are_not_replaced(writer, tmp_path):
    (tmp_path / "link").symlink_to("/dev/full")
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(OSError, match="not a regular file"), writer(path):
            pass
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)  # noqa: PTH116


def test_a_missing_folder_is_an_error(writer, tmp_path):
    with pytest.raises(FileNotFoundError), writer(tmp_path / "no" / "a.bin"):
        pass


def test_links_are_followed_and_permissions_are_the_usual_ones(writer, tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.bin", tmp_path / "link.bin"
    link.symlink_to(target)
    with writer(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


KILLED = """
import os, signal
from pathlib import Path
from {module} import {name}
with {name}(Path("a.bin")) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    {then}
"""


def started(writer, then, folder):
    program = KILLED.format(module=writer.__module__, name=writer.__name__, then=then)
    root = str(Path(solvers_atomic_files.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_a_kill_leaves_is_removed_by_the_next_process_that_writes_there(writer, path):
    killed = started(writer, "os.kill(os.getpid(), signal.SIGKILL)", path.parent)
    killed.communicate()
    assert [name[:12] for name in names(path.parent)] == [".unfinished-", "a.bin"]
    running = started(writer, "input()", path.parent)
    assert running.stdout.readline() == "writing\n"  # it has swept, and has a file of its own
    assert len(names(path.parent)) == 2
    atomic_files._SWEPT.clear()
    solvers_atomic_files._SWEPT.clear()
    with writer(path) as file:
        file.write(b"new")
    assert len(names(path.parent)) == 2  # a running process's file stays
    running.communicate("\n")
    assert running.returncode == 0
    assert path.read_bytes() == b"half"
    assert names(path.parent) == ["a.bin"]
