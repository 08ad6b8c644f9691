"""The summary table on the console and in other documents."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from rich.console import Console
from support import fake_run, manifests
from support.manifests import metric

from bench.metrics import families
from reports.run import caveats, console, export, html, view
from reports.schema.manifest import Complete
from reports.schema.summary import Summary


def read(run) -> tuple[Summary, Complete]:
    return manifests.summary_of(run), manifests.manifest_of(run)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Summary, Complete]:
    return read(fake_run.make(tmp_path_factory.mktemp("runs") / "plain", models=("copy-source", "mcnet", "tpsm")))


def test_families_in_the_order_of_the_papers_and_proxies_last():
    metrics = [
        metric("akd-dlib", proxy=True, **families.facts(families.FAMILIES["akd"], "px")),
        metric("l1", **families.facts(families.FAMILIES["l1"], "")),
        metric("akd", **families.facts(families.FAMILIES["akd"], "px")),
        metric("ssim", **families.facts(families.FAMILIES["ssim"], "")),
        metric("new"),
        metric("psnr", applies=False, **families.facts(families.FAMILIES["psnr"], "dB")),
    ]
    shown = view.columns_of(manifests.complete(["mcnet"], metrics))
    assert [column.name for column in shown] == ["ssim", "l1", "akd", "akd-dlib", "new"]


def test_decimals_are_the_family_s_and_the_unit_s():
    shown = {
        ("ssim", ""): 3,
        ("psnr", "dB"): 2,
        ("l1", ""): 4,
        ("akd", "px"): 3,
        ("akd", "eyes"): 4,
        ("prmse", "rad"): 4,
    }
    found = {(name, unit): view.Column(metric(**families.facts(families.FAMILIES[name], unit))) for name, unit in shown}
    assert {key: column.decimals for key, column in found.items()} == shown


def test_runs_of_earlier_releases_keep_the_order_of_their_manifest():
    old = [metric("l1"), metric("st-lpips", proxy=True), metric("ssim")]
    columns = view.columns_of(manifests.complete(["mcnet"], old))
    assert [(column.name, column.decimals) for column in columns] == [("l1", 4), ("ssim", 4), ("st-lpips", 4)]


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [(None, 2, False, "–"), (0.12345, 3, False, "0.123"), (-1.5, 1, True, "−1.5"), (1.5, 1, True, "+1.5")],
)
def test_numbers(value, decimals, signed, text):
    assert view.number(value, decimals, signed) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0.0 %"), (0.0001, "< 0.1 %"), (0.0217, "2.2 %"), (1, "100.0 %")])
def test_a_small_share_is_not_zero(share, text):
    assert view.percent(share) == text


def test_bounds_stand_last(run):
    table = view.summary_table(*run)
    assert [(row.model, row.bound) for row in table.rows] == [("mcnet", False), ("tpsm", False), ("copy-source", True)]


@pytest.mark.parametrize("width", [80, 160])
def test_console_table(run, width):
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system="standard").print(console.table(*run))
    text = stream.getvalue()
    for name, *_ in fake_run.METRICS:
        assert name in text
    assert "SAMPLE DATA" in text and "n 88" in text and "bound" in text
    mean = run[0].by_model()["mcnet", "l1"].mean
    assert re.search(rf"\x1b\[1;32m *{mean:.4f}", text)  # best: bold and green


def test_many_models_stand_below_each_other(tmp_path):
    models = tuple(f"mcnet-no-split{n}" for n in range(9))
    run = read(fake_run.make(tmp_path / "run", models=models, pairs=12, failures=False))
    stream = io.StringIO()
    Console(file=stream, width=80).print(console.table(*run))
    text = stream.getvalue()
    assert all(text.count(f"  {model} ") == 4 for model in models)  # 11 metrics, three at a time
    assert all(text.count(f"{name} ") == 1 for name, *_ in fake_run.METRICS)


def test_console_table_takes_names_as_text(tmp_path):
    run = read(fake_run.make(tmp_path / "run", models=("[red]x[/]", "tpsm"), pairs=12))
    stream = io.StringIO()
    Console(file=stream, width=120).print(console.table(*run))
    assert "[red]x[/]" in stream.getvalue()


def test_markdown(run):
    lines = export.markdown(*run).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 3
    assert {line.count(" | ") for line in table if "---" not in line} == {len(fake_run.METRICS)}
    assert table[2].startswith("| mcnet (sample weights) | **") and table[4].startswith("| *copy-source* | 0.")
    assert "2 failed (2.2 %)" not in table[2]  # only the first model of the run lost frames
    assert any(line.startswith("SAMPLE DATA: ") for line in lines)


def test_latex_is_balanced_and_escaped(tmp_path):
    run = read(fake_run.make(tmp_path / "run", models=("50%_a&b{\\x}", "tpsm", "copy-target"), pairs=12))
    text = export.latex(*run)
    body = [line for line in text.splitlines() if not line.startswith("%")]
    rows = [line for line in body if line.endswith(r"\\")]
    assert len(rows) == 2 + 2 * 3  # names, signatures, and each model's means and intervals
    assert all(line.replace(r"\&", "").count("&") == len(fake_run.METRICS) for line in rows)
    assert rows[3].count(r"{\tiny [") == len(fake_run.METRICS)
    assert all(rf"\ttfamily {column.short}".replace("#", r"\#") in rows[1] for column in view.columns_of(run[1]))
    assert r"50\%\_a\&b\{\textbackslash{}x\}" in text
    assert r"$\infty$" in rows[-2] and r"\textbf{" in text and r"\underline{" in text


def test_csv_holds_every_number(run):
    summary, manifest = run
    rows = list(csv.DictReader(io.StringIO(export.csv_table(summary, manifest))))
    assert len(rows) == len(summary.rows)
    for text, row in zip(rows, summary.rows):
        assert float(text["mean"]) == row.mean and text["signature"].startswith(f"{row.metric}|")


def test_a_ranking_that_depends_on_failures_is_told_everywhere(tmp_path):
    summary, manifest = read(fake_run.make(tmp_path / "run", models=("mcnet", "tpsm", "copy-source"), pairs=12))
    name = manifest.metrics[0].name
    whole = summary.ranking[name]

    def ranked(order: str, **otherwise: tuple[str, ...]) -> Summary:
        changed = whole.but(order=tuple(order.split()), otherwise=otherwise)
        return summary.but(ranking=summary.ranking | {name: changed})

    others = view.ranking_notes(summary)
    summary = ranked("mcnet tpsm", mean_common=("tpsm", "mcnet"))
    (told,) = [note for note in view.ranking_notes(summary) if note not in others]
    common = view.ORDERED_BY["mean_common"].format("pair")
    assert name in told and f"mcnet, tpsm {view.ORDERED_BY['mean']}" in told and f"tpsm, mcnet {common}" in told
    assert told in export.markdown(summary, manifest) and f"% {told}" in export.latex(summary, manifest)
    manifests.write(tmp_path / "run", summary)
    assert f"T{told[1:]}" in html.write(tmp_path / "run").read_text(encoding="utf-8")
    stream = io.StringIO()
    Console(file=stream, width=200).print(console.table(summary, manifest))
    assert told in stream.getvalue()
    five = "mcnet tpsm a b c"
    notes = view.ranking_notes(ranked(five, mean_common=("tpsm", "mcnet")))
    (told,) = [note for note in notes if note not in others]
    assert name in told and common in told and "tpsm" not in told
    assert view.ranking_notes(ranked(five)) == others


def test_jpeg_frames_are_told(tmp_path):
    folder = fake_run.make(tmp_path / "run", models=("mcnet", "tpsm"), pairs=12)
    summary, manifest = read(folder)
    assert "JPEG" not in export.markdown(summary, manifest)
    models = (manifest.models[0].but(jpeg_frames=7), *manifest.models[1:])
    manifest = manifest.but(models=models)
    manifests.write(folder, manifest)
    told = caveats.jpeg_frames(manifest)
    assert told is not None and "mcnet: 7" in told and "tpsm" not in told
    assert told in export.markdown(summary, manifest) and told in html.write(folder).read_text(encoding="utf-8")


def test_parameters_are_a_column_where_a_model_has_stages(tmp_path):
    run = fake_run.make(tmp_path / "run", models=("copy-source", "mcnet", "memface"))
    before = html.write(run).read_text()
    assert "Param." not in before
    file = run / "manifest.json"
    content = json.loads(file.read_text())
    models = {model["name"]: model for model in content["models"]}
    models["memface"]["parts"] = {"audio to expression": 241749, "renderer": 310000}
    models["mcnet"]["parameters"] = 1234
    file.write_text(json.dumps(content))
    after = html.write(run).read_text()
    assert "Param.</th>" in after and "1,234" in after
    assert '<small title="audio to expression">241,749</small><small title="renderer">310,000</small>' in after
