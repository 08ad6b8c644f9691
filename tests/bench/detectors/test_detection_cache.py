"""What is remembered, by whom, and what happens to a damaged file."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bench.detectors import cache
from bench.detectors.base import NO_FACE, DerivedDetector, Detection, Detector


class Mean(Detector):
    """Mean colour of a frame; black frames have none. Counts the frames that it was asked for."""

    kind, name, proxy, shape = "landmarks", "mean", True, (3,)

    def __init__(self, version: int = 1) -> None:
        self.version, self.asked = version, 0

    @property
    def signature(self) -> str:
        return f"mean;v:{self.version}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        self.asked += len(frames)
        return [Detection(f.mean((0, 1))) if f.any() else Detection(None, NO_FACE) for f in frames]


class Double(DerivedDetector):
    kind, name, proxy, shape = "headpose", "double", True, (3,)

    @property
    def signature(self) -> str:
        return f"double;on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values * 2)


def frames(*levels: int) -> np.ndarray:
    return np.stack([np.full((8, 8, 3), level, dtype=np.uint8) for level in levels])


def levels(detections: list[Detection]) -> list[float | str]:
    return [d.reason if d.values is None else float(d.values[0]) for d in detections]


def test_a_frame_is_detected_once_for_all_runs(tmp_path: Path) -> None:
    first = Mean()
    detector = cache.cached({"landmarks": first}, tmp_path)["landmarks"]
    assert levels(detector.detect(frames(5, 7, 5, 0))) == [5, 7, 5, NO_FACE]
    assert first.asked == 3  # the same frame twice in a batch is one
    assert levels(detector.detect(frames(7, 0))) == [7, NO_FACE] and first.asked == 3

    second = Mean()  # a later run
    detector = cache.cached({"landmarks": second}, tmp_path)["landmarks"]
    assert levels(detector.detect(frames(0, 9, 7))) == [NO_FACE, 9, 7]
    assert second.asked == 1


def test_another_detector_or_frame_size_is_another_entry(tmp_path: Path) -> None:
    cache.cached({"landmarks": Mean()}, tmp_path)["landmarks"].detect(frames(5))
    other = Mean(version=2)
    cache.cached({"landmarks": other}, tmp_path)["landmarks"].detect(frames(5))
    assert other.asked == 1
    square, wide = np.zeros((4, 4, 3), np.uint8), np.zeros((2, 8, 3), np.uint8)
    assert cache.frame_key(square, "s") != cache.frame_key(wide, "s")
    assert cache.frame_key(square, "s") != cache.frame_key(square, "t")
    turned = np.arange(48, dtype=np.uint8).reshape(4, 4, 3).transpose(1, 0, 2)
    assert cache.frame_key(turned, "s") == cache.frame_key(np.ascontiguousarray(turned), "s")


def test_detectors_that_share_one_ask_it_once(tmp_path: Path) -> None:
    base = Mean()
    original = Double(base)
    both = cache.cached({"landmarks": base, "headpose": original}, tmp_path)
    assert levels(both["headpose"].detect(frames(5, 0))) == [10, NO_FACE]
    assert levels(both["landmarks"].detect(frames(5, 0))) == [5, NO_FACE]
    assert base.asked == 2
    assert original.base is base  # what was handed in is not changed
    assert both["headpose"].signature == original.signature and both["headpose"].kind == "headpose"


def test_values_come_back_bit_for_bit(tmp_path: Path) -> None:
    store, values = cache.Store(tmp_path), np.random.default_rng(0).normal(size=(68, 2))
    store.put({b"k": Detection(values)})
    back = cache.Store(tmp_path).get(b"k", (68, 2))
    np.testing.assert_array_equal(back.values, values)
    back.values[0] = 0  # may be written to
    assert store.get(b"other", (68, 2)) is None
    assert store.get(b"k", (3,)) is None  # another shape: not trusted


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / cache.FILE).write_bytes(damage)
    for asked in (1, 0):
        detector = Mean()
        assert levels(cache.cached({"landmarks": detector}, tmp_path)["landmarks"].detect(frames(5))) == [5]
        assert detector.asked == asked
    assert (tmp_path / cache.FILE).with_suffix(".damaged").read_bytes() == damage


def test_a_file_damaged_while_in_use_costs_time_and_nothing_else(tmp_path: Path) -> None:
    detector = Mean()
    remembering = cache.cached({"landmarks": detector}, tmp_path)["landmarks"]
    remembering.detect(frames(*range(1, 200)))
    file = tmp_path / cache.FILE
    file.write_bytes(b"\xff" * file.stat().st_size)
    assert levels(remembering.detect(frames(*range(1, 50)))) == list(range(1, 50))


def test_where_nothing_can_be_kept_detection_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    detector = Mean()
    remembering = cache.cached({"landmarks": detector}, tmp_path / "file")["landmarks"]
    assert levels(remembering.detect(frames(5))) == levels(remembering.detect(frames(5))) == [5]
    assert detector.asked == 2


def test_a_locked_file_does_not_stop_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    remembering = cache.cached({"landmarks": Mean()}, tmp_path)["landmarks"]
    other = sqlite3.connect(tmp_path / cache.FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert levels(remembering.detect(frames(5))) == [5]
    other.execute("ROLLBACK")


def _fill(folder: Path, start: int) -> list[float | str]:
    remembering = cache.cached({"landmarks": Mean()}, folder)["landmarks"]
    return [level for k in range(20) for level in levels(remembering.detect(frames(start + k, 255)))]


def test_threads_and_processes_share_one_file(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        results = list(pool.map(_fill, [tmp_path] * 2, [1, 11]))
    for start, result in zip([1, 11], results):
        assert result == [level for k in range(20) for level in (start + k, 255)]
    detector = Mean()
    remembering = cache.cached({"landmarks": detector}, tmp_path)["landmarks"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda level: levels(remembering.detect(frames(level))), range(1, 31)))
    assert found == [[level] for level in range(1, 31)] and detector.asked == 0


def test_what_single_precision_can_say_takes_half_the_space(tmp_path: Path) -> None:
    store = cache.Store(tmp_path)
    kept = {b"network": np.array([0.5, 2.25, np.nan]), b"fit": np.array([0.1, 1 / 3, 7.0])}
    store.put({key: Detection(values) for key, values in kept.items()})
    for key, values in kept.items():
        np.testing.assert_array_equal(store.get(key, (3,)).values, values)
    with sqlite3.connect(store.file) as connection:
        sizes = dict(connection.execute("SELECT key, length(vals) FROM detections"))
    assert sizes == {b"network": 12, b"fit": 24}
    assert store.get(b"network", (4,)) is None and store.get(b"fit", (4,)) is None
