"""Tables of true head poses, and face-vid2vid's head pose loss."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors import safe_open
from support.refused import refused

from baselines.fv2v.pose import rotation_matrix
from baselines.predictor import ModelError
from baselines.training import losses, poses
from baselines.training import run as run_module
from baselines.training.data import Augmentation, TrainingFrames
from baselines.training.loop import train
from baselines.training.run import Run
from baselines.training.settings import TrainSettings

ANGLE = st.floats(-80, 80)


def settings(clips: Path, out: Path, **changes) -> TrainSettings:
    fields = dict(model="fv2v", data=clips, out=out, steps=2, seed=3, stages=((64, 1.0, 2),), log_every=1, bf16=False)
    return TrainSettings(**fields | changes)


def table(file: Path, rows: list[tuple] | None = None) -> Path:
    """Poses of the clips' frames but the last of each, unless other rows are given."""
    rows = rows or [(clip, f"{i:07d}", 10.0 * i, -5.0, 3.0) for clip in "ab" for i in range(3)]
    made = pd.DataFrame(rows, columns=list(poses.COLUMNS))
    if file.suffix == ".csv":
        made.to_csv(file, index=False)
    else:
        made.to_parquet(file)
    return file


def test_the_loss_by_hand() -> None:
    predicted = torch.tensor([[10.0, 0, -4], [50, 50, 50], [0, 0, 0]], requires_grad=True)
    true = torch.tensor([[12.0, -1, 4], [float("nan"), 0, 0], [0, 3, 0]])
    value = losses.head_pose(predicted, true)
    assert value.item() == pytest.approx((2 + 1 + 8 + 3) / 2)
    value.backward()
    torch.testing.assert_close(predicted.grad, torch.tensor([[-0.5, 0.5, -0.5], [0, 0, 0], [0, -0.5, 0]]))
    nothing = losses.head_pose(predicted, torch.full((3, 3), float("nan")))
    nothing.backward()
    assert nothing == 0 and predicted.grad.isfinite().all()


@hypothesis_settings(deadline=None, max_examples=50)
@given(ANGLE, ANGLE, ANGLE)
def test_angles_of_the_network_make_the_rotation_of_the_table(yaw: float, pitch: float, roll: float) -> None:
    given = torch.tensor([[yaw, pitch, roll]], dtype=torch.float64)
    rotation = poses.rotations(given)
    again = rotation_matrix(*poses.network_angles(rotation).unbind(1))
    torch.testing.assert_close(again, rotation, rtol=0, atol=5e-3)  # its half turn is 3.14
    for i in range(3):
        alone = torch.zeros_like(given).index_put((torch.tensor(0), torch.tensor(i)), given[0, i])
        torch.testing.assert_close(poses.network_angles(poses.rotations(alone)), alone, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_frames_find_their_poses_by_name(name: str, clips: Path, tmp_path: Path) -> None:
    found = TrainingFrames(clips, pose_file=table(tmp_path / name)).poses
    assert found[:3].tolist() == found[4:7].tolist() == [[0, -5, 3], [10, -5, 3], [20, -5, 3]]
    assert found[[3, 7]].isnan().all() and found.shape == (8, 3)
    assert TrainingFrames(clips).poses is None


@pytest.mark.parametrize(
    ("rows", "code", "values"),
    [
        ([("a", "0", "much", 0, 0)], "bad-number", ["much"]),
        ([("a", "0", 1, 0, 181)], "bad-number", ["-180", " 180"]),
        ([("a", "0", 1, 0, 0), ("a", "0000000", 2, 0, 0)], "duplicate-frame", ["frame 0 ", "clip a "]),
        ([("c", "0", 1, 0, 0)], "missing-frames", []),
        ([("a", "0", "", 0, 0)], "missing-frames", []),
    ],
)
def test_an_unusable_table_is_one_line(
    rows: list[tuple], code: str, values: list[str], clips: Path, tmp_path: Path
) -> None:
    with refused(ModelError, code, "a.csv", *values) as error:
        TrainingFrames(clips, pose_file=table(tmp_path / "a.csv", rows))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "codes"),
    [
        ("a.csv", b"clip,frame,yaw\na,0,1\n", ["missing-column"]),
        ("a.csv", b"", ["unreadable-file"]),
        ("a.csv", b"\xff\xfe\x00", ["unreadable-file"]),
        ("a.csv", b'clip,frame\n"a\n', ["unreadable-file", "missing-column"]),  # by pandas' version
        ("a.parquet", b"PAR1nothing", ["unreadable-file"]),
    ],
)
def test_a_file_of_another_kind_is_one_line(name: str, content: bytes, codes: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name) as error:
        poses.read(tmp_path / name)
    assert error.value.code in codes and "\n" not in str(error.value)
    if "yaw" in str(content):
        assert "pitch, roll;" in str(error.value)
    with refused(ModelError, "unreadable-file", "missing.csv"):
        poses.read(tmp_path / "missing.csv")


