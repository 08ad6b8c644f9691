"""The command line in this process, in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from bench.cli import main as cli

Bench = Callable[..., tuple[int, str]]


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path, cache) -> Bench:
    """Call the command line; returns exit code and everything printed, lines kept, none wrapped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "10000")

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out + printed.err

    return call
