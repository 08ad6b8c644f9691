"""Killed at any moment, the same command resumes, and its tables are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from support import finished_videos as made
from support.killed import Command, killed_at
from support.run_files import files

MODELS = ("copy-source", "copy-target", "mine")
PAIRS = 20
FRAMES = {"anna": 120, "ben": 80, "dan": 40, "eve": 1}


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
def test_killed_at_twenty_moments(environment, frames, tmp_path):
    asked = ["--protocol", "vox1-diffscale", "--models", f"mine=frames:{frames}", "--limit", str(PAIRS)]
    asked += ["--metrics", "l1,psnr", "--detectors", "embedded", "--batch-size", "1", "--name", "x", "--save-frames"]

    def command(folder: Path) -> Command:
        return Command(folder, ["run", *asked], environment, PAIRS * len(MODELS), code=1)  # one pair has no frame

    counts = killed_at(20, command, files, tmp_path)
    assert counts["pairs"] >= 4 and counts["start"] + counts["tables"] + counts["report"] >= 1


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """True videos; the same out of focus; and the first half of all but one."""
    folder = tmp_path_factory.mktemp("videos")
    for number, (name, n) in enumerate(FRAMES.items()):
        pictures = made.frames((k % 64 for k in range(number, number + n)), (64, 64))
        made.write(folder / "truth" / f"{name}.mkv", pictures)
        made.write(folder / "soft" / f"{name}.mkv", made.blurred(pictures))
        if name != "eve":
            made.write(folder / "part" / f"{name}.mkv", pictures[: n // 2 + 5])
    return folder


@pytest.mark.slow
def test_a_run_of_clips_killed_at_ten_moments(environment, videos, tmp_path):
    asked = [*(videos / name for name in ("truth", "soft", "part")), "--metrics", "psnr,ssim,sharpness,flicker"]
    asked += ["--no-bounds", "--size", "native", "--workers", "0", "--name", "x", "--save-frames"]

    def command(folder: Path) -> Command:
        return Command(folder, ["score", *asked], environment, 2 * len(FRAMES), code=1)  # one clip has no video

    counts = killed_at(10, command, files, tmp_path)
    assert counts["pairs"] >= 2 and counts["start"] + counts["tables"] + counts["report"] >= 1
