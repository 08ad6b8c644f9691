"""A run's memory does not grow with its pairs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.runtime import allocator

SCRIPT = Path(__file__).parents[3] / "tools" / "memory.py"


@pytest.mark.slow
def test_more_pairs_take_no_more_memory_while_they_are_worked_on(sample_set) -> None:
    """800 pairs at most 5 % above 200; a megabyte kept a pair would be twenty times as much."""
    command = [sys.executable, SCRIPT, "--few", "200", "--many", "800", "--working"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPT.parents[1])
    assert done.returncode == 0, done.stdout + done.stderr


def test_freed_memory_goes_back_to_the_system() -> None:
    """Large arrays with small ones between them, as batches leave them, in a process of its own."""
    program = """
import numpy as np
from bench.runtime.allocator import release_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
del_me, kept = [], []
for _ in range(1000):
    del_me.append(np.ones(12_000))
    kept.append(np.ones(100))
full = resident()
del del_me
before = resident()
release_freed_memory()
print(full, before, resident())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=SCRIPT.parents[1])
    full, _, after = map(float, done.stdout.split())
    assert full - after > 60, done.stdout  # of 92 MiB


def test_freed_memory_is_used_again() -> None:
    """Ten arrays of eight megabytes, made and freed again and again: without it they are 2048 new pages each."""
    program = """
import resource
import numpy as np
from bench.runtime.allocator import reuse_freed_memory
if {kept}:
    reuse_freed_memory()
def work():
    for _ in range(3):
        [np.ones(1 << 20) for _ in range(10)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = []
    for kept in (True, False):
        command = [sys.executable, "-c", program.format(kept=kept)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPT.parents[1])
        faults.append(int(done.stdout))
    assert faults[0] < 100 < 2000 < faults[1], faults


def test_where_the_c_library_cannot_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    allocator._function.cache_clear()
    allocator.reuse_freed_memory()
    allocator.release_freed_memory()
    allocator._function.cache_clear()
