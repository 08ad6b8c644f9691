"""Scores, tracks, crops and landmark distances against numbers of the published scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.parity import Case
from bench.detectors.syncnet import SyncNet
from bench.parity import compare as golden
from bench.parity import lipsync_scores, verify

FOLDER = Path(__file__).parent / "golden" / "lipsync_scores"
CLIP = "short_audio."


@pytest.fixture(scope="module")
def case() -> Case:
    return golden.read(FOLDER)


def test_geometry_and_distances_agree(case: Case) -> None:
    arrays = {name: a for name, a in case.arrays.items() if not name.startswith((CLIP, "weights."))}
    comparer = golden.Comparer(Case(case.spec, arrays))
    with torch.device("meta"):
        unused = torch.nn.ModuleDict({"S": SyncNet()})
    lipsync_scores.compute(unused, Case(case.spec, arrays), comparer)
    assert comparer.left() == []
    worst = {result.name: result.worst for result in comparer.results}
    assert len(worst) == 73
    for name, error in worst.items():
        features = name.startswith("planted.") or ".radnerf." in name
        assert error < (2e-5 if features else 1e-3 if "crops_bgr" in name or "resize" in name else 1e-9), name


@pytest.mark.slow
def test_every_array_agrees(case: Case) -> None:
    comparer = verify.verify(FOLDER, case)
    assert comparer.left() == []
    assert max(result.ratio for result in comparer.results) < 0.5, comparer.results


def test_a_wrong_track_is_noticed(case: Case) -> None:
    wrong = dict(case.arrays)
    wrong["tracks.1.bbox"] = wrong["tracks.1.bbox"] + 1
    arrays = {name: a for name, a in wrong.items() if name.startswith("tracks.")}
    comparer = golden.Comparer(Case(case.spec, arrays))
    with torch.device("meta"):
        unused = torch.nn.ModuleDict({"S": SyncNet()})
    lipsync_scores.compute(unused, Case(case.spec, arrays), comparer)
    assert [result.name for result in comparer.results if not result.ok] == ["tracks.1.bbox"]
