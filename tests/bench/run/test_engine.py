"""The engine: failures stay alone, what is finished is kept, batches do not matter."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from support.refused import refused

from baselines import arithmetic
from baselines.predictor import ModelError, Predictor, TimeLimit
from bench import detectors
from bench.metrics.signature import short
from bench.run import batches, finished_rows
from bench.run.batches import Evaluator
from bench.run.engine import STAGES, Decoded, Model, evaluate, pair_seed
from bench.run.generated import as_uint8
from bench.run.measure import Measurer
from bench.rundir.directory import RunDirectory
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair, PairList
from protocols.resolve import LoadedPair

CPU = torch.device("cpu")


class Dimmed(Predictor):
    """Half the source's brightness; subclasses misbehave for some pairs."""

    name = "dimmed"
    frame_size = 16

    def predict(self, batch, mode):
        return torch.stack([self.one(name, frame) for name, frame in zip(batch.ids, batch.source)])

    def one(self, name, frame):
        return frame * 0.5


def resolved(n=7, unreadable=()):
    """A minimal resolved protocol with random frames of 16 pixels."""

    def pair(number):
        source, driving = (FrameRef("mine", "clip", f"{number + offset:07d}") for offset in (0, 1))
        return Pair(f"{number:04d}", source, driving, driving, None, "a", "a")

    def load(pair):
        if pair.id in unreadable:
            raise DataError(f"{pair.source.frame}.png cannot be read")
        frames = np.random.default_rng(int(pair.id)).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        return LoadedPair(frames[0], frames[1], frames[1], None)

    return SimpleNamespace(pair_list=PairList("mine", 1, tuple(pair(number) for number in range(n))), load=load)


@pytest.fixture
def measurer():
    return Measurer(["psnr", "l1"], detectors.choose("embedded", None, kinds=set()), "same-identity", CPU)


def run(predictor, measurer, folder, data=None, batch_size=3, progress=lambda n: None):
    model = Model(predictor.name, predictor, "absolute")
    data = data or resolved()
    work = Evaluator(data.load, measurer, CPU)
    options = {"batch_size": batch_size, "progress": progress}
    return evaluate(model, data.pair_list.pairs, work, RunDirectory(folder), **options).rows


def test_values_are_those_of_the_definition(measurer, tmp_path):
    rows = run(Dimmed(), measurer, tmp_path)
    frames = resolved().load(SimpleNamespace(id="0003"))
    dimmed = np.round(frames.source.astype(np.float32) / 255 * 0.5 * 255)
    expected = np.abs(dimmed - frames.target.astype(np.float64)).mean() / 255
    assert rows.loc[3, "l1"] == pytest.approx(expected, abs=1e-6)
    assert rows["pair"].tolist() == [f"{number:04d}" for number in range(7)]
    assert (rows["status"] == "ok").all()


def test_as_published_truncates_frames_and_says_so(tmp_path):
    choice = detectors.choose("embedded", None, kinds=set())
    measurer = Measurer(["l1"], choice, "same-identity", CPU, as_published=True)
    rows = run(Dimmed(), measurer, tmp_path)
    frames = resolved().load(SimpleNamespace(id="0003"))
    expected = np.abs(frames.source // 2 - frames.target.astype(np.float64)).mean() / 255
    assert rows.loc[3, "l1"] == pytest.approx(expected, abs=1e-6)
    described = measurer.describe_metrics()[0]
    assert "rounding:uint8-truncated" in described.signature
    assert described.short == short(described.signature)


@pytest.mark.parametrize("truncate", [False, True])
def test_frames_of_8_bits_come_out_as_they_were(truncate):
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    frame = levels.float().div(255)
    found = as_uint8(frame, frame.shape, "any", truncate)[0]
    assert (found == levels[0].permute(1, 2, 0).numpy()).all()
    assert torch.equal(frame, levels.float().div(255))  # a model may give frames that it was given, or continues with


def test_targets_that_are_the_driving_frames_take_no_memory_of_their_own():
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    pairs = [(pair, LoadedPair(frames[0], driving := frames[k], driving, None)) for k, pair in enumerate("abc")]
    same, other = Decoded.of(pairs, CPU), Decoded.of([*pairs, ("d", LoadedPair(*frames, None))], CPU)
    assert same.images["target"] is same.images["driving"]
    assert other.images["target"].numpy().tolist() == [*frames.tolist(), frames[2].tolist()]
    assert other.images["driving"].numpy().tolist() == [*frames.tolist(), frames[1].tolist()]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 50])
def test_batches_do_not_matter(measurer, tmp_path, batch_size):
    one, other = (
        run(Dimmed(), measurer, tmp_path / str(size), batch_size=size).drop(columns="seconds")
        for size in (3, batch_size)
    )
    pd.testing.assert_frame_equal(one, other)


