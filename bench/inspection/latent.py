"""LIA's motion, which has no keypoints: a flow and a mask per level, and a dictionary of directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.blocks.grid import coordinate_grid, warp

STEP = 3.0  # along one direction, as in the released manipulation script


def levels(source: Tensor, logits: Sequence[Tensor]) -> dict[str, Any]:
    """Return the last level's flow, the source ``(1, 3, S, S)`` warped by it, and the masks, coarse to fine.

    logits: ``(1, 3, s, s)`` of each level: two channels of the flow before tanh, one of the mask before sigmoid.
    """
    shift = torch.tanh(logits[-1][:, :2]).permute(0, 2, 3, 1)
    moved = warp(source, coordinate_grid(shift.shape[1], shift.shape[2], like=shift) + shift, align_corners=False)
    return {
        "flow": _array(shift[0] / 2),
        "warped": _array(moved[0].permute(1, 2, 0).clamp(0, 1)),
        "occlusions": tuple(_array(torch.sigmoid(level[0, 2])) for level in logits),
    }


def directions(network: Any, source: Tensor) -> np.ndarray:
    """Move the source ``(1, 3, S, S)`` from its own pose along each direction alone, by -`STEP` and by `STEP`.

    Returns ``(M, 2, S, S, 3)`` in [0, 1].
    """
    encoded = network.encode(2 * source - 1)
    own = encoded.magnitudes
    rows = []
    for step in STEP * torch.eye(own.shape[1], device=own.device, dtype=own.dtype):
        codes = [network.moved(encoded, own + sign * step) for sign in (-1, 1)]
        frames = torch.cat([network.generate(encoded, code).frame for code in codes])
        rows.append(_array(((frames + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)))
    return np.stack(rows)


def references(network: Any, *images: Tensor) -> np.ndarray:
    """Render each of the images ``(1, 3, S, S)`` in the pose of the reference, without motion.

    Returns ``(N, S, S, 3)`` in [0, 1], N of the images.
    """
    found = [network.encode(2 * image - 1) for image in images]
    frames = [network.generate(encoded, encoded.code).frame for encoded in found]
    return _array(((torch.cat(frames) + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1))


def _array(x: Tensor) -> np.ndarray:
    return x.detach().float().cpu().numpy()
