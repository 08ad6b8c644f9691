"""Importing a torchvision that was built for another torch; the real one in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.detectors import compat
from bench.detectors.compat import nms

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)


@needs_torchvision
def test_torchvision_imports_and_its_nms_works() -> None:
    code = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("repair", {compat.__file__!r})
repair = importlib.util.module_from_spec(spec)
spec.loader.exec_module(repair)
first = repair.repair()
import torch, torchvision
boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30.0]])
kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist()
network = torchvision.models.squeezenet1_1(weights=None)
print(kept, network(torch.zeros(1, 3, 64, 64)).shape[1], first == repair.repair())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[1, 2] 1000 True", done.stderr


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``stand_in(text)`` puts a module `torchvision` with that text before the real one, for one test."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "torchvision"}
    for name in before:
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path)
    yield (tmp_path / "torchvision.py").write_text
    sys.modules.pop("torchvision", None)
    sys.modules.update(before)


def test_a_healthy_build_is_left_alone(stand_in) -> None:
    stand_in("healthy = True\n")
    declared = list(compat._libraries)
    assert compat.repair() is False
    assert sys.modules["torchvision"].healthy and compat._libraries == declared


def test_another_failure_is_not_hidden(stand_in) -> None:
    stand_in("raise RuntimeError('something else')\n")
    with pytest.raises(RuntimeError, match="something else"):
        compat.repair()


def test_nms_keeps_the_best_of_what_overlaps() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5], [0, 5, 10, 10], [50, 50, 60, 60], [0, 0, 10, 9.0]])
    scores = torch.tensor([0.6, 0.7, 0.5, 0.1, 0.9])
    assert nms(boxes, scores, 0.5).tolist() == [4, 2, 3]  # 1 and 0 overlap box 4 by 5/9 and 9/10, box 2 by 4/10
    assert nms(boxes, scores, 0.95).tolist() == [4, 1, 0, 2, 3]
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
