"""Training frames of MemFace's renderer, prepared once and kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from baselines.errors import ModelError
from baselines.facemesh import canonical, mesh
from baselines.memface import view
from baselines.memface.drawing import Drawing
from baselines.memface.explicit import Selection, select
from baselines.memface.scene import Scene, images, scene, tensors
from baselines.memface.view import Framing

_APART = 1_000_000  # between the positions of two clips, so that their frames never count as near


@dataclass(frozen=True)
class Footage:
    """All frames of one person with a detected face.

    scenes: with the frame's own face drawn. targets: ``(F, S, S, 3)`` uint8, the true windows. patches:
    ``(F, P, P, 3)`` uint8 mouths. positions: ``(F,)`` frame numbers, far apart between clips. lost: number of frames
    without a face. sha256: of windows and mouths.
    """

    identity: str
    scenes: Sequence[Scene]
    targets: np.ndarray
    patches: np.ndarray
    positions: np.ndarray
    lost: int

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the true windows and mouths, to compare the data of two trainings."""
        return hashlib.sha256(self.targets.tobytes() + self.patches.tobytes()).hexdigest()

    @property
    def keys(self) -> np.ndarray:
        """Return mouth vertices ``(F, 69, 3)`` in cm."""
        return np.stack([one.query for one in self.scenes])

    def batch(self, chosen: Tensor, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return inputs of `Renderer` and the true windows ``(B, 3, S, S)`` for chosen frames."""
        numbers = chosen.tolist()
        return tensors([self.scenes[k] for k in numbers], device), images(self.targets[numbers], device)

    def memory(self, slots: int, seed: int) -> tuple[Selection, Tensor, Tensor]:
        """Return an explicit memory of this person: the selection, and keys and patches for `ExplicitMemory.fill`."""
        keys = self.keys
        selection = select(keys, slots, seed)
        patches = torch.from_numpy(self.patches[selection.indices]).permute(0, 3, 1, 2).contiguous()
        return selection, torch.from_numpy(keys[selection.indices]), patches


def footage(identity: str, clips: Iterable[Iterable[np.ndarray]], framing: Framing, drawing: Drawing) -> Footage:
    """Return the footage from all frames ``(H, W, 3)`` uint8 RGB of one person's clips.

    Each clip has its own mean face, since cameras differ. Raises ModelError if no frame shows a face.
    """
    scenes: list[Scene] = []
    targets: list[np.ndarray] = []
    patches: list[np.ndarray] = []
    positions: list[int] = []
    lost = 0
    for number, clip in enumerate(clips):
        frames = list(clip)
        meshes = [mesh.find(frame) for frame in frames]
        seen = [(k, found, *canonical.align(found)) for k, found in enumerate(meshes) if found is not None]
        lost += len(frames) - len(seen)
        if not seen:
            continue
        person = np.mean([aligned for _, _, aligned, _ in seen], 0)
        for k, found, aligned, pose in seen:
            one = scene(frames[k], view.outer_lips(found), pose, person, aligned, framing, drawing)
            scenes.append(one)
            targets.append(view.cut(frames[k], one.window, framing.side))
            patches.append(view.cut(frames[k], framing.patch_window(pose), framing.patch))
            positions.append(number * _APART + k)
    if not scenes:
        raise ModelError(f"no frame of {identity} shows a face to learn from", code="no-face")
    return Footage(identity, scenes, np.stack(targets), np.stack(patches), np.array(positions), lost)
