"""What the server has acknowledged survives SIGKILL; `tools/study_kill.py` does the same 30 times and more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from support import studies

pytestmark = pytest.mark.slow
TOOL = Path(__file__).parents[3] / "tools" / "study_kill.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("study_kill", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["study_kill"] = module
    spec.loader.exec_module(module)
    return module


def test_no_acknowledged_vote_is_lost(tool, tmp_path):
    studies.planned(tmp_path / "s", clips=40, raters=6, each=120, seconds=0.05)
    happened = tool.killed(tmp_path / "s", kills=5, raters=6, seed=3)
    assert happened["kills"] == 5 and happened["during_votes"] >= 3 and happened["acknowledged"] > 50
    assert happened["lost"] == happened["changed"] == happened["twice"] == happened["refused"] == 0
