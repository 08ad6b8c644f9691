"""InceptionV3, I3D and their front ends against numbers of the published code with the same deterministic weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.synthetic_weights import fill_spec, image_pair
from bench.detectors.networks.i3d import I3D, SIDE
from bench.detectors.networks.inception import Inception
from bench.detectors.networks.resize import FRONT_ENDS, centered, fvd_front_end
from bench.parity.fid_fvd import IMAGE_FRONT_ENDS

GOLDEN = np.load(Path(__file__).parent / "golden" / "set_networks.npz")
OVERRIDES = [
    {"pattern": r"^(inception\..*\.conv|i3d\..*\.conv3d)\.weight$", "scale": 1.2, "offset": 0.0},
    {"pattern": r"\.bn\.(bias|running_mean)$", "scale": 0.3, "offset": 0.0},
]


def filled(name: str, net: nn.Module) -> nn.Module:
    shapes = {key: list(value.shape) for key, value in net.state_dict().items()}
    net.load_state_dict(fill_spec({"networks": {name: shapes}, "seed": 0, "overrides": OVERRIDES})[name])
    return net.eval()


@pytest.fixture(scope="module")
def inception() -> Inception:
    net = filled("inception", Inception())
    assert isinstance(net, Inception)
    return net


def image(name: str) -> Tensor:
    source, driving = (torch.floor(255 * one + 0.5) for one in image_pair(0))
    return {"source": source, "source_crop": driving[..., 30:210, 16:246]}[name]


def video(frames: int, size: int) -> Tensor:
    source, driving = (one[0].double()[:, None] for one in image_pair(0, size))
    share = torch.tensor([abs((3 * t) % 16 - 8) / 8 for t in range(frames)], dtype=torch.float64)[:, None, None]
    return torch.floor(255 * ((1 - share) * source + share * driving) + 0.5).float()


@pytest.mark.parametrize("name", ["source", "source_crop"])
@pytest.mark.parametrize("script", ["torch_fidelity", "clean_fid.clean", "clean_fid.legacy_pytorch"])
def test_resize(name, script):
    resized = FRONT_ENDS[IMAGE_FRONT_ENDS[script]](image(name), 299)
    index, value = (GOLDEN[f"{script}.{name}.resized.{part}"] for part in ("index", "value"))
    assert resized.flatten()[index].numpy() == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize("script", IMAGE_FRONT_ENDS)
def test_inception(inception, script):
    front_end = IMAGE_FRONT_ENDS[script]
    with torch.inference_mode():
        features = inception(centered(FRONT_ENDS[front_end](image("source"), 299), front_end))
        logits = inception.logits_unbiased(features)[0, ::63][:16]
    assert features[0, ::128].numpy() == pytest.approx(GOLDEN[f"{script}.source.2048"], abs=1e-3)
    if script == "torch_fidelity":
        assert logits.numpy() == pytest.approx(GOLDEN[f"{script}.source.logits_unbiased"], abs=1e-3)


def test_front_ends_differ_by_more_than_their_tolerance():
    features = {script: GOLDEN[f"{script}.source.2048"] for script in ("pytorch_fid", "torch_fidelity")}
    assert np.abs(features["pytorch_fid"] - features["torch_fidelity"]).max() > 5e-3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames"), [("v0", 16), ("v0_10", 10), ("v0_17", 17)])
def test_i3d(name, frames):
    net = filled("i3d", I3D())
    with torch.inference_mode():
        logits = net(video(frames, SIDE)[None] / 127.5 - 1)[0]
    assert logits[::25].numpy() == pytest.approx(GOLDEN[f"i3d.{name}.logits"], abs=1e-4)


@pytest.mark.parametrize("shape", ["wide", "tall"])
@pytest.mark.parametrize(("script", "truncated"), [("styleganv", False), ("videogpt", True)])
def test_front_ends_of_videos(shape, script, truncated):
    whole = 0.97 * (video(4, 256) / 255) + 0.013
    clip = whole[..., 40:220, 8:248] if shape == "wide" else whole[..., 8:248, 40:220]
    made = fvd_front_end(clip, SIDE, truncated)
    assert made.shape == (3, 4, 224, 224)
    index, value = (GOLDEN[f"preprocess.{shape}.{script}.{part}"] for part in ("index", "value"))
    assert made.flatten()[index].numpy() == pytest.approx(value, abs=1e-5)


def test_of_frames_with_8_bits_both_front_ends_of_videos_make_the_same():
    levels = torch.arange(256).reshape(1, 1, 16, 16).expand(3, 2, 16, 16) / 255
    assert torch.equal(fvd_front_end(levels, 16, True), fvd_front_end(levels, 16, False))