def test_rows_that_were_packed_are_the_same(measurer, tmp_path, monkeypatch):
    class Crashes(Dimmed):
        def one(self, name, frame):
            if name == "0004":
                raise RuntimeError("torn")
            return frame * 0.5

    whole = run(Crashes(), measurer, tmp_path / "whole", batch_size=1).drop(columns="seconds")
    monkeypatch.setattr(finished_rows, "TABLES", 2)
    for folder in ("packed", "packed"):  # the second time all of them are read from the run's folder
        packed = run(Crashes(), measurer, tmp_path / folder, batch_size=1).drop(columns="seconds")
        pd.testing.assert_frame_equal(packed, whole, check_exact=True)


def test_nan_fails_its_pair_only(measurer, tmp_path):
    class Holes(Dimmed):
        def one(self, name, frame):
            return frame * float("nan") if name == "0002" else frame * 0.5

    rows = run(Holes(), measurer, tmp_path)
    assert rows["status"].tolist() == ["ok", "ok", "failed", "ok", "ok", "ok", "ok"]
    assert "finite" in rows.loc[2, "error"]
    assert rows["l1"].isna().tolist() == [False, False, True, False, False, False, False]
    assert rows.loc[2, "l1.reason"] == "no frame"
    sound = run(Dimmed(), measurer, tmp_path / "sound")
    assert rows["l1"].drop(2).tolist() == sound["l1"].drop(2).tolist()


def test_an_exception_fails_its_pair_only(measurer, tmp_path):
    class Crashes(Dimmed):
        def one(self, name, frame):
            if name == "0004":
                raise RuntimeError("torn")
            return frame * 0.5

    rows = run(Crashes(), measurer, tmp_path)
    assert rows.loc[rows["status"] == "failed", "pair"].tolist() == ["0004"]
    assert rows.loc[4, "error"] == "RuntimeError: torn"


def test_a_batch_over_its_time_limit_is_not_asked_for_again(measurer, tmp_path):
    class Slow(Dimmed):
        asked = 0

        def predict(self, batch, mode):
            frames = super().predict(batch, mode)
            if "0004" in batch.ids:
                self.asked += 1
                frames[batch.ids.index("0004") :] = float("nan")
                raise TimeLimit("5 s", frames)
            return frames

    slow = Slow()
    rows = run(slow, measurer, tmp_path, batch_size=3)
    assert slow.asked == 1
    assert rows["status"].tolist() == ["ok", "ok", "ok", "ok", "failed", "failed", "ok"]
    assert rows.loc[4, "error"] == rows.loc[5, "error"] == "5 s"
    assert rows["l1"].drop([4, 5]).tolist() == run(Dimmed(), measurer, tmp_path / "sound")["l1"].drop([4, 5]).tolist()


def test_an_unreadable_frame_fails_its_pair_only(measurer, tmp_path):
    rows = run(Dimmed(), measurer, tmp_path, resolved(unreadable=("0000", "0001", "0002", "0006")))
    assert (rows["status"] == "failed").tolist() == [True, True, True, False, False, False, True]
    assert [f"{name}.png" in rows.loc[k, "error"] for k, name in ((0, "0000"), (6, "0006"))] == [True, True]


def test_a_wrong_shape_stops_the_run(measurer, tmp_path):
    class Small(Dimmed):
        def one(self, name, frame):
            return frame[:, ::2, ::2]

    with pytest.raises(ModelError, match="shape"):
        run(Small(), measurer, tmp_path)


def test_an_interrupted_run_goes_on_where_it_stopped(measurer, tmp_path):
    class Counting(Dimmed):
        seen = []

        def one(self, name, frame):
            self.seen.append(name)
            return frame * 0.5

    calls = []

    def stop_after_two_batches(n):
        calls.append(n)
        if len(calls) == 3:  # the first call tells of earlier work
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Counting(), measurer, tmp_path, progress=stop_after_two_batches)
    resumed = run(Counting(), measurer, tmp_path)
    assert sorted(Counting.seen) == [f"{number:04d}" for number in range(7)]
    whole = run(Dimmed(), measurer, tmp_path / "whole")
    pd.testing.assert_frame_equal(resumed.drop(columns=["seconds", "model"]), whole.drop(columns=["seconds", "model"]))


def test_pair_seeds_depend_on_pair_and_seed_alone():
    assert pair_seed(0, "0001") == pair_seed(0, "0001")
    assert len({pair_seed(seed, name) for seed in (0, 1) for name in ("0001", "0002")}) == 4


