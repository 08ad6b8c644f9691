"""Runs of whole clips, with made-up frames, models and detectors: what their numbers may and may not depend on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselines.predictor import ClipEnd, Predictor
from bench.detectors import DetectorSet
from bench.detectors.base import Detection
from bench.detectors.cache import cached
from bench.metrics.clips.chosen import feature
from bench.run import engine, finished_rows
from bench.run.batches import Evaluator
from bench.run.clip_sound import Sounds
from bench.run.clip_work import ClipEvaluator
from bench.run.command import _units
from bench.run.engine import Model, evaluate
from bench.run.measure import Measurer
from bench.rundir.directory import RunDirectory
from bench.stats.pair_keys import pair_keys
from protocols.clips import Clip, ClipList
from protocols.errors import DataError
from protocols.pairs import WHOLE_CLIP, FrameRef
from protocols.resolve import LoadedPair

CPU = torch.device("cpu")
METRICS = ["psnr", "l1", "akd", "lmd", "id-source", "sharpness", "flicker"]
SIDE, RATE = 16, 10


class Faces:
    """Sixty-eight points that follow a frame's brightness; none where its red is even at a corner."""

    kind, name, proxy, shape, signature = "landmarks", "dlib68", True, (68, 2), "faces"

    def __init__(self) -> None:
        self.seen = Counter[bytes]()

    def detect(self, frames: np.ndarray) -> list[Detection]:
        self.seen.update(frame.tobytes() for frame in frames)
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Detection:
        if frame[0, 0, 0] % 4 == 0:
            return Detection(None, "no face")
        return Detection(frame.mean() * np.linspace(0.5, 1.5, 136).reshape(68, 2) ** (1 + frame[1, 1, 1] / 255))


class Names(Faces):
    """An identity from the frame's mean color."""

    kind, name, shape, signature = "identity", "dlib-resnet", (3,), "names"

    def _one(self, frame: np.ndarray) -> Detection:
        return Detection(frame.mean((0, 1)) / np.linalg.norm(frame.mean((0, 1))))


class Silent:
    """Stands for a data set: clips without sound."""

    def sound_file(self, clip: str) -> None:
        return None


class Data:
    """Clips of random frames, by name and length; counts what is decoded."""

    def __init__(self, lengths: dict[str, int], unreadable: tuple[str, ...] = (), anchored: bool = False) -> None:
        self.decoded = Counter[str]()
        self.unreadable = unreadable
        whole = {name: FrameRef("mine", name, WHOLE_CLIP) for name in lengths}
        self.clips = ClipList("mine", 1, tuple(Clip(n, ref, ref, ref, None, n, n) for n, ref in whole.items()))
        self.pairs = self.clips.pairs(lambda ref: _listed(lengths[ref.clip]), anchored).pairs

    def load(self, pair) -> LoadedPair:
        if pair.id in self.unreadable:
            raise DataError(f"{pair.id} cannot be read")
        source, driving = self._frame(pair.source), self._frame(pair.driving)
        return LoadedPair(source, driving, driving, self._frame(pair.anchor) if pair.anchor else None)

    def _frame(self, ref: FrameRef) -> np.ndarray:
        self.decoded[str(ref)] += 1
        rng = np.random.default_rng([*ref.clip.encode(), int(ref.frame)])
        return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def _listed(n: int) -> tuple[list[str], list[float]]:
    return [f"{k:07d}" for k in range(n)], [k / RATE for k in range(n)]


class Dimmed(Predictor):
    """Half the driving frame and a little of the source; subclasses misbehave for some frames."""

    name, frame_size = "dimmed", SIDE

    def predict(self, batch, mode):
        frames = (batch.driving + batch.source * 0.25) / 2
        return torch.stack([self.one(name, frame) for name, frame in zip(batch.ids, frames)])

    def one(self, name, frame):
        return frame


