"""The papers' tables beside runs: where a difference is given, why not elsewhere; the drawings; the command."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from hashlib import sha256
from pathlib import Path

import pytest
from support import manifests
from support.refused import refused
from typer.testing import CliRunner

from bench.cli.main import app
from bench.rundir.seal import sealed
from protocols.errors import BenchError
from protocols.published import known_lists
from reports.paper.causes import cause
from reports.paper.compare import regenerate
from reports.paper.export import FORMATS, csv_table, html, json_tables, latex, markdown
from reports.paper.measured import Cell, Regenerated
from reports.paper.printed import TableError
from reports.paper.tables import published
from reports.schema.manifest import Complete, ModelEntry, PairListEntry, Provenance, Unfinished
from reports.schema.summary import Row

SIGNATURE = "{}|v:1|colour:rgb|{}"
# name, family, detector, proxy, mean
METRICS = (
    ("ssim", "ssim", None, False, 0.71),
    ("ssim-published", "ssim", None, False, 0.815),
    ("psnr-uint8", "psnr", None, False, 31.5),
    ("st-lpips", "lpips", None, True, 0.19),
    ("lpips-vgg", "lpips", None, False, 0.2),
    ("l1", "l1", None, False, 0.034),
    ("akd-dlib", "akd", "landmarks", True, 1.6),
    ("aed", "aed", "identity", False, 0.11),
)
BODY = (("mkr-body", "mkr-body", "body-landmarks", False, 0.007),)


def make(
    folder: Path,
    protocol: str = "vox1-sameid",
    *,
    models: tuple[str, ...] = ("mcnet", "fomm", "x2face", "mine"),
    metrics: tuple[str, ...] = tuple(metric[0] for metric in METRICS),
    n: int = 2083,
    known: str | None = "dagan_vox_evaluation",
    sample: bool = False,
    sample_weights: bool = False,
    mode: str = "absolute",
    version: int = 1,
    failed: int = 0,
    parts: dict[str, int] | None = None,
) -> Path:
    """A run's manifest and summary as an evaluation on real data and weights would leave them."""
    chosen = [metric for metric in METRICS + BODY if metric[0] in metrics]
    manifest = manifests.complete(
        [ModelEntry(name=model, mode=mode, sample_weights=sample_weights, parts=parts or {}) for model in models],
        [
            manifests.metric(
                name,
                family=family,
                detector=detector,
                proxy=proxy,
                signature=SIGNATURE.format(name, "0f" * 32),
                short=f"{name}|v:1|#c0ffee01",
            )
            for name, family, detector, proxy, _ in chosen
        ],
        name=folder.name,
        protocol=manifests.PROTOCOL.but(name=protocol, version=version, mode="absolute"),
        pairs=PairListEntry(name=known or "own", sha256="ab" * 32, n=n, provenance=Provenance(published=known)),
        sample_data=sample,
        notices=["SAMPLE SET"] if sample else [],
    )
    rows = [row(model, name, mean, n, failed) for model in models for name, _, _, _, mean in chosen]
    manifests.write(folder, manifest, manifests.summary(models, rows))
    return folder


def row(model: str, metric: str, mean: float, n: int, failed: int) -> Row:
    return Row(
        model=model,
        metric=metric,
        n=n - failed,
        n_total=n,
        failed=failed,
        failure_rate=failed / n,
        n_infinite=0,
        mean=mean,
        median=mean,
        std=0.1 * mean,
        ci_low=0.9 * mean,
        ci_high=1.1 * mean,
        ci_pair_low=0.95 * mean,
        ci_pair_high=1.05 * mean,
        mean_penalised=mean,
        mean_common=mean,
        n_common=n - failed,
    )


def beside(name: str, *runs: Path) -> Regenerated:
    (table,) = published([name])
    return regenerate(table, runs)


def cell(regenerated: Regenerated, model: str, column: str) -> Cell:
    heads = [one.head for one in regenerated.table.columns]
    (line,) = [line for line in regenerated.lines if line.model == model]
    return line.cells[heads.index(column)]


def test_a_difference_where_definition_data_and_weights_are_the_papers(tmp_path):
    shown = beside("mcnet-1a", make(tmp_path / "run"))
    ssim = cell(shown, "mcnet", "SSIM (%)")
    assert ssim.measured.metric == "ssim-published"
    assert ssim.measured.value == pytest.approx(81.5)
    assert ssim.causes == ()
    assert ssim.difference == pytest.approx((81.5 - 82.5, 0.9 * 81.5 - 82.5, 1.1 * 81.5 - 82.5))
    assert cell(shown, "mcnet", "L1").difference[0] == pytest.approx(0.034 - 0.0331)
    assert cell(shown, "mcnet", "AED").difference[0] == pytest.approx(0.11 - 0.106)
    assert cell(shown, "fomm", "PSNR").difference[0] == pytest.approx(31.5 - 30.39)


