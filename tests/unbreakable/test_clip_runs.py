"""Runs of whole clips: shared out by Ray, and of a long video."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from support.forked import Forked

ASKED = ["--protocol", "own-reconstruction", "--models", "copy-source", "--size", "native", "--name", "x"]
PEAK = """
import runpy, sys
sys.argv = ["bench", *sys.argv[1:]]
try:
    runpy.run_module("bench", run_name="__main__")
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def video(file: Path, frames: int, seed: int, side: int = 64) -> None:
    """A texture that moves."""
    picture = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    picture = picture.repeat(8, 0).repeat(8, 1)
    file.parent.mkdir(exist_ok=True)
    with av.open(file, "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        for number in range(frames):
            moved = np.roll(picture, (number // 3, number), (0, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(8):
        video(folder / f"c{number}.mp4", 6 + 3 * number, number)
    return folder


@pytest.fixture
def environment(cache) -> dict[str, str]:
    return os.environ | {"TALKING_HEAD_BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def start(clips, environment) -> Callable[..., Forked]:
    def begin(folder: Path, *more: object) -> Forked:
        folder.mkdir(exist_ok=True)
        asked = [*ASKED, "--data", f"custom={clips}", "--metrics", "psnr,sharpness,flicker", *more]
        return Forked("run", *asked, folder=folder, environment=environment)

    return begin


def files(run: Path) -> dict[str, bytes]:
    kept = [run / name for name in ("samples.parquet", "frames.parquet", "summary.json", "clips.csv")]
    kept += sorted(run.glob("pictures/**/*.png"))
    return {file.relative_to(run).as_posix(): file.read_bytes() for file in kept}


@pytest.fixture
def expected(start, tmp_path) -> dict[str, bytes]:
    with start(tmp_path / "whole") as process:
        printed = process.end(300)
        assert process.returncode == 0, printed
    return files(tmp_path / "whole" / "runs" / "x")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_ray_gives_the_bytes_of_a_local_run(clips, expected, environment, tmp_path) -> None:
    asked = [*ASKED, "--data", f"custom={clips}", "--metrics", "psnr,sharpness,flicker"]
    command = [sys.executable, "-m", "bench", "run", *asked, "--executor", "ray", "--ray-workers", "2"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert files(tmp_path / "runs" / "x") == expected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_times_as_long_a_clip_takes_the_same_memory(environment, tmp_path) -> None:
    peaks = []
    for frames in (300, 3000):
        folder = tmp_path / str(frames)
        video(folder / "v.mp4", frames, 0)
        asked = [*ASKED, "--data", f"custom={folder}", "--metrics", "psnr,sharpness,flicker", "--no-bounds"]
        command = [sys.executable, "-c", PEAK, "run", *asked, "--workers", "0", "--out", folder / "runs"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < 1.05 * peaks[0], peaks
