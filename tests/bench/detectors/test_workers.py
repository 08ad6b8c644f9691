"""Detectors in worker processes: the same bytes, and no detector that hangs or crashes stops the run."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from support import fake_detectors as fake
from support.refused import refused

from baselines.predictor import ModelError, Predictor
from bench import detectors
from bench.detectors import guard
from bench.detectors.base import DerivedDetector
from bench.detectors.cache import cached, frame_key
from bench.detectors.dlib_identity import DlibIdentity
from bench.detectors.worker import portable
from bench.detectors.workers import Remote, RemoteDerived, died, in_workers, late
from bench.run.batches import AHEAD, Evaluator
from bench.run.engine import UNWRITTEN, Model, evaluate
from bench.run.measure import Measurer
from bench.run.setup import RunSettings, prepare
from bench.rundir.directory import RunDirectory
from bench.rundir.encoding import to_parquet
from bench.runtime import config
from bench.runtime.errors import Stopped
from protocols.errors import MissingFile
from protocols.pairs import FrameRef, Pair, PairList
from protocols.resolve import LoadedPair

CPU = torch.device("cpu")
SLOW = pytest.mark.slow  # a worker takes one to three seconds to start


class Derived(DerivedDetector):
    """Three sums; becomes `fake.Sum` on its way to a worker."""

    kind, name, proxy, shape, signature = "headpose", "sum", True, (3,), "sum"

    def derive(self, values, frame):
        raise AssertionError("not in this process")

    def __reduce__(self):
        return fake.Sum, ()


class Copies(Predictor):
    """The source frame; `on_batch` receives each batch."""

    name = "copies"
    frame_size = 8

    def __init__(self, on_batch=lambda batch: None):
        self.on_batch = on_batch

    def predict(self, batch, mode):
        self.on_batch(batch)
        return batch.source


def frame(mark, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image.flat[0] = mark
    return image


def resolved(marks):
    """Pairs whose source frames have these marks; their targets are sound."""

    def pair(number):
        source, driving = (FrameRef("mine", "clip", f"{number + offset:07d}") for offset in (0, 1))
        return Pair(f"{number:04d}", source, driving, driving, None, "a", "a")

    def load(pair):
        number = int(pair.id)
        target = frame(fake.SOUND + 1, 1000 + number)
        return LoadedPair(frame(marks[number], number), target, target, None)

    pairs = tuple(pair(number) for number in range(len(marks)))
    return SimpleNamespace(pair_list=PairList("mine", 1, pairs), load=load)


@contextmanager
def pooled(detector, count=1, limit=60.0):
    """The detector in workers; in this process for a count of 0."""
    if not count:
        yield detector
        return
    remote, pool = in_workers({detector.kind: detector}, count, limit)
    try:
        yield remote[detector.kind]
    finally:
        pool.close()
        assert not multiprocessing.active_children()


def run(folder, marks, detector, ahead=2, predictor=None, batch_size=2, progress=lambda n: None):
    choice = detectors.choose("embedded", None, kinds={"landmarks"})
    choice["landmarks"] = detector
    measurer = Measurer(["l1", "akd"], choice, "same-identity", CPU)
    data, model = resolved(marks), Model("copies", predictor or Copies(), "absolute")
    work = Evaluator(data.load, measurer, CPU, ahead=ahead)
    options = {"batch_size": batch_size, "progress": progress}
    rows = evaluate(model, data.pair_list.pairs, work, RunDirectory(folder), **options).rows
    return rows.drop(columns="seconds")


def test_a_reason_has_the_code_the_signal_or_the_seconds():
    assert "code 3" in died(3) and "signal 11" in died(-11) and "1.5 s" in late(1.5)


@pytest.mark.parametrize(
    "marks", [[10, fake.HANG, 11], pytest.param([10, fake.EXIT, 11, fake.HANG, fake.CRASH, 12], marks=SLOW)]
)
def test_a_worker_that_hangs_or_dies_costs_one_frame(tmp_path, marks):
    reasons = {fake.EXIT: died(3), fake.HANG: late(1.0), fake.CRASH: died(-signal.SIGSEGV.value)}
    expected = [f"dlib68{reasons[mark]}" if mark in reasons else None for mark in marks]
    frames = np.stack([frame(mark, seed) for seed, mark in enumerate(marks)])
    (tmp_path / "seen").touch()
    with pooled(fake.Brightness(tmp_path), limit=1.0) as remote:
        kept = cached({"landmarks": remote}, tmp_path)["landmarks"]
        found = guard.detect(kept, frames)
        assert [one.reason for one in found] == expected
        assert all((one.values == image.mean()).all() for one, image in zip(found, frames) if one.reason is None)
        seen = (tmp_path / "seen").read_text().split()
        # Once in the batch, as far as that came, and once alone.
        assert [seen.count(str(mark)) for mark in marks] == [2, 2] + [1] * (len(marks) - 2)
        assert guard.detect(kept, frames)[1].reason == found[1].reason
        assert (tmp_path / "seen").read_text().split() == seen  # this run asks no more
    fresh = cached({"landmarks": fake.Brightness(tmp_path)}, tmp_path)["landmarks"]
    assert [fresh.store.get(frame_key(one, "brightness"), (68, 2)) is None for one in frames] == [
        reason is not None for reason in expected
    ]


def test_a_derived_detector_keeps_its_bases_reason_and_does_not_ask_again(tmp_path):
    frames = np.stack([frame(10), frame(fake.EXIT), frame(11)])
    with pooled(Derived(fake.Brightness(tmp_path))) as remote:
        kept = cached({"headpose": remote}, tmp_path)["headpose"]
        found = guard.detect(kept, frames)
        seen = (tmp_path / "seen").read_text()
        assert [one.reason for one in found] == [None, f"dlib68{died(3)}", None]
        expected = 68 * 2 * frames[0].mean() + frames[0].sum()
        np.testing.assert_allclose(found[0].values, np.full(3, expected))
        assert guard.detect(kept, frames)[1] == found[1]
        assert (tmp_path / "seen").read_text() == seen


def test_an_embedded_network_on_an_accelerator_stays_here_and_its_base_does_not(tmp_path):
    there, here = (DlibIdentity(fake.Brightness(tmp_path), device=device) for device in ("cpu", "cuda:0"))
    for detector, kind in ((there, RemoteDerived), (here, DlibIdentity)):
        remote, pool = in_workers({"identity": detector}, 1)
        try:
            made = remote["identity"]
            assert type(made) is kind and type(made.base) is Remote and type(detector.base) is fake.Brightness
        finally:
            pool.close()


@pytest.mark.parametrize("counts", [(0, 2), pytest.param((0, 1), marks=SLOW)])
def test_the_same_bytes_whatever_the_number_of_workers(tmp_path, counts):
    marks = [fake.SLOW, 10, 11, fake.RAISE, fake.SLOW, 12, 13, 14, fake.RAISE]
    tables = set()
    for count in counts:
        with pooled(fake.Brightness(), count) as detector:
            rows = run(tmp_path / str(count), marks, detector, ahead=2 if count else 0, batch_size=3)
        tables.add(to_parquet(rows))
    assert len(tables) == 1
    role, _, reason = rows.loc[3, "akd-dlib.reason"].partition(": ")
    assert role.split()[0] == "generated" and reason.startswith("dlib68 ") and "(ValueError: no)" in reason
    assert rows["akd-dlib"].isna().sum() == 2


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=SLOW)])
def test_a_lost_worker_marks_its_pair_and_the_run_goes_on(tmp_path, count):
    marks = [10, 11, fake.EXIT, 12, 13, 14]
    with pooled(fake.Brightness(), count) as detector:
        rows = run(tmp_path / "a", marks, detector)
    assert (rows["status"] == "ok").all()
    role, _, reason = rows.loc[2, "akd-dlib.reason"].partition(": ")
    assert (role.split()[0], reason) == ("generated", f"dlib68{died(3)}")
    assert rows["akd-dlib"].isna().tolist() == [k == 2 for k in range(6)]


def test_the_model_is_asked_while_detectors_work_but_not_far_ahead(tmp_path):
    asked, finished, distance = [], [], []

    def note(batch):
        asked.append(batch.ids)
        distance.append(len(asked) - len(finished))
        if len(asked) == 3:  # the detector, at work on the first batch, waits for this
            (tmp_path / "go").touch()

    with pooled(fake.Brightness(tmp_path)) as detector:
        run(tmp_path / "a", [fake.WAIT] * 16, detector, 2, Copies(note), progress=lambda n: n and finished.append(n))
    assert len(finished) == 8
    assert max(distance) == 3 + UNWRITTEN


def test_what_was_asked_before_a_model_fails_is_kept(tmp_path):
    def fail(batch):
        if "0004" in batch.ids:
            raise ModelError("no more")

    with pooled(fake.Brightness()) as detector, pytest.raises(ModelError):
        run(tmp_path, [fake.SLOW] * 8, detector, 2, Copies(fail))
    assert sorted(pair for rows in RunDirectory(tmp_path).shards("copies") for pair in rows["pair"]) == [
        f"{number:04d}" for number in range(4)
    ]


@pytest.mark.parametrize("first", ["model", "detector"])
def test_of_two_errors_the_first_is_told_and_what_can_be_measured_is_kept(tmp_path, monkeypatch, first):
    def fail(batch):
        if first == "model" and "0004" in batch.ids:
            raise ModelError("the first")

    def measure(self, images, also, measure=Measurer.measure_and_detect):
        number = int(images["generated"][0].flat[0]) - fake.SOUND  # the mark of a batch's first frame
        if number == 0:
            raise Stopped("measuring failed" if first == "model" else "the first")
        return measure(self, images, also)

    monkeypatch.setattr(Measurer, "measure_and_detect", measure)
    with pytest.raises((ModelError, Stopped), match="the first"):
        run(tmp_path, [fake.SOUND + k for k in range(8)], fake.Brightness(), 2, Copies(fail))
    kept = {pair for rows in RunDirectory(tmp_path).shards("copies") for pair in rows["pair"]}
    assert {"0002", "0003"} <= kept and not {"0000", "0001"} & kept


def test_a_frame_that_disappears_stops_the_run_and_marks_no_pair(tmp_path):
    data = resolved([10] * 6)

    def load(pair):
        if pair.id == "0004":
            raise MissingFile("a.png: no such file")
        return data.load(pair)

    choice = detectors.choose("embedded", None, kinds=set())
    work = Evaluator(load, Measurer(["l1"], choice, "same-identity", CPU), CPU)
    model, options = Model("copies", Copies(), "absolute"), {"batch_size": 2, "progress": lambda n: None}
    with refused(Stopped, "missing-file", "a.png"):
        evaluate(model, data.pair_list.pairs, work, RunDirectory(tmp_path), **options)
    kept = pd.concat(RunDirectory(tmp_path).shards("copies"))
    assert sorted(kept["pair"]) == ["0000", "0001", "0002", "0003"] and (kept["status"] == "ok").all()


@SLOW
def test_threads_that_ask_at_once_do_not_take_each_others_workers():
    frames = [np.stack([frame(fake.SLOW, seed), frame(10 + seed, seed)]) for seed in range(4)]
    with pooled(fake.Brightness(), 2) as remote, ThreadPoolExecutor(4) as threads:
        guard.detect(remote, frames[0])  # started by now
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        for images, found in zip(frames, threads.map(lambda images: guard.detect(remote, images), frames)):
            assert [one.reason for one in found] == [None, None]
            assert [one.values[0, 0] for one in found] == [image.mean() for image in images]


def test_ctrl_c_does_not_wait_for_a_detector(tmp_path):
    def interrupt(batch):
        if "0004" in batch.ids:
            for _ in range(1000):  # until the detector hangs
                if (tmp_path / "seen").exists():
                    break
                time.sleep(0.01)
            raise KeyboardInterrupt

    # Leaving `pooled` is in the time, too.
    with pooled(fake.Brightness(tmp_path), limit=300.0) as detector:
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "a", [fake.HANG] * 8, detector, 2, Copies(interrupt))
    assert time.monotonic() - begun < 30


def test_errors_that_are_no_frames_fault_come_through():
    with pooled(fake.Brightness()) as remote, pytest.raises(MemoryError):
        guard.detect(remote, frame(fake.MEMORY)[None])
    with pooled(fake.Unloadable()) as remote, refused(Stopped, "worker-failed", "(ImportError: lost)", "--workers 0"):
        guard.detect(remote, frame(10)[None])


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=SLOW)])
def test_workers_that_die_while_they_are_idle_are_replaced(count):
    with pooled(fake.Brightness(), count) as remote:
        frames = np.stack([frame(10), frame(11)])
        before = guard.detect(remote, frames)
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        after = guard.detect(remote, frames)
        assert [one.reason for one in after] == [None, None]
        np.testing.assert_array_equal([one.values for one in after], [one.values for one in before])


def test_workers_that_die_at_their_start_stop_the_run():
    with pooled(fake.Fatal()) as remote, pytest.raises(Stopped, match="cannot start"):
        guard.detect(remote, frame(10)[None])


@SLOW
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """A busy worker and an idle one."""
    script = tmp_path / "parent.py"
    script.write_text(
        """
