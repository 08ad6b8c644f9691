"""The input of MemFace's renderer for a frame: drawn face, masked template, mouth, and their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from baselines.facemesh.canonical import Pose, mouth
from baselines.memface import view
from baselines.memface.drawing import Drawing
from baselines.memface.view import Framing


@dataclass(frozen=True)
class Scene:
    """Input for one frame; images have the window's side S, except `hole`.

    drawn: ``(S, S, C)`` uint8. template: ``(S, S, 3)`` uint8, black where it is masked. masked: ``(S, S)`` bool.
    query: mouth vertices ``(69, 3)`` float32 in cm. placement: ``(2, 3)`` float32 of `Framing.placement`.
    window: ``(2, 3)`` from the window's pixels to the frame's. hole: ``(H, W)`` uint8, the mask in the frame.
    """

    drawn: np.ndarray
    template: np.ndarray
    masked: np.ndarray
    query: np.ndarray
    placement: np.ndarray
    window: np.ndarray
    hole: np.ndarray


def scene(
    frame: np.ndarray,
    lips: np.ndarray,
    pose: Pose,
    person: np.ndarray,
    vertices: np.ndarray,
    framing: Framing,
    drawing: Drawing,
) -> Scene:
    """Return the scene for a face in a template's frame ``(H, W, 3)`` uint8.

    lips: `view.outer_lips` of the frame itself, in pixels, and `pose` that of its head. person: the mean face
    ``(468, 3)`` in cm. vertices: the face to be drawn, ``(468, 3)`` in cm of the canonical face.
    """
    height, width = frame.shape[:2]
    window = framing.window(pose, width)
    hole = view.mask(pose, person, lips, height, width)
    hidden = frame * (hole == 0)[..., None]
    # A pixel of the window is masked if any masked pixel of the frame contributes to it.
    masked = view.cut(hole, window, framing.side) > 0
    drawn = drawing.draw(view.through(window, pose.apply(vertices))[None], framing.side)[0]
    template = view.cut(hidden, window, framing.side) * ~masked[..., None]
    query = vertices[mouth()].astype(np.float32)
    return Scene(drawn, template, masked, query, framing.placement(pose, width), window, hole)


def tensors(scenes: Sequence[Scene], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the inputs of `Renderer` for some frames, in its order."""
    return (
        images(np.stack([one.drawn for one in scenes]), device),
        images(np.stack([one.template for one in scenes]), device),
        torch.from_numpy(np.stack([one.masked for one in scenes])[:, None]).to(device, torch.float32),
        torch.from_numpy(np.stack([one.query for one in scenes])).to(device),
        torch.from_numpy(np.stack([one.placement for one in scenes])).to(device),
    )


def images(pictures: np.ndarray, device: torch.device) -> Tensor:
    """Convert ``(N, H, W, C)`` uint8 to ``(N, C, H, W)`` float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(0, 3, 1, 2).float() / 255
