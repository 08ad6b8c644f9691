"""Sound on the clock of the pictures, from every kind of file."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from support import made_sounds
from support.made_sounds import clicks, heard
from support.refused import refused

from protocols import sound
from protocols.errors import DataError
from protocols.sound import Sound
from protocols.video import Video

TIMES = (0.25, 1.0, 1.5)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.ogg", "libopus"),
        ("a.mkv", "libopus"),
    ],
)
@pytest.mark.parametrize(("rate", "channels"), [(48000, 1), (48000, 2)])
def test_clicks_are_where_they_were_in_every_kind_of_file(name, codec, rate, channels, tmp_path: Path):
    file = made_sounds.write(tmp_path / name, clicks(2, TIMES, rate, channels), rate, codec)
    found = sound.read(file)
    assert found is not None and (found.rate, found.source_rate, found.start) == (16000, rate, 0)
    assert found.samples.dtype == np.int16 and found.seconds == pytest.approx(2, abs=0.06)
    assert heard(found.samples, 16000) == pytest.approx(TIMES, abs=0.004)
    assert (found.facts["rate"], found.facts["channels"]) == (str(rate), str(channels))


def test_samples_of_the_wanted_form_are_not_touched(tmp_path: Path):
    noise = np.random.default_rng(0).integers(-32768, 32768, (1, 40_001), dtype=np.int16)
    found = sound.read(made_sounds.write(tmp_path / "a.wav", noise))
    assert found is not None
    np.testing.assert_array_equal(found.samples, noise[0])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100])
def test_other_rates_keep_pitch_and_length(rate, tmp_path: Path):
    t = np.arange(3 * rate) / rate
    tone = np.rint(8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)[None].repeat(2, 0)
    found = sound.read(made_sounds.write(tmp_path / "a.wav", tone, rate))
    assert found is not None and found.source_rate == rate
    assert len(found.samples) == pytest.approx(48000, abs=2)
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(len(found.samples)) / 16000)
    np.testing.assert_allclose(found.samples[800:-800], expected[800:-800], atol=100)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(("late", "pictures_late"), [(0.0, 0), (0.4, 0), (0.0, 5), (0.4, 5)])
def test_the_clock_is_that_of_the_first_frame(name, late, pictures_late, tmp_path: Path):
    samples = clicks(2, TIMES, 48000, 2)
    file = made_sounds.write(tmp_path / name, samples, 48000, "aac", frames=50, late=late, pictures_late=pictures_late)
    found = sound.read(file)
    assert found is not None
    shift = late - pictures_late / 25
    assert heard(found.samples, 16000, found.start) == pytest.approx([time + shift for time in TIMES], abs=0.005)
    assert found.facts["start"] == f"{found.start:+.4f}"
    known = sound.read(file, first=0.25)
    video = Video(file)
    assert known is not None
    assert known.start - found.start == pytest.approx(float(video.times[0] * video.time_base) - 0.25)


def test_a_gap_in_the_time_stamps_is_silence(tmp_path: Path):
    file = made_sounds.write(tmp_path / "a.mkv", clicks(2, TIMES), gap=(0.6, 0.5))
    found = sound.read(file)
    assert found is not None and found.facts["gaps"].startswith("1,")
    assert heard(found.samples, 16000) == pytest.approx([0.25, 1.5, 2.0], abs=0.002)
    assert found.seconds == pytest.approx(2.5, abs=0.002)


def test_no_sound_is_none(tmp_path: Path):
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode())
    assert sound.read(tmp_path / "a.mp4") is None


def test_what_is_no_sound_is_refused(tmp_path: Path):
    (tmp_path / "a.wav").write_text("no sound")
    (tmp_path / "b.mp3").write_bytes(b"")
    with refused(DataError, "unreadable-sound"):
        sound.read(tmp_path / "a.wav")
    with refused(DataError, "unreadable-sound"):
        sound.read(tmp_path / "b.mp3")
    with refused(DataError, "unreadable-sound"):
        sound.read(tmp_path)
    with refused(DataError, "missing-file"):
        sound.read(tmp_path / "none.wav")


def test_damage_is_read_around_and_said(tmp_path: Path):
    noise = np.random.default_rng(0).integers(-300, 300, (1, 64000), dtype=np.int16)
    file = made_sounds.write(tmp_path / "a.flac", clicks(4, (0.25, 3.5)) + noise, codec="flac")
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(9000) + whole[middle + 9000 :])
    found = sound.read(file)
    assert found is not None and ({"damage", "gaps"} & found.facts.keys())
    times = heard(found.samples, 16000)  # what is left of a damaged packet may be loud
    assert (times[0], times[-1]) == pytest.approx((0.25, 3.5), abs=0.002)
    cut = tmp_path / "b.flac"
    cut.write_bytes(whole[:middle])
    short = sound.read(cut)
    assert short is not None and short.seconds < 3 and heard(short.samples, 16000) == pytest.approx([0.25], abs=0.002)


def test_cutting_by_the_clock():
    made = Sound(np.arange(1, 101, dtype=np.int16), 100, start=0.5)
    assert made.seconds == 1
    np.testing.assert_array_equal(made.cut(0.0, 60), [0] * 50 + list(range(1, 11)))
    np.testing.assert_array_equal(made.cut(1.4, 20), [*range(91, 101)] + [0] * 10)
    np.testing.assert_array_equal(made.cut(0.9, 3), [41, 42, 43])
    for begin in (-3, 0, 7):
        assert made.cut(begin, 20).tolist() == [0] * 20
    assert [made.available(begin) for begin in (0, 0.5, 1.25, 1.5, 9)] == [150, 100, 25, 0, 0]
    assert made.later(-0.5).cut(0, 2).tolist() == [1, 2] and made.start == 0.5


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.mkv", "libopus")])
def test_damaged_files_are_read_or_refused(name: str, codec: str, tmp_path: Path):
    noise = np.random.default_rng(0).integers(-9000, 9000, (1, 48000), dtype=np.int16)
    file = made_sounds.write(tmp_path / name, noise, 48000, codec)
    whole, rng = file.read_bytes(), random.Random(name)
    outcomes = set()
    for trial in range(30):
        damaged = bytearray(whole[: rng.randrange(len(whole))] if trial % 3 == 0 else whole)
        for _ in range(rng.choice((1, 5, 60)) if trial % 3 else 0):
            damaged[rng.randrange(len(damaged) if trial % 3 == 1 else 400)] = rng.randrange(256)
        file.write_bytes(bytes(damaged))
        try:
            found = sound.read(file)
            outcomes.add("none" if found is None else "read")
        except DataError as error:
            outcomes.add(error.code)
    assert {"read", "unreadable-sound"} <= outcomes <= {"none", "read", "unreadable-sound", "unreadable-video"}
