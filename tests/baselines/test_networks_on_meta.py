"""What a GPU would stumble over, without one: on "meta" no tensor can be read, and one made elsewhere is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from support.one_device import META, OneDevice

from baselines import registry
from baselines.blocks import relative
from baselines.card import MODELS, card
from baselines.network_predictor import with_failures
from baselines.predictor import PairBatch
from bench.run.generated import made_shape

SAMPLES = [model for model in MODELS if card(model).sample.is_file()]
UNTRAINED = [
    f"{model}?weights=untrained" for model in ("dagan-spade", "fv2v-spade", "mcnet-paper", "lia", "liveportrait")
]


@pytest.mark.parametrize("model", SAMPLES + UNTRAINED)
def test_networks_wait_for_no_number_and_make_no_tensor_elsewhere(model: str, monkeypatch) -> None:
    # The one wait that is left: face-vid2vid's hulls in three dimensions are Qhull's, on the CPU.
    monkeypatch.setattr(relative, "hull_volume", lambda points: points.new_empty(len(points)))
    predictor = registry.load(model, weights=None, device=META)
    frames = [torch.empty(3, 3, 256, 256, device=META) for _ in range(3)]
    for mode in predictor.motion_modes:
        batch = PairBatch(("a", "b", "c"), frames[0], frames[1], None, frames[2], (1, 2, 3))
        with OneDevice():
            made = predictor.predict(batch, mode)
        assert made.device == META and made.shape == made_shape(predictor, frames[0])


def test_hulls_and_failures_read_nothing() -> None:
    points = torch.empty(4, 10, 2, device=META)
    with OneDevice():
        assert relative.hull_area(points).shape == (4,)
        assert with_failures(torch.empty(4, 3, 8, 8, device=META), points).shape == (4, 3, 8, 8)


def test_the_device_refuses_what_the_tests_are_for() -> None:
    there = torch.empty(3, 2, device=META)
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(there.isnan().any())
    with pytest.raises((RuntimeError, NotImplementedError)):
        there.cpu()
    with pytest.raises(AssertionError, match="tensors on"), OneDevice():
        there @ torch.ones(2, 2)


def test_loading_a_network_does_not_load_torchs_compiler() -> None:
    """More than a second of every start."""
    script = (
        "import sys, torch\nfrom baselines import registry\n"
        f"for model in {SAMPLES}: registry.load(model, weights=None, device=torch.device('cpu'))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
