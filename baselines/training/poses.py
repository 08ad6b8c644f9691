"""True head poses of training frames, from a table, converted to the angles of face-vid2vid's network.

The table's angles are those of this program's head pose detector: ``Rz(roll) Ry(yaw) Rx(pitch)`` of a head in camera
coordinates, x to the right of the picture, y down, z away; pitch is positive downwards, yaw to the picture's left, roll
clockwise. face-vid2vid's rotation is ``Rx(pitch) Ry(yaw) Rz(roll)`` (`baselines.fv2v.pose`): same axes and signs, but
another order. A rotation about a single axis has the same angle in both.
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from baselines.fv2v.pose import ANGLES, turn
from baselines.predictor import ModelError
from baselines.training import clips
from protocols import files

COLUMNS = ("clip", "frame", *ANGLES)


def read(file: Path) -> pd.DataFrame:
    """Read columns `COLUMNS`: clip and frame as text, angles in degrees (float64, NaN if missing).

    file: parquet or CSV. Raises ModelError if it is unusable.
    """
    try:
        content = io.BytesIO(files.content(file))
        if file.suffix.lower() == ".csv":
            table = pd.read_csv(content, dtype=str, keep_default_na=False)
        else:
            table = pd.read_parquet(content)
    # pyarrow's own errors are subclasses of these, such as for an unknown type or a wrong size in the file.
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MemoryError) as error:
        raise ModelError(
            f"poses {file}: cannot be read: {' '.join(str(error).split())[:200]}", code="unreadable-file"
        ) from None
    if missing := [name for name in COLUMNS if name not in table]:
        raise ModelError(
            f"poses {file}: no column {', '.join(missing)}; required are {', '.join(COLUMNS)}", code="missing-column"
        )
    table = table[list(COLUMNS)]
    names = {name: table[name].astype(str) for name in ("clip", "frame")}
    try:
        angles = {name: pd.to_numeric(table[name]).astype("float64") for name in ANGLES}
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"poses {file}: an angle is not a number: {' '.join(str(error).split())[:200]}", code="bad-number"
        ) from None
    table = pd.DataFrame(names | angles)
    if (table[list(ANGLES)].abs() > 180).any(axis=None):
        raise ModelError(f"poses {file}: angles must be degrees between -180 and 180", code="bad-number")
    table["frame"] = table["frame"].map(_number)
    if (twice := table.duplicated(["clip", "frame"])).any():
        row = table[twice].iloc[0]
        raise ModelError(
            f"poses {file}: frame {row['frame']} of clip {row['clip']} occurs twice", code="duplicate-frame"
        )
    return table


def of_frames(file: Path, root: Path, frames: clips.Frames) -> Tensor:
    """Return yaw, pitch, roll ``(M, 3)`` in degrees, as in the table, of all frames of `root`; NaN if missing.

    Raises ModelError if the table is unusable, or has none of the frames.
    """
    table = read(file)
    known = dict(zip(zip(table["clip"], table["frame"]), table[list(ANGLES)].to_numpy().tolist()))
    unknown = [float("nan")] * len(ANGLES)
    found = []
    for name, (start, end) in zip(frames.names, frames.ranges):
        clip, numbers = clips.frame_names(root / name, end - start)
        found += [known.get((clip, _number(number)), unknown) for number in numbers]
    poses = torch.tensor(found, dtype=torch.float32)
    if not poses.isfinite().all(1).any():
        raise ModelError(f"poses {file}: no row for a frame of {root}", code="missing-frames")
    return poses


def _number(name: str) -> str:
    """Return a frame's number without leading zeros, since tables lose them; other names unchanged."""
    return name.lstrip("0") or "0" if name.isascii() and name.isdigit() else name


def rotations(poses: Tensor) -> Tensor:
    """Return ``Rz(roll) Ry(yaw) Rx(pitch)``, ``(N, 3, 3)``. poses: yaw, pitch, roll ``(N, 3)`` in degrees."""
    yaw, pitch, roll = torch.deg2rad(poses).unbind(1)
    return turn(roll, 0, 1) @ turn(yaw, 2, 0) @ turn(pitch, 1, 2)


def network_angles(rotation: Tensor) -> Tensor:
    """Return yaw, pitch, roll ``(N, 3)`` in degrees of rotations ``(N, 3, 3)`` as ``Rx(pitch) Ry(yaw) Rz(roll)``."""
    yaw = torch.asin(rotation[:, 0, 2].clamp(-1, 1))
    pitch = torch.atan2(-rotation[:, 1, 2], rotation[:, 2, 2])
    roll = torch.atan2(-rotation[:, 0, 1], rotation[:, 0, 0])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], dim=1))


def changed(rotation: Tensor, flip: Tensor, affine: Tensor) -> Tensor:
    """Return the head rotations ``(N, 3, 3)`` after mirroring frames where `flip` ``(N,)``, then moving them.

    affine: similarity ``(N, 2, 3)``; the moved frame shows at z the content of affine(z), so heads rotate by the
    inverse. Effects of perspective on shifted and scaled heads are neglected.
    """
    mirror = torch.diag(rotation.new_tensor([-1.0, 1.0, 1.0]))
    rotation = torch.where(flip[:, None, None], mirror @ rotation @ mirror, rotation)
    return turn(-torch.atan2(affine[:, 1, 0], affine[:, 0, 0]), 0, 1) @ rotation
