"""Memory consistency of the full-size MCNet with deterministic weights: values and gradients of the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from baselines.mcnet.network import MCNet
from baselines.synthetic_weights import fill_spec, image_pair
from baselines.training import losses

REFERENCE = json.loads(Path(__file__).with_name("mcnet_losses.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_memory_consistency_equals_the_reference_with_its_gradients() -> None:
    network = MCNet(REFERENCE["config"]).eval()
    parts = {"generator": network.generator, "kp_detector": network.kp_detector}
    shapes = {name: {k: list(v.shape) for k, v in part.state_dict().items()} for name, part in parts.items()}
    spec = {"networks": shapes, "overrides": REFERENCE["overrides"], "seed": REFERENCE["seeds"]["weights"]}
    for name, state in fill_spec(spec).items():
        # The blur kernels are computed, not drawn.
        state = {key: value for key, value in state.items() if not key.endswith("down.weight")}
        missing, unexpected = parts[name].load_state_dict(state, strict=False)
        assert not unexpected and all(key.endswith("down.weight") for key in missing)
    source, driving = image_pair(REFERENCE["seeds"]["pair"], 256)
    made = network.generate(source, network.detect(source), network.detect(driving), network.noise([0], source))
    levels = [losses.memory_consistency(c.projected, c.value) for c in made.compensations]
    for found, expected in zip(levels, REFERENCE["consistency"].values(), strict=True):
        assert found.item() == pytest.approx(expected, abs=2e-6)
    (10 * torch.stack(levels).sum()).backward()
    for name, expected in REFERENCE["consistency_gradient_norms"].items():
        owner = network if name.startswith("kp_detector") else network.generator
        gradient = owner.get_parameter(name).grad
        # The query reads the value but does not make it, so it learns nothing from this loss.
        found = 0.0 if gradient is None else gradient.norm().item()
        assert found == pytest.approx(expected, rel=5e-4)
