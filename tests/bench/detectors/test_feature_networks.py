"""Feature networks: what their rows are, what they need, what they refuse."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from torch.nn import functional as F

from bench.detectors import feature_networks
from bench.detectors.networks import efficientnet, embedded, i3d, inception, published
from bench.detectors.weights import load
from bench.runtime.errors import UserError

FRAMES = np.stack([skimage.data.astronaut()[:200, 100 + k : 340 + k] for k in range(0, 12, 4)])


@pytest.fixture(autouse=True)
def empty_torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    published._network.cache_clear()


@pytest.mark.parametrize(("picture", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967}), ("rocket", {657})])
def test_efficientnet_knows_a_cat_a_coffee_and_a_rocket(picture, classes):
    """ImageNet's classes: tabby, tiger cat, Egyptian cat; espresso; missile."""
    image = torch.from_numpy(getattr(skimage.data, picture)().copy()).permute(2, 0, 1)[None].float()
    side = min(image.shape[2:])
    top, left = ((size - side) // 2 for size in image.shape[2:])
    square = image[..., top : top + side, left : left + side]
    small = F.interpolate(square, (224, 224), mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)
    state = load(embedded.EfficientNet.file(None))
    assert int(efficientnet.classify(efficientnet.folded(state), state, small).argmax()) in classes


@pytest.mark.parametrize("network", [embedded.EfficientNet, embedded.ShiftTolerantVgg])
def test_rows_of_frames(network):
    net = network()
    rows = net.features(FRAMES[:2])
    assert rows.shape == (2, net.width) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert np.array_equal(net.features(FRAMES[1:2]), rows[1:])
    assert np.array_equal(net.features(torch.from_numpy(FRAMES[:1])), rows[:1])
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert net.features(FRAMES[:0]).shape == (0, net.width)
    assert net.length == 1 and net.proxy


def test_motion_is_zero_in_a_still_window_and_blind_to_direction():
    net = embedded.EfficientNetMotion()
    still = np.repeat(FRAMES[:1], net.length, 0)
    moving = FRAMES[np.arange(net.length) % 3]
    rows = net.features(np.stack([still, moving, moving[::-1]]))
    assert rows.shape == (3, 640)
    means, steps = rows[:, :320], rows[:, 320:]
    assert means[0] == pytest.approx(embedded.EfficientNet().features(FRAMES[:1])[0], abs=1e-4)
    assert np.abs(steps[0]).max() < 1e-4 and steps[1].max() > 1e-2
    assert rows[2] == pytest.approx(rows[1], abs=1e-4)


def test_entries_of_the_networks():
    entries = feature_networks.NETWORKS
    assert {kind for kind, entry in entries.items() if not entry.proxy} == {
        "features-inception-tf-legacy",
        "features-inception-clean",
        "features-inception-torch",
        "features-i3d",
    }
    assert [kind for kind, entry in entries.items() if not entry.missing(None)] == [
        "features-efficientnet-lite0",
        "features-efficientnet-lite0-motion",
        "features-st-vgg",
    ]
    made = feature_networks.make("features-efficientnet-lite0", None, "cpu")
    (found,) = made.detect(FRAMES[:1])
    assert found.values.shape == made.shape == (320,)
    assert pickle.loads(pickle.dumps(made)).signature == made.signature


@pytest.mark.parametrize("network", [published.InceptionClean, published.I3DFeatures])
def test_missing_weights_are_named_and_refused(network, tmp_path):
    (reason,) = network.missing(tmp_path)
    with pytest.raises(UserError) as error:
        network(tmp_path)
    assert error.value.code == "missing-weights" and reason in str(error.value)


@pytest.mark.parametrize(
    ("network", "program"),
    [(published.InceptionClean, published.INCEPTION_PROGRAM), (published.I3DFeatures, published.I3D_PROGRAM)],
)
def test_a_program_beside_the_weights_is_said_not_to_be_executed(network, program, tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / program))
    (reason,) = network.missing(tmp_path)
    assert str(tmp_path / program) in reason and "not executed" in reason


def test_a_program_or_another_network_under_the_weights_name_is_refused(tmp_path):
    file = tmp_path / published.I3D_FILE
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(file))
    clip = np.zeros((1, 16, 32, 32, 3), np.uint8)
    with pytest.raises(UserError, match="TorchScript"):
        published.I3DFeatures(tmp_path).features(clip)
    torch.save(torch.nn.Linear(2, 2).state_dict(), file)
    with pytest.raises(UserError) as error:
        published.I3DFeatures(tmp_path).features(clip)
    assert error.value.code == "other-network" and "\n" not in str(error.value)


@pytest.mark.slow
def test_inception_from_a_file_with_each_front_end(tmp_path):
    torch.manual_seed(0)
    state = inception.Inception().state_dict()
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / published.INCEPTION_FILES[1])
    classes = (published.InceptionTfLegacy, published.InceptionClean, published.InceptionTorch)
    nets = [network(tmp_path) for network in classes]
    assert len({net.signature for net in nets}) == 3
    rows = [net.features(FRAMES[:1]) for net in nets]
    assert all(row.shape == (1, 2048) for row in rows)
    assert len({row.tobytes() for row in rows}) == 3


@pytest.mark.slow
def test_i3d_from_a_file_and_of_too_few_frames(tmp_path):
    torch.manual_seed(0)
    torch.save(i3d.I3D().state_dict(), tmp_path / published.I3D_FILE)
    net = published.I3DFeatures(tmp_path)
    windows = FRAMES[np.arange(2 * net.length).reshape(2, -1) % 3]
    rows = net.features(windows)
    assert rows.shape == (2, 400)
    assert np.array_equal(net.features(windows[1:]), rows[1:])
    with pytest.raises(UserError) as error:
        net.features(windows[:, :8])
    assert error.value.code == "too-few-frames"
