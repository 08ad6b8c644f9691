"""The command line in this process, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.command_line import call as call_bench

Bench = Callable[..., tuple[int, str]]


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path, cache) -> Bench:
    """Call the command line; returns exit code and everything printed, lines kept, none wrapped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "10000")

    def call(*arguments: object) -> tuple[int, str]:
        return call_bench(monkeypatch, capsys, *arguments)

    return call
