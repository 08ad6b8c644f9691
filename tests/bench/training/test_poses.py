"""Head poses of training frames: the detector's angles mean what face-vid2vid's network turns by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from rich.console import Console
from support.refused import refused

from baselines.fv2v.pose import Pose, place
from baselines.training import poses
from baselines.training.clips import each_frame
from baselines.training.data import Augmentation, TrainingFrames, _apply, augment
from bench.detectors import headpose
from bench.runtime.errors import UserError
from bench.training.poses import batches, write
from protocols import sample_set as samples
from protocols.images import read_rgb

HEAD = np.array(list(headpose.HEAD.values()))
MIRRORED = {**headpose._MIRROR, **{b: a for a, b in headpose._MIRROR.items()}}
CENTRE, FAR = 128.0, 700.0


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Up to about 35 degrees about an axis of any direction; made without any angle convention (Rodrigues)."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(rng.uniform(5, 35))
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def landmarks(turned: np.ndarray) -> np.ndarray:
    """Head points ``(14, 3)`` before a camera that looks at the head's origin, as landmarks ``(68, 2)``."""
    points = np.zeros((68, 2))
    points[list(headpose.HEAD)] = turned[:, :2] / (turned[:, 2:] + FAR) * headpose.FOCAL * 256 + CENTRE
    return points


def detected(points: np.ndarray) -> torch.Tensor:
    """Yaw, pitch, roll ``(1, 3)`` as in the table."""
    pitch, yaw, roll = headpose.fit(points, (CENTRE, CENTRE))
    return torch.tensor([[yaw, pitch, roll]])


@pytest.mark.parametrize("seed", range(5))
def test_the_network_turns_points_as_the_head_was_turned(seed: int) -> None:
    """Known 3-D landmarks are turned and filmed; by the detected angles the network's keypoints go the same way."""
    rotation = random_rotation(np.random.default_rng(seed))
    turned = HEAD @ rotation.T
    yaw, pitch, roll = poses.network_angles(poses.rotations(detected(landmarks(turned)))).unbind(1)
    still = torch.zeros(1, len(HEAD), 3, dtype=torch.float64)
    placed = place(torch.from_numpy(HEAD)[None], Pose(yaw, pitch, roll, still[:, 0], still))[0].numpy()
    assert np.abs(turned - HEAD).max() > 5  # mm
    np.testing.assert_allclose(placed, turned, atol=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_poses_follow_flips_and_turns_of_the_frame(seed: int) -> None:
    """Landmarks mirrored or turned as the frame's pixels are, and detected again, against the computed pose."""
    rng = np.random.default_rng(seed)
    points = landmarks(HEAD @ random_rotation(rng).T)
    for flip in (False, True):
        seen = points.copy()
        if flip:
            seen = 2 * np.array([CENTRE, 0]) + points * [-1, 1]
            seen[list(MIRRORED)] = seen[list(MIRRORED.values())]
        angle = rng.uniform(-0.4, 0.4)
        cos, sin = np.cos(angle), np.sin(angle)
        affine = np.array([[cos, -sin, 0], [sin, cos, 0]])
        seen = (seen - CENTRE) @ np.linalg.inv(affine[:, :2]).T + CENTRE  # pixel z shows what was at affine(z)
        before = poses.rotations(detected(points))
        after = poses.changed(before, torch.tensor([flip]), torch.from_numpy(affine)[None])
        torch.testing.assert_close(after, poses.rotations(detected(seen)), rtol=0, atol=2e-3)


def test_flip_and_motion_that_are_told_are_those_of_the_pixels() -> None:
    frames = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    frames = torch.nn.functional.avg_pool2d(frames, 9, 1, 4)
    aug = Augmentation(shared=1.0, own=1.0, color=0.0)
    _, driving, flip, affine = augment(frames, frames, torch.Generator().manual_seed(2), aug)
    assert 0 < flip.sum() < 8
    again = _apply(torch.where(flip[:, None, None, None], frames.flip(3), frames), affine)
    torch.testing.assert_close(again, driving, rtol=0, atol=1e-5)


def test_the_table_of_real_frames(sample_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(tmp_path / "cache"))
    clip = samples.clips("train")[0]
    files = sorted((sample_set / clip).glob("*.png"))[:3]
    folder = tmp_path / "data" / "a"
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, read_rgb(files[0]).shape, np.uint8)
    Image.fromarray(noise).save(folder / "zz.png")
    for name in ("a.parquet", "sub/a.csv"):
        write(str(folder.parent), tmp_path / name, Console(quiet=True))
        table = poses.read(tmp_path / name)
        assert table["clip"].tolist() == ["a"] * 3 and table[["yaw", "pitch", "roll"]].abs().max(axis=None) < 60
    again = TrainingFrames(folder.parent, pose_file=tmp_path / "a.parquet").poses
    assert again[:3].isfinite().all() and again[3].isnan().all()
    expected = pd.read_parquet(tmp_path / "a.parquet")[["yaw", "pitch", "roll"]].to_numpy()
    np.testing.assert_allclose(again[:3].numpy(), expected, atol=1e-4)


def test_mistakes_are_said(tmp_path: Path) -> None:
    with refused(UserError, "bad-value"):
        write("sample", tmp_path / "poses.txt", Console(quiet=True))
    with refused(UserError, "missing-folder", tmp_path / "none"):
        write(str(tmp_path / "none"), tmp_path / "poses.csv", Console(quiet=True))


def test_batches_are_of_one_clip_and_one_shape() -> None:
    def image(side: int) -> np.ndarray:
        return np.zeros((side, side, 3), np.uint8)

    frames = [
        ("a", "1", image(4)),
        ("a", "2", image(4)),
        ("a", "3", image(4)),
        ("a", "4", image(5)),
        ("b", "1", image(5)),
    ]
    found = [(clip, names, pixels.shape) for clip, names, pixels in batches(frames, 2)]
    assert found == [
        ("a", ["1", "2"], (2, 4, 4, 3)),
        ("a", ["3"], (1, 4, 4, 3)),
        ("a", ["4"], (1, 5, 5, 3)),
        ("b", ["1"], (1, 5, 5, 3)),
    ]
    assert list(batches(each_frame(Path("nowhere")))) == []