import multiprocessing, sys, threading, time
import numpy as np
from bench.detectors.workers import in_workers
from support.fake_detectors import Brightness

if __name__ == "__main__":
    remote, pool = in_workers({"landmarks": Brightness()}, 2, 600.0)
    frames = np.full((2, 8, 8, 3), 10, np.uint8)
    remote["landmarks"].detect(frames)
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    frames[0] = 1
    remote["landmarks"].detect(frames)
"""
    )
    paths = [str(Path(detectors.__file__).parents[2]), str(Path(__file__).parents[2])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(alive, workers))
        time.sleep(0.5)
        parent.kill()
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    """Whether a process is there and no zombie, which waits for whoever adopted it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_error_that_cannot_be_pickled_keeps_its_name():
    class Local(Exception):
        pass

    assert str(portable(Local("text"))) == "Local: text"
    error = portable(ValueError("text"))
    assert isinstance(error, ValueError) and pickle.loads(pickle.dumps(error)).args == ("text",)


@pytest.mark.parametrize(
    ("cores", "pairs", "changes", "expected"),
    [
        (2, 32, {}, 2),
        (16, 32, {}, 2),  # 64 frames
        (3, 117, {}, 3),
        (16, 117, {}, 7),
        (1, 32, {}, 0),
        (16, 31, {}, 0),  # two models: 62 frames
        (16, 32, {"workers": 0}, 0),
        (1, 1, {"workers": 3}, 3),
        (16, 32, {"metrics": ["l1"]}, 0),
        (16, 32, {"executor": "ray"}, 0),
    ],
)
def test_how_many_workers_there_are_where_nobody_says_it(monkeypatch, sample_set, cores, pairs, changes, expected):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    wanted = {"models": ("copy-source", "copy-target"), "protocol": "vox1-sameid", "metrics": ["akd"]} | changes
    settings = RunSettings(config=config.load(["sample"]), limit=pairs, detectors="embedded", device="cpu", **wanted)
    with prepare(settings) as setup:
        pool = setup.measurer.choice.pool
        assert (pool.count if pool else 0) == expected
        assert setup.evaluator(print).ahead == (AHEAD if expected else 0)
    assert not multiprocessing.active_children()
