"""Recompute OpenFace's golden arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.levels import to_levels
from baselines.parity import Case, Record
from baselines.synthetic_weights import fill, image_pair
from bench.detectors import openface
from bench.metrics.aed import aed

# Kind of local response norm, anti-aliasing, and whether frames are 8-bit.
MODES: dict[str, tuple[openface.Lrn, bool, bool]] = {
    "default": ("window", True, False),
    "legacy_lrn": ("legacy", True, False),
    "no_antialias": ("window", False, False),
    "legacy_lrn.no_antialias": ("legacy", False, False),
    "uint8": ("window", True, True),
}
PAIRS = (("source", "driving"), ("source", "flipped"), ("driving", "flipped"))
SIZE128 = 128


def build(spec: Mapping[str, Any]) -> nn.Module:
    """Build the network from the spec's tensors; it is a function of its state dict, and is run once on an image."""
    net = nn.Module()
    for network, shapes in spec["networks"].items():
        for key, shape in shapes.items():
            *path, leaf = f"{network}.{key}".split(".")
            owner = net
            for step in path:
                if step not in dict(owner.named_children()):
                    owner.add_module(step, nn.Module())
                owner = owner.get_submodule(step)
            owner.register_buffer(leaf, torch.empty(shape, dtype=None if shape else torch.int64))
    openface.embed(net.get_submodule("openface").state_dict(), torch.empty(1, 3, openface.SIDE, openface.SIDE))
    return net


def compute(net: nn.Module, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    state, seed = net.get_submodule("openface").state_dict(), case.spec["seed"]
    pair = dict(zip(("source", "driving"), image_pair(seed)))
    for name, image in pair.items():
        record(f"image.{name}", image[0])
    frames = {name: image[0].permute(1, 2, 0).numpy() for name, image in pair.items()}
    frames["flipped"] = frames["source"][:, ::-1]
    for mode, (lrn, antialias, whole_levels) in MODES.items():
        if case.has(mode):
            images = _prepare(frames, antialias, whole_levels, record)
            _embed(mode, state, images, lrn, record)
    if case.has("size128"):
        image = openface.preprocess(frames["source"], side=SIZE128)[None]
        record("size128.source.embedding", openface.embed(state, image)[0])
    probe = torch.from_numpy(300 * fill("lrn_probe", (1, 12, 2, 2), seed))
    record("lrn.input", probe)
    record("lrn.window", openface.local_response_norm(probe, "window"))
    record("lrn.legacy", openface.local_response_norm(probe, "legacy"))


def _prepare(
    frames: Mapping[str, np.ndarray], antialias: bool, whole_levels: bool, record: Record
) -> dict[str, Tensor]:
    images = {}
    for name, frame in frames.items():
        given = to_levels(torch.from_numpy(frame.copy())).numpy() if whole_levels else frame  # one is flipped
        images[name] = openface.preprocess(given, antialias)[None]
        kind = f"{name}{'_uint8' if whole_levels else ''}.{'' if antialias else 'no_'}antialias"
        record(f"input.{kind}", images[name])
    return images


def _embed(
    mode: str, state: dict[str, Tensor], images: Mapping[str, Tensor], lrn: openface.Lrn, record: Record
) -> None:
    def layer(name: str, x: Tensor) -> None:
        record("source.pre_normalisation" if name == "layer25" else f"source.{name}", x)

    codes = {}
    for name, image in images.items():
        watched = {"record": layer} if (mode, name) == ("default", "source") else {}
        code, features = openface.embed(state, image, lrn, **watched)
        record(f"{mode}.{name}.embedding", code)
        record(f"{mode}.{name}.x736", features)
        codes[name] = code.double()
    distances = torch.cat([aed(codes[one], codes[other]) for one, other in PAIRS])
    record(f"{mode}.aed_pairs", distances)
    record(f"{mode}.aed_mean", distances.mean(0, keepdim=True))
