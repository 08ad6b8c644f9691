"""`animate` by sound: as many frames as the sound is long, in sync with it, and every kind of mistake."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from skimage import data
from support import finished_videos as made
from support import gray_clips, made_sounds
from support.clicking_videos import frames_of
from support.command_line import call_unwrapped
from support.refused import Ended

from bench.animate.input import open_driving
from bench.animate.template import Template
from protocols.template import back_and_forth

# Gives the template's frame, white while the sound is loud; of a clip called "lost" no frame from the fourth on.
LOUD = """
import numpy as np
import torch
from baselines.talking import TalkingPredictor

class Loud(TalkingPredictor):
    name = "loud"

    def __init__(self, **options):
        pass

    def talk(self, talk):
        for k, (time, frame) in enumerate(zip(talk.times, talk.template(), strict=True)):
            if talk.id == "lost" and k > 3:
                yield "no voice"
            else:
                loud = np.abs(talk.sound.cut(time, 640).astype(int)).max() > 4000
                yield torch.ones_like(frame) if loud else frame
"""
TEMPLATE = 6  # frames
Animate = Callable[..., Ended]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loud.py").write_text(LOUD)
    made.write(tmp_path / "anna.mkv", gray_clips.frames(TEMPLATE, size=(48, 64)))
    made_sounds.write(tmp_path / "click.wav", made_sounds.clicks(1.0, (0.2, 0.64)))
    return tmp_path


@pytest.fixture
def animate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Animate:
    def run(*options: str, model: str = "loud.py:Loud") -> Ended:
        return call_unwrapped(monkeypatch, capsys, "animate", "--models", model, "--device", "cpu", *options)

    return run


def levels(file: Path) -> list[int]:
    return [round(float(frame.mean())) for frame in frames_of(file)[1]]


def test_the_template_plays_back_and_forth_while_the_sound_lasts(folder: Path, animate: Animate):
    code, told = animate("--driving", "click.wav", "--template", "anna.mkv", "--out", "a.mkv", "--batch-size", "4")
    assert code == 0, told
    shown = levels(folder / "a.mkv")
    assert len(shown) == 25
    expected = [gray_clips.DARKEST + gray_clips.STEP * k for k in back_and_forth(TEMPLATE, 25)]
    expected[5] = expected[16] = 255
    assert np.abs(np.array(shown) - expected).max() <= 3
    with av.open(str(folder / "a.mkv")) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s16le"
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert made_sounds.heard(heard, 16000) == pytest.approx([0.2, 0.64], abs=0.002)
    assert "25 frames, 1.00 s, 64x48" in told and "sound copied" in told


@pytest.mark.parametrize(
    ("rate", "channels", "codec", "name"), [(8000, 1, "pcm_s16le", "a.wav"), (44100, 2, "aac", "a.m4a")]
)
def test_sounds_of_other_kinds_stay_in_sync(
    folder: Path, animate: Animate, rate: int, channels: int, codec: str, name: str
):
    made_sounds.write(folder / name, made_sounds.clicks(1.0, (0.205, 0.645), rate, channels), rate, codec)
    assert animate("--driving", name, "--template", "anna.mkv", "--out", "a.mp4")[0] == 0
    shown = np.array(levels(folder / "a.mp4"))
    with av.open(str(folder / "a.mp4")) as container:
        pieces = list(container.decode(audio=0))
        start = float(pieces[0].time)
        heard = np.concatenate([np.atleast_2d(piece.to_ndarray())[0] for piece in pieces])
        heard = heard * (1 if heard.dtype == np.int16 else 32768)
        clicks = made_sounds.heard(np.asarray(heard), pieces[0].sample_rate, start)
    white = np.flatnonzero(shown > 240) / 25
    assert len(white) == len(clicks) == 2
    assert all(0 <= click - frame < 0.04 + 0.01 for frame, click in zip(white, clicks))


def test_a_video_with_sound_drives_and_its_pictures_do_not(folder: Path, animate: Animate):
    made_sounds.write(folder / "talk.mkv", made_sounds.clicks(0.6, (0.4,)), frames=15)
    code, told = animate(
        "--driving", "talk.mkv", "--template", "anna.mkv", "--out", "a.mkv", "--side-by-side", "--limit", "12"
    )
    assert code == 0, told
    frames = frames_of(folder / "a.mkv")[1]
    assert len(frames) == 12 and frames[0].shape == (48, 128, 3)
    left, right = ([float(frame[:, part].mean()) for frame in frames] for part in (slice(0, 60), slice(68, 128)))
    assert max(left) < 80 and [k for k, level in enumerate(right) if level > 240] == [10]


def test_a_photograph_is_a_template_of_one_frame(folder: Path, animate: Animate):
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(folder / "photo.png")
    assert animate("--driving", "click.wav", "--template", "photo.png", "--out", "a.mkv", "--fps", "10")[0] == 0
    shown = np.array(levels(folder / "a.mkv"))
    assert len(shown) == 10 and np.abs(shown - [90, 90, 255, *[90] * 7]).max() <= 3


def test_frames_that_cannot_be_made_are_grey_and_counted(folder: Path, animate: Animate):
    made_sounds.write(folder / "lost.wav", made_sounds.clicks(0.4, ()))
    code, told = animate("--driving", "lost.wav", "--template", "anna.mkv", "--out", "a.mkv")
    assert code == 1 and "6 of 10 frames" in told and "no voice" in told
    assert re.search(r"lost\.wav: .*\bsilent\b", told), told
    assert len(levels(folder / "a.mkv")) == 10


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        (("--driving", "text.wav", "--template", "anna.mkv"), "unreadable-sound", "text.wav"),
        (("--driving", "anna.mkv", "--template", "anna.mkv"), "no-sound", "--driving anna.mkv"),
        (("--driving", "gone.wav", "--template", "anna.mkv"), "missing-file", "--driving gone.wav"),
        (("--driving", "click.wav", "--template", "gone.mkv"), "missing-file", "--template gone.mkv"),
        (("--driving", "click.wav", "--template", "click.wav"), "unreadable-video", "click.wav"),
        (("--driving", "click.wav", "--source", "anna.mkv"), "unused-option", "--template VIDEO"),
        (
            ("--driving", "click.wav", "--source", "anna.mkv", "--template", "anna.mkv"),
            "conflicting-options",
            "--source",
        ),
        (("--driving", "click.wav"), "missing-option", "--template"),
        (("--driving", "click.wav", "--template", "anna.mkv", "--mode", "relative"), "unused-option", "--mode"),
        (
            ("--driving", "click.wav", "--template", "anna.mkv", "--anchor-frame", "3"),
            "unused-option",
            "--anchor-frame",
        ),
        (("--driving", "click.wav", "--template", "anna.mkv", "--fps", "30"), "unused-option", "--fps 30"),
    ],
)
def test_mistakes_are_one_line(folder: Path, animate: Animate, options: tuple[str, ...], error: str, word: str):
    (folder / "text.wav").write_text("no sound\n" * 40)
    driving_is_video = "--source" in options and "--template" not in options
    if driving_is_video:
        options = tuple("anna.mkv" if option == "click.wav" else option for option in options)
    ended = animate(*options, "--out", "a.mkv")
    assert (ended[0], ended.error) == (2, error) and word in ended[1], ended
    assert not (folder / "a.mkv").exists()


def test_other_models_take_no_template(folder: Path, animate: Animate):
    options = ("--driving", "click.wav", "--template", "anna.mkv", "--out", "a.mkv")
    ended = animate(*options, model="copy-source")
    assert (ended[0], ended.error) == (2, "unused-option") and "copy-source" in ended[1] and "--source" in ended[1]
    ended = animate(*options, model="copy-source,loud.py:Loud")
    assert (ended[0], ended.error) == (2, "conflicting-options") and "--template" in ended[1]


def test_a_long_template_is_never_held_whole(folder: Path):
    """Frames come in stretches, whichever way the video runs; every one is decoded once a direction."""
    pictures = [np.full((96, 128, 3), k % 200, np.uint8) for k in range(300)]
    made.write(folder / "long.mkv", pictures)
    video = open_driving(folder / "long.mkv", None)
    decoded = []
    frame = video.frame
    video.frame = lambda number: decoded.append(number) or frame(number)  # type: ignore[method-assign]
    shown = Template(video, folder / "long.mkv", 900, None, 256)
    tracemalloc.start()
    got = [round(float(one.mean()) * 255) for one in shown.tensors()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got == [number % 200 for number in back_and_forth(300, 900)]
    assert len(decoded) < 1.2 * 900
    assert peak < 0.6 * 300 * pictures[0].nbytes * 4


def test_wav2lip_speaks_on_the_command_line(folder: Path, animate: Animate):
    face = data.astronaut()[:220, 90:310]
    (folder / "face").mkdir()
    for k in range(2):
        Image.fromarray(np.roll(face, 2 * k, 1)).save(folder / "face" / f"{k}.png")
    options = ("--driving", "click.wav", "--template", "face", "--out", "a.mkv", "--limit", "3", "--side-by-side")
    code, told = animate(*options, model="wav2lip?weights=untrained")
    assert code == 0 and "UNTRAINED WEIGHTS" in told, told
    frames = np.stack(frames_of(folder / "a.mkv")[1]).astype(int)
    difference = np.abs(frames[:, :, :220] - frames[:, :, 220:]).mean((0, 3))
    assert difference[120:150, 90:130].mean() > 8 > 2 > difference[:40].mean()
