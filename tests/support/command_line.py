"""The command line in this process."""

from __future__ import annotations

import sys
from functools import cache

import pytest
import typer.main

from bench.cli import main as cli
from protocols.errors import BenchError
from support.refused import Ended


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Run ``bench`` with these arguments; gives exit code, everything printed as it stands, and the error's code."""
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    monkeypatch.setattr(cli, "app", _built())
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capsys.readouterr()
    return _ended(stopped.value, printed.out + printed.err)


def call_unwrapped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """As `call`, the text on one line, whatever the terminal's width."""
    ended = call(monkeypatch, capsys, *arguments)
    unwrapped = Ended((ended[0], " ".join(ended[1].split())))
    unwrapped.error = ended.error
    return unwrapped


@cache
def _built() -> object:
    """The commands, which typer builds again at every call: 50 ms each time."""
    return typer.main.get_command(cli.app)


def _ended(stopped: SystemExit, text: str) -> Ended:
    ended = Ended((stopped.code or 0, text))
    if isinstance(error := stopped.__context__, BenchError):
        ended.error = error.code
    return ended
