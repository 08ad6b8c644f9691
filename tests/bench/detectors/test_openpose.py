"""OpenPose's body network in both layouts of its file, and people from its maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.refused import refused
from torch import nn

from bench.detectors import openpose
from bench.detectors.body_parts import JOINTS, LIMBS, best_person, find_peaks
from bench.runtime.errors import UserError

STANDING = np.array(
    [[48, 16], [48, 28], [38, 28], [34, 42], [30, 56], [58, 28], [62, 42], [66, 56], [42, 56], [41, 72], [40, 88],
     [54, 56], [55, 72], [56, 88], [45, 13], [51, 13], [41, 15], [55, 15]], dtype=float
)  # fmt: skip


def drawn(people: list[np.ndarray], side: int = 96, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Maps and fields as the network is trained to give them: Gaussians at joints, unit vectors along limbs."""
    y, x = np.mgrid[:side, :side]
    maps, fields = np.zeros((side, side, 19)), np.zeros((side, side, 38))
    for joints in people:
        for joint, (u, v) in enumerate(joints):
            if np.isfinite(u):
                peak = strength * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 2.0**2))
                maps[..., joint] = np.maximum(maps[..., joint], peak)
        for a, b, first, second in LIMBS:
            if not np.isfinite(joints[[a, b]]).all():
                continue
            way = joints[b] - joints[a]
            unit = way / np.hypot(*way)
            along = (x - joints[a, 0]) * unit[0] + (y - joints[a, 1]) * unit[1]
            across = np.abs((x - joints[a, 0]) * unit[1] - (y - joints[a, 1]) * unit[0])
            on = (along >= -1) & (along <= np.hypot(*way) + 1) & (across <= 2)
            fields[on, first], fields[on, second] = unit
    return maps, fields


def test_one_person_is_found_to_the_pixel() -> None:
    np.testing.assert_array_equal(best_person(*drawn([STANDING])), STANDING)


@pytest.mark.parametrize("gone", [(0,), (4, 7), (16, 17), (10, 13, 0)])
def test_missing_joints_stay_missing(gone: tuple[int, ...]) -> None:
    seen = STANDING.copy()
    seen[list(gone)] = np.nan
    np.testing.assert_array_equal(best_person(*drawn([seen])), seen)


def test_of_two_people_the_one_with_the_higher_score() -> None:
    """Whole, against one of whom the legs are hidden; joints of the two are never mixed."""
    small = 0.45 * STANDING
    other = 0.45 * STANDING + [50, 4]
    other[8:14] = np.nan
    found = best_person(*drawn([other, small]))
    assert np.abs(found - np.rint(small)).max() <= 1
    assert np.nanmax(np.abs(best_person(*drawn([other])) - np.rint(other))) <= 1


def test_nobody() -> None:
    assert best_person(*drawn([])) is None
    few = np.full((JOINTS, 2), np.nan)
    few[:3] = STANDING[:3]
    assert best_person(*drawn([few])) is None  # three joints are no person
    maps, fields = drawn([STANDING])
    assert best_person(maps, np.zeros_like(fields)) is None  # nor are joints that nothing joins
    assert best_person(*drawn([STANDING], strength=0.05)) is None


def test_peaks_are_local_maxima_above_a_tenth() -> None:
    maps, _ = drawn([STANDING, STANDING + [20, 3]])
    found = find_peaks(maps[..., 1])
    assert sorted(map(tuple, found[:, :2])) == [(48, 28), (68, 31)] and (found[:, 2] == 1).all()


