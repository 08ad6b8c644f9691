"""`animate` end to end: the video that comes out, its clock, its sound, and every kind of mistake."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize as skimage_resize
from support.clicking_videos import CLICK, UNEVEN, frames_of, make_video, picture
from support.command_line import call_unwrapped
from support.refused import Ended
from support.small_networks import CONFIGS

from baselines.card import card
from bench.animate import crop as animate_crop
from bench.animate import input as animate_input


def click_of(file: Path) -> float:
    """Seconds from the file's first picture to its click."""
    with av.open(str(file)) as container:
        first = next(container.decode(video=0)).time
    with av.open(str(file)) as container:
        for frame in container.decode(audio=0):
            level = frame.to_ndarray()[0]
            loud = np.flatnonzero(np.abs(level / (32768 if level.dtype == np.int16 else 1)) > 0.3)
            if loud.size:
                return float(frame.time + loud[0] / frame.sample_rate - first)
    raise AssertionError("no click")


def sound_packets(file: Path) -> list[bytes]:
    with av.open(str(file)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def close(shown: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two pictures are the same but for the codec."""
    return float(np.abs(shown.astype(float) - expected.astype(float)).mean()) < 5


def as_shown(image: np.ndarray) -> np.ndarray:
    """What a network sees of a picture: its central square at 256, uint8."""
    return np.rint(skimage_resize(image[:, 16:80], (256, 256)) * 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(3)).save("photo.png")
    return tmp_path


@pytest.fixture
def animate(monkeypatch, capsys):
    """Call the command in this process; returns exit code and everything printed, unwrapped."""

    def call(*arguments: object) -> Ended:
        return call_unwrapped(monkeypatch, capsys, "animate", "--device", "cpu", *arguments)

    return call


@pytest.fixture
def program(folder):
    """A model as an external program: a Python body that sees one `row` of pairs.csv and the folder `out`."""

    def write(body: str) -> str:
        lines = ["import csv, shutil, sys, time", "from pathlib import Path", "pairs, out = map(Path, sys.argv[1:])"]
        lines += ["for row in csv.DictReader(pairs.open()):", *(f"    {line}" for line in body.splitlines())]
        (folder / "program.py").write_text("\n".join(lines))
        return f"cmd:{sys.executable} {folder / 'program.py'}"

    return write


COPY = "shutil.copyfile(pairs.parent / row['{role}'], out / (row['pair'] + '.png'))"


def test_times_and_sound_are_the_driving_videos(animate, folder):
    driving = make_video(folder / "driving.mp4", "mp4")
    code, text = animate(
        "--model", "copy-target", "--source", "photo.png", "--driving", driving, "--out", "new/out.mp4"
    )
    assert code == 0 and "6 frames, 0.2" in text and "sound copied (aac)" in text
    assert re.search(r"; \d[\d.]* frames\b.* \d[\d.]*$", text), text
    out = folder / "new" / "out.mp4"
    times, frames = frames_of(out)
    assert times == pytest.approx([moment / 1000 for moment in UNEVEN], abs=1e-9)
    assert all(close(frame, as_shown(picture(number))) for number, frame in enumerate(frames))
    assert not close(frames[0], as_shown(picture(5)))
    kept = sound_packets(out)
    assert 0 < len(kept) < len(sound_packets(driving))  # 0.24 s of picture, 0.3 s of sound
    assert kept == sound_packets(driving)[: len(kept)] and "(aac), cut" in text
    with av.open(str(out)) as made, av.open(str(driving)) as given:
        lengths = [float(c.streams.video[0].duration * c.streams.video[0].time_base) for c in (made, given)]
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-4)
    assert [file.name for file in out.parent.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(
    ("form", "sound", "suffix", "kept"),
    [
        ("mpegts", "ac3", ".mp4", "ac3"),
        ("mpegts", "aac", ".mov", "aac"),
        ("matroska", "pcm_s16le", ".mp4", "aac"),
        ("matroska", "flac", ".mov", "aac"),
        ("mp4", "aac", ".webm", "opus"),
        ("mp4", "libopus", ".mkv", "opus"),
        ("mp4", None, ".mp4", None),
    ],
)
def test_sound_stays_in_step_in_every_container(animate, folder, form, sound, suffix, kept):
    driving, out = make_video(folder / "driving", form, sound), folder / f"out{suffix}"
    code, text = animate("--model", "copy-source", "--source", "photo.png", "--driving", driving, "--out", out)
    given = (sound or "").removeprefix("lib")
    done = f"sound copied ({given})" if kept == given else f"({given} to {kept})" if sound else "no sound"
    assert code == 0 and done in text, text
    assert frames_of(out)[0] == pytest.approx([moment / 1000 for moment in UNEVEN], abs=1.1e-3)
    if sound:
        with av.open(str(out)) as container:
            assert container.streams.audio[0].codec.canonical_name == kept
        assert click_of(out) == pytest.approx(click_of(driving), abs=3e-3)
        assert click_of(driving) == pytest.approx(CLICK, abs=3e-2)
    else:
        with av.open(str(out)) as container:
            assert not container.streams.audio


def test_a_network_side_by_side(animate, folder):
    driving = make_video(folder / "driving.mp4", "mp4")
    code, text = animate(
        "--model",
        "fomm",
        "--source",
        "photo.png",
        "--driving",
        driving,
        "--side-by-side",
        "--limit",
        3,
        "--mode",
        "relative",
    )
    assert code == 0 and "fomm.mp4" in text and "3 frames" in text and "0.12 s" in text and "768x256" in text, text
    assert re.search(r"\bmode relative, SAMPLE WEIGHTS;", text), text
    times, frames = frames_of(folder / "fomm.mp4")
    assert times == pytest.approx([0, 0.033, 0.05])
    for number, frame in enumerate(frames):
        left, middle, right = np.split(frame, 3, axis=1)
        assert close(left, as_shown(picture(3))) and close(middle, as_shown(picture(number)))
        assert right.std() > 10
    with av.open("fomm.mp4") as container:
        audio = container.streams.audio[0]
        assert float(audio.duration * audio.time_base) == pytest.approx(0.12, abs=0.025)


def test_untrained_weights_are_told(animate, folder, monkeypatch):
    monkeypatch.setitem(vars(card("fomm")), "config", CONFIGS["fomm"])  # small
    asked = ["--source", "photo.png", "--driving", "photo.png", "--out", "out.mp4"]
    code, text = animate("--model", "fomm?weights=untrained", *asked)
    assert code == 0 and "absolute, UNTRAINED WEIGHTS;" in text and "SAMPLE" not in text, text


def test_the_anchor_is_handed_over_and_missing_frames_are_gray(animate, folder, program):
    driving = make_video(folder / "driving.mp4", "mp4")
    model = program("if row['pair'] != '0000001': " + COPY.format(role="anchor"))
    asked = ["--model", model, "--source", "photo.png", "--driving", driving, "--out", "out.mp4", "--limit", 3]
    code, text = animate(*asked, "--mode", "relative", "--anchor-frame", 4, "--batch-size", 2)
    assert code == 1 and "1 of 3 frames" in text
    assert "out/0000001.png" in text
    times, frames = frames_of(folder / "out.mp4")
    assert times == pytest.approx([0, 0.033, 0.05])
    assert close(frames[0], as_shown(picture(4))) and close(frames[2], as_shown(picture(4)))
    assert np.abs(frames[1][:64].astype(int) - 128).max() <= 3
    assert frames[1][100:156].max() > 200  # the words on it


def test_a_failing_program_fails_its_frames_only(animate, folder, program):
    driving = make_video(folder / "driving.mp4", "mp4")
    model = program("if row['pair'] == '0000002': sys.exit('jammed')\n" + COPY.format(role="driving"))
    code, text = animate("--model", model, "--source", "photo.png", "--driving", driving, "--out", "out.mp4")
    assert code == 1 and "1 of 6 frames" in text and "gray (2)" in text and "jammed" in text
    assert close(frames_of(folder / "out.mp4")[1][3], as_shown(picture(3)))


def test_a_folder_of_frames_and_a_broken_one_in_it(animate, folder):
    (folder / "frames").mkdir()
    for number in range(8, 12):
        Image.fromarray(picture(number - 8)).save(f"frames/f_{number}.png")
    broken = folder / "frames" / "f_9.png"
    broken.write_bytes(broken.read_bytes()[:200])
    asked = ["--model", "copy-target", "--source", "photo.png", "--driving", "frames", "--fps", 10, "--out", "out.mp4"]
    code, text = animate(*asked)
    assert code == 1 and "4 frames, 0.40 s" in text and "no sound" in text and "f_9.png" in text
    times, frames = frames_of(folder / "out.mp4")
    assert times == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [close(frame, as_shown(picture(number))) for number, frame in enumerate(frames)] == [True, False, True, True]


def test_a_gap_in_the_numbers_of_frames_is_said(tmp_path):
    (tmp_path / "gap").mkdir()
    for number in (8, 9, 11):
        Image.fromarray(picture(number)).save(tmp_path / "gap" / f"f_{number}.png")
    (told,) = animate_input.open_driving(tmp_path / "gap", None).notices
    assert told.code == "frame-gap" and str(tmp_path / "gap") in told and " 10;" in told
    (tmp_path / "gap" / "f_11.png").rename(tmp_path / "gap" / "f_10.png")
    assert animate_input.open_driving(tmp_path / "gap", None).notices == []


def test_an_image_drives_one_frame_and_a_video_may_be_the_photograph(animate, folder):
    make_video(folder / "driving.mp4", "mp4")
    code, text = animate("--model", "copy-source", "--source", "driving.mp4", "--driving", "photo.png", "--fps", 5)
    assert code == 0 and "driving.mp4" in text and "1 frame, 0.20 s" in text
    _, frames = frames_of(folder / "copy-source.mp4")
    assert len(frames) == 1 and close(frames[0], as_shown(picture(0)))


def test_a_photograph_is_turned_upright(animate, folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    upright = picture(3, 64, 64)
    Image.fromarray(np.rot90(upright)).save("phone.png", exif=exif)
    assert (
        animate("--model", "copy-source", "--source", "phone.png", "--driving", "photo.png", "--out", "out.mkv")[0] == 0
    )
    frame = frames_of(folder / "out.mkv")[1][0]
    assert close(frame, np.rint(skimage_resize(upright, (256, 256)) * 255))


@pytest.mark.parametrize(
    ("crop", "region"),
    [
        ("center", np.s_[:, 16:80]),
        ("centre", np.s_[:, 16:80]),
        ("none", np.s_[:, :]),
        ("10,4,60,50", np.s_[4:50, 10:60]),
    ],
)
def test_crops_and_the_demos_resize(crop, region):
    image = picture(2)
    fitted = animate_input.fit(image, animate_crop.parse_crop(crop, "--crop"), 128, "--driving")
    assert fitted.dtype == np.float32
    assert np.abs(fitted - skimage_resize(image[region], (128, 128))).max() < 1e-6


@pytest.mark.parametrize(("height", "width"), [(300, 200), (64, 64), (97, 411)])
def test_resize_is_skimages(height, width):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    assert np.abs(animate_input.resize(image, 64) - skimage_resize(image, (64, 64))).max() < 1e-6


def test_ctrl_c_keeps_what_is_finished(folder, program):
    driving = make_video(folder / "driving.mp4", "mp4", times=range(0, 4000, 40))
    (folder / "out.mp4").write_bytes(b"an earlier result")
    model = program("time.sleep(0.1)\n" + COPY.format(role="driving"))
    command = [sys.executable, "-m", "bench", "animate", "--model", model, "--source", "photo.png", "--batch-size", "1"]
    command += ["--driving", str(driving), "--out", "out.mp4", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    part, deadline = folder / "out.mp4.part", time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed and "out.interrupted.mp4" in printed
    times, frames = frames_of(folder / "out.interrupted.mp4")
    assert f"{len(frames)} of 100 frames" in printed and 0 < len(frames) < 100
    assert times == pytest.approx([0.04 * number for number in range(len(frames))])
    assert (folder / "out.mp4").read_bytes() == b"an earlier result" and not part.exists()


GOOD = {"--model": "copy-source", "--source": "photo.png", "--driving": "driving.mp4", "--out": "out.mp4"}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"--source": "nothing.png"}, "missing-file", ["--source nothing.png"]),
        ({"--source": "text.txt"}, "unreadable-image", ["text.txt"]),
        ({"--source": "."}, "missing-file", ["--source ."]),
        ({"--source": "small.png"}, "picture-too-small", ["small.png", "20x20"]),
        ({"--driving": "nothing.mp4"}, "missing-file", ["--driving nothing.mp4"]),
        ({"--driving": "text.txt"}, "unreadable-video", ["text.txt"]),
        ({"--driving": "text.mp4"}, "unreadable-video", ["text.mp4"]),
        ({"--driving": "sound.wav"}, "unreadable-video", ["sound.wav"]),
        ({"--driving": "."}, "picture-too-small", ["20x20"]),
        ({"--driving": "empty"}, "missing-frames", ["--driving empty", ".png"]),
        ({"--driving": "clips"}, "missing-frames", ["--driving clips", "clips/anna"]),
        ({"--driving": "videos"}, "missing-frames", ["--driving videos", "videos/anna.mp4"]),
        ({"--model": "fomn"}, "unknown-model", ["fomn", "fomm"]),
        ({"--model": "fomm", "--mode": "avd"}, "unknown-mode", ["fomm", "avd"]),
        ({"--mode": "sideways"}, "unknown-choice", ["sideways", "absolute"]),
        ({"--out": "text.txt/out.mp4"}, "unwritable-file", ["text.txt/out.mp4"]),
        ({"--out": "out.xyz"}, "bad-value", [".mp4, .mov, .mkv, .webm"]),
        ({"--out": "driving.mp4"}, "unwritable-file", ["--out driving.mp4"]),
        ({"--anchor-frame": "6"}, "unknown-frame", ["6 frames"]),
        ({"--anchor-frame": "first"}, "bad-value", ["--anchor-frame first"]),
        ({"--anchor-frame": "best", "--mode": "relative"}, "no-face", ["--anchor-frame best"]),
        ({"--anchor-frame": "0", "--mode": "absolute"}, "unused-option", ["--anchor-frame 0", "absolute"]),
        ({"--anchor-frame": "best", "--mode": "absolute"}, "unused-option", ["--anchor-frame best", "absolute"]),
        ({"--fps": "50"}, "unused-option", ["--fps 50", "driving.mp4"]),
        ({"--crop": "1,2,3"}, "bad-value", ["x0,y0,x1,y1"]),
        ({"--crop": "50,0,40,40"}, "bad-value", ["x0 < x1"]),
        ({"--crop": "0,0,97,64"}, "box-outside", ["0,0,97,64", "96x64"]),
        ({"--source-crop": "0,0,31,64"}, "picture-too-small", ["photo.png", "31x64"]),
        ({"--device": "cuda:77"}, "no-such-device", ["cuda:77"]),
        ({"--weights": "nowhere"}, "missing-folder", ["nowhere"]),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(animate, folder, changes, error, words):
    make_video(folder / "driving.mp4", "mp4")
    Image.new("RGB", (20, 30)).save("small.png")
    for name in ("empty", "clips/anna", "clips/zoe", "videos/notes"):
        (folder / name).mkdir(parents=True)
    Image.new("RGB", (64, 64)).save("clips/anna/0.png")
    make_video(folder / "videos" / "anna.mp4", "mp4")
    for name in ("text.txt", "text.mp4"):
        (folder / name).write_text("not a picture\n" * 50)
    with wave.open("sound.wav", "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", None))
        sound.writeframes(bytes(1600))
    before = set(folder.iterdir())
    ended = code, text = animate(*(part for option in (GOOD | changes).items() for part in option))
    assert (code, ended.error) == (2, error), text
    assert text.count("error:") == 1 and "Traceback" not in text
    for word in words:
        assert word in text
    assert set(folder.iterdir()) == before


def test_times_that_no_encoder_takes_stop_with_one_line(animate, folder):
    make_video(folder / "driving.mkv", "matroska", None, (0, 1, 2, 10**6, 2**40, 2**40 + 1), "ffv1")
    asked = ["--model", "copy-target", "--source", "photo.png", "--driving", "driving.mkv", "--out", "out.mp4"]
    code, text = animate(*asked)
    assert code == 1 and text.count("stopped: out.mp4: ") == 1 and "Traceback" not in text
