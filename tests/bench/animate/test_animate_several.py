"""`animate --models`: several models in one video, side by side."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support import made_videos
from support.command_line import call_unwrapped
from support.refused import Ended

from bench.animate.frames import as_bytes
from bench.animate.input import VideoDriving, resize
from bench.animate.output import VideoWriter
from bench.animate.sheet import Sheet

MODELS = """
import torch
from baselines.predictor import Predictor

class Blend(Predictor):
    name, motion_modes = "blend", ("absolute", "relative")

    def __init__(self, *, device, weights=None, share="0.5"):
        self.share = float(share)

    def predict(self, batch, mode):
        noise = [torch.rand(1, generator=torch.Generator().manual_seed(seed)) for seed in batch.seeds]
        made = self.share * batch.source + (1 - self.share) * batch.driving
        return made * (0.5 + 0.5 * torch.stack(noise)[:, :, None, None])

    def describe(self):
        return {"sample_weights": False}

class Large(Blend):
    frame_size = 512

class Picky(Blend):
    def predict(self, batch, mode):
        made = super().predict(batch, mode).clone()
        made[[name == "0000001" for name in batch.ids]] = float("nan")
        return made
"""
FRAMES = 5


@pytest.fixture
def animate(monkeypatch, capsys, tmp_path):
    """Call the command; gives exit code, what it said, and the frames that were handed to the encoder."""
    made_videos.write(made_videos.Plan("mp4", "libx264", frames=FRAMES, size=(96, 128)), tmp_path / "driving.mp4")
    y, x = np.mgrid[:64, :64]
    Image.fromarray(np.stack([2 * x, 3 * y, x + y], -1).astype(np.uint8)).save(tmp_path / "photo.png")
    (tmp_path / "made.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    written: list[np.ndarray] = []
    write = VideoWriter.write

    def kept(self: VideoWriter, image: np.ndarray, time: int, until: int) -> None:
        written.append(image)
        write(self, image, time, until)

    monkeypatch.setattr(VideoWriter, "write", kept)

    def call(*arguments: object) -> tuple[Ended, list[np.ndarray]]:
        written.clear()
        asked = ["--source", "photo.png", "--driving", "driving.mp4", "--crop", "none", "--device", "cpu"]
        return call_unwrapped(monkeypatch, capsys, "animate", *asked, *arguments), list(written)

    return call


def columns(frame: np.ndarray, side: int) -> list[np.ndarray]:
    """The panels of a frame, without what stands above them."""
    return np.split(frame[-side:], frame.shape[1] // side, axis=1)


def test_the_panels_are_the_frames_of_each_model_alone(animate, monkeypatch, tmp_path):
    asked = {"half": "half=made.py:Blend", "most": "most=made.py:Blend?share=0.8", "copy-target": "copy-target"}
    alone = {}
    for name, model in asked.items():
        (code, text), alone[name] = animate("--model", model, "--side-by-side", "--out", f"{name}.mp4")
        assert code == 0 and f"{name}.mp4: {FRAMES} frames, " in text and "768x256" in text
    reads: Counter[int] = Counter()
    init = VideoDriving.__init__

    def counting(self, file: Path, fps: object) -> None:
        init(self, file, fps)
        read = self.frame
        self.frame = lambda number: reads.update([number]) or read(number)

    monkeypatch.setattr(VideoDriving, "__init__", counting)
    (code, text), grid = animate("--models", ",".join(asked.values()), "--batch-size", 2)
    assert code == 0 and "resized" not in text
    assert reads == Counter(dict.fromkeys(range(FRAMES), 1)) + Counter([0])  # where relative motion would start
    assert len(grid) == FRAMES and {frame.shape for frame in grid} == {(256 + 25, 5 * 256, 3)}
    for number, frame in enumerate(grid):
        source, driving, *results = columns(frame, 256)
        assert np.array_equal(source, columns(alone["half"][number], 256)[0])
        assert np.array_equal(driving, columns(alone["half"][number], 256)[1])
        for name, result in zip(asked, results, strict=True):
            assert np.array_equal(result, columns(alone[name][number], 256)[2])
    strip = grid[0][:-256]
    assert all(panel.max() > 200 for panel in np.split(strip, 5, axis=1)) and np.array_equal(strip, grid[-1][:-256])
    out = tmp_path / "half=made.py_Blend+most=made.py_Blend_share=0.8+copy-target.mp4".replace("=", "_")
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == FRAMES


def test_sizes_that_differ_become_the_largest_and_are_told(animate):
    (_, _), small = animate("--model", "small=made.py:Blend", "--out", "out.mp4")
    (_, _), large = animate("--model", "made.py:Large", "--out", "out.mp4", "--side-by-side")
    (code, text), grid = animate("--models", "small=made.py:Blend,large=made.py:Large", "--out", "out.mp4")
    assert code == 0 and re.search(r"\bsmall: .*256x256.* 512x512", text) and "large: frames" not in text, text
    for number, frame in enumerate(grid):
        source, driving, first, second = columns(frame, 512)
        assert [*map(np.ndarray.tobytes, (source, driving, second))] == [
            panel.tobytes() for panel in columns(large[number], 512)
        ]
        assert np.array_equal(first, as_bytes(resize(small[number], 512)))


def test_a_failure_is_grey_in_its_own_panel(animate):
    asked = ["--models", "half=made.py:Blend,picky=made.py:Picky", "--out", "out.mp4"]
    (code, text), grid = animate(*asked)
    assert code == 1 and f"1 of {FRAMES} frames" in text
    assert "half: 1 of" not in text
    for number, frame in enumerate(grid):
        *_, half, picky = columns(frame, 256)
        assert (picky[0, 0] == 128).all() == (number == 1) and np.array_equal(half, picky) == (number != 1)


@pytest.mark.parametrize(
    ("models", "error"),
    [
        (["--models", "half=made.py:Blend,fomn"], "unknown-model"),
        (["--models", "half=made.py:Blend,made.py:Blend?share=many"], None),
        (["--models", "made.py:Blend,made.py:Blend"], "duplicate-name"),
        (["--models", "copy-source,fomm?weights=nowhere.pth"], None),
        (["--models", ","], "missing-option"),
        ([], "missing-option"),
        (["--models", "half=made.py:Blend,copy-target", "--mode", "avd"], "unknown-mode"),
        (["--models", "half=made.py:Blend,most=made.py:Blend", "--anchor-frame", "1"], "unused-option"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_line(animate, tmp_path, models, error):
    before = set(tmp_path.iterdir())
    ended, written = animate(*models, *([] if not models else ["--out", "out.mp4"]))
    assert ended[0] == 2 and ended[1].count("error:") == 1 and "Traceback" not in ended[1], ended[1]
    assert error is None or ended.error == error
    assert not written and not set(tmp_path.glob("*.mp4*")) - before


def test_one_model_of_several_is_the_single_form(animate):
    (code, text), frames = animate("--models", "half=made.py:Blend", "--out", "out.mp4")
    assert code == 0 and {frame.shape for frame in frames} == {(256, 256, 3)}
    assert "; half: " not in text and re.search(r"\balone \d", text), text


def test_a_long_label_stays_in_its_panel():
    sheet = Sheet(64, 3, ("w" * 60, "", "b"))
    frame = sheet.frame([np.zeros((64, 64, 3), np.uint8)] * 3)
    assert frame.shape == (*sheet.size, 3) == (64 + 6, 192, 3)
    first, second, third = np.split(frame[:6], 3, axis=1)
    assert first.any() and not second.any() and third.any()
