"""The papers' opinion columns beside a study."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from support.refused import refused
from typer.testing import CliRunner

from bench.cli.main import app
from bench.study.scoring.score import score
from bench.study.scoring.simulate import comparisons, grades
from bench.study.scoring.values import Plan
from protocols.errors import BenchError
from reports.paper.compare import regenerate
from reports.paper.export import FORMATS, csv_table
from reports.paper.opinions import OTHERS, read_study
from reports.paper.printed import TableError
from reports.paper.tables import published
from reports.schema.study_score import QuestionAsked, StudyScore


def write(folder: Path, found: StudyScore) -> Path:
    (folder / "score").mkdir(parents=True)
    (folder / "score" / "score.json").write_text(json.dumps(found.content()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def rated(tmp_path_factory) -> Path:
    votes = grades({"memface": 4.0, "mine": 2.5}, 8, 5, np.random.default_rng(0)).assign(question="lip-sync")
    asked = (QuestionAsked(name="lip-sync", text="?", low=1, high=5),)
    plan = Plan("panel", "acr", asked, ("memface", "mine"), protocols=("hdtf-adapt15",))
    return write(tmp_path_factory.mktemp("rated"), score(votes, plan, rule="none", n=100))


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Path:
    strengths = {"memface": 0.6, "memface-no-implicit": 0.0}
    votes = comparisons(strengths, 8, 5, np.random.default_rng(1), ties=0.3).assign(question="lip-sync")
    asked = (QuestionAsked(name="lip-sync", text="?", low=-2, high=2),)
    plan = Plan("ablation", "ccr", asked, tuple(strengths), "memface", ("grid",))
    return write(tmp_path_factory.mktemp("compared"), score(votes, plan, rule="none", n=100))


def records(name: str, folder: Path) -> list[dict[str, str]]:
    (table,) = published([name])
    text = csv_table([regenerate(table, [], [read_study(folder)])])
    return [row for row in csv.DictReader(io.StringIO(text)) if row["run"]]


def test_a_mean_opinion_stands_beside_the_printed_one_and_is_not_compared(rated):
    found = {(row["row"], row["column"]): row for row in records("memface-2", rated)}
    cell = found["15s: MemFace (Ours)", "Lip-sync"]
    study = read_study(rated).score
    own = next(one for one in study.opinions if one.model == "memface")
    assert float(cell["measured"]) == pytest.approx(own.mean.value) and cell["printed"] == "4.1288"
    assert float(cell["low"]) == pytest.approx(own.mean.low)
    assert cell["difference"] == "" and OTHERS.text in cell["cause"] and "raters:8" in cell["signature"]
    assert found["", "Lip-sync"]["model"] == "mine"
    assert found["15s: MemFace (Ours)", "Render"]["measured"] == ""  # not asked
    assert ("30s: MemFace (Ours)", "Lip-sync") not in {key for key, row in found.items() if row["measured"]}


def test_cmos_is_against_the_model_whose_own_is_0(compared):
    found = {(row["row"], row["column"]): row for row in records("memface-3", compared)}
    assert float(found["MemFace", "GRID CMOS"]["measured"]) == 0
    assert float(found["w/o mem.", "GRID CMOS"]["measured"]) < 0
    assert found["w/o mem.", "15s HDTF CMOS"]["measured"] == ""
    assert not records("memface-4", compared)  # of rendering


def test_the_command_draws_every_format_and_refuses_what_feeds_nothing(rated, compared, tmp_path):
    for name in FORMATS:
        done = CliRunner().invoke(app, ["tables", "--study", str(rated), "--format", name])
        assert done.exit_code == 0 and "memface-2" in done.output and "memface-3" not in done.output
    failed = CliRunner().invoke(app, ["tables", "memface-1", "--study", str(compared)])
    assert isinstance(failed.exception, BenchError) and failed.exception.code == "wrong-protocol"
    with refused(TableError, "no-study", tmp_path):
        read_study(tmp_path)
    write(tmp_path, read_study(rated).score)
    (tmp_path / "score" / "score.json").write_text("{}", encoding="utf-8")
    with refused(TableError, "bad-study"):
        read_study(tmp_path)
