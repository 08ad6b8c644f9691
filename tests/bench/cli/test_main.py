"""The front door: help in panels, the version, completion in shells."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from bench.cli.main import PANELS


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
    assert done.stdout.split() == ["compare", "check"], done.stderr
