"""The command line in this process, in a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
from support.refused import Ended

from bench.cli import main as cli
from bench.runtime import config
from protocols.errors import BenchError

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
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        ended = Ended((stopped.value.code or 0, " ".join((printed.out + printed.err).split())))
        if isinstance(error := stopped.value.__context__, BenchError):
            ended.error = error.code
        return ended

    return call