def test_causes_of_single_cells(tmp_path):
    shown = beside("mcnet-1a", make(tmp_path / "run"))
    causes = {
        ("mcnet", "LPIPS"): cause("unknown-definition", "lpips-alex-unscaled and lpips-vgg"),
        ("mcnet", "AKD"): cause("other-detectors", "akd-dlib", "akd"),
        ("fomm", "L1"): cause("copied"),
        ("fomm", "SSIM (%)"): cause("likely-copied"),
        ("x2face", "PSNR"): cause("copied"),
        ("x2face", "LPIPS"): cause("not-printed"),
        ("mine", "L1"): cause("not-printed"),
    }
    for (model, column), expected in causes.items():
        found = cell(shown, model, column)
        assert (found.causes, found.difference) == ((expected,), None)
        assert found.measured is not None
    assert cell(shown, "mcnet", "LPIPS").measured.metric == "lpips-vgg"  # before a proxy


def test_another_definition_or_none(tmp_path):
    other = beside("mcnet-1a", make(tmp_path / "run", metrics=("ssim", "st-lpips")))
    assert cell(other, "mcnet", "SSIM (%)").causes == (cause("other-definition", "ssim", "ssim-published"),)
    assert cell(other, "mcnet", "SSIM (%)").measured.value == pytest.approx(71)
    printed = "lpips-alex-unscaled or lpips-vgg"
    assert cell(other, "mcnet", "LPIPS").causes == (cause("other-definition", "st-lpips", printed),)
    assert cell(other, "mcnet", "PSNR") == Cell("31.94", None, (cause("not-measured"),))
    bodies = beside("mcnet-8", make(tmp_path / "ted", "ted-sameid", known="ted_test_evaluation"))
    assert cell(bodies, "mcnet", "AKD") == Cell("2.52", None, (cause("not-measured"),))  # faces are not bodies
    measured = make(tmp_path / "bodies", "ted-sameid", known="ted_test_evaluation", metrics=("mkr-body",))
    assert cell(beside("mcnet-8", measured), "mcnet", "MKR").difference[0] == pytest.approx(0.007 - 0.006)
    assert cell(bodies, "mcnet", "L1").difference[0] == pytest.approx(0.034 - 0.023)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sample": True, "known": None, "n": 117}, cause("sample-data")),
        ({"sample_weights": True}, cause("sample-weights")),
        ({"n": 500}, cause("fewer-pairs", 500, 2083)),
        ({"known": None}, cause("other-pairs", "own")),
        ({"known": "vox256"}, cause("other-pairs", "vox256")),
        ({"mode": "relative"}, cause("motion-mode", "relative", "absolute")),
        ({"version": 7}, cause("protocol-version", 7, 1)),
    ],
)
def test_causes_of_a_whole_run(tmp_path, change, expected):
    shown = beside("mcnet-1a", make(tmp_path / "run", **change))
    for line in shown.lines:
        assert line.causes == (expected,)
        assert all(one.difference is None and expected in one.causes for one in line.cells)
    assert expected.text in markdown([shown]) and all(value in expected.text for value in expected.values)


@pytest.mark.parametrize(
    ("name", "protocol", "known", "n", "expected"),
    [
        ("ostnet-2", "vox1-diffscale", "dagan_vox_evaluation", 4166, None),
        ("ostnet-2", "vox1-diffscale", "dagan_vox_evaluation", 2083, cause("fewer-pairs", 2083, 4166)),
        ("ostnet-2", "vox1-diffscale", "dagan_vox_evaluation-diffscale-two-draws", 4166, None),
        ("mcnet-6", "hdtf-sameid", "HDTF_test_evaluation", 2056, None),
        ("mcnet-6", "hdtf-sameid", "HDTF_test_evaluation_new", 2056, cause("fewer-pairs", 2056, 2083)),
        ("mcnet-5", "vox2-sameid", None, 2083, cause("own-pairs", "own")),
    ],
)
def test_pair_lists_of_the_protocols(tmp_path, name, protocol, known, n, expected):
    assert known is None or known in {entry["name"] for entry in known_lists()}
    shown = beside(name, make(tmp_path / "run", protocol, models=("dagan",), known=known, n=n))
    assert shown.lines[0].causes == ((expected,) if expected else ())


