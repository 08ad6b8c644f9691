"""Weights that are not known to be the published ones are marked wherever their numbers are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import call as call_bench
from support.small_networks import official_content, place, small  # noqa: E402

from baselines.card import card
from bench.weights.export import export


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path, cache):
    """Exit code and what was printed, no line wrapped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "10000")

    def call(*arguments):
        return call_bench(monkeypatch, capsys, *arguments)

    return call


@pytest.mark.parametrize("which", ["sample", "unverified"])
def test_the_row_of_a_run_has_the_mark_in_every_form(which, bench, tmp_path, sample_set):
    config, network = small("fomm")
    if which == "sample":
        export(card("fomm").sample, tmp_path / "w" / "fomm" / "vox-cpk.pth.tar")
    else:
        file = place(tmp_path / "w", "fomm", official_content(network), config)
        for end in ("", ".json"):
            Path(f"{file}{end}").rename(file.with_name(f"vox-cpk.pth.tar{end}"))
    options = ("--limit", "2", "--metrics", "l1", "--detectors", "embedded", "--name", "x")
    code, text = bench("run", "--models", "fomm", "--protocol", "vox1-sameid", "--weights", tmp_path / "w", *options)
    mark = f"{which} weights"
    assert code == 0 and f"{which.upper()} WEIGHTS (fomm" in text
    (model,) = (m for m in json.loads(Path("runs/x/manifest.json").read_text())["models"] if m["name"] == "fomm")
    assert model["weights_status"] == which and model["weights_file"] == "vox-cpk.pth.tar"
    page = Path("runs/x/report.html").read_text()
    assert f'<span class="tag sample">{mark}</span>' in page
    for form in ("md", "latex", "csv"):
        assert mark in bench("report", "runs/x", "--format", form)[1], form
    assert str(mark) in bench("tables", "mcnet-1a", "--run", "runs/x")[1]
    table = bench("tables", "mcnet-1a", "--run", "runs/x", "--format", "csv")[1]
    assert mark in table
    assert str(mark) in bench("compare", "runs/x", "--models", "fomm,copy-source")[1]
    listed = bench("list", "models", "--weights", tmp_path / "w")[1]
    assert "(unverified" in " ".join(listed.split("vox-cpk.pth.tar")[1].split()[:1])
