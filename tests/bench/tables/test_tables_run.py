"""`run --table`: what is planned, what is skipped and why, and the tables beside what was run. Surveys and subsets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support.manifests import manifest_of
from support.refused import refused
from support.small_networks import CONFIGS

from baselines.card import Card, card, unavailable
from bench.run.command import COMPLETE
from bench.runtime.config import Config
from bench.runtime.errors import UserError
from bench.tables.plan import Job, plan
from bench.weights.export import export
from protocols import catalogue
from protocols.custom_dataset import open_dataset
from protocols.pairs import FrameRef, PairList
from protocols.sampling import make_pairs, pair_of
from reports.paper.tables import published

SINGLE = ["--protocol", "vox1-sameid", "--models", "fomm"]  # a run of one protocol


@pytest.fixture(autouse=True)
def three_sample_checkpoints(monkeypatch, tmp_path):
    """Whatever else is trained in time, these tests plan with three."""
    own = Card.sample.fget
    names = ("fomm", "tpsm", "mcnet")
    monkeypatch.setattr(Card, "sample", property(lambda card: own(card) if card.name in names else tmp_path / "none"))


def config(tmp_path: Path, **data: Path) -> Config:
    return Config(data=data, sample=False, weights=None, cache=tmp_path)


def jobs(tmp_path: Path, *names: str, data: dict[str, Path] | None = None, **options) -> dict[str, Job]:
    return {job.protocol.name: job for job in plan(published(names), config(tmp_path, **data or {}), **options)}


def same_identity_list(dataset: str, name: str) -> PairList:
    frames = [FrameRef(dataset, "test/a", f"{n:07d}") for n in range(3)]
    return PairList(name, 1, tuple(pair_of(str(i), frames[i], frames[i - 1], "a", "a") for i in range(3)))


def test_a_plan_names_what_can_be_run_and_why_the_rest_cannot(tmp_path):
    (job,) = jobs(tmp_path, "mcnet-1a").values()
    assert set(job.models) == {"fomm", "tpsm", "mcnet"}
    assert set(job.weights.values()) == {"SAMPLE WEIGHTS"}
    assert set(job.skipped) == {"x2face", "marionette", "meshg", "fv2v", "mraa", "dagan"}
    assert job.skipped["meshg"] == unavailable()["meshg"]["reason"]
    assert all(name in job.skipped["mraa"] for name in card("mraa").files)
    assert job.metrics == ("ssim", "psnr", "l1", "lpips", "akd", "aed")
    assert job.data.startswith("SAMPLE SET") and "vox1" in job.data and job.ready


def test_sample_checkpoints_stand_for_published_models_on_the_sample_set_only(tmp_path):
    (job,) = jobs(tmp_path, "mcnet-1a", data={"vox1": tmp_path}).values()
    assert not job.models and not job.ready
    assert "vox-cpk.pth.tar" in job.skipped["fomm"] and "--sample-weights" in job.skipped["fomm"]
    assert all(name in job.skipped["mraa"] for name in card("mraa").files)
    assert "--sample-weights" not in job.skipped["mraa"]
    (job,) = jobs(tmp_path, "mcnet-1a", data={"vox1": tmp_path}, sample_weights=True).values()
    assert set(job.models) == {"fomm", "tpsm", "mcnet"} and set(job.weights.values()) == {"SAMPLE WEIGHTS"}
    weights = tmp_path / "weights"
    export(card("fomm").sample, weights / "fomm" / "vox-cpk.pth.tar")  # its name makes it no published file
    settings = Config(data={"vox1": tmp_path}, sample=False, weights=weights, cache=tmp_path)
    (job,) = plan(published(["mcnet-1a"]), settings)
    assert "vox-cpk.pth.tar" in job.skipped["fomm"]
    (job,) = plan(published(["mcnet-1a"]), settings, sample_weights=True)
    assert job.weights["fomm"] == str(weights / "fomm" / "vox-cpk.pth.tar")


def test_a_dry_run_says_what_the_run_then_does(bench, sample_set, tmp_path):
    command = ["run", "--table", "mcnet-1a", "--models", "fomm=copy-source", "--limit", 2, "--data", "sample"]
    command += ["--metrics", "l1,akd,lpips", "--detectors", "embedded"]
    code, text = bench(*command, "--dry-run")
    assert code == 0, text
    assert "AKD" in text and "akd-dlib" in text and "dlib68" in text and "LPIPS" in text and "st-lpips" in text
    assert "L1 -> l1" in text and "AED -> not measured" in text
    assert "on 2 of its pairs" in text and not (tmp_path / "runs").exists()
    assert "face-alignment" in text
    assert bench(*command)[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert f"list: {manifest['pairs']['name']}, 2 pairs, sha256 {manifest['pairs']['sha256'][:12]}" in text
    measured = {metric["name"] for metric in manifest["metrics"]}
    said = {part.split()[0].rstrip(",") for part in text.split(" -> ")[1:]} - {"not"}
    assert said <= measured and {family["family"] for family in manifest["metrics"]} >= {"l1", "akd", "lpips"}
    assert [model["name"] for model in manifest["models"]] == ["fomm", "copy-target"]


def real_frames(root: Path) -> None:
    for number in range(3):
        (root / "test" / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (256, 256), (80 * number, 60, 128)).save(root / "test" / "a" / f"{number:07d}.png")


def test_a_dry_run_looks_for_the_data(bench, tmp_path):
    same_identity_list("vox1", "own").write(tmp_path / "list.csv")
    real_frames(tmp_path / "vox")
    command = ["run", "--table", "mcnet-1a", "--dry-run", "--metrics", "l1", "--pairs", "list.csv", "--data"]
    some = ["--models", "fomm=copy-source"]
    code, text = bench(*command, f"vox1={tmp_path / 'vox'}", *some)
    assert code == 0 and "list: own, 3 pairs" in text and "STOPS" not in text, text
    ended = code, text = bench(*command, f"vox1={tmp_path / 'vox'}")  # no checkpoint is here
    assert code == 2 and ended.error == "nothing-to-run" and "3 pairs" in text and "STOPS" not in text, text
    (tmp_path / "vox" / "test" / "a" / "0000001.png").unlink()
    ended = code, text = bench(*command, f"vox1={tmp_path / 'vox'}", *some)
    assert code == 2 and ended.error == "nothing-to-run" and "1 of 3 frames" in text, text
    code, text = bench(*command, f"vox1={tmp_path / 'nowhere'}", *some)
    assert code == 2 and "STOPS: " in text and "nowhere" in text, text


def test_tables_of_one_protocol_are_one_run(tmp_path):
    found = jobs(tmp_path, "mcnet-1a", "mcnet-2", "mcnet-7", untrained=True)
    assert list(found) == ["vox1-sameid", "vox1-seenid"]
    assert found["vox1-sameid"].tables == ("mcnet-1a", "mcnet-2", "mcnet-7")
    assert len(set(found["vox1-sameid"].models)) == len(found["vox1-sameid"].models)
    assert "fomm+memory=fomm+memory?weights=untrained" in found["vox1-sameid"].models
    assert found["vox1-sameid"].weights["mcnet-baseline"] == "UNTRAINED"
    assert set(found["vox1-sameid"].skipped) == {"marionette", "meshg"}
    assert found["vox1-seenid"].models == ("mcnet",)


def test_rows_that_print_nothing_for_a_protocol_are_not_run_for_it(tmp_path):
    found = jobs(tmp_path, "mcnet-1b", untrained=True)
    assert not any("x2face" in model for model in found["vox1-crossid"].models)
    assert any("x2face" in model for model in found["celebv-crossid"].models)
    assert found["vox1-crossid"].metrics == ("aucon", "prmse")


def test_columns_that_nothing_here_computes_are_not_asked_for(tmp_path):
    assert jobs(tmp_path, "mcnet-8")["ted-sameid"].metrics == ("l1", "akd-body", "mkr-body", "aed-body")
    (table,) = published(["memface-1"])
    judged = table.model_copy(
        update={
            "columns": table.columns[:3],
            "rows": tuple(row.model_copy(update={"values": row.values[:3]}) for row in table.rows),
        }
    )
    with refused(UserError, "nothing-to-run", "memface-1"):
        plan([judged], config(tmp_path))


def test_the_tables_of_talking_faces_are_planned_with_what_stays_empty_and_why(tmp_path):
    found = jobs(tmp_path, "memface")
    assert list(found) == ["obama-selfdriven", "grid", "hdtf-adapt15", "hdtf-adapt30", "hdtf-adapt60"]
    obama = found["obama-selfdriven"]
    assert obama.tables == ("memface-1", "memface-4", "memface-5b")
    assert obama.metrics == ("lip-sync", "sync-d", "vertex-rmse", "lip-correlation", "lpips")
    assert set(obama.unfilled) == {"Lip-sync", "Render", "Overall", "Obama CMOS"}
    assert all("bench study" in reason for reason in obama.unfilled.values())
    assert obama.data is not None and obama.data.startswith("SAMPLE SET") and "obama" in obama.data
    of_others = {"nvp", "lipsync3d", "memgan", "ad-nerf", "dfrf"}
    assert of_others <= set(obama.skipped) and not of_others & set(obama.models)
    assert found["grid"].metrics == ("vertex-rmse", "lip-correlation")
    assert found["hdtf-adapt15"].metrics == ("lip-sync", "sync-d", "vertex-rmse", "lip-correlation", "lpips")
    assert set(found["hdtf-adapt60"].models) | set(found["hdtf-adapt60"].skipped) == {
        *("memface", "memgan", "ad-nerf", "dfrf")
    }


def test_every_model_of_talking_faces_is_a_row_of_its_own(tmp_path):
    job = jobs(tmp_path, "memface-5a", "memface-7", untrained=True)["grid"]
    names = {"memface", *(f"memface-m{n}" for n in (500, 1500, 2000)), *(f"memface-d{n}" for n in (32, 96, 128))}
    specs = {spec.partition("=")[0] for spec in job.models}
    assert specs | set(job.skipped) == names


def test_every_row_of_the_seed_papers_has_a_model(tmp_path):
    for job in jobs(tmp_path, "mcnet", "mcnet-s", "ostnet", untrained=True).values():
        assert set(job.skipped) <= {"marionette", "meshg"}


def test_missing_data_and_weights_at_hand(tmp_path):
    weights = tmp_path / "weights"
    (weights / "mraa").mkdir(parents=True)
    (weights / "mraa" / "vox256.pth").write_bytes(b"")
    settings = Config(data={"vox1": tmp_path}, sample=False, weights=weights, cache=tmp_path)
    found = {job.protocol.name: job for job in plan(published(["mcnet-1b"]), settings, require_data=True)}
    assert found["vox1-crossid"].data == f"vox1 in {tmp_path}"
    assert found["vox1-crossid"].weights["mraa"] == str(weights / "mraa" / "vox256.pth")
    assert found["celebv-crossid"].data is None and not found["celebv-crossid"].ready


def test_lists_go_to_the_protocols_that_they_fit(tmp_path):
    file = tmp_path / "own.csv"
    same_identity_list("vox1", "own").write(file)
    found = jobs(tmp_path, "mcnet-1a", "mcnet-1b", "mcnet-5", pairs=[file])
    assert {name: job.pairs for name, job in found.items()} == {
        "vox1-sameid": file,
        "vox1-crossid": None,
        "celebv-crossid": None,
        "vox2-sameid": None,
    }
    with refused(UserError, "wrong-pairs", file, "hdtf-sameid"):
        jobs(tmp_path, "mcnet-6", pairs=[file])
    with refused(UserError, "duplicate-option", "vox1-sameid"):
        jobs(tmp_path, "mcnet-1a", pairs=[file, file])


def test_a_table_is_run_printed_and_not_run_twice(bench, sample_set, tmp_path):
    command = ["run", "--table", "mcnet-1a", "--models", "fomm=copy-source", "--limit", 2, "--metrics", "l1", "--data"]
    code, text = bench(*command, "sample", "--dry-run")
    assert code == 0 and "run fomm=copy-source: " in text and "report" not in text
    assert not (tmp_path / "runs").exists()
    code, text = bench(*command, "sample")
    assert code == 0, text
    (folder,) = (tmp_path / "runs").iterdir()
    row = text.partition("| *fomm, ")[2]
    assert folder.name in row and "0.0430" in row and "sample data" in text
    written = (folder / "samples.parquet").stat().st_mtime_ns
    code, again = bench(*command, "sample")
    assert code == 0 and COMPLETE.format(folder.relative_to(tmp_path)) in again
    assert list((tmp_path / "runs").iterdir()) == [folder]
    assert (folder / "samples.parquet").stat().st_mtime_ns == written


def test_untrained_models_are_marked_everywhere(bench, sample_set, tmp_path, monkeypatch):
    monkeypatch.setitem(vars(card("x2face")), "config", CONFIGS["x2face"])  # small
    spec = "x2face=x2face?weights=untrained"
    code, text = bench(
        *("run", "--table", "mcnet-1a", "--models", spec, "--limit", 1, "--metrics", "l1", "--name", "random"),
        *("--data", "sample"),
    )
    assert code == 0, text
    assert "UNTRAINED (x2face)" in text and "untrained weights" in text
    (entry,) = (one for one in manifest_of(tmp_path / "runs" / "random").models if one.name == "x2face")
    assert entry.untrained and "<strong>Untrained" in (tmp_path / "runs/random/report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "error", "values"),
    [
        (["--table", "mcnet-1a", "--protocol", "vox1-sameid"], "conflicting-options", ["--protocol"]),
        (["--table", "mcnet-1z"], "unknown-table", ["mcnet-1z", "mcnet-1a"]),
        (["--table", "mcnet-1a", "--require-data"], "nothing-to-run", ["mcnet-1a"]),
        (["--protocol", "vox1-sameid"], "missing-option", ["--models", "--table"]),
        ([*SINGLE, "--dry-run"], "conflicting-options", ["--dry-run", "--table"]),
        ([*SINGLE, "--pairs", "a", "--pairs", "b"], "conflicting-options", ["--pairs"]),
    ],
)
def test_mistakes(bench, arguments, error, values):
    ended = code, text = bench("run", *arguments)
    assert code == 2 and ended.error == error and all(value in text for value in values), (ended.error, text)


@pytest.fixture
def own(tmp_path) -> Path:
    """Two people with two clips of four frames each."""
    for number, clip in enumerate(("anna1", "anna2", "bert1", "bert2")):
        for frame in range(4):
            (tmp_path / "own" / clip).mkdir(parents=True, exist_ok=True)
            colour = (40 * number, 60 * frame, 128)
            Image.new("RGB", (256, 256), colour).save(tmp_path / "own" / clip / f"{frame:07d}.png")
    return tmp_path / "own"


def test_survey_and_a_run_on_what_is_left(bench, own, tmp_path):
    data = ("--data", f"mine={own}")
    assert bench("pairs", "make", *data, "--n", 24, "--out", "list.csv")[0] == 0
    run = ["run", "--protocol", "own-sameid", "--models", "copy-source", "--metrics", "l1,ssim", "--pairs", "list.csv"]
    assert bench(*run, *data, "--name", "whole")[0] == 0
    (own / "anna1" / "0000002.png").unlink()
    code, text = bench("pairs", "survey", "list.csv", *data, "--missing", "missing.txt")
    assert code == 0 and re.findall(r"clips: (\d+) \w+, (\d+) \w+, (\d+)", text) == [("3", "1", "0")]
    assert (tmp_path / "missing.txt").read_text() == "mine/anna1/0000002\n"
    ended = code, text = bench(*run, *data)
    assert code == 2 and ended.error == "missing-frames" and "15 frames" in text
    code, text = bench(*run, *data, "--allow-missing", "--name", "part")
    assert code == 0 and text.count("SUBSET: ") == 2
    part = tmp_path / "runs" / "part"
    left = len(pd.read_parquet(part / "samples.parquet").query("model == 'copy-source'"))
    manifest = json.loads((part / "manifest.json").read_text())
    assert manifest["pairs"]["provenance"]["at_hand"]["n"] == manifest["pairs"]["n"] == left < 24
    assert f"{left} of the 24 pairs" in (part / "report.html").read_text("utf-8")
    models = ["--models", "copy-source,copy-source"]
    code, text = bench("compare", "runs/whole", "runs/part", *models, "--json", "compared.json")
    assert code == 0 and "SUBSET" in text, text
    compared = json.loads((tmp_path / "compared.json").read_text())
    assert compared["pairs"] == {"common": left, "a": 24, "b": left, "subset": True}
    assert all(entry["difference"] == 0 for entry in compared["duels"][0]["comparisons"])


def test_survey_without_a_root(bench, own, tmp_path):
    same_identity_list("vox1", "own").write(tmp_path / "list.csv")
    ended = code, text = bench("pairs", "survey", "list.csv")
    assert code == 2 and ended.error == "missing-data" and "--data" in text and "vox1=PATH" in text


def test_a_protocols_list_is_frozen_as_a_run_draws_it(bench, tmp_path):
    for clip in ("a#1#000000#000050", "b#1#000000#000050", "b#2#000000#000050"):
        (tmp_path / "vox" / "test" / f"id10{clip}.mp4").mkdir(parents=True)
        for frame in range(50):
            (tmp_path / "vox" / "test" / f"id10{clip}.mp4" / f"{frame:07d}.png").touch()
    make = ("pairs", "make", "--data", f"vox1={tmp_path / 'vox'}", "--out", "list.csv", "--protocol")
    assert bench(*make, "vox1-sameid")[0] == 0
    pairs = PairList.read(tmp_path / "list.csv")
    protocol = catalogue.get("vox1-sameid")
    dataset = open_dataset("vox1", tmp_path / "vox")
    drawn = make_pairs(dataset, protocol.strategy, protocol.n, 0, split=protocol.split, videos=protocol.videos)
    assert (len(pairs), pairs.sha256, pairs.name) == (2083, drawn.sha256, "vox1-sameid-seed0")
    assert bench(*make, "vox1-crossid", "--n", 30)[0] == 0
    assert all(p.source_identity != p.driving_identity for p in PairList.read(tmp_path / "list.csv").pairs)
    ended = code, text = bench(*make, "vox1-sammeid")
    assert code == 2 and ended.error == "unknown-protocol" and "vox1-sameid" in text
