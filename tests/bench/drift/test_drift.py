"""This repository's own gate: its networks on the sample set are still what the reference file says; and it bites."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.drift_faults import FAULTS, caught, line

from bench.drift import output as check_output

# Those that move the metrics least, and one of every network: what catches them catches the others of docs/drift.md.
NEAREST = {
    "weights rounded to bfloat16",
    "heatmap variance 0.012, not 0.01",
    "frames through JPEG, quality 95",
    "uint8 by truncation",
    "downsampling without antialias",
    "occlusion map ignored",
}
ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache_of_the_sample_set(monkeypatch, cache, sample_set):
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))


def test_the_sample_protocol_has_not_drifted(monkeypatch, tmp_path):
    """The workflow's own lines, as they stand in docs/drift.md."""
    page = (ROOT / "docs" / "drift.md").read_text(encoding="utf-8")
    lines = re.findall(r"- run: (python -m bench .+)", page)
    assert [line.split()[3] for line in lines] == ["run", "check"]
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("passed: 55 same"), done.stdout
    assert "passed" in (tmp_path / "summary.md").read_text() and "<testcase" in (tmp_path / "drift.xml").read_text()


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in NEAREST], ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught(fault, tmp_path):
    exact, statistical = caught(fault, tmp_path)
    print(line(fault, (exact, statistical)))
    assert exact.failures, "\n".join(check_output.lines(exact))
