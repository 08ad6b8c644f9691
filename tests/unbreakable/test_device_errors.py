"""Memory that runs out, devices that break, detectors that raise: the run continues or stops, and keeps what it has."""

from __future__ import annotations

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from support.refused import refused

from baselines.external.process import ProgramError
from baselines.predictor import Predictor
from bench import detectors
from bench.detectors import guard
from bench.detectors.base import Detection, Detector
from bench.run.batches import Evaluator
from bench.run.engine import Model, evaluate
from bench.run.measure import Measurer
from bench.rundir.directory import RunDirectory
from bench.rundir.encoding import to_parquet
from bench.runtime.device_errors import OomBackoff, device_broken
from bench.runtime.errors import Stopped, UserError, out_of_memory
from protocols.pairs import FrameRef, Pair, PairList
from protocols.resolve import LoadedPair

CPU = torch.device("cpu")
NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
    RuntimeError("could not create a primitive"),
    RuntimeError("NNPACK SpatialConvolution_updateOutput failed"),
    RuntimeError("can't start new thread"),
    cv2.error("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 786432 bytes"),
]
BROKEN = [
    RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ..."),
    RuntimeError("CUDA error: device-side assert triggered"),
]


class Halves(Predictor):
    """Half the source's brightness; `trouble` may raise for a batch."""

    name = "halves"
    frame_size = 16

    def __init__(self, trouble=lambda batch: None):
        self.trouble, self.sizes = trouble, []

    def predict(self, batch, mode):
        self.sizes.append(len(batch))
        self.trouble(batch)
        return batch.source * 0.5


class Brightness(Detector):
    """Sixty-eight points at the mean brightness of the frame; raises as `trouble` says."""

    kind, name, proxy, shape, signature = "landmarks", "dlib68", True, (68, 2), "brightness"

    def __init__(self, trouble=lambda frames: None):
        self.trouble = trouble

    def detect(self, frames):
        self.trouble(frames)
        return [Detection(np.full((68, 2), frame.mean())) for frame in frames]


def resolved(n=11):
    def pair(number):
        source, driving = (FrameRef("mine", "clip", f"{number + offset:07d}") for offset in (0, 1))
        return Pair(f"{number:04d}", source, driving, driving, None, "a", "a")

    def load(pair):
        frames = np.random.default_rng(int(pair.id)).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        return LoadedPair(frames[0], frames[1], frames[1], None)

    return SimpleNamespace(pair_list=PairList("mine", 1, tuple(pair(number) for number in range(n))), load=load)


def measurer(detector=None):
    choice = detectors.choose("embedded", None, kinds={"landmarks"} if detector else set())
    if detector:
        choice["landmarks"] = detector
    return Measurer(["l1", "akd"] if detector else ["l1"], choice, "same-identity", CPU)


def run(folder, predictor, detector=None, batch_size=8):
    said = []
    data, model = resolved(), Model("halves", predictor, "absolute")
    work = Evaluator(data.load, measurer(detector), CPU, notify=said.append)
    options = {"batch_size": batch_size, "progress": lambda n: None}
    rows = evaluate(model, data.pair_list.pairs, work, RunDirectory(folder), **options).rows
    return rows.drop(columns="seconds"), said


def raising(error, when):
    """A function of a batch or of frames that raises `error` when `when` says so."""

    def trouble(entries):
        if when(entries):
            raise error

    return trouble


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_without_memory_the_batch_is_halved_once_for_each_size(error, tmp_path):
    predictor = Halves(raising(error, lambda batch: len(batch) > 2))
    rows, said = run(tmp_path / "a", predictor)
    assert [(line.partition(":")[0], re.findall(r"\d+", line)) for line in said] == [
        ("halves", ["8", "4"]),
        ("halves", ["4", "2"]),
    ]
    assert predictor.sizes == [8, 4, 2, 2, 2, 2, 2, 1]  # the eight of the first batch, then the three of the second
    pd.testing.assert_frame_equal(rows, run(tmp_path / "b", Halves())[0])


