"""A real run of small networks with random weights, and of a plug-in that fails a pair."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from baselines import checkpoints
from bench.cli.main import app
from support.small_networks import small

PAIRS = 16
BROKEN = """
import torch
from baselines.predictor import Predictor
class Broken(Predictor):
    def __init__(self, weights=None, device=None, **options):
        self.name = "broken"
    def predict(self, batch, mode):
        frames = batch.source * 0.5
        frames[[k for k, name in enumerate(batch.ids) if name == "0001-a"]] = float("nan")
        return frames
"""


def make(root: Path) -> Path:
    """Run FOMM, MCNet, OSTNet and the plug-in, which has no frame for pair 0001-a, on squeezed driving frames."""
    (root / "broken.py").write_text(BROKEN)
    specs = []
    for model in ("fomm", "mcnet", "ostnet"):
        config, network = small(model)
        checkpoints.save_sample(root / f"{model}.safetensors", model, network, config, {})
        specs.append(f"{model}={model}?weights={root / model}.safetensors")
    words = ["run", "--models", ",".join([*specs, f"broken={root}/broken.py:Broken"]), "--protocol", "vox1-diffscale"]
    words += ["--data", "sample", "--limit", str(PAIRS), "--metrics", "l1", "--detectors", "embedded"]
    words += ["--device", "cpu", "--out", str(root), "--name", "r", "--workers", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench", *words])
        done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, SystemExit) and done.exit_code == 1, done.exception  # a pair failed
    return root / "r"
