"""A package that adds one of each, through the command line; its code is part of what a run is."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.packages import install
from support.whole_package import CODE, ENTRIES, GRAYNESS_PAGE

from bench.run.outside import CODE as CODE_OF
from protocols.plugins import GROUPS
from reports.schema.manifest import parse_manifest

NAME = "thb_whole"
PLUGINS = {"protocol mine-sameid", "data set mine", "metric grayness", "metric redness", "detector red"}


@pytest.fixture
def package(monkeypatch, tmp_path) -> Path:
    return install(monkeypatch, tmp_path / "installed", NAME, CODE, ENTRIES)


@pytest.fixture
def data(tmp_path) -> Path:
    for clip in ("a", "b"):
        folder = tmp_path / "frames" / clip
        folder.mkdir(parents=True)
        for number in range(3):
            level = 40 + 20 * number + (100 if clip == "b" else 0)
            Image.fromarray(np.full((256, 256, 3), level, np.uint8)).save(folder / f"{number:07d}.png")
    return tmp_path / "frames"


@pytest.fixture
def run(bench, data):
    def call(name: str, *more: object) -> tuple[int, str]:
        asked = ("--protocol", "mine-sameid", "--models", "half", "--data", f"mine={data}", "--no-bounds")
        return bench("run", *asked, "--name", name, *more)

    return call


def manifest(name: str):
    return parse_manifest(Path(f"runs/{name}/manifest.json").read_bytes())


def test_a_run_of_it_alone(run, bench, package):
    code, text = run("one")
    assert code == 0, text
    rows = pd.read_parquet("runs/one/samples.parquet")
    assert len(rows) == 4 and not rows[["grayness", "redness-mean", "l1"]].isna().any().any()
    np.testing.assert_allclose(rows["grayness"], rows["l1"] * 100, atol=1e-4)
    np.testing.assert_allclose(rows["redness-mean"], rows["l1"] * 255, atol=1e-3)
    found = manifest("one")
    assert found.plugins.keys() == PLUGINS and PLUGINS | {"half"} == found.code.keys()
    assert found.code["detector red"].files.keys() == {f"{NAME}.py", "(version)"}
    gray, red = found.metrics[1:]
    assert (gray.family, gray.decimals, gray.bounds, gray.unit) == ("grayness", 2, (0.0, None), "%")
    assert "|code:" in gray.signature and "mean-red;v:1;code:" in red.signature
    assert {line.partition(":")[0] for line in found.determinism.because} >= {"metric grayness", "model half"}
    report = Path("runs/one/report.html").read_text()
    assert "grayness" in report and "redness-mean" in report

    code, text = bench("check", "runs/one", "--update", "reference.json")
    assert code == 0, text
    assert json.loads(Path("reference.json").read_text())["metrics"]["grayness"]["tolerance"] == {
        "exact": 0.125,
        "statistical": 0.25,
    }
    assert bench("check", "runs/one", "--against", "reference.json", "--mode", "exact")[0] == 0


def test_the_additions_of_the_docs(bench, monkeypatch, sample_set, tmp_path):
    """The package that docs/adding-a-model.md shows brings its metrics, detector, protocol and data set."""
    page = (Path(__file__).parents[3] / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
    code = page.partition("`my_additions.py`\n\n```python\n")[2].partition("\n```")[0]
    points = tomllib.loads(page.partition("of the additions\n\n```toml\n")[2].partition("```")[0])["project"][
        "entry-points"
    ]
    entries = {kind: points[group] for kind, group in GROUPS.items() if group in points}
    assert entries.keys() == {"metric", "detector", "protocol", "data set"}
    install(monkeypatch, tmp_path / "installed", "my_additions", code, entries)
    for person in ("anna", "ben"):
        folder = tmp_path / "lab" / f"{person}_1" / "frames"
        folder.mkdir(parents=True)
        for number in range(3):
            ramp = np.linspace(0, 60 * (number + 1), 256).astype(np.uint8)
            Image.fromarray(np.broadcast_to(ramp[None, :, None], (256, 256, 3)).copy()).save(folder / f"{number}.png")
    code, text = bench(
        "run", "--protocol", "lab-sameid", "--models", "copy-source", "--data", f"lab={tmp_path / 'lab'}"
    )
    assert code == 0, text
    rows = pd.read_parquet(next(Path("runs").glob("lab-sameid-*/samples.parquet")))
    rows = rows[rows["model"] == "copy-source"]
    assert set(rows["driving_identity"]) == {"anna", "ben"}
    np.testing.assert_allclose(rows["brightness-gap"], rows["l1"], atol=1e-6)  # ramps of one sign
    assert (rows["edges"] > 0).all()
    assert bench("explain", "edges", "--limit", 1)[0] == 0


def test_edited_code_is_another_run_and_another_detection(run, package):
    assert run("one")[0] == 0
    package.write_text(package.read_text().replace("SHIFT = 0.0", "SHIFT = 5.0"))
    sys.modules.pop(NAME)
    ended = code, text = run("one")
    assert code == 2 and ended.error == "other-run"
    assert all(f"{CODE_OF}{plugin} ({NAME}.py)" in text for plugin in PLUGINS), text
    assert run("two")[0] == 0
    before, after = (pd.read_parquet(f"runs/{name}/samples.parquet") for name in ("one", "two"))
    np.testing.assert_allclose(after["grayness"], before["grayness"] + 5, atol=1e-9)
    assert {*manifest("one").plugins.values()}.isdisjoint(manifest("two").plugins.values())


def test_detectors_of_packages_run_in_worker_processes(run, package):
    assert run("here", "--workers", "0")[0] == 0
    code, text = run("there", "--workers", "1", "--metrics", "redness")
    assert code == 0, text
    here, there = (pd.read_parquet(f"runs/{name}/samples.parquet")["redness-mean"] for name in ("here", "there"))
    assert here.tolist() == there.tolist()


def test_lists_and_explanations_know_it(bench, package, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    for what, names in {
        "models": ("half", "Half photograph, half driving frame."),
        "metrics": ("grayness", "redness-mean"),
        "protocols": ("mine-sameid", "frames of mine"),
        "datasets": ("mine", "<clip>/<frame>.png, flat"),
    }.items():
        code, text = bench("list", what)
        assert code == 0 and all(name in text for name in names), text
    code, text = bench("explain", "grayness", "--limit", "1")
    assert code == 0 and "|code:" in text and GRAYNESS_PAGE in text
    code, text = bench("explain", "redness", "--limit", "0")
    assert code == 0 and "redness-mean" in text
    assert "Grayness" in bench("explain")[1]


def test_speed_knows_it(bench, package):
    asked = ("--limit", "2", "--rounds", "1", "--parts", "models,pixels,detectors", "--models", "half")
    code, text = bench("speed", *asked)
    assert code == 0, text
    for job in ("model half", "metric grayness", "detector red: mean-red"):
        assert job in text


def test_broken_parts_break_only_who_uses_them(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "400")
    entries = {kind: {name: f"thb_nowhere:{value}" for name, value in some.items()} for kind, some in ENTRIES.items()}
    install(monkeypatch, tmp_path / "installed", "thb_lost", "", entries)
    for what in ("models", "metrics", "protocols", "datasets"):
        code, text = bench("list", what)
        assert code == 0 and "thb-lost 1.0" in text and "broken plug-in" in text, text
    asked = ("run", "--data", "sample", "--no-bounds", "--limit", "1")
    assert bench(*asked, "--protocol", "vox1-sameid", "--models", "copy-source", "--metrics", "l1")[0] == 0
    for more in (
        ("--protocol", "mine-sameid", "--models", "copy-source", "--metrics", "l1"),
        ("--protocol", "vox1-sameid", "--models", "half", "--metrics", "l1"),
        ("--protocol", "vox1-sameid", "--models", "copy-source", "--metrics", "grayness"),
        ("--protocol", "vox1-sameid", "--models", "copy-source", "--metrics", "redness-mean"),
    ):
        code, text = bench(*asked, *more)
        assert code == 2 and text.startswith("error: plug-in thb-lost 1.0: ") and "ModuleNotFoundError" in text, text


def test_a_protocol_from_a_file_is_part_of_the_fingerprint(bench, tmp_path):
    lines = ['name = "mine"', "version = 1", 'summary = "x"', 'strategy = "same-identity"']
    file = tmp_path / "mine.toml"
    prints = []
    for more in ("", "# a comment", "n = 7"):
        text = "\n".join([*lines, 'reference = "same-identity"', 'metrics = ["l1"]', more])
        file.write_text(text)
        asked = ("--models", "copy-source", "--data", "sample", "--no-bounds", "--limit", "1", "--force")
        code, text = bench("run", "--protocol", file, *asked, "--name", "x")
        assert code == 0, text
        prints.append(manifest("x").fingerprint)
    assert prints[0] == prints[1] != prints[2] and manifest("x").protocol.name == "mine"
