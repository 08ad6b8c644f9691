"""`report --format …` and `compare --format …`: tables that go into a paper as they are."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from support import fake_run, manifests
from support.manifests import metric
from typer.testing import CliRunner

from baselines.card import card
from bench.cli.main import app
from bench.run import paper_table
from protocols.errors import BenchError
from reports.run import look
from reports.run.look import Look
from reports.run.verdict import CLEAR


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = fake_run.make(tmp_path_factory.mktemp("runs") / "plain", models=("copy-source", "mcnet", "tpsm", "fomm"))
    manifests.edit(
        folder,
        lambda before: before.but(
            models=tuple(
                one.but(model=card(one.name).title) if one.name in ("mcnet", "tpsm") else one for one in before.models
            )
        ),
    )
    return folder


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(done.exception, BenchError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removesuffix(r" \\").split("&")]


def test_rows_columns_and_ranks_of_what_is_left(run):
    text = call("report", run, "--format", "md", "--models", "fomm,tpsm", "--metrics", "l1")
    rows = [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("|")][2:]
    assert [row.split(" ")[0] for row in rows] == ["tpsm", "fomm"]  # the run's order, no bound
    assert text.count("**") == 2 and text.count("<u>") == 1  # best and second of these two
    whole = manifests.summary_of(run)
    summary, manifest = paper_table.only(whole, manifests.manifest_of(run), ["l1"], ["fomm", "tpsm"])
    means = {row.model: row.mean for row in summary.rows}
    assert summary.ranking["l1"].best == (min(means, key=means.__getitem__),)
    assert {(one.a, one.b) for one in summary.comparisons} <= {("tpsm", "fomm"), ("fomm", "tpsm")}
    assert [entry.name for entry in manifest.models] == ["tpsm", "fomm"]


def test_all_of_a_run_is_left_as_it_is(run):
    whole, manifest = manifests.summary_of(run), manifests.manifest_of(run)
    summary, _ = paper_table.only(whole, manifest)
    assert summary == whole.but(ranking={name: summary.ranking[name] for name in whole.ranking})
    assert {name: one.best for name, one in summary.ranking.items()} == {n: o.best for n, o in whole.ranking.items()}


@pytest.mark.parametrize(
    ("name", "family", "called"),
    [
        ("akd-dlib", "akd", "AKD (dlib)"),
        ("st-lpips", "lpips", "ST-LPIPS"),
        ("ssim", "ssim", "SSIM"),
        ("psnr-uint8", "psnr", "PSNR (uint8)"),
        ("landmark-velocity", "landmark-velocity", "landmark velocity"),
    ],
)
def test_metrics_as_papers_call_them(name, family, called):
    assert Look(paper=True).metric(metric(name, family=family)) == called
    assert Look().metric(metric(name, family=family)) == name


def test_titles_are_of_models_that_nobody_called_otherwise(run):
    found = paper_table.titles(manifests.manifest_of(run).models)
    assert found == {"mcnet": "MCNet", "tpsm": "TPSM"}  # what is called fomm here does not say that it is FOMM


def test_latex_of_a_paper(run):
    asked = ("--names", "paper", "--no-signatures", "--caption", "auto", "--width", "column", "--marks")
    text = call("report", run, "--format", "latex", "--metrics", "l1,akd", *asked)
    body = [line for line in text.splitlines() if not line.startswith("%")]
    heads = next(line for line in body if line.startswith("model"))
    assert cells(heads) == ["model", r"L1 $\downarrow$", r"AKD $\downarrow$"]
    assert not any("ttfamily" in line or r"{\tiny [" in line for line in body)  # no signatures, no intervals
    assert any(line.startswith("% l1|v:") for line in text.splitlines())  # which stay in the comments
    assert {cells(line)[0] for line in body if line.endswith(r"\\")} >= {"MCNet", "TPSM", "fomm", "copy-source"}
    assert r"\begin{table}[t]" in body and text.count(r"\caption{") == 1
    wide = call("report", run, "--format", "latex", "--width", "text")
    assert r"\begin{table*}[t]" in wide and r"{\tiny [" in wide and r"\caption" not in wide


def test_daggers_stand_where_a_test_cannot_tell(run):
    summary = manifests.summary_of(run)
    best = summary.ranking["l1"].best[0]
    p = {(one.a, one.b): one.p_holm for one in summary.comparisons if one.metric == "l1" and best in (one.a, one.b)}
    others = {name for pair, value in p.items() if value >= CLEAR for name in pair} - {best, *summary.bounds}
    assert look.undecided(summary, "l1") == others and others  # three people: no p is below 0.25
    sure = summary.but(comparisons=tuple(one.but(p_holm=0.01) for one in summary.comparisons))
    assert look.undecided(sure, "l1") == set()
    text = call("report", run, "--format", "md", "--metrics", "l1", "--marks")
    assert sum(look.MARK in line for line in text.splitlines() if line.startswith("|")) == len(others)


def test_a_comparison_as_a_table(run, tmp_path):
    text = call("compare", run, "--models", "mcnet,tpsm", "--format", "latex", "--names", "paper", "--no-signatures")
    heads = next(line for line in text.splitlines() if line.startswith("metric"))
    assert cells(heads)[:3] == ["metric", "MCNet", "TPSM"]
    rows = list(csv.DictReader(io.StringIO(call("compare", run, "--models", "mcnet,tpsm", "--format", "csv"))))
    means = {(row.model, row.metric): row.mean for row in manifests.summary_of(run).rows}
    assert len(rows) == len(fake_run.METRICS)
    for row in rows:
        difference = float(row["mean_a"]) - float(row["mean_b"])
        assert float(row["difference"]) == pytest.approx(difference, abs=1e-12)
        if row["failed_a"] == row["failed_b"] == "0":
            assert float(row["mean_a"]) == pytest.approx(means["mcnet", row["metric"]])
    call("compare", run, "--models", "mcnet,tpsm", "--format", "md", "--metrics", "l1", "--out", tmp_path / "t.md")
    assert sum(line.startswith("|") for line in (tmp_path / "t.md").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("report", "--format", "md", "--models", "nobody"), "unknown-model"),
        (("report", "--format", "md", "--metrics", "nothing"), "unknown-metric"),
        (("report", "--format", "md", "--names", "french"), "unknown-choice"),
        (("report", "--format", "latex", "--width", "3cm"), "unknown-choice"),
        (("report", "--format", "md", "--width", "column"), "unused-option"),
        (("report", "--format", "latex", "--caption", "auto"), "missing-option"),
        (("report", "--format", "csv", "--marks"), "unused-option"),
        (("report", "--marks"), "unused-option"),
        (("compare", "--names", "paper"), "unused-option"),
        (("compare", "--format", "html"), "unknown-choice"),
        (("compare", "--format", "md", "--metrics", "nothing"), "unknown-metric"),
    ],
)
def test_what_does_not_go_together_is_refused(run, arguments, code):
    command, *more = arguments
    with pytest.raises(BenchError) as error:
        call(command, run, *more)
    assert error.value.code == code


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX")
def test_a_real_tex_takes_them(run, tmp_path):
    more = ("--names", "paper", "--caption", "auto")
    call("report", run, "--format", "latex", *more, "--width", "column", "--marks", "--out", tmp_path / "a.tex")
    call("report", run, "--format", "latex", *more, "--width", "text", "--out", tmp_path / "b.tex")
    call("compare", run, "--format", "latex", *more, "--width", "column", "--out", tmp_path / "c.tex")
    call("report", run, "--format", "latex", "--out", tmp_path / "d.tex")
    inputs = r"\clearpage".join(rf"\input{{{name}}}" for name in "abcd")
    head = r"\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx}"
    (tmp_path / "all.tex").write_text(rf"{head}\begin{{document}}{inputs}\end{{document}}")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "all.log").read_text(errors="replace")
    tables, _, plain = log.partition("(./d.tex")
    assert "Overfull" not in tables and plain  # each fits its column or page
