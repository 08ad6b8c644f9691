"""Killed at any moment, the same command resumes, and its tables are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from support.forked import Forked
from support.run_files import files

KILLS = 50
MODELS = ("copy-source", "copy-target", "mine")
PAIRS = 20
STARTS = 200  # after which a run that does not get to its end is given up


@dataclass
class Command:
    """One `bench run`, its working folder, and where its kills fell."""

    folder: Path
    frames: Path
    environment: dict[str, str]
    kills: list[str] = field(default_factory=list)

    def start(self) -> Forked:
        self.folder.mkdir(exist_ok=True)
        asked = ["--protocol", "vox1-diffscale", "--models", f"mine=frames:{self.frames}", "--limit", str(PAIRS)]
        asked += ["--metrics", "l1,psnr", "--detectors", "embedded", "--batch-size", "1", "--name", "x"]
        return Forked("run", *asked, "--save-frames", folder=self.folder, environment=self.environment)

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "x"

    def kill_after(self, seconds: float) -> float | None:
        """Kill it so long after its work began; where it ended before, how long its work took."""
        with self.start() as process:
            while process.poll() is None and not self.held_by(process):
                time.sleep(0.002)
            began = time.monotonic()
            try:
                process.wait(seconds)
                took = time.monotonic() - began
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                took = None
            printed = process.end(60)
            assert "Traceback" not in printed, printed
            if process.returncode == -signal.SIGKILL:
                self.kills.append(self.where())
                return None
            assert process.returncode == 1, printed  # one pair has no frame
        return took if took is not None else seconds

    def held_by(self, process: Forked) -> bool:
        """Whether the process has come to its work; the note of one that was killed is still there before."""
        try:
            return json.loads((self.run / ".lock.json").read_text())["pid"] == process.pid
        except (OSError, ValueError):
            return False

    def where(self) -> str:
        """In which part of its work the run is, by what lies in its folder."""
        shards = len(list((self.run / "work").glob("*/*.parquet")))
        manifest = json.loads((self.run / "manifest.json").read_text()) if (self.run / "manifest.json").exists() else {}
        if manifest.get("state") == "complete":
            return "report"
        return "tables" if shards == PAIRS * len(MODELS) else "pairs" if shards else "start"


@pytest.fixture(scope="module")
def environment(cache):
    return os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def frames(sample_set, tmp_path_factory) -> Path:
    """Frames made elsewhere for the pairs of the run, one of them missing, so that one pair fails every time."""
    folder = tmp_path_factory.mktemp("frames")
    sources = sorted((sample_set / "w_tilt").glob("*.png"))
    pairs = pd.read_csv(Path(__file__).parents[2] / "protocols" / "data" / "sample_diffscale.csv", comment="#")
    for number, pair in enumerate(pairs["id"].astype(str)[: PAIRS - 1]):
        (folder / f"{pair}.png").write_bytes(sources[number % len(sources)].read_bytes())
    return folder


@pytest.mark.slow
@pytest.mark.longest
def test_killed_at_fifty_moments(environment, frames, tmp_path):
    whole = Command(tmp_path / "whole", frames, environment)
    took = whole.kill_after(300)
    assert took is not None
    expected = files(whole.run)
    assert len(expected) > PAIRS
    moments = random.Random(20)
    kills: list[str] = []
    finished = starts = 0
    while len(kills) < KILLS:
        command = Command(tmp_path / f"run{finished}", frames, environment)
        while (ended := command.kill_after(moments.uniform(0, took))) is None:
            starts += 1
            assert starts < STARTS, f"no end after {starts} starts"
        if not command.kills:  # undisturbed too, and the machine may have less to do than before
            took = ended
        assert files(command.run) == expected
        assert not list(command.run.glob("**/.*.tmp")) and not (command.run / "work").exists()
        kills += command.kills
        finished += 1
    counts = {part: kills.count(part) for part in ("start", "pairs", "tables", "report")}
    print(f"{len(kills)} kills, {finished} runs finished, {took:.1f} s undisturbed; killed in: {counts}")
    assert counts["pairs"] >= 10 and counts["start"] + counts["tables"] + counts["report"] >= 3
