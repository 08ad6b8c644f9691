"""The facts of a template video that MemFace needs before rendering: head poses and the person's mean face.

Only numbers are kept, not frames: about 450 bytes per frame, and the meshes of the first minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from baselines.facemesh import canonical, mesh
from baselines.facemesh.canonical import Pose
from baselines.levels import to_levels
from baselines.memface import view

KEPT = 1500  # meshes of a template for the person's shape: a minute at 25 frames per second
NO_FACE = "no face in the template's frame"


@dataclass(frozen=True)
class Template:
    """poses, lips (`view.outer_lips`, in pixels): of every frame, None without a face. aligned: meshes, in cm."""

    poses: tuple[Pose | None, ...]
    lips: tuple[np.ndarray | None, ...]
    aligned: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Return the mean face ``(468, 3)`` in cm, for the masks of frames."""
        return self.aligned.mean(0)


def look(frames: Iterable[Tensor]) -> Template | None:
    """Find the face of every frame ``(3, H, W)`` in [0, 1]; return None if no frame has one."""
    poses: list[Pose | None] = []
    lips: list[np.ndarray | None] = []
    aligned: list[np.ndarray] = []
    for frame in frames:
        found = mesh.find(as_picture(frame))
        if found is None:
            poses.append(None)
            lips.append(None)
            continue
        face, pose = canonical.align(found)
        poses.append(pose)
        lips.append(view.outer_lips(found).astype(np.float32))
        if len(aligned) < KEPT:
            aligned.append(face.astype(np.float32))
    return Template(tuple(poses), tuple(lips), np.stack(aligned).astype(np.float64)) if aligned else None


def as_picture(frame: Tensor) -> np.ndarray:
    """Convert a frame ``(3, H, W)`` in [0, 1] to uint8 ``(H, W, 3)``."""
    return to_levels(frame.cpu().permute(1, 2, 0)).numpy()