def test_rows_and_columns_of_another_protocol_stay_empty(tmp_path):
    seen = beside("mcnet-7", make(tmp_path / "seen", "vox1-seenid", models=("mcnet",), known=None))
    (line,) = seen.lines
    assert line.row is next(row for row in seen.table.rows if row.protocol == "vox1-seenid")
    assert cause("retrained") in line.cells[0].causes
    faces = make(tmp_path / "celebv", "celebv-crossid", models=("mcnet",), known="celeV_cross_id_evaluation")
    (line,) = beside("mcnet-1b", faces).lines
    assert [one is None for one in line.cells] == [True, True, False, False]
    assert beside("memface-1", faces).lines == ()


def test_rows_of_talking_faces_are_filled_but_not_compared(tmp_path):
    run = make(tmp_path / "talk", "hdtf-adapt30", models=("ad-nerf",), known=None, n=10)
    (line,) = beside("memface-2", run).lines
    assert line.row.key == "30s: AD-NeRF"
    assert line.causes == (cause("own-clips", "own"),)
    assert line.cells[0].causes[-1].code == "unfilled" and line.cells[0].measured is None
    assert line.cells[3].causes[-1] == cause("not-measured")
    table = beside("memface-4", make(tmp_path / "other", "obama-selfdriven", models=("memface",), known=None, n=10))
    (line,) = table.lines
    assert line.cells[0].measured.metric == "lpips-vgg" and line.cells[0].difference is None
    assert cause("no-definition") in line.cells[0].causes
    assert line.cells[2] is line.cells[3] is None  # of HDTF


def test_parameters_are_counted(tmp_path):
    parts = {"audio to expression": 241749, "renderer": 5_000_000}
    run = make(tmp_path / "run", "grid", models=("memface",), known=None, parts=parts)
    (line,) = beside("memface-5a", run).lines
    assert (line.row.key, line.cells[0].printed, line.cells[0].measured.value) == ("1000", "240k", 241749)
    assert line.cells[0].causes == line.causes != ()
    assert "241749" in markdown([beside("memface-7", run)])
    (line,) = beside("memface-5a", make(tmp_path / "other", "grid", models=("memface",), known=None)).lines
    assert line.cells[0].measured is None and line.cells[0].causes == (cause("not-counted"),)


def test_two_runs_stand_beside_one_row(tmp_path):
    runs = [make(tmp_path / name, models=("mcnet",)) for name in ("old", "new")]
    shown = beside("mcnet-1a", *runs)
    assert [(line.row.key, line.run) for line in shown.lines] == [("MCNet (Ours)", "old"), ("MCNet (Ours)", "new")]
    rows = json.loads(json_tables([shown]))["mcnet-1a"]["rows"]
    assert len(rows) == 10
    assert {len(values) for values in rows.values()} == {72}


def test_json_beside_a_run(tmp_path):
    shown = json.loads(json_tables([beside("mcnet-1a", make(tmp_path / "run"))]))["mcnet-1a"]
    assert shown["columns"][:6] == [
        "SSIM (%)",
        *(f"SSIM (%) {part}" for part in ("measured", "low", "high", "difference", "cause")),
    ]
    values = dict(zip(shown["columns"], shown["rows"]["MCNet (Ours)"]))
    assert values["SSIM (%)"] == 82.5
    assert values["SSIM (%) difference"] == pytest.approx(-1)
    assert values["AKD difference"] is None
    assert values["AKD cause"] == cause("other-detectors", "akd-dlib", "akd").text
    assert shown["rows"]["MRAA"][:3] == [80.0, None, None]
    assert shown["rows"]["mine (run)"][0] is None


def test_drawings_hold_values_notes_and_signatures(tmp_path):
    shown = beside("mcnet-1a", make(tmp_path / "run", failed=3))
    (definition,) = next(column for column in shown.table.columns if column.head == "AKD").notes
    for drawn in (markdown([shown]), latex([shown]), html([shown])):
        for piece in ("82.5", "0.0430", "81.5", "[73.3, 89.6]", "+1.11"):
            assert piece in drawn.replace("\\[", "[").replace("\\]", "]")
        assert "3 of 2083 pairs" in drawn
        assert "0f" * 32 in drawn and "c0ffee01" in drawn
        assert re.search(r"\bl1\W.{0,12}v:1\W.{0,12}c0ffee01", drawn)
        assert all(word in drawn for word in re.findall("[a-z]{5,}", definition.text))
    assert "<script" not in html([shown])


def test_markdown_numbers_its_notes():
    text = markdown([beside("mcnet-1a")])
    row = next(line for line in text.splitlines() if line.startswith("| X2face "))
    mark = row.split("|")[3].split()[1]
    note = next(line for line in text.splitlines() if line.startswith(f"{int(unicodedata.normalize('NFKC', mark))}. "))
    assert "real PSNR" in note