def test_poses_follow_the_drawn_frames_and_change_no_pixel(clips: Path, tmp_path: Path) -> None:
    """The disc of frame i lies 5 i to the right, whose pose has a yaw of 10 i; mirrored, both lie on the other side."""
    plain, data = TrainingFrames(clips), TrainingFrames(clips, pose_file=table(tmp_path / "a.csv"))
    still = Augmentation(shared=0, own=0, color=0)
    arguments = (16, 64, torch.Generator().manual_seed(1), still)
    source, driving, angles = data.pairs(*arguments)
    arguments[2].manual_seed(1)
    for a, b in zip((source, driving), plain.batch(*arguments), strict=True):
        assert torch.equal(a, b)
    known = data.frames.float() / 255
    seen = set()
    for frame, (yaw, pitch, roll) in zip(driving, angles.tolist()):
        matches = [
            (i, m) for i, x in enumerate(known) for m in (1, -1) if (frame - (x, x.flip(2))[m < 0]).abs().max() < 1e-5
        ]
        ((number, sign),) = matches
        seen.add((number % 4, sign))
        if number % 4 == 3:
            assert yaw != yaw
            continue
        whole = poses.network_angles(poses.rotations(torch.tensor([[10.0 * (number % 4), -5, 3]])))[0].tolist()
        assert [yaw, pitch, roll] == pytest.approx([sign * whole[0], whole[1], sign * whole[2]], abs=1e-4)
    assert len(seen) > 5


def test_with_a_table_the_angles_learn(clips: Path, tmp_path: Path, monkeypatch) -> None:
    chosen = settings(clips, tmp_path / "out", poses=table(tmp_path / "a.csv"))
    data = TrainingFrames(clips, pose_file=chosen.poses)
    run = Run(chosen, data)
    run.trainee.set_side(64)
    source, driving, angles = data.pairs(4, 64, torch.Generator().manual_seed(1), Augmentation())
    rng = torch.Generator().manual_seed(1)
    parts = run.trainee.losses(source, driving, rng, 0.0, angles)
    found = run.trainee.network.pose(driving)
    assert parts["head_pose"] > 0
    monkeypatch.setattr(losses, "head_pose", lambda a, b: (a - b).abs().sum(1).nansum())
    run.trainee.networks.eval()
    found = run.trainee.network.pose(driving)
    expected = torch.stack([found.yaw, found.pitch, found.roll], dim=1)
    again = run.trainee.losses(source, driving, rng, 0.0, angles)["head_pose"] / 20
    torch.testing.assert_close(again, (expected - angles).abs().sum(1).nansum(), rtol=1e-4, atol=1e-3)
    again.backward()
    assert run.trainee.network.he_estimator.fc_roll.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("named", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_log_and_checkpoint_say_whether_there_was_a_table(
    named: bool, clips: Path, tmp_path: Path, monkeypatch, caplog, interrupted_after_one
) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)
    file = table(tmp_path / "a.csv") if named else None
    with caplog.at_level(logging.INFO):
        whole = train(settings(clips, tmp_path / "whole", poses=file))
    with safe_open(whole, "pt") as stream:
        facts = json.loads(stream.metadata()["training"])
    words = facts["head_pose_loss"]
    assert words.startswith("weight 20, 6 of 8 " if named else "off") and ("poses" in facts) == named
    assert sum(line.endswith(words) for line in caplog.messages) == 1
    assert ("head_pose" in pd.read_csv(tmp_path / "whole" / "log.csv")) == named
    again = interrupted_after_one(settings(clips, tmp_path / "broken", poses=file, save_every=1))
    with safe_open(whole, "pt") as a, safe_open(again, "pt") as b:
        assert all(torch.equal(a.get_tensor(key), b.get_tensor(key)) for key in a.keys())  # noqa: SIM118
    if named:
        table(file, [("a", "1", 0, 0, 0)])
        with pytest.raises(ModelError, match="another poses"):
            train(settings(clips, tmp_path / "whole", poses=file))


def test_other_models_have_no_such_loss(clips: Path, tmp_path: Path) -> None:
    with refused(ModelError, "no-training"):
        train(settings(clips, tmp_path / "out", model="fomm", poses=table(tmp_path / "a.csv")))


def test_a_frame_number_of_any_length_is_a_name(tmp_path: Path) -> None:
    """Python's int() gives up at 4300 digits."""
    file = tmp_path / "poses.csv"
    file.write_text(f"clip,frame,yaw,pitch,roll\na,{'0' * 3}7,1,2,3\na,{'9' * 5000},1,2,3\na,000,1,2,3\n")
    assert poses.read(file)["frame"].tolist() == ["7", "9" * 5000, "0"]
