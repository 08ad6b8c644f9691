"""Clips kept as videos while a run works, and the videos of all panels that its report plays."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from support import finished_videos as made
from support import gray_clips, manifests
from support.command_line import call
from support.refused import Ended

from bench.run import media
from bench.run.clip_video import ClipVideo, fitting, read
from bench.run.command import NO_VIDEOS
from bench.run.grid import SOUND_RATE, GridWriter, columns_of, fitted, nothing, side_of
from bench.rundir.directory import CLIP, FRAME, UNIT, VIDEO, RunDirectory
from bench.rundir.whole import video_hash
from protocols import sound
from protocols.pairs import FrameRef, Pair
from protocols.sound import Sound
from protocols.video import Video
from reports.run import choose
from reports.schema.players import Players, parse_players


def pairs(count: int, rate: float = 25.0) -> list[Pair]:
    """The frames of one clip."""
    ref = FrameRef("mine", "clip", "0")
    return [Pair(f"clip-{k:06d}", ref, ref, ref, None, "a", "a", clip="clip", time=k / rate) for k in range(count)]


def film(frames: list[np.ndarray], skipped: tuple[int, ...] = (), at_a_time: int = 4) -> bytes:
    asked = pairs(len(frames))
    video = ClipVideo({pair.id: k for k, pair in enumerate(asked)})
    kept = [k for k in range(len(frames)) if k not in skipped]
    for start in range(0, len(kept), at_a_time):
        part = kept[start : start + at_a_time]
        video.add([asked[k] for k in part], np.stack([frames[k] for k in part]))
    return video.finish()


@pytest.mark.parametrize("skipped", [(), (0, 1, 2), (7,), (18, 19), tuple(range(1, 20))])
def test_a_kept_clip_gives_back_its_frames_and_knows_which_are_missing(tmp_path, skipped):
    (tmp_path / "v.mp4").write_bytes(film(gray_clips.frames(20), skipped))
    found = [
        (position, gray_clips.number(frame.to_ndarray(format="rgb24").mean()))
        for position, frame in read(tmp_path / "v.mp4")
    ]
    assert found == [(k, k) for k in range(20) if k not in skipped]


def test_a_clip_without_a_frame_is_no_video():
    assert film(gray_clips.frames(3), (0, 1, 2)) == b""


def test_how_frames_fall_into_batches_changes_no_byte():
    frames = made.frames(range(12), (96, 96))
    assert film(frames, at_a_time=1) == film(frames, at_a_time=5)


def test_a_kept_clip_looks_like_its_frames(tmp_path):
    frames = made.frames(range(6), (96, 128))
    (tmp_path / "v.mp4").write_bytes(film(frames))
    for position, frame in read(tmp_path / "v.mp4"):
        difference = frame.to_ndarray(format="rgb24").astype(float) - frames[position]
        assert np.abs(difference).mean() < 4


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((256, 256), (256, 256)),
        ((1080, 1920), (144, 256)),
        ((512, 512), (256, 256)),
        ((33, 47), (32, 48)),
        ((1, 900), (2, 256)),
    ],
)
def test_sides_are_even_and_never_longer(shape, expected):
    assert fitting(*shape) == expected


def test_rows_of_panels():
    assert [columns_of(n) for n in range(1, 13)] == [1, 2, 3, 4, 5, 6, 4, 4, 5, 5, 6, 6]
    assert side_of(6) == 256 and side_of(144) == 128


def test_a_picture_of_other_proportions_is_not_stretched():
    image = np.full((40, 80, 3), 200, np.uint8)
    brightness = fitted(image, (64, 64))[0]
    rows = np.flatnonzero(brightness[:, 32] > 100)
    assert (rows[0], rows[-1]) == (16, 47) and brightness[0].max() == 16
    assert [plane.shape for plane in fitted(image, (64, 64))] == [(64, 64), (32, 32), (32, 32)]


def test_a_grid_has_every_panel_in_its_place_and_every_frame_at_its_time(tmp_path):
    times, end = [0.5, 0.52, 0.6, 0.61, 0.9], 1.0
    writer = GridWriter(tmp_path / "g.mp4", 7, (32, 48), times, end)
    for k in range(len(times)):
        writer.write([fitted(np.full((32, 48, 3), 20 + 10 * panel + 3 * k, np.uint8), (32, 48)) for panel in range(7)])
    writer.finish()
    with av.open(str(tmp_path / "g.mp4")) as container:
        frames = list(container.decode(video=0))
        assert [frame.pts * frame.time_base for frame in frames] == [Fraction(str(t)) - Fraction(1, 2) for t in times]
        assert container.streams.video[0].duration * container.streams.video[0].time_base == Fraction(1, 2)
    for k, frame in enumerate(frames):
        image = frame.to_ndarray(format="rgb24")
        assert image.shape == (64, 192, 3)
        for panel in range(7):
            row, column = divmod(panel, 4)
            level = image[32 * row + 8 : 32 * row + 24, 48 * column + 8 : 48 * column + 40].mean()
            assert level == pytest.approx(20 + 10 * panel + 3 * k, abs=1.5)
        assert image[40:56, 152:184].mean() < 3  # the place that is left


def test_a_long_noisy_clip_stays_below_the_size_of_a_file(tmp_path):
    rng = np.random.default_rng(0)
    times = np.arange(200) / 10
    writer = GridWriter(tmp_path / "g.mp4", 4, (128, 128), list(times), 20.0)
    noise = [fitted(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8), (128, 128)) for _ in range(16)]
    for _ in times:
        writer.write([noise[k] for k in rng.integers(0, 16, 4)])
    writer.finish()
    assert 1_000_000 < (tmp_path / "g.mp4").stat().st_size < 4_600_000


def test_sound_begins_with_the_first_frame(tmp_path):
    samples = np.zeros(2 * SOUND_RATE, np.int16)
    samples[SOUND_RATE : SOUND_RATE + 4410] = 12000 * np.sin(
        np.arange(4410) / 10
    )  # a second after the clip's first frame
    writer = GridWriter(tmp_path / "g.mp4", 1, (16, 16), [0.6 + k / 25 for k in range(25)], 1.6)
    writer.add_sound(Sound(samples, SOUND_RATE), 0.6, 1.0)
    for _ in range(25):
        writer.write([nothing((16, 16))])
    writer.finish()
    heard = sound.read(tmp_path / "g.mp4", SOUND_RATE)
    loud = np.flatnonzero(np.abs(heard.samples) > 6000)
    assert heard.start + loud[0] / SOUND_RATE == pytest.approx(0.4, abs=0.003)
    assert heard.seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("second", "first", "seconds"), [(50.0, 35.5, 30), (1.0, 0, 30), (99.0, 70.0, 30), (np.nan, 0, 30)]
)
def test_of_a_long_clip_the_part_around_its_worst_second_is_shown(second, first, seconds):
    asked = pairs(1000, rate=10)
    manifest = manifests.complete(["a"], [manifests.metric("l1")])
    rows = pd.DataFrame(
        {
            "model": ["b", "a", "copy-source"],
            "l1.worst": [0.1, np.nan if np.isnan(second) else 0.2, 0.3],
            "l1.worst_second": [np.nan if np.isnan(second) else 7.0, second, 8.0],
        }
    )
    if np.isnan(second):
        rows["l1.worst"] = np.nan
    part = media.part_of(asked, rows, manifest)
    assert (part.first, part.stop - part.first) == (round(10 * first), 10 * seconds)
    assert (part.around is None) == np.isnan(second)
    if part.around is not None:
        assert (part.around.model, part.around.metric, part.around.second) == ("a", "l1", second)


def test_a_short_clip_is_shown_whole():
    manifest = manifests.complete(["a"], [manifests.metric("l1")])
    part = media.part_of(
        pairs(750), pd.DataFrame({"model": ["a"], "l1.worst": [0.1], "l1.worst_second": [4.0]}), manifest
    )
    assert (part.first, part.stop, part.around) == (0, 750, None)
    assert media.part_of(pairs(1), pd.DataFrame({"model": ["a"]}), manifest).stop == 1


def test_the_clips_that_are_played():
    roles = {
        model: {role: [f"{role}{k}" if k else f"{role}-{model}" for k in range(2)] for role in choose.ROLES}
        for model in "abcd"
    }
    found = choose.played(roles)
    assert len(found) == choose.PLAYED
    assert found[:4] == ["best-a", "median-a", "worst-a", "best-b"] and found[-1] == "worst-d"
    assert choose.played({"a": {"best": ["x", "z"], "median": [], "worst": ["y"]}}) == ["x", "y", "z"]
    assert choose.played({"a": {role: [] for role in choose.ROLES}}) == []


def shard(run: RunDirectory, video: object) -> None:
    rows = pd.DataFrame(
        {"pair": ["c", "c-0"], "status": ["ok", "ok"], UNIT: [CLIP, FRAME], "kept": False, VIDEO: [video, None]}
    )
    run.write_shard("m", "a", rows)


@pytest.mark.parametrize(
    ("said", "there", "whole"),
    [
        (video_hash(b"film"), b"film", True),
        (video_hash(b"film"), b"fil", False),  # torn
        (video_hash(b"film"), None, False),
        ("", None, True),  # no frame was made
        ("", b"film", False),
        (None, None, False),  # from a start with --no-media
        (None, b"film", False),
    ],
)
def test_a_shard_without_its_video_is_made_again(tmp_path, said, there, whole):
    run = RunDirectory(tmp_path)
    shard(run, said)
    if there is not None:
        run.write_video("m", "c", there)
    assert len(list(run.shards("m"))) == 1  # where no videos are wanted
    assert len(list(run.shards("m", videos=True))) == whole
    assert len(list(run.shards("m"))) == whole  # what is not whole was removed


def test_a_shard_of_an_earlier_release_is_made_again_where_videos_are_wanted(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_shard("m", "a", pd.DataFrame({"pair": ["c"], "status": ["ok"], UNIT: [CLIP], "kept": False}))
    assert len(list(run.shards("m"))) == 1
    assert list(run.shards("m", videos=True)) == []


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def ask(command: str, *arguments: object) -> Ended:
        return call(monkeypatch, capsys, command, *arguments)

    return ask


def played(run: Path) -> Players:
    return parse_players((run / "media" / "players.json").read_bytes())


def test_a_run_leaves_the_videos_of_its_shown_clips(gray_run):
    found = {entry.clip: entry for entry in played(gray_run).clips}
    assert set(found) == {"one", "two", "three"}
    assert sorted(file.name for file in (gray_run / "media").iterdir()) == [
        "one.mp4",
        "players.json",
        "three.mp4",
        "two.mp4",
    ]
    names = ["source", "target", "same", "brighter", "copy-source"]  # copy-target is the target
    for entry in found.values():
        assert [panel.name for panel in entry.panels] == names and entry.sound
        assert entry.times == pytest.approx(
            np.arange(10) / gray_clips.RATE
        ) and entry.end == entry.length == pytest.approx(0.4)
    assert [panel.missing for panel in found["two"].panels] == [()] * 5
    assert [panel.missing for panel in found["three"].panels] == [(), (), (), (9,), ()]
    video = Video(gray_run / "media" / "two.mp4")
    for number in range(10):
        image = video.frame(number)
        levels = [image[20:44, 64 * panel + 20 : 64 * panel + 44].mean() for panel in range(5)]
        assert [gray_clips.number(level) for level in levels[:3]] == [0, number, number]
        assert gray_clips.number(levels[3] - 40) == number and gray_clips.number(levels[4]) == 0
    video.close()
    assert not (gray_run / "work").exists()
    samples = pd.read_parquet(gray_run / "samples.parquet")
    assert VIDEO not in samples and VIDEO not in pd.read_parquet(gray_run / "frames.parquet")


@pytest.mark.slow
def test_of_a_long_clip_the_worst_half_minute_is_played(tmp_path):
    dark = [np.full((32, 32, 3), 40 + number, np.uint8) for number in range(200)]
    made.write(tmp_path / "truth" / "long.mkv", dark, rate=5)
    made.write(tmp_path / "same" / "long.mkv", dark, rate=5)
    worse = [one + np.uint8(15 if 150 <= number < 155 else 2) for number, one in enumerate(dark)]
    made.write(tmp_path / "brighter" / "long.mkv", worse, rate=5)
    run = gray_clips.score(tmp_path)
    (entry,) = played(run).clips
    assert (entry.times[0], entry.end, len(entry.times), entry.length) == pytest.approx((10.0, 40.0, 150, 40.0))
    assert entry.around.content() == {"model": "brighter", "metric": "l1", "second": 30.0}
    video = Video(run / "media" / "long.mp4")
    assert video.frame(149)[8:24, 40:56].mean() == pytest.approx(239, abs=2)
    video.close()
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "30.0 s" in page and "40.0 s" in page


@pytest.mark.slow
def test_without_media_nothing_is_kept_and_no_number_differs(gray_run):
    without = gray_clips.score(gray_run.parents[1], "without", media=False)
    assert not (without / "media").exists()
    for name in ("samples.parquet", "frames.parquet", "summary.json"):
        assert (gray_run / name).read_bytes() == (without / name).read_bytes()
    assert "media/players.json" in (without / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_stopped_and_taken_up_again_it_leaves_the_same_videos(tmp_path, monkeypatch):
    gray_clips.folders(tmp_path, 6)
    expected = gray_clips.score(tmp_path, "whole")
    written = RunDirectory.write_shard
    calls = []

    def stops(self, model, name, rows):
        calls.append(model)
        if len(calls) == 5:  # its video lies there already
            raise OSError(28, "No space left on device")
        written(self, model, name, rows)

    monkeypatch.setattr(RunDirectory, "write_shard", stops)
    with pytest.raises(OSError, match="No space"):
        gray_clips.score(tmp_path, "again")
    videos = sorted((tmp_path / "runs" / "again" / "work").glob("*/videos/*.mp4"))
    assert len(videos) >= 4
    videos[0].write_bytes(b"torn")
    again = gray_clips.score(tmp_path, "again")
    assert len(calls) > 5
    for file in sorted((expected / "media").iterdir()):
        assert file.read_bytes() == (again / "media" / file.name).read_bytes()


def test_no_media_is_for_whole_clips(bench, sample_set):
    ended = bench("run", "--protocol", "vox1-sameid", "--models", "copy-source", "--limit", 1, "--no-media")
    assert (ended[0], ended.error) == (2, "unused-option")


def test_a_finished_run_without_videos_says_how_to_have_them(bench, tmp_path):
    made.write(tmp_path / "truth" / "a.mkv", gray_clips.frames(3))
    same = ("score", "truth", "truth", "--labels", "same", "--metrics", "l1", "--workers", 0, "--name", "r")
    line = NO_VIDEOS
    assert line not in bench(*same, "--no-media")[1] and line not in bench(*same, "--no-media")[1]
    assert line in bench(*same)[1]
    assert line not in bench(*same, "--force")[1] and line not in bench(*same)[1]


@pytest.mark.slow
def test_force_discards_the_videos(tmp_path):
    gray_clips.folders(tmp_path, 3)
    run = gray_clips.score(tmp_path)
    (run / "report-single-file.html").write_text("")
    gray_clips.score(tmp_path, force=True, media=False)
    assert not (run / "media").exists() and not (run / "report-single-file.html").exists()


def test_a_page_to_send(bench, gray_run):
    code, told = bench("report", gray_run, "--single-file")
    assert code == 0 and "report-single-file.html" in told
    page = (gray_run / "report-single-file.html").read_text(encoding="utf-8")
    assert page.count('src="data:video/mp4;base64,') == 3 and 'src="media/' not in page
    assert bench("report", gray_run, "--single-file", "--format", "md").error == "conflicting-options"
