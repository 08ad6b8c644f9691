"""A machine with less memory than a run takes: each run ends in order, and what it kept is not lost."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys

import pytest
from support.run_files import files

RUN = ["run", "--protocol", "vox1-sameid", "--data", "sample", "--detectors", "embedded", "--models", "x2face"]
ASKED = [*RUN, "--limit", "16", "--batch-size", "16", "--workers", "0", "--no-bounds"]
PEAK = """
import runpy, sys
sys.argv = ["bench", *sys.argv[1:]]
try:
    runpy.run_module("bench", run_name="__main__")
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmPeak")))
"""


@pytest.mark.slow
def test_a_run_with_too_little_memory_ends_in_one_line_and_goes_on_with_more(cache, sample_set, tmp_path):
    def run(name: str, *, bound: int | None = None, program: tuple[str, ...] = ("-m", "bench")):
        def limit() -> None:
            if bound:
                resource.setrlimit(resource.RLIMIT_AS, (bound, bound))

        environment = os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *program, *ASKED, "--name", name]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 300}
        return subprocess.run(command, env=environment, cwd=tmp_path, preexec_fn=limit, **options)

    peak = 1024 * int(run("whole", program=("-c", PEAK)).stdout.split()[-1])
    expected, ends = files(tmp_path / "runs" / "whole"), []
    for share in (0.98, 0.94, 0.9, 0.87, 0.84, 0.8, 0.76):
        short = run("short", bound=int(share * peak))
        assert "Traceback" not in short.stdout, short.stdout
        ends.append(short.returncode)
        if short.returncode:
            last = short.stdout.splitlines()[-1]
            assert short.returncode == 1 and last.startswith("stopped: ") and "memory" in last, short.stdout
            assert run("short").returncode == 0
        assert files(tmp_path / "runs" / "short") == expected
        shutil.rmtree(tmp_path / "runs" / "short")
        if ends.count(1) == 2:  # with still less, libraries wait for ever
            return
    raise AssertionError(ends)
