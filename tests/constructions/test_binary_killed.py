"""A compile of construction "binary" that is killed goes on from its checkpoint, to the same masks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from subsetsum_nets import Box, Dense, ReluNetwork, prune

PROGRAM = """
import sys, time
from constructions.test_binary_killed import compiled

def show(done, total):
    print(done, total, flush=True)
    if done and sys.argv[2] == "wait":
        time.sleep(60)

print(compiled(checkpoint=sys.argv[1], progress=show).all_masks.digest())
"""


def compiled(**options):
    rng = np.random.default_rng(0)
    layers = [Dense(rng.uniform(-1, 1, (12, 16))), Dense(rng.uniform(-1, 1, (3, 12)))]
    target = ReluNetwork(layers, domain=Box(0, 1))
    return prune(target, construction="binary", bits=6, layout="accumulate", threads=1, **options)


def started(folder, how):
    command = [sys.executable, "-c", PROGRAM, str(folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_compile_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    process = started(tmp_path / "run", "wait")
    done = 0
    while not done:
        done, total = map(int, process.stdout.readline().split())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = started(tmp_path / "run", "on")
    lines = process.communicate(timeout=100)[0].splitlines()
    assert process.returncode == 0
    assert int(lines[0].split()[0]) >= done
    assert lines[-2].split() == [str(total)] * 2
    assert lines[-1] == compiled().all_masks.digest()