def test_a_model_lets_go_when_another_ones_turn_comes(measurer):
    told = []

    class Remembering(Dimmed):
        def forget(self):
            told.append(self.name)

    data, first, second = resolved(), Remembering(), Dimmed()
    first.name = "first"
    work = Evaluator(data.load, measurer, CPU)
    for predictor, expected in ((first, []), (first, []), (second, ["first"])):
        list(work(Model(predictor.name, predictor, "absolute"), [data.pair_list.pairs]))
        assert told == expected


def test_all_stages_work_at_once_each_on_a_batch_of_its_own(measurer, tmp_path, monkeypatch):
    together = threading.Barrier(len(STAGES))  # nobody continues before all are there

    def met(number):
        """Batch `number` waits here once."""
        return lambda pair: together.wait(60) if pair == f"{number:04d}" else None

    def waits(function, meet, pair_of):
        return lambda *arguments: (meet(pair_of(*arguments)), function(*arguments))[1]

    class Meets(Dimmed):
        def one(self, name, frame):
            met(3)(name)
            return super().one(name, frame)

    data = resolved(8)
    data.load = waits(data.load, met(4), lambda pair: pair.id)
    measured = iter(range(8))  # one batch after the other
    monkeypatch.setattr(
        measurer, "measure_and_detect", waits(measurer.measure_and_detect, met(1), lambda *_: f"{next(measured):04d}")
    )
    encoded = iter(range(8))
    monkeypatch.setattr(batches, "to_png", waits(batches.to_png, met(2), lambda _: f"{next(encoded):04d}"))
    folder = RunDirectory(tmp_path)
    monkeypatch.setattr(folder, "write_frame", waits(folder.write_frame, met(0), lambda _, pair, png: pair))
    model, work = Model("dimmed", Meets(), "absolute"), Evaluator(data.load, measurer, CPU, ahead=2)
    rows, seconds = evaluate(model, data.pair_list.pairs, work, folder, batch_size=1, progress=lambda n: None)
    assert rows["pair"].tolist() == [f"{number:04d}" for number in range(8)] and (rows["status"] == "ok").all()
    assert set(seconds) == set(STAGES)


def test_how_long_each_stage_was_busy(measurer, tmp_path):
    class Sleeps(Dimmed):
        def predict(self, batch, mode):
            time.sleep(0.05)
            return super().predict(batch, mode)

    data, model = resolved(4), Model("dimmed", Sleeps(), "absolute")
    work = Evaluator(data.load, measurer, CPU)
    options = {"batch_size": 2, "progress": lambda n: None}
    start = time.perf_counter()
    seconds = evaluate(model, data.pair_list.pairs, work, RunDirectory(tmp_path), **options).seconds
    wall = time.perf_counter() - start
    assert 0.1 <= seconds["network"] < wall
    assert all(0 < seconds[stage] < wall for stage in STAGES)
    assert evaluate(model, data.pair_list.pairs, work, RunDirectory(tmp_path), **options).seconds == {}  # all is there


class Counted(Dimmed):
    """Notes how many pairs it is asked for at a time."""

    def __init__(self, filled_batches):
        super().__init__()
        self.filled_batches, self.asked = filled_batches, []

    def predict(self, batch, mode):
        self.asked.append(len(batch))
        return super().predict(batch, mode)


@pytest.mark.parametrize(("fills", "sizes"), [(True, [3, 3, 3]), (False, [3, 3, 1])])
def test_the_last_batch_is_filled_up_on_an_accelerator_and_nothing_comes_of_it(fills, sizes, measurer):
    data = resolved()
    pairs, model = data.pair_list.pairs, Model("counted", Counted(fills), "absolute")
    work = Evaluator(data.load, measurer, CPU, batch_size=3)
    work.fill = 3  # as on an accelerator
    batches = list(work(model, [pairs[:3], pairs[3:6], pairs[6:]]))
    assert model.predictor.asked == sizes
    plain = Model("counted", Counted(False), "absolute")
    usual = list(Evaluator(data.load, measurer, CPU, batch_size=3)(plain, [pairs[:3], pairs[3:6], pairs[6:]]))
    for one, other in zip(batches, usual):
        pd.testing.assert_frame_equal(one.rows.drop(columns="seconds"), other.rows.drop(columns="seconds"))
    assert plain.predictor.asked == [3, 3, 1]


def test_a_model_that_lowers_the_precision_of_the_process_stops_the_run(measurer):
    class Fast(Dimmed):
        def predict(self, batch, mode):
            torch.set_float32_matmul_precision("medium")
            return super().predict(batch, mode)

    data = resolved()
    work = Evaluator(data.load, measurer, CPU, ahead=2)
    try:
        with refused(ModelError, "bad-model", "float32_matmul_precision"):
            list(work(Model("fast", Fast(), "absolute"), [data.pair_list.pairs[:3]]))
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        arithmetic.exact()
