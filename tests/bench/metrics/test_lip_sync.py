"""Sync-C, Sync-D and offset from the rows of SyncNet's features, and every reason for which there are none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import detectors, metrics
from bench.detectors.syncnet import FILE, synchronise
from bench.metrics.clips.base import Tracks
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS, FEATURES
from bench.metrics.families import FAMILIES
from bench.runtime.errors import UserError
from bench.sync import tracks as face_tracks
from bench.sync.feature import BOX, DETECTED, DISTANCES, FACES
from protocols.sound import Sound

SYNC = ("sync-c", "sync-d", "av-offset")
NOISE = Sound(np.random.default_rng(0).integers(-9000, 9000, 8 * 16000).astype(np.int16), 16000, 0.0, 16000)


def make_rows(windows: int = 130, late: int = 0, detections: int = 140, side: float = 120.0) -> np.ndarray:
    generator = torch.Generator().manual_seed(late)
    lip = torch.randn(windows, 16, generator=generator)
    distances = synchronise(lip, lip.roll(late, 0) + 0.2).distances
    rows = np.full((140, DISTANCES.stop), np.nan)
    rows[:, FACES] = 1
    rows[:detections, DETECTED], rows[:detections, BOX] = 1, (10, 10, 10 + side, 10 + side)
    rows[:windows, DISTANCES] = distances
    return rows


def tracks_of(rows: np.ndarray, sound: Sound | None = NOISE, feature: str = "syncnet") -> Tracks:
    return Tracks(np.arange(len(rows)) / 25, 25, (256, 256), {feature: rows}, sound=sound)


@pytest.mark.parametrize("late", [-15, -4, 0, 1, 15])
def test_values_are_those_of_the_published_computation(late: int) -> None:
    rows = make_rows(late=late)
    found = {name: CLIP_DEFINITIONS[name].compute(tracks_of(rows)) for name in SYNC}
    mean = rows[:130, DISTANCES].mean(0)
    assert found["sync-d"].value == pytest.approx(mean.min())
    assert found["sync-c"].value == pytest.approx(np.median(mean) - mean.min())
    assert found["av-offset"].value == abs(late) and found["av-offset"].extra == {"signed": -late}
    assert {(one.n, one.failed, one.reason) for one in found.values()} == {(130, 5, None)}


def test_whole_frames_have_names_of_their_own() -> None:
    rows = make_rows()[:, DISTANCES]
    track = tracks_of(make_rows())
    for whole, of_track in (("lse-c-lrs", "sync-c"), ("lse-d-lrs", "sync-d")):
        value = CLIP_DEFINITIONS[whole].compute(tracks_of(rows, feature="syncnet-frames")).value
        assert value == pytest.approx(CLIP_DEFINITIONS[of_track].compute(track).value)


@pytest.mark.parametrize(
    ("rows", "sound", "words"),
    [
        (make_rows(), None, "no sound"),
        (make_rows(), Sound(np.zeros(160000, np.int16), 16000), "silent"),
        (make_rows(), NOISE.later(60), "silent"),
        (make_rows(), Sound(NOISE.samples, 16000, 0.0, 8000), "8000"),
        (np.zeros((140, DISTANCES.stop)), NOISE, "no face"),
        (make_rows(windows=1, detections=100) * np.where(np.arange(DISTANCES.stop) < 6, 1, np.nan), NOISE, "100)"),
        (make_rows(side=100.0), NOISE, "100 pixels"),
        (make_rows()[:1], NOISE, f" {face_tracks.DETECTIONS} frames"),
        (make_rows() * np.where(np.arange(DISTANCES.stop) < 6, 1, np.nan), NOISE, "6 frames"),
    ],
)
def test_a_clip_without_a_value_has_a_reason(rows: np.ndarray, sound: Sound | None, words: str) -> None:
    for name in SYNC:
        found = CLIP_DEFINITIONS[name].compute(tracks_of(rows, sound))
        assert math.isnan(found.value) and words in str(found.reason) and found.failed == len(rows)


def test_weights_are_missed_where_they_are_not(tmp_path: Path) -> None:
    assert all(FILE in CLIP_DEFINITIONS[name].missing(tmp_path)[0] for name in (*SYNC, "lse-c-lrs"))
    (tmp_path / FILE).write_bytes(b"x")
    assert CLIP_DEFINITIONS["sync-c"].missing(tmp_path) == []
    with pytest.raises(UserError):
        FEATURES["syncnet"](tmp_path)


def test_families_of_clips_are_told_from_those_of_pairs() -> None:
    assert {FAMILIES[one.family].shape for one in CLIP_DEFINITIONS.values()} == {"clip"}
    choice = detectors.choose("embedded", None, kinds=())
    for name in ("lip-sync", "sync-d", "lip-lag"):
        metrics.check_name(name)
        with pytest.raises(UserError, match=rf"^{name} .*\bclips\b") as caught:
            metrics.resolve([name], choice)
        assert caught.value.code == "no-metric"


def test_features_that_definitions_read_can_be_made() -> None:
    assert {name for one in CLIP_DEFINITIONS.values() for name in one.features} <= FEATURES.keys()
    sync = CLIP_DEFINITIONS["sync-c"].signature({"syncnet": "syncnet;v:1;weights:x"})
    assert sync == "sync-c|v:1|shifts:-15..15|windows:all-but-last|syncnet:[syncnet;v:1;weights:x]"
