"""The front door: help in panels, the version, completion in shells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer

from bench.cli.main import PANELS
from bench.cli.options import metric_names, one_spelling


def test_help_has_every_command_in_a_panel_and_run_first(bench):
    code, text = bench("--help")
    assert code == 0
    commands = [name for panel in PANELS.values() for name in panel]
    places = [text.index(f"│ {name} ") for name in commands]
    assert places == sorted(places) and commands[0] == "run"
    assert all(text.index(panel) < text.index(f"│ {next(iter(PANELS[panel]))} ") for panel in PANELS)
    assert "─ Commands ─" not in text, "a command without a panel"


def test_the_version_is_that_of_the_distribution(bench):
    code, text = bench("--version")
    assert (code, text.split()) == (0, ["talking-head-bench", metadata.version("talking-head-bench")])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion_script(bench, monkeypatch, shell):
    """Of the installed script, also where the script was asked of `python -m bench`."""
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: (shell, f"/bin/{shell}"))
    code, text = bench("--show-completion")
    assert code == 0 and "talking-head-bench" in text and "_TALKING_HEAD_BENCH_COMPLETE" in text


def test_a_shell_gets_the_commands():
    """What the script of bash calls where the user presses the tab key after `talking-head-bench c`."""
    code = "import sys; sys.argv = ['talking-head-bench']; from bench.cli.main import main; main()"
    asked = {
        "_TALKING_HEAD_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "talking-head-bench c",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["compare", "check", "clips"], done.stderr


@pytest.mark.parametrize(
    ("asked", "own", "other", "error"),
    [
        (["run", "--protocol", "vox1-sameid"], "--models", "--model", "unknown-model"),
        (["speed"], "--models", "--model", "unknown-model"),
        (["inspect", "--out", "x"], "--models", "--model", "unknown-model"),
        (["train", "--out", "x"], "--model", "--models", "no-training"),
        (["animate", "--source", "x.png", "--driving", "y.mp4"], "--models", "--model", "missing-file"),
    ],
)
def test_either_spelling_of_models_is_read(bench, asked, own, other, error):
    first, second = bench(*asked, own, "nosuch"), bench(*asked, other, "nosuch")
    assert first == second and first[0] == 2 and first.error == second.error == error, first.error


def test_help_has_one_spelling(bench):
    for panel in PANELS.values():
        for name, command in panel.items():
            if not isinstance(command, typer.Typer):
                text = bench(name, "--help")[1]
                assert not ("--model " in text and "--models " in text), name


def test_an_alias_does_not_hide_an_option():
    """`run` has --pairs and --limit, each its own."""
    spelled = one_spelling(PANELS["Start here"]["run"])["token_normalize_func"]
    assert [spelled(name) for name in ("pairs", "limit", "model", "models")] == ["pairs", "limit", "models", "models"]


def test_metrics_are_known_in_any_case(bench):
    assert metric_names("ssim, LPIPS,St-Lpips,PRMSE") == ["ssim", "lpips", "st-lpips", "prmse"]
    assert metric_names("SSIMM") == ["SSIMM"], "an unknown name stays as it was typed"
    asked = ("run", "--protocol", "vox1-sameid", "--models", "copy-source", "--limit", "1", "--no-bounds")
    code, text = bench(*asked, "--metrics", "L1,PSNR-uint8", "--name", "x")
    assert code == 0, text
    manifest = json.loads(Path("runs/x/manifest.json").read_text("utf-8"))
    assert [metric["name"] for metric in manifest["metrics"]] == ["psnr-uint8", "l1"]
    assert bench("explain", "PSNR-uint8", "--limit", "0")[0] == 0
