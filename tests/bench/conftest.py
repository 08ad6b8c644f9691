"""The command line in this process, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from support.command_line import call_unwrapped
from support.refused import Ended

from bench.runtime import config

Bench = Callable[..., Ended]


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path, cache) -> Bench:
    """Call the command line in an empty folder, with no configuration; the output is unwrapped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(config.CACHE_VARIABLE, str(cache))
    for name in os.environ:
        if name.startswith((config.DATA_VARIABLE, config.WEIGHTS_VARIABLE)):
            monkeypatch.delenv(name)

    def call(*arguments: object) -> Ended:
        return call_unwrapped(monkeypatch, capsys, *arguments)

    return call
