"""Files as users have them, through `animate` and through a run: what is shown, what is said, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support import numbered  # noqa: E402
from support.clicking_videos import frames_of, make_video
from support.numbered import BLUE, GRAY, GREEN, ODD, RED, UPRIGHT  # noqa: E402

from protocols.reading import remarks

UNTAGGED = {"matrix": "bt601 (untagged)"}
ALL_FACTS = (UNTAGGED, {"clock": "restarts"}, {"clock": "none"}, {"pixels": "4:3, made square"})


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), (90, 90, 90)).save("photo.png")
    return tmp_path


@pytest.fixture
def animate(bench):
    """`animate` with the frames that the model is shown as its result."""

    def call(driving: Path, source: Path = Path("photo.png"), model: str = "copy-target") -> tuple[int, str]:
        crops = ("--crop", "center", "--source-crop", "center")
        options = ("--model", model, "--source", source, "--driving", driving, "--out", "out.mp4")
        return bench("animate", "--device", "cpu", *options, *crops)

    return call


def check_quarters(image: np.ndarray, colors: tuple[tuple[int, int, int], ...] = UPRIGHT) -> None:
    np.testing.assert_allclose(numbered.quarters(image), colors, atol=8)


@pytest.mark.parametrize(
    ("name", "count", "colors", "facts"),
    [
        ("mirror.mp4", 40, (GREEN, RED, GRAY, BLUE), UNTAGGED),
        ("flip.mp4", 40, (BLUE, GRAY, RED, GREEN), UNTAGGED),
        ("bframes.avi", 40, UPRIGHT, UNTAGGED),
        ("gop10.ts", 40, UPRIGHT, UNTAGGED),
        ("mpeg2.mpg", 40, UPRIGHT, UNTAGGED),
        ("joined.ts", 40, UPRIGHT, UNTAGGED | {"clock": "restarts"}),
        ("raw.h264", 40, UPRIGHT, UNTAGGED | {"clock": "none"}),
        ("sar.mp4", 40, UPRIGHT, UNTAGGED | {"pixels": "4:3, made square"}),
        ("moving.webp", 6, UPRIGHT, {}),
        ("moving.png", 6, UPRIGHT, {}),
        ("moving.gif", 6, UPRIGHT, {}),
    ],
)
def test_driving_videos(animate, name, count, colors, facts):
    code, text = animate(ODD / name)
    assert code == 0 and f"{count} frames, {count / 25:.2f} s" in text, text
    every = {line for one in ALL_FACTS for line in remarks(name, one)}
    assert {line for line in every if line in text} == set(remarks(name, facts)), text
    times, frames = frames_of(Path("out.mp4"))
    assert times == pytest.approx([k / 25 for k in range(count)], abs=1e-6)
    for frame in frames:
        check_quarters(frame, colors)
    if colors == UPRIGHT and name != "sar.mp4":  # the square of 120 in the middle of 160
        small = (np.asarray(Image.fromarray(frame).resize((120, 120))) for frame in frames)
        numbers = [numbered.number(np.pad(image, ((0, 0), (20, 20), (0, 0)))) for image in small]
        assert numbers == [k % (20 if name == "joined.ts" else 40) for k in range(count)]


@pytest.mark.parametrize("name", ["hlg.mp4", "pq.mp4"])
def test_hdr_is_refused(animate, name):
    for driving, source in ((ODD / name, Path("photo.png")), (Path("photo.png"), ODD / name)):
        ended = code, text = animate(driving, source)
        assert (
            code == 2
            and ended.error == "unsupported-colors"
            and text.count("error:") == 1
            and name in text
            and "HDR" in text
        )
    assert not Path("out.mp4").exists()


@pytest.mark.parametrize("name", ["exif6.jpg", "moving.webp", "mirror.mp4", "bframes.avi"])
def test_photographs(animate, name):
    code, text = animate(Path("photo.png"), ODD / name, "copy-source")
    assert code == 0, text
    check_quarters(frames_of(Path("out.mp4"))[1][0], (GREEN, RED, GRAY, BLUE) if name == "mirror.mp4" else UPRIGHT)


def test_hidden_colors_are_white_and_said(animate):
    code, text = animate(Path("photo.png"), ODD / "hidden-colour.png", "copy-source")
    assert code == 0 and "hidden-colour.png" in text
    with Image.open(ODD / "hidden-colour.png") as image:
        hidden = np.asarray(image.convert("RGBA"))[..., 3].min()
    assert hidden == 0
    frame = frames_of(Path("out.mp4"))[1][0].astype(int)
    magenta = (frame[..., 0] > 180) & (frame[..., 1] < 90) & (frame[..., 2] > 180)
    assert not magenta.any() and (frame.min(-1) > 245).any()


def test_sound_is_cut_where_the_picture_ends(animate):
    code, text = animate(ODD / "longaudio.mp4")
    assert code == 0 and "(aac)" in text and "cut" in text
    with av.open("out.mp4") as container:
        audio = container.streams.audio[0]
        assert float(audio.duration * audio.time_base) == pytest.approx(1.6, abs=0.03)


def test_sound_without_a_clock_is_left_out_and_said(animate, folder):
    part = make_video(folder / "part.ts", "mpegts", times=range(0, 400, 40)).read_bytes()
    (folder / "joined.ts").write_bytes(part + part)
    code, text = animate(folder / "joined.ts")
    assert code == 0 and "joined.ts: sound" in text and "20 frames" in text and "no sound" in text, text


def test_a_run_over_custom_files_says_how_they_were_read(bench, folder):
    (folder / "mine").mkdir()
    names = ("bframes.avi", "sar.mp4", "joined.ts", "moving.webp")
    for name in names:
        shutil.copy(ODD / name, "mine")
    assert bench("pairs", "make", "--data", "mine=mine", "--n", 12, "--out", "mine.csv")[0] == 0
    asked = ("--metrics", "l1", "--detectors", "embedded", "--no-bounds", "--device", "cpu", "--name", "x")
    protocol = ("--protocol", "own-sameid", "--data", "mine=mine", "--pairs", "mine.csv")
    code, text = bench("run", "--models", "copy-target", *protocol, *asked)
    assert code == 0, text
    manifest = json.loads(Path("runs/x/manifest.json").read_text())
    videos = manifest["pairs"]["provenance"]["reading"]["mine"]["videos"]
    assert videos["files"] == 4 and videos["matrix"] == {"bt601 (untagged)": 3}
    assert videos["pixels"] == {"4:3, made square": 1}
    for line in ("3 of 4 videos", "1 of 4 videos", "sar.mp4"):
        assert line in text and any(line in notice for notice in manifest["notices"])
        assert line in Path("runs/x/report.html").read_text()
    shutil.copy(ODD / "hlg.mp4", "mine")
    assert bench("pairs", "make", "--data", "mine=mine", "--n", 40, "--out", "hdr.csv")[0] == 0
    ended = code, text = bench("run", "--models", "copy-target", *protocol[:-1], "hdr.csv", *asked)
    assert code == 2 and ended.error == "unusable-frames" and "hlg.mp4" in text and text.count("HLG") == 1
