"""The bounds copy-source and copy-target."""

from __future__ import annotations

from dataclasses import replace

import torch
from support.refused import refused
from support.small_networks import batch

from baselines import registry
from baselines.predictor import ModelError

CPU = torch.device("cpu")


def test_copies():
    pairs = batch(2, 16)
    for mode in ("absolute", "relative", "relative-adapt", "avd"):
        assert torch.equal(registry.load("copy-source", weights=None, device=CPU).predict(pairs, mode), pairs.source)
        assert torch.equal(registry.load("copy-target", weights=None, device=CPU).predict(pairs, mode), pairs.target)


def test_copy_target_without_a_target_gives_the_driving_frame():
    pairs = replace(batch(2, 16), target=None)
    target = registry.load("copy-target", weights=None, device=CPU)
    assert torch.equal(target.predict(pairs, "absolute"), pairs.driving)
    with refused(ModelError, "frame-sizes-differ", "8x16", "16x16"):
        target.predict(replace(pairs, driving=pairs.driving[..., :8]), "absolute")


def test_the_copy_is_the_callers():
    pairs = batch(1, 16)
    before = pairs.source.clone()
    registry.load("copy-source", weights=None, device=CPU).predict(pairs, "absolute").zero_()
    assert torch.equal(pairs.source, before)
