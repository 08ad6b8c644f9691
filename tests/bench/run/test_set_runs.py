"""Set metrics through the command line: which frames count, what is kept, and what the table then says."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support import finished_videos as made
from support.command_line import call

from bench.detectors import feature_networks
from bench.metrics.sets import catalogue
from bench.metrics.sets.base import Estimate, Features, SetDefinition, frame_positions, window_starts
from bench.run import real_features
from bench.run.batches import typed
from bench.run.command import DAMAGED, SAVED
from bench.run.set_features import column, split
from bench.rundir.directory import RunDirectory
from bench.stats.sets import features, floor, halves
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair
from protocols.resolve import LoadedPair
from reports.run.view import FLOOR
from reports.schema.manifest import parse_manifest
from reports.schema.summary import parse_summary

NUMBERS = {"anna": range(20), "ben": range(20, 40), "carl": range(40, 43)}
LENGTH = 6  # of a window


class Means:
    """The mean color of a frame, or of a window."""

    name, signature, width = "means", "means;v:1", 3

    def features(self, frames: np.ndarray) -> np.ndarray:
        return frames.reshape(len(frames), -1, 3).mean(1).astype(np.float32)


def distance(sides, real, resamples, seed):
    """The squared distance of the means."""
    names = np.unique(np.concatenate([real.people, *(side.people for side in sides)]))
    if not len(names):
        return [Estimate(float("nan"), np.full(resamples, np.nan)) for _ in sides]
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, len(names), len(names)) for _ in range(resamples)]

    def of(side, people):
        rows = [np.flatnonzero(one.people == name) for one in (side, real) for name in people]
        rows = [np.concatenate(part) for part in (rows[: len(people)], rows[len(people) :])]
        if not all(map(len, rows)):
            return float("nan")
        return float(np.square(side.values[rows[0]].mean(0) - real.values[rows[1]].mean(0)).sum())

    return [Estimate(of(side, names), np.array([of(side, names[own]) for own in drawn])) for side in sides]


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    entry = feature_networks.Entry(lambda weights, device: Means(), lambda weights: [], True)
    lacking = feature_networks.Entry(lambda weights, device: Means(), lambda weights: ["own.pth is not here"], False)
    monkeypatch.setattr(
        feature_networks, "NETWORKS", {"features-means": entry, "features-clip": entry, "features-own": lacking}
    )
    found = {}
    for name, family, kind, window in (
        ("own", "fid", "features-own", 1),
        ("means", "fid", "features-means", 1),
        ("clip-means", "fvd", "features-clip", LENGTH),
    ):
        found[name] = SetDefinition(
            name, family, 1, kind, window, 30, {"of": "means"}, "of means", distance, proxy=name != "own"
        )
    monkeypatch.setattr(catalogue, "SET_DEFINITIONS", found)
    for user in ("bench.metrics", "bench.metrics.shapes", "bench.metrics.sets.chosen", "bench.stats.sets"):
        monkeypatch.setattr(f"{user}.SET_DEFINITIONS", found)
    monkeypatch.setattr("bench.comparison.sets.SET_DEFINITIONS", found)


@pytest.fixture
def score(tmp_path, monkeypatch, capsys):
    """Score two models against the true videos; ``short`` ends early in ben."""
    monkeypatch.chdir(tmp_path)
    for clip, numbers in NUMBERS.items():
        pictures = made.frames(numbers)
        made.write(tmp_path / "truth" / f"{clip}.mkv", pictures)
        made.write(tmp_path / "copy" / f"{clip}.mkv", pictures)
        made.write(tmp_path / "short" / f"{clip}.mkv", made.blurred(pictures[: 10 if clip == "ben" else 99], 3))

    def asked(*more: object, metrics: str = "l1,fid,fvd", name: str = "r"):
        extra = ("--metrics", metrics, "--no-bounds", "--workers", 0, "--out", tmp_path / "runs", "--name", name)
        return call(monkeypatch, capsys, "score", "truth", *more, *extra)

    return asked


def kept(kind: str, model: str, name: str = "r") -> pd.DataFrame:
    return pd.read_parquet(Path("runs") / name / "features" / kind / f"{model}.parquet")


def metrics_of(name: str) -> dict[str, bool]:
    """The metrics of a run, and whether each was measured."""
    metrics = parse_manifest(Path(f"runs/{name}/manifest.json").read_bytes()).metrics
    return {one.name: one.applies for one in metrics}


def said(line: str, text: str) -> bool:
    """Whether a line was printed, however the terminal wrapped it."""
    return " ".join(line.split()) in " ".join(text.split())


def summary(name: str = "r"):
    return parse_summary(Path(f"runs/{name}/summary.json").read_bytes())


def test_what_is_kept_and_what_the_table_says(score):
    code, text = score("copy", "short")
    assert code == 0, text
    assert "own.pth" in text
    frames, windows = kept("features-means", "copy"), kept("features-clip", "copy")
    assert frames["video"].value_counts().to_dict() == {"anna": 16, "ben": 16, "carl": 3}
    assert windows["video"].value_counts().to_dict() == {"anna": 2, "ben": 2}
    assert set(frames["person"]) == set(NUMBERS)
    expected = [made.frames(NUMBERS["ben"])[k].reshape(-1, 3).mean(0) for k in frame_positions(20)]
    np.testing.assert_allclose(np.stack(frames["features"][frames["video"] == "ben"]), expected, rtol=1e-6)
    start = window_starts(20, LENGTH)[1]
    one = np.stack(made.frames(NUMBERS["ben"])[start : start + LENGTH]).reshape(-1, 3).mean(0)
    np.testing.assert_allclose(windows["features"][windows["video"] == "ben"].iloc[1], one, rtol=1e-6)
    pd.testing.assert_frame_equal(frames, kept("features-means", "_real").drop(columns="frame"))
    # Ten of ben's twenty frames are there: eight of the sixteen, and the first of the two windows.
    assert kept("features-means", "short")["video"].value_counts()["ben"] == 8
    assert kept("features-clip", "short")["video"].value_counts()["ben"] == 1
    assert len(kept("features-clip", "_real")) == 4
    found = summary().by_model()
    assert found["copy", "means"].mean == 0 and found["copy", "clip-means"].n == 4
    short = found["short", "means"]
    assert (short.n, short.n_total, short.failed) == (27, 35, 8)
    made_by, real = (np.stack(kept("features-means", one)["features"]) for one in ("short", "_real"))
    assert short.mean == pytest.approx(np.square(made_by.mean(0) - real.mean(0)).sum())
    assert short.ci_low <= short.mean <= short.ci_high
    assert summary().ranking["means"].order == ("copy", "short")
    (floor,) = [one for one in summary().floors if one.metric == "means"]
    rows = kept("features-means", "_real")
    first = halves(rows["video"].to_numpy(str), 0)
    assert len(set(rows["video"][first])) + len(set(rows["video"][~first])) == len(NUMBERS)
    sides = [np.stack(rows["features"][part]) for part in (first, ~first)]
    assert floor.value == pytest.approx(np.square(sides[0].mean(0) - sides[1].mean(0)).sum())
    assert floor.n == min(map(len, sides))
    (duel,) = [one for one in summary().set_comparisons if one.metric == "means"]
    assert (duel.a, duel.b, duel.better) == ("copy", "short", "copy")
    assert duel.difference == pytest.approx(-short.mean)
    assert any(
        "clip-means" in notice and "3 windows" in notice and "6 frames" in notice for notice in summary().notices
    )
    assert any("copy 35" in notice and "short 27" in notice for notice in summary().notices)
    page = Path("runs/r/report.html").read_text()
    assert FLOOR in page and 'id="set-comparisons"' in page


def test_stopped_runs_end_with_the_same_features_and_changed_ones_are_noticed(score, monkeypatch, tmp_path):
    assert score("copy", "short", name="whole")[0] == 0

    write, count = RunDirectory.write_shard, 0

    def stopping(self, *arguments):
        nonlocal count
        count += 1
        if count == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_shard", stopping)
        code, text = score("copy", "short")
        assert code != 0 and said(SAVED.format(tmp_path / "runs" / "r"), text)
    code, text = score("copy", "short")
    assert code == 0, text
    files = [file.relative_to("runs/whole") for file in Path("runs/whole/features").rglob("*.parquet")]
    assert len(files) == 6
    for file in (*files, Path("samples.parquet"), Path("summary.json")):
        assert (Path("runs/r") / file).read_bytes() == (Path("runs/whole") / file).read_bytes(), file
    manifest = json.loads(Path("runs/r/manifest.json").read_text())
    assert set(manifest["features_sha256"]) == {str(file.relative_to("features")) for file in files}
    changed = Path("runs/r/features/features-means/_real.parquet")
    changed.write_bytes(Path("runs/r/features/features-means/short.parquet").read_bytes())
    ended = code, text = score("copy", "short")
    assert code == 2 and ended.error == "changed-file" and "features/features-means/_real.parquet" in text
    assert said(DAMAGED, text) and not said(SAVED.format(tmp_path / "runs" / "r"), text)


@pytest.mark.slow
def test_lost_features_are_noticed_and_force_measures_them_again(score, tmp_path):
    assert score("copy", "short")[0] == 0
    Path("runs/r/features/features-means/_real.parquet").unlink()
    ended = code, text = score("copy", "short")
    assert code == 2 and ended.error == "unreadable-file"
    assert said(DAMAGED, text) and not said(SAVED.format(tmp_path / "runs" / "r"), text)
    assert score("copy", "short", "--force")[0] == 0


def test_two_runs_are_compared_from_what_they_kept(score, tmp_path, monkeypatch, capsys):
    assert score("copy", "short", name="a")[0] == 0
    assert score("copy", "short", "--limit", 2, name="b")[0] == 0
    of = tmp_path / "c.json"
    code, text = call(monkeypatch, capsys, "compare", "runs/a", "runs/b", "--models", "copy,short", "--json", of)
    assert code == 0, text
    (duel,) = json.loads(of.read_text())["duels"]
    found = {one["metric"]: one for one in duel["sets"]}
    both = kept("features-means", "short", "b")
    real = kept("features-means", "_real", "a")
    real = real[real["video"].isin(both["video"])]
    value = np.square(np.stack(both["features"]).mean(0) - np.stack(real["features"]).mean(0)).sum()
    assert found["means"]["value_a"] == pytest.approx(0) and found["means"]["value_b"] == pytest.approx(value)
    assert found["means"]["better"] == "copy" and found["means"]["n_a"] == len(real)
    (notice,) = [line for line in json.loads(of.read_text())["notices"] if line.startswith("means: copy ")]
    assert "32" in notice and "short 24;" in notice and said(notice, text)
    page = tmp_path / "c.html"
    assert call(monkeypatch, capsys, "compare", "runs/a", "--html", page)[0] == 0
    assert "clip-means" in page.read_text()


def test_what_is_real_does_not_depend_on_what_models_made(score, tmp_path, monkeypatch, capsys):
    code, text = score("short", name="alone")
    assert code == 0
    assert "features-clip" in text and "1 of 3 clips" in text and "6 frames" in text, text
    assert len(kept("features-means", "_real", "alone")) == 35
    alone = summary("alone").by_model()["short", "means"]
    assert (alone.n, alone.failed) == (27, 8)
    assert score("copy", "short", name="both")[0] == 0
    assert alone.mean == summary("both").by_model()["short", "means"].mean
    for kind in ("features-means", "features-clip"):
        pd.testing.assert_frame_equal(kept(kind, "_real", "alone"), kept(kind, "_real", "both"))
    assert summary("alone").floors == summary("both").floors
    of = tmp_path / "c.json"
    assert call(monkeypatch, capsys, "compare", "runs/alone", "runs/both", "--json", of)[0] == 0
    assert not any(line.startswith(("means:", "clip-means:")) for line in json.loads(of.read_text())["notices"])


def test_a_real_frame_that_several_pairs_ask_for_is_real_once():
    frames = [FrameRef("own", "a", f"{k}") for k in range(3)]
    pairs = [Pair(f"p{k}", frames[k % 2], frames[k % 3], frames[k % 3], None, "x", "y") for k in range(6)]

    def load(pair: Pair) -> LoadedPair:
        if pair.id in ("p2", "p5"):
            raise DataError("torn")
        return LoadedPair(*[np.full((4, 4, 3), int(pair.target.frame), np.uint8)] * 3, None)

    network = feature_networks.make("features-means", None, "cpu")
    table, said = real_features.measured("features-means", network, 1, pairs, "target", load)
    assert list(table["pair"]) == ["p0", "p1", "p3", "p4"] and list(table["frame"].unique()) == ["own/a/0", "own/a/1"]
    assert len(said) == 1 and said[0].startswith("features-means: 2 ")
    once = features(table)
    assert once.values.tolist() == [[0, 0, 0], [1, 1, 1]] and list(once.videos) == ["own/a"] * 2


def test_runs_without_windows_have_no_value_and_can_be_compared(score, tmp_path, monkeypatch, capsys):
    for folder in ("truth", "copy"):
        for clip in ("anna", "ben"):
            (tmp_path / folder / f"{clip}.mkv").unlink()
    for name in ("a", "b"):
        code, text = score("copy", name=name)
        assert code == 0 and "clip-means" in text and "2 windows" in text and "6 frames" in text
        assert "0 windows" not in text
    of = tmp_path / "c.json"
    assert call(monkeypatch, capsys, "compare", "runs/a", "runs/b", "--json", of)[0] == 0
    assert not any(line.startswith(("means:", "clip-means:")) for line in json.loads(of.read_text())["notices"])


@pytest.mark.parametrize("failing", [(), ("p1",), ("p1", "p2")])
def test_pairs_of_which_a_model_fails_some_or_all(failing):
    pairs = ["p1", "p2"]
    packed = [None if pair in failing else np.float32([1, 2]).tobytes() for pair in pairs]
    rows = pd.DataFrame({"pair": pairs, "source": ["own/a/1", "own/b/2"], "target": ["own/c/d/3", "own/e/4"]})
    rows = typed(rows.assign(source_identity="x", driving_identity="y", error=None))
    rest, made_by = split(rows.assign(**{column("means"): packed}), {"means": 2})
    assert list(rest) == list(rows)
    ok = [k for k, pair in enumerate(pairs) if pair not in failing]
    assert list(made_by["means"]["video"]) == [["own/a", "own/b"][k] for k in ok]


def test_the_floor_ends_where_distances_end():
    def wide(sides, real, resamples, seed):
        return [Estimate(1.0, np.linspace(-9, 11, resamples)) for _ in sides]

    definition = SetDefinition("wide", "fid", 1, "features-means", 1, 30, {}, "wide", wide)
    real = Features(np.zeros((4, 3), np.float32), np.array(list("aabb")), np.array(list("aabb")))
    low = {bounds: floor(definition, SimpleNamespace(bounds=bounds), real, 0).ci_low for bounds in ((0.0, None), None)}
    assert low[0.0, None] == 0 and low[None] == pytest.approx(-8.5)


def test_models_without_rows_are_named(score, tmp_path):
    for clip in ("anna", "ben", "carl"):
        (tmp_path / "short" / f"{clip}.mkv").unlink()
    made.write(tmp_path / "short" / "anna.mkv", made.frames(range(3)))
    code, text = score("copy", "short", metrics="fvd")
    assert code == 1 and "clip-means" in text and "2 windows" in text and "6 frames" in text
    assert "clip-means" in text and "4 windows" in text and "6 frames" in text


def test_what_cannot_be_measured_is_refused(score, monkeypatch, capsys):
    ended = code, text = score("copy", metrics="own")
    assert code == 2 and ended.error == "no-metric" and "own.pth" in text
    code, text = score("copy", metrics="fid", name="p")
    assert code == 0 and metrics_of("p") == {"means": True} and "own.pth" in text
    ended = code, text = score("copy", "--detectors", "paper", metrics="fid", name="q")
    assert code == 2 and ended.error == "missing-detector" and "own.pth" in text
    ended = code, text = score("copy", "--no-truth", metrics="fid", name="nothing")
    assert code == 2 and ended.error == "no-metric" and "fid" in text
    code, text = score("copy", "--no-truth", metrics="cpbd,fid", name="alone")
    assert code == 0, text
    assert metrics_of("alone") == {"cpbd": True} and "own, means (" in " ".join(text.split())


def test_the_drift_gate_says_that_it_does_not_look_at_sets(score, monkeypatch, capsys):
    assert score("copy", metrics="l1,fid")[0] == 0
    code, text = call(monkeypatch, capsys, "check", "runs/r", "--update", "ref.json")
    assert code == 0 and [line.split()[-1] for line in text.splitlines() if line.startswith("not checked")] == ["means"]
    assert call(monkeypatch, capsys, "check", "runs/r", "--against", "ref.json")[0] == 0
    assert score("copy", metrics="fid", name="s")[0] == 0
    refused = call(monkeypatch, capsys, "check", "runs/s", "--against", "ref.json")
    assert refused[0] == 2 and refused.error == "no-metric"


@pytest.mark.parametrize("n", [1, 5, 15, 16, 17, 40, 375])
def test_positions(n):
    positions = frame_positions(n)
    assert (
        positions == sorted(set(positions)) and len(positions) == min(n, 16) and 0 <= positions[0] <= positions[-1] < n
    )
    starts = window_starts(n, 16)
    assert len(starts) == min(2, n // 16)
    assert all(start >= 0 and start + 16 <= n for start in starts)
    assert all(after - before >= 16 for before, after in zip(starts, starts[1:]))
