"""`--log` and `bench log`: what each tracker has of a run, read back from its files without a network."""

from __future__ import annotations

import importlib.machinery
import json
import math
from pathlib import Path

import pytest
from support import gray_clips, manifests, shelved_runs
from support.wandb_files import records

from bench.trackers import log as trackers
from bench.trackers import mlflow
from bench.trackers.record import NUMBERS, of_run
from protocols.names import safe_name
from reports.run import html

ODD, PLUS = shelved_runs.ODD, "fomm+memory"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run with models of odd names."""
    run = shelved_runs.add(tmp_path_factory.mktemp("tracked") / "runs" / "r", "mcnet", ODD, PLUS, name="r")
    html.write(run)
    return run


def expected(run: Path) -> dict[str, float]:
    """All numbers of the summary that are defined."""
    return {
        f"{safe_name(row.model)}/{row.metric}/{name}": float(value)
        for row in manifests.summary_of(run).rows
        for name in NUMBERS
        if (value := getattr(row, name)) is not None
    }


def test_the_numbers_are_those_of_the_summary(run):
    found = of_run(run).scalars()
    assert found == expected(run)
    assert all(map(math.isfinite, found.values()))
    assert {"mcnet/psnr/mean", "mcnet/psnr/ci_low", "mcnet/psnr/n", "mcnet/psnr/failed"} <= set(found)


def test_tensorboard(bench, run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ended = bench("log", run, "--to", "tensorboard")
    assert ended[0] == 0, ended
    out = run.parent / "tensorboard" / "r"
    found = {}
    for model in ("mcnet", safe_name(ODD), PLUS, "copy-source"):
        events = EventAccumulator(str(out / model)).Reload()
        found |= {f"{model}/{tag}": events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert found == pytest.approx(expected(run), rel=1e-6)
    texts = EventAccumulator(str(next(out.glob("events*")))).Reload()
    assert {tag.partition("/")[0] for tag in texts.Tags()["tensors"]} == {"results", "facts", "signatures", "report"}
    (told,) = texts.Tensors("signatures/text_summary")[0].tensor_proto.string_val
    assert all(metric.signature in told.decode() for metric in manifests.manifest_of(run).metrics)


def test_names_that_mlflow_would_mix_up_are_refused():
    assert mlflow._metrics({"fomm+memory/l1/mean": 1.0, "fomm/l1/mean": 2.0}).keys() == {
        "fomm_memory/l1/mean",
        "fomm/l1/mean",
    }
    with pytest.raises(ValueError, match="fomm_memory/l1/mean"):
        mlflow._metrics({"fomm+memory/l1/mean": 1.0, "fomm_memory/l1/mean": 2.0})


@pytest.mark.slow
def test_mlflow(bench, run, monkeypatch, tmp_path):
    package = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "an experiment")
    ended = bench("log", run, "--to", "mlflow")
    assert ended[0] == 0, ended
    client = package.MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    experiment = client.get_experiment_by_name("an experiment")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.metrics == {name.replace("+", "_"): value for name, value in expected(run).items()}
    assert logged.info.status == "FINISHED"
    manifest = manifests.manifest_of(run)
    params = logged.data.params
    assert params["pairs.sha256"] == manifest.pairs.sha256 and params["fingerprint"] == manifest.fingerprint
    assert all(params[f"signatures.{one.name}"] == one.signature for one in manifest.measured)
    assert {one.path for one in client.list_artifacts(logged.info.run_id)} >= {"report.html", "manifest.json"}


@pytest.mark.slow
def test_wandb(bench, run, monkeypatch, tmp_path):
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    ended = bench("log", run, "--to", "wandb")
    assert ended[0] == 0, ended
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    config, summary, artifacts = {}, {}, []
    for record in records(file):
        kind = record.WhichOneof("record_type")
        updates = record.run.config.update if kind == "run" else record.config.update if kind == "config" else ()
        config |= {one.key: json.loads(one.value_json) for one in updates if one.key}
        if kind == "summary":
            updated = record.summary.update
            summary |= {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in updated}
        if kind == "artifact":
            artifacts += [one.path for one in record.artifact.manifest.contents]
    assert {key: value for key, value in summary.items() if key in expected(run)} == pytest.approx(expected(run))
    manifest = manifests.manifest_of(run)
    assert config["signatures"] == {one.name: one.signature for one in manifest.measured}
    assert config["pairs"]["sha256"] == manifest.pairs.sha256
    assert {"report.html", "manifest.json", "summary.json"} <= set(artifacts)


@pytest.mark.parametrize("tracker", list(trackers.TRACKERS))
def test_a_missing_package_is_said_before_the_run(bench, monkeypatch, tracker, tmp_path):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    ended = bench("run", "--models", "mcnet", "--protocol", "vox1-diffscale", "--log", tracker)
    assert (ended[0], ended.error) == (2, "missing-package") and f"[{tracker}]" in ended[1]
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_a_trackers_name_is_no_package(bench, run, monkeypatch):
    """Trackers leave such folders where they are started."""
    monkeypatch.setattr(trackers, "find_spec", lambda name: importlib.machinery.ModuleSpec(name, None))
    assert bench("log", run, "--to", "wandb").error == "missing-package"


def test_mistakes_are_one_line(bench, tmp_path):
    assert bench("log", tmp_path, "--to", "tensorboard").error == "no-finished-run"
    assert bench("log", tmp_path, "--to", "excel").error == "unknown-choice"
    assert bench("run", "--table", "mcnet-1a", "--log", "tensorboard").error == "conflicting-options"


def test_a_tracker_that_fails_leaves_the_run_and_says_how_to_go_on(bench, run, monkeypatch):
    def fail(record: object) -> str:
        raise RuntimeError("no route to host")

    monkeypatch.setitem(trackers.TRACKERS, "tensorboard", fail)
    ended = bench("log", run, "--to", "tensorboard")
    assert (ended[0], ended.error) == (1, "tracker-failed") and "bench log" in ended[1]


def test_score_tells_a_tracker(bench, tmp_path):
    gray_clips.folders(tmp_path, 6, sound=False)
    ended = bench(
        *("score", tmp_path / "truth", tmp_path / "same", "--metrics", "l1", "--out", tmp_path / "runs", "--name", "s"),
        *("--no-media", "--workers", 0, "--log", "tensorboard"),
    )
    assert ended[0] == 0, ended
    assert list((tmp_path / "runs" / "tensorboard" / "s" / "same").glob("events*"))