class Port(nn.Module):
    """As the PyTorch port builds it: a Sequential a block, ReLU after all but a branch's last convolution."""

    def __init__(self) -> None:
        super().__init__()

        def stack(widths: list[int], kernels: list[int], last_relu: bool) -> nn.Sequential:
            layers: list[nn.Module] = []
            for i, (a, b, k) in enumerate(zip(widths, widths[1:], kernels)):
                layers.append(nn.Conv2d(a, b, k, padding=k // 2))
                if last_relu or i < len(kernels) - 1:
                    layers.append(nn.ReLU())
            return nn.Sequential(*layers)

        parts = [stack([3, 64, 64], [3, 3], True), stack([64, 128, 128], [3, 3], True)]
        parts += [stack([128, *[256] * 4], [3] * 4, True), stack([256, 512, 512, 256, 128], [3] * 4, True)]
        front = [layer for i, part in enumerate(parts) for layer in ([nn.MaxPool2d(2, 2)] if i else []) + list(part)]
        self.model0 = nn.Sequential(*front)
        for branch, out in ((1, 38), (2, 19)):
            first = stack([128, 128, 128, 128, 512, out], [3, 3, 3, 1, 1], False)
            self.add_module(f"model1_{branch}", first)
            for stage in range(2, 7):
                self.add_module(f"model{stage}_{branch}", stack([185, *[128] * 6, out], [7] * 5 + [1, 1], False))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        front = self.model0(x)
        joined = front
        for stage in range(1, 7):
            found = [getattr(self, f"model{stage}_{branch}")(joined) for branch in (1, 2)]
            joined = torch.cat([*found, front], 1)
        return found[0], found[1]


@pytest.fixture(scope="module")
def port() -> Port:
    torch.manual_seed(0)
    return Port().eval().requires_grad_(False)


def test_the_network_is_that_of_the_port(port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = port.state_dict()
    assert {f"{name}.weight" for name, _, _ in openpose.expected()} == {k for k in state if k.endswith("weight")}
    assert sum(value.numel() for value in state.values()) * 4 == 209_245_784  # the Caffe file has these and its names
    caffe = {f"{theirs}.{kind}": state[f"{ours}.{kind}"] for ours, theirs, _ in openpose.expected()
             for kind in ("weight", "bias")}  # fmt: skip
    image = torch.rand(1, 3, 48, 32) - 0.5
    expected = port(image)
    for given in ({f"module.{key}": value for key, value in state.items()}, {"state_dict": caffe}):
        monkeypatch.setattr(openpose, "load", lambda file, device, given=given: given)
        found = openpose.estimate(openpose.read(tmp_path), image)
        assert [tuple(x.shape) for x in found] == [(1, 38, 6, 4), (1, 19, 6, 4)]
        for one, other in zip(found, expected):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    monkeypatch.setattr(
        openpose, "load", lambda file, device: caffe | {"Mconv7_stage6_L2.weight": state["model0.0.weight"]}
    )
    with pytest.raises(UserError, match="model6_2.12 or Mconv7_stage6_L2"):
        openpose.read(tmp_path)


def test_a_frame_is_seen_at_368_and_measured_in_its_own_pixels(
    port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drawn person comes back from maps an eighth as large, of an image larger than the frame and padded."""
    (tmp_path / openpose.FILE).write_bytes(b"")
    seen = []

    def answer(state: dict, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(tuple(images.shape))
        height, width = (side // openpose.STRIDE for side in images.shape[2:])
        maps, fields = drawn([STANDING * 1.6 + 0.5], side=160)
        both = [torch.from_numpy(x).permute(2, 0, 1)[None].float() for x in (fields, maps)]
        inside = [nn.functional.interpolate(x, (height, height), mode="area") for x in both]
        return tuple(nn.functional.pad(x, (0, width - x.shape[3])) for x in inside)

    monkeypatch.setattr(openpose, "estimate", answer)
    monkeypatch.setattr(openpose, "read", lambda file, device: {})
    detector = openpose.OpenPose(tmp_path)
    [found] = detector.detect(np.full((1, 160, 160, 3), 128, np.uint8))
    assert seen == [(1, 3, 368, 368)]
    assert np.nanmax(np.abs(found.values - STANDING * 1.6)) < 3 and np.isfinite(found.values).sum() > 24
    detector.maps(np.zeros((1, 100, 150, 3), np.uint8))
    assert seen[-1] == (1, 3, 368, 552)
    monkeypatch.setattr(openpose, "estimate", lambda state, x: (torch.zeros(1, 38, 46, 46), torch.zeros(1, 19, 46, 46)))
    [nobody] = detector.detect(np.zeros((1, 160, 160, 3), np.uint8))
    assert nobody.values is None and nobody.reason == openpose.NO_BODY
    assert "height-368" in detector.signature and openpose.FILE not in detector.signature


@pytest.mark.slow
def test_random_weights_go_all_the_way(port: Port, tmp_path: Path) -> None:
    torch.save(port.state_dict(), tmp_path / openpose.FILE)
    found = openpose.OpenPose(tmp_path).detect(
        np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)
    )
    assert len(found) == 1 and (found[0].values is None or found[0].values.shape == (JOINTS, 2))


def test_without_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    [reason] = openpose.missing(tmp_path)
    assert reason.split()[0] == openpose.FILE == "pose_model.pth"
    with refused(UserError, "missing-weights", openpose.FILE):
        openpose.OpenPose(tmp_path)