def test_what_a_program_says_of_its_device_is_nothing_of_this_one(tmp_path):
    error = ProgramError("animate.py ended with code 1: CUDA error: out of memory")
    rows, said = run(tmp_path, Halves(raising(error, lambda batch: "0003" in batch.ids)))
    assert rows["status"].tolist().count("failed") == 1 and "CUDA error" in rows.loc[3, "error"] and not said


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_no_memory_for_one_pair_stops_the_run_and_keeps_what_is_finished(error, tmp_path):
    predictor = Halves(raising(error, lambda batch: "0009" in batch.ids))
    with pytest.raises(Stopped, match="single pair"):
        run(tmp_path, predictor)
    assert sum(map(len, RunDirectory(tmp_path).shards("halves"))) == 8
    healed = Halves()
    assert (run(tmp_path, healed)[0]["status"] == "ok").all()
    assert healed.sizes == [3]


def test_metrics_without_memory_are_measured_in_halves(tmp_path):
    short = Brightness(raising(NO_MEMORY[0], lambda frames: len(frames) > 3))
    rows, said = run(tmp_path / "a", Halves(), short)
    assert [line.partition(":")[0].split()[-1] for line in said] == ["halves"] * 2
    assert all(line.startswith("metrics") for line in said)
    pd.testing.assert_frame_equal(rows, run(tmp_path / "b", Halves(), Brightness())[0])


@pytest.mark.parametrize("error", BROKEN, ids=str)
def test_a_broken_device_stops_the_run_and_keeps_what_is_finished(error, tmp_path):
    predictor = Halves(raising(error, lambda batch: "0009" in batch.ids))
    with refused(Stopped, "device-failed"):
        run(tmp_path, predictor)
    assert predictor.sizes == [8, 3]  # not tried again pair by pair: no pair is to blame
    assert sum(map(len, RunDirectory(tmp_path).shards("halves"))) == 8


def test_other_errors_are_no_trouble_of_the_device():
    for error in (ValueError("out of memory"), RuntimeError("shapes differ"), KeyError("CUDA error")):
        assert not out_of_memory(error) and not device_broken(error)
    assert not device_broken(NO_MEMORY[2])
    with pytest.raises(RuntimeError, match="shapes"):
        list(OomBackoff("x", print)([1, 2], raising(RuntimeError("shapes differ"), lambda _: True)))


def test_a_detector_that_raises_costs_that_pair_only(tmp_path):
    frame = resolved().load(SimpleNamespace(id="0004")).target
    bad = Brightness(raising(ValueError("no\nidea"), lambda frames: any((one == frame).all() for one in frames)))
    rows, _ = run(tmp_path / "a", Halves(), bad)
    whole, _ = run(tmp_path / "b", Halves(), Brightness())
    assert rows["akd-dlib"].isna().tolist() == [number == 4 for number in range(11)]
    reason = rows.loc[4, "akd-dlib.reason"]
    assert reason.startswith("target") and "dlib68" in reason and reason.endswith("(ValueError: no)")
    pd.testing.assert_frame_equal(rows.drop(4), whole.drop(4))
    assert rows["l1"].tolist() == whole["l1"].tolist()


def test_a_detector_that_miscounts_is_not_believed():
    class Short(Brightness):
        def detect(self, frames):
            return super().detect(frames)[1:]

    assert all(
        "0 results" in one.reason and "1 frames" in one.reason
        for one in guard.detect(Short(), np.zeros((3, 4, 4, 3), np.uint8))
    )


@pytest.mark.parametrize("error", [UserError("weights"), OSError(5, "disk"), NO_MEMORY[0], BROKEN[0]], ids=repr)
def test_what_is_no_frames_fault_is_passed_on(error):
    with pytest.raises(type(error)):
        guard.detect(Brightness(raising(error, lambda _: True)), np.zeros((2, 4, 4, 3), np.uint8))


@pytest.mark.parametrize("bad", [{"0000"}, {"0007"}, {"0000", "0001", "0002"}])
def test_tables_do_not_depend_on_which_batch_was_first(bad, tmp_path):
    """A batch without any frame, or without any failure, must not decide names, order or types of the columns."""
    predictor = Halves(raising(ValueError("bad"), lambda batch: bad & set(batch.ids)))
    tables = set()
    for size in (1, 3, 11):
        rows, _ = run(tmp_path / str(size), predictor, Brightness(), batch_size=size)
        tables.add(to_parquet(rows))
        again, _ = run(tmp_path / str(size), predictor, Brightness(), batch_size=size)
        tables.add(to_parquet(again))  # from the shards alone, which are read in another order
    assert len(tables) == 1
