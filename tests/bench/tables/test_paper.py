"""`run --paper`: what to get, the commands, what will differ; the pages of docs/reproduce say the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.refused import refused

from baselines.card import Card
from bench.run.command import RunSettings
from bench.runtime.config import Config
from bench.tables.paper import Reproduction, reproduction
from bench.tables.steps import Step
from protocols.published import RULES
from reports.paper.printed import TableError
from reports.paper.tables import works

PAGES = Path(__file__).parents[3] / "docs" / "reproduce"
NOWHERE = Config(data={}, sample=False, weights=None, cache=Path("cache"))


def found(paper: str, config: Config = NOWHERE, **options) -> Reproduction:
    return reproduction(
        paper, RunSettings(models=(), protocol="", config=config, out=Path("runs"), name=None), **options
    )


def step(of: Reproduction, name: str) -> Step:
    (one,) = [step for step in of.steps if name in step.name.split(" or ")]
    return one


def section(page: str, head: str) -> str:
    return page.split(f"## {head}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("paper", works())
def test_the_page_and_the_command_say_the_same(paper):
    page, shown = (PAGES / f"{paper}.md").read_text(encoding="utf-8"), found(paper)
    rows = [line.split(" | ") for line in section(page, "What to get").splitlines() if line.startswith("| ")][2:]
    named = {(row[0].strip("| "), name) for row in rows for name in re.findall("`([^`]+)`", row[1])}
    assert named == {(step.kind, name) for step in shown.steps for name in step.name.split(" or ")}
    assert section(page, "Commands").split("```sh\n")[1].split("\n```")[0].splitlines() == list(shown.commands)
    kinds = re.findall(r"^\| `([^`]+)`", section(page, "What will still differ"), re.MULTILINE)
    assert set(kinds) == {one.kind for one in shown.differences} and len(kinds) == len(set(kinds))


@pytest.mark.parametrize("paper", works())
def test_it_is_ordered_and_complete(paper):
    shown = found(paper)
    kinds = list(dict.fromkeys(step.kind for step in shown.steps))
    order = ["data set", "pair list", "package", "weights", "checkpoint", "training loss", "training"]
    assert sorted(kinds, key=order.index) == kinds or paper == "memface"  # whose training data come with the trainings
    verbs = [
        next(
            word
            for word in ("install", "mkdir", "fetch", "check", "clips", "survey", "train", "run", "tables")
            if f" {word} " in f" {command}"
        )
        for command in shown.commands
    ]
    assert list(dict.fromkeys(verbs)) in (
        ["install", "mkdir", "fetch", "check", "survey", "train", "run", "tables"],
        ["install", "mkdir", "fetch", "check", "clips", "train", "run", "tables"],
    )
    trained = {step.name for step in shown.steps if step.kind == "training"}
    assert {command.split()[5] for command in shown.commands if " train " in command} == trained
    published = {name for job in shown.jobs for name in (*job.models, *job.skipped)}
    assert {step.wanted_for for step in shown.steps if step.kind == "checkpoint"} <= published
    for one in shown.steps:
        assert one.way and one.place, one
    assert all(name in " ".join(shown.commands) for name in RULES) == (paper == "mcnet")


def test_a_mistyped_paper():
    with refused(TableError, "unknown-paper", "mcnet"):
        found("mcnte")


def test_sample_checkpoints_change_nothing(monkeypatch, tmp_path):
    before = {paper: found(paper) for paper in ("mcnet", "ostnet")}
    monkeypatch.setattr(Card, "sample", property(lambda card: tmp_path / "none"))
    for paper, shown in before.items():
        assert found(paper).steps == shown.steps and found(paper).commands == shown.commands


def test_what_is_there_is_found_where_the_commands_put_it(tmp_path):
    weights, data = tmp_path / "weights", tmp_path / "my vox"
    for file in ("mraa/vox256.pth", "ostnet/ostnet.safetensors", "ostnet/state.pt", "vgg19-dcbb9e9d.pth"):
        (weights / file).parent.mkdir(parents=True, exist_ok=True)
        (weights / file).write_bytes(b"")
    data.mkdir()
    config = replace(NOWHERE, data={"vox1": data, "hdtf": tmp_path / "nowhere"}, weights=weights)
    shown = found("ostnet", config, pairs=[Path("frozen:vox1-sameid")])
    assert step(shown, "vox1").found == str(data) and step(shown, "hdtf").found is None
    assert step(shown, "vox256.pth").found == str(weights / "mraa" / "vox256.pth")
    assert step(shown, "vox-cpk.pth.tar").found is None
    assert step(shown, "ostnet").found == str(weights / "ostnet" / "ostnet.safetensors")
    assert step(shown, "vgg19-dcbb9e9d.pth").found == str(weights / "vgg19-dcbb9e9d.pth")
    assert step(shown, "dagan_vox_evaluation.csv").found == "frozen:vox1-sameid"
    training = next(command for command in shown.commands if "--model ostnet-st " in command)
    assert training.endswith(f"--data '{data}/train' --out {weights}/ostnet-st")
    run = shown.commands[-2]
    assert f"--data vox1='{data}'" in run and run.split("--pairs ")[1].split()[0] == "frozen:vox1-sameid"


def test_files_of_memface_are_found_in_the_folders_of_their_trainings(tmp_path):
    for name in ("memface-a2e", "memface-d32", "memface-render"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.safetensors").write_bytes(b"")
    shown = found("memface", replace(NOWHERE, weights=tmp_path))
    there = {step.name for step in shown.steps if step.kind == "training" and step.found}
    assert there == {"memface-a2e", "memface-d32", "memface-render"}


SMALL = ["--models", "fomm=copy-source", "--limit", 1, "--metrics", "l1,lpips", "--data", "sample"]


def test_a_dry_run_and_the_run(bench, sample_set, tmp_path):
    code, text = bench("run", "--paper", "ostnet", *SMALL, "--dry-run", "--format", "json")
    assert code == 0, text
    shown = json.loads(text)
    assert [run["protocol"] for run in shown["runs"]] == ["vox1-sameid", "vox1-diffscale", "hdtf-sameid"]
    assert all(run["ready"] and run["estimate"]["pairs"] == 1 and run["estimate"]["device"] for run in shown["runs"])
    assert {"kind", "name", "found", "place", "way", "size", "license", "wanted_for"} == set(shown["steps"][0])
    assert not (tmp_path / "runs").exists()
    code, text = bench("run", "--paper", "ostnet", *SMALL)
    runs = list((tmp_path / "runs").iterdir())
    assert code == 0 and "MISSING" in text and len(runs) == 3, text
    assert any(run.name in text.partition("| *fomm, ")[2] for run in runs), text


def test_what_would_stop_is_said_with_exit_code_2(bench, tmp_path):
    (tmp_path / "vox").mkdir()
    command = ["run", "--paper", "ostnet", *SMALL[:-2], "--data", f"vox1={tmp_path / 'vox'}", "--dry-run"]
    ended = code, text = bench(*command)
    assert code == 2 and ended.error == "nothing-to-run" and "STOPS" in text
    printed = text
    ended = code, text = bench(*command, "--format", "json")
    shown = json.loads(text.partition(" error: ")[0])
    assert shown["differences"] and all(one["kind"] in printed for one in shown["differences"]), printed
    stopped = shown["runs"][0]
    assert code == 2 and ended.error == "nothing-to-run"
    assert str(tmp_path / "vox") in stopped["stops"] and stopped["ready"] is False
    ended = code, text = bench("run", "--paper", "ostnet", "--require-data")
    assert code == 2 and ended.error == "nothing-to-run" and "ostnet" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--paper", "ostnet", "--table", "ostnet-1"],
        ["--paper", "ostnet", "--protocol", "vox1-sameid"],
        ["--paper", "ostnet", "--format", "json"],
        ["--paper", "ostnet", "--dry-run", "--format", "yaml"],
        ["--paper", "ostnet", "--size", "512"],
        ["--table", "ostnet-1", "--dry-run", "--format", "json"],
    ],
)
def test_options_that_do_not_go_together(bench, arguments):
    code, text = bench("run", *arguments)
    assert code == 2 and "Traceback" not in text and arguments[-2] in text
