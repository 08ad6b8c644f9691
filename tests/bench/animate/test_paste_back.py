"""`animate` with LivePortrait: 512 pixels of 256, and its results pasted back into the photograph."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.command_line import call_unwrapped
from support.liveportrait_files import official_folder

from baselines.liveportrait import crop
from bench.animate.output import VideoWriter
from bench.animate.paste_back import LONGEST, PasteBack, bounded
from bench.runtime.errors import UserError

SIZE = (401, 523)  # (height, width) of the photograph, odd


@pytest.fixture(scope="module")
def clip(sample_set: Path) -> Path:
    return sample_set / "c_talk"


@pytest.fixture(scope="module")
def photograph(sample_set: Path) -> np.ndarray:
    """A face of the sample set on a smooth ground."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([x % 97, y % 89, (x + y) % 83], -1).astype(np.uint8)
    image[60:316, 120:376] = np.asarray(Image.open(sample_set / "still" / "su" / "0000000.png").convert("RGB"))
    return image


@pytest.fixture
def animate(monkeypatch, capsys, tmp_path: Path, photograph: np.ndarray, clip: Path):
    official_folder(tmp_path / "liveportrait")
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    written: list[np.ndarray] = []
    write = VideoWriter.write

    def kept(self: VideoWriter, image: np.ndarray, time: int, until: int) -> None:
        written.append(image)
        write(self, image, time, until)

    monkeypatch.setattr(VideoWriter, "write", kept)

    def call(model: str, *more: object) -> tuple[int, str]:
        written.clear()
        asked = ["--source", "photo.png", "--driving", clip, "--limit", 2, "--device", "cpu", "--weights", tmp_path]
        return call_unwrapped(monkeypatch, capsys, "animate", "--models", model, *asked, "--out", "v.mp4", *more)

    call.written = written
    return call


def test_512_pixels_are_written(animate) -> None:
    code, text = animate("liveportrait", "--mode", "relative")
    assert code == 0 and "512x512" in text, text
    assert [frame.shape for frame in animate.written] == [(512, 512, 3)] * 2
    with av.open("v.mp4") as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (512, 512)


def test_what_stands_beside_is_said_to_be_resized(animate) -> None:
    code, text = animate("liveportrait", "--side-by-side")
    assert code == 0 and re.search(r"\bdriving frames: .*256x256.* 512x512", text), text
    assert animate.written[0].shape == (512, 3 * 512, 3)


def test_results_are_pasted_into_the_photograph(animate, photograph: np.ndarray) -> None:
    code, text = animate("liveportrait", "--paste-back")
    assert code == 0 and "522x400 of 523x401" in text and "InsightFace" in text, text
    made = PasteBack(photograph, "photo")
    weight = crop.placed_mask(made._back, *made.size)[..., 0]
    assert 0.05 < (weight > 0).mean() < 0.95
    for frame in animate.written:
        assert frame.shape == (400, 522, 3)
        assert np.array_equal(frame[weight == 0], photograph[:400, :522][weight == 0])
        assert np.abs(frame[weight == 1].astype(int) - photograph[:400, :522][weight == 1]).mean() > 5


def test_a_crop_that_is_pasted_back_is_the_photograph(photograph: np.ndarray) -> None:
    """But for two bilinear samplings, inside of the mask."""
    made = PasteBack(photograph, "photo")
    whole = crop.cut(made.image, np.linalg.inv(made._back).astype(np.float32))
    assert made.source.shape == (256, 256, 3) and 0 <= made.source.min() < made.source.max() <= 1
    back = made.frame([whole]).astype(int)
    assert np.abs(back - made.image)[100:270, 170:320].mean() < 3
    assert np.abs(255 * made.source - crop.source_input(whole)).max() < 1e-3


@pytest.mark.parametrize(
    ("model", "more", "code"),
    [
        ("fomm", (), "unused-option"),
        ("copy-source", (), "unused-option"),
        ("liveportrait?stitching=false", (), "conflicting-options"),
        ("liveportrait", ("--source-crop", "center"), "conflicting-options"),
        ("liveportrait", ("--side-by-side",), "conflicting-options"),
        ("liveportrait,copy-source", (), "conflicting-options"),
    ],
)
def test_what_does_not_go_with_it_is_refused(model: str, more: tuple[str, ...], code: str, animate) -> None:
    ended = animate(model, "--paste-back", *more)
    assert ended[0] == 2 and ended.error == code and not animate.written and not Path("v.mp4").exists()


def test_a_photograph_without_a_face_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        PasteBack(np.full((128, 128, 3), 90, np.uint8), "photo")
    assert caught.value.code == "no-face"


@given(st.integers(2, 1500), st.integers(2, 1500))
def test_sides_are_even_and_bounded(height: int, width: int) -> None:
    photograph = np.zeros((height, width, 3), np.uint8)
    if min(height, width) * LONGEST < 2 * max(height, width):
        return  # a line
    found = bounded(photograph).shape[:2]
    assert all(side % 2 == 0 and 0 < side <= LONGEST for side in found)
    if max(height, width) <= LONGEST:
        assert found == (height - height % 2, width - width % 2)
    else:
        assert max(found) == LONGEST