def test_names_out_of_a_run_are_text(tmp_path):
    evil = "<b>a|b</b>_50%&\\x"
    shown = beside("mcnet-1a", make(tmp_path / "run", models=(evil,)))
    assert "<b>a" not in html([shown])
    assert r"<b>a\textbar" not in latex([shown])
    assert r"\_50\%\&\textbackslash{}x" in latex([shown])
    assert r"\<b\>a\|b\</b\>\_50%&\\x" in markdown([shown])


def test_latex_escapes_everything_it_prints():
    drawn = latex([beside(table.id) for table in published()])
    printed = "\n".join(line for line in drawn.splitlines() if not line.startswith("%"))
    assert printed.isascii()
    assert printed.count("{") == printed.count("}")


def test_csv_has_a_line_a_cell_with_its_notes(tmp_path):
    lines = list(csv.DictReader(io.StringIO(csv_table([beside(table.id) for table in published()]))))
    assert len(lines) == sum(len(table.rows) * len(table.columns) for table in published()) == 768
    fomm = next(line for line in lines if (line["table"], line["row"], line["column"]) == ("mcnet-1a", "FOMM", "L1"))
    assert fomm["printed"] == "0.0430"
    assert fomm["notes"].startswith("[copied] The FOMM paper's own value")
    run = make(tmp_path / "run")
    own = [line for line in csv.DictReader(io.StringIO(csv_table([beside("mcnet-1a", run)]))) if line["run"]]
    assert len(own) == 4 * 6
    assert all(bool(line["difference"]) != bool(line["cause"]) for line in own)


def test_runs_that_cannot_be_read(tmp_path):
    with refused(TableError, "no-finished-run"):
        beside("mcnet-1a", tmp_path)
    run = make(tmp_path / "run")
    (run / "summary.json").write_text("{", encoding="utf-8")
    with refused(TableError, "bad-manifest"):
        beside("mcnet-1a", run)


def test_command(tmp_path):
    call = CliRunner()
    assert set(json.loads(call.invoke(app, ["tables", "ostnet", "--format", "json"]).stdout)) == {
        f"ostnet-{n}" for n in range(1, 7)
    }
    run = make(tmp_path / "run")
    out = tmp_path / "tables.html"
    done = call.invoke(app, ["tables", "--run", str(run), "--format", "html", "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, "")
    assert 'id="ostnet-1"' in out.read_text("utf-8") and 'id="ostnet-2"' not in out.read_text("utf-8")
    for arguments, code, value in (
        (["mcnet-1z"], "unknown-table", "mcnet-1a"),
        (["--format", "pdf"], "unknown-choice", "pdf"),
        (["mcnet-6", "--run", str(run)], "wrong-protocol", "vox1-sameid"),
        (["--run", str(tmp_path)], "no-finished-run", str(tmp_path)),
        (["--out", str(tmp_path)], "unwritable-file", str(tmp_path)),
    ):
        failed = call.invoke(app, ["tables", *arguments])
        assert isinstance(failed.exception, BenchError)
        assert failed.exception.code == code and value in str(failed.exception)


def test_every_format_draws_every_table():
    tables = [beside(table.id) for table in published()]
    for name, draw in FORMATS.items():
        text = draw(tables)
        assert text.endswith("\n") and all(table.table.id in text for table in tables), name


def test_rounded_frames_are_mentioned_and_truncated_ones_are_not(tmp_path):
    rounded, truncated = (make(tmp_path / name) for name in ("rounded", "truncated"))

    def cut_off(manifest: Complete) -> Complete:
        parts = "|rounding:uint8-truncated"
        return manifest.but(metrics=tuple(m.but(signature=m.signature + parts) for m in manifest.metrics))

    manifests.edit(truncated, cut_off)
    notices = beside("mcnet-1a", rounded, truncated).notices
    assert [notice.partition(":")[0] for notice in notices if "--as-published" in notice] == ["rounded"]


@pytest.mark.parametrize("part", ["manifest", "summary", "state"])
def test_a_run_that_was_changed_or_is_not_finished_is_refused(part, tmp_path):
    run = make(tmp_path / "run")
    manifest = manifests.manifest_of(run)
    manifest = manifest.but(summary_sha256=sha256((run / "summary.json").read_bytes()).hexdigest())
    manifests.write(run, sealed(manifest))
    asked = ["tables", "--run", str(run)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    if part == "summary":
        manifests.write(run, manifests.summary_of(run).but(seed=1))
    elif part == "manifest":
        manifests.write(run, sealed(manifest).but(name="other"))
    else:
        manifests.write(run, sealed(manifest.then(Unfinished, state="running")))
    failed = CliRunner().invoke(app, asked)
    assert isinstance(failed.exception, BenchError)
    assert failed.exception.code == ("no-finished-run" if part == "state" else "changed-file")