def evaluator(data: Data, size: int = 4, ahead: int = 0, metrics=METRICS, store: Path | None = None, keep=False):
    """What a run of these clips works with; and its detectors by kind."""
    choice = DetectorSet("embedded", None)
    found = {"landmarks": Faces(), "identity": Names()}
    choice.update(cached(found, store) if store else found)
    measurer = Measurer(metrics, choice, "same-identity", CPU, clips=True)
    inner = Evaluator(data.load, measurer, CPU, ahead=ahead)
    features = {name: feature(name, None) for one in measurer.clip_definitions for name in one.features}
    sounds = Sounds(data.clips, {"mine": Silent()})
    clips = {clip.id: clip for clip in data.clips.clips}
    return ClipEvaluator(inner, clips, measurer.clip_definitions, features, sounds, size, keep), found


def run(
    predictor: Predictor, data: Data, folder: Path, progress=lambda n: None, label: str = "", **how
) -> pd.DataFrame:
    work, _ = evaluator(data, **how)
    model = Model(label or predictor.name, predictor, "absolute")
    options = {"batch_size": 1, "progress": progress, "keep_frames": how.get("keep", False)}
    rows = evaluate(model, data.pairs, work, RunDirectory(folder), **options).rows
    return rows.drop(columns="seconds")


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def tables(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the clips by their id, and those of their frames."""
    clips, frames = _units(rows.assign(seconds=0.0))
    return clips.set_index("pair"), frames.set_index("pair")


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(["a", "b", "c"]),
    size=st.integers(1, 20),
    ahead=st.integers(0, 2),
    others=st.sets(st.sampled_from(["a", "c"])),
)
def test_a_clips_rows_depend_on_nothing_but_the_clip(order, size, ahead, others, tmp_path_factory) -> None:
    lengths = {"a": 7, "b": 13, "c": 1}
    expected = run(Dimmed(), Data(lengths), tmp_path_factory.mktemp("usual"))
    kept = {name: lengths[name] for name in order if name == "b" or name in others}
    found = run(Dimmed(), Data(kept), tmp_path_factory.mktemp("other"), size=size, ahead=ahead)
    for name in kept:
        mine, usual = ((rows["pair"] == name) | (rows["clip"] == name) for rows in (found, expected))
        same(found[mine].reset_index(drop=True), expected[usual].reset_index(drop=True))


def test_another_model_before_changes_nothing(tmp_path) -> None:
    data = Data({"a": 7, "b": 5})
    alone = run(Dimmed(), data, tmp_path / "alone")
    work, _ = evaluator(data)

    class Other(Dimmed):
        def one(self, name, frame):
            return 1 - frame

    for predictor, label in ((Other(), "other"), (Dimmed(), "dimmed")):
        model = Model(label, predictor, "absolute")
        rows = evaluate(model, data.pairs, work, RunDirectory(tmp_path), batch_size=1, progress=lambda n: None).rows
    same(rows.drop(columns="seconds"), alone)


class Holes(Dimmed):
    """NaN for one frame, an exception for another, nothing at all of clip `b`."""

    name = "holes"

    def one(self, name, frame):
        if name == "a-000002":
            raise RuntimeError("out of luck")
        return frame * float("nan") if name in ("a-000005", "a-000006") or name.startswith("b-") else frame


class Ends(Holes):
    """As a finished video that ends after half a second of `a`, and has no `c`."""

    name = "ends"

    def clip_end(self, clip):
        return {"a": ClipEnd(0.5, "a ends"), "c": ClipEnd(0.0, "no video")}.get(clip)


@pytest.mark.parametrize("predictor", [Dimmed, Holes, Ends])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_stopped_between_clips_it_goes_on_to_the_same_bytes(predictor, stop, tmp_path, monkeypatch) -> None:
    data = Data({"d": 3, "a": 12, "b": 4, "c": 2, "e": 2})
    monkeypatch.setattr(finished_rows, "TABLES", 2)  # some of what was finished is packed
    expected = run(predictor(), data, tmp_path / "whole")
    calls: list[int] = []

    def stops(n: int) -> None:
        calls.append(n)
        if len(calls) == stop + 1:  # the first call tells of earlier work
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(predictor(), data, tmp_path / "run", progress=stops)
    told: list[int] = []
    same(run(predictor(), data, tmp_path / "run", progress=told.append), expected)
    assert sum(told) == len(data.pairs) and told[0] >= 3  # nothing that was kept is asked for again
    assert finished_rows.to_parquet(expected) == finished_rows.to_parquet(run(predictor(), data, tmp_path / "run"))


@pytest.mark.parametrize("harm", ["torn", "gone", "picture", "other-model"])
def test_a_damaged_shard_is_measured_again(harm, tmp_path) -> None:
    data = Data({"a": 6, "b": 4, "c": 2})
    expected = run(Dimmed(), data, tmp_path)
    shards = sorted((tmp_path / "work" / "dimmed").glob("*.parquet"))
    assert len(shards) == 3
    if harm == "torn":
        shards[0].write_bytes(shards[0].read_bytes()[:-100])
    elif harm == "gone":
        shards[0].unlink()
    elif harm == "picture":
        picture = tmp_path / "work" / "dimmed" / "frames" / "a.png"
        picture.write_bytes(picture.read_bytes()[:-20])
    else:
        run(Holes(), data, tmp_path, label="holes")
        shards[0].write_bytes(sorted((tmp_path / "work" / "holes").glob("*.parquet"))[0].read_bytes())
    told: list[int] = []
    same(run(Dimmed(), data, tmp_path, progress=told.append), expected)
    assert told[0] < len(data.pairs)


def test_frames_that_fail_are_left_out_of_the_means_and_counted(tmp_path) -> None:
    data = Data({"a": 8, "b": 3})
    whole, sound = tables(run(Dimmed(), data, tmp_path / "sound"))
    clips, frames = tables(run(Holes(), data, tmp_path / "holes"))
    gone = ["a-000002", "a-000005", "a-000006"]
    a = clips.loc["a"]
    left = frames.loc[(frames["clip"] == "a") & ~frames.index.isin(gone)]
    assert frames.loc[gone, "status"].tolist() == ["failed"] * 3 and (left["status"] == "ok").all()
    assert (a["status"], a["frames"], a["frames_failed"]) == ("ok", 8, 3)
    assert a["error"].startswith("3 of 8 frames failed: ")
    assert left["psnr"].tolist() == sound.loc[left.index, "psnr"].tolist()
    assert a["psnr"] == left["psnr"].mean() and (a["psnr.n"], a["psnr.failed"]) == (5, 3)
    akd = left["akd-dlib"].dropna()
    assert len(akd) and (a["akd-dlib.n"], a["akd-dlib.failed"]) == (len(akd), 8 - len(akd))
    assert (a["flicker.n"], a["flicker.failed"]) == (2, 5)  # from 0 to 1 and from 3 to 4
    b = clips.loc["b"]
    assert (b["status"], b["frames_failed"], b["psnr.n"], b["psnr.failed"]) == ("failed", 3, 0, 3)
    assert np.isnan([b["psnr"], b["flicker"], b["lmd"], b["psnr.worst"]]).all() and b["flicker.reason"]
    assert whole.loc["a", "frames_failed"] == 0


def test_a_clip_that_ends_early_says_so(tmp_path) -> None:
    data = Data({"a": 8, "c": 2})
    clips, frames = tables(run(Ends(), data, tmp_path))
    a, c = clips.loc["a"], clips.loc["c"]
    assert (a["status"], a["frames"], a["frames_failed"]) == ("ok", 5, 1) and a["cut"].startswith("3 of 8 frames")
    assert list(frames.index[frames["clip"] == "a"]) == [f"a-{k:06d}" for k in range(5)]
    assert (c["status"], c["frames_failed"]) == ("failed", 2) and "no video" in c["error"]
    assert np.isnan(c["psnr"]) and c["psnr.reason"] and c["sharpness.reason"]


def test_a_frame_that_cannot_be_read_fails_alone(tmp_path) -> None:
    clips, frames = tables(run(Dimmed(), Data({"a": 8, "b": 3}, unreadable=("a-000003",)), tmp_path))
    assert frames.index[frames["status"] == "failed"].tolist() == ["a-000003"]
    assert (clips.loc["a", "psnr.n"], clips.loc["a", "flicker.n"]) == (7, 5)


@pytest.mark.parametrize("ahead", [0, 2])
def test_each_detector_sees_each_frame_once_and_the_photograph_once(ahead, tmp_path) -> None:
    data = Data({"a": 9, "b": 5})
    work, found = evaluator(data, size=2, ahead=ahead, store=tmp_path / "cache")
    for label in ("one", "two"):
        for _ in work(Model(label, Dimmed(), "absolute"), [data.pairs[:9], data.pairs[9:]]):
            pass
    for detector in found.values():
        assert detector.seen and max(detector.seen.values()) == 1
    assert len(found["landmarks"].seen) == 9 + 5 + 9 + 5  # what was made, and the truth


def test_every_frame_is_decoded_once_for_a_model_and_in_order(tmp_path) -> None:
    data = Data({"a": 9, "b": 5}, anchored=True)
    run(Dimmed(), data, tmp_path, size=4)
    driving = [ref for ref in data.decoded if not ref.endswith("/0000000")]
    assert all(data.decoded[ref] == 1 for ref in driving)
    assert driving == sorted(driving)


def test_another_range_of_the_same_video_is_another_question(tmp_path) -> None:
    asked = []
    for number, end in enumerate((None, 0.5)):
        data = Data({"a": 8})
        data.clips = ClipList("mine", 1, (replace(data.clips.clips[0], end=end),))
        data.pairs = data.clips.pairs(lambda ref: _listed(8)).pairs
        clips = run(Dimmed(), data, tmp_path / str(number))
        asked.append(set(pair_keys(clips[clips["pair"] == "a"])))
    assert not asked[0] & asked[1]


def test_the_pictures_of_a_long_clip_leave_part_by_part(tmp_path) -> None:
    data = Data({"a": 40, "b": 3})
    work, _ = evaluator(data, size=4, keep=True)
    parts = list(work(Model("dimmed", Dimmed(), "absolute"), [data.pairs[:40], data.pairs[40:]]))
    pictures = [len(part.frames) for part in parts if isinstance(part, engine.Pictures)]
    assert pictures == [4, 4, 4, 4, 4, 5, 4, 4, 4, 4, 4]  # the middle one once more, under the clip's name
    assert not any(part.frames for part in parts if isinstance(part, engine.Batch))


@pytest.mark.parametrize("harm", ["torn", "gone"])
def test_a_clip_that_lost_a_kept_frame_is_measured_again(harm, tmp_path) -> None:
    data = Data({"a": 6, "b": 4})
    expected = run(Holes(), data, tmp_path, keep=True)
    frames = tmp_path / "work" / "holes" / "frames"
    assert {file.stem for file in frames.iterdir()} == {"a", *(f"a-{k:06d}" for k in (0, 1, 3, 4))}
    one = frames / "a-000001.png"
    whole = one.read_bytes()
    one.write_bytes(whole[:-20]) if harm == "torn" else one.unlink()
    told: list[int] = []
    same(run(Holes(), data, tmp_path, keep=True, progress=told.append), expected)
    assert told[0] == 4 and one.read_bytes() == whole


def test_a_clip_without_its_frames_is_measured_again_where_they_are_wanted(tmp_path) -> None:
    data = Data({"a": 6, "b": 4})
    expected = run(Holes(), data, tmp_path)
    told: list[int] = []
    found = run(Holes(), data, tmp_path, keep=True, progress=told.append)
    same(found.drop(columns="kept"), expected.drop(columns="kept"))
    assert told[0] == 4 and (tmp_path / "work" / "holes" / "frames" / "a-000004.png").exists()
    assert run(Holes(), data, tmp_path, progress=told.append)["kept"].sum() == 5  # what was kept stays
