"""DaGAN in training: FOMM's losses and keypoint distance, and a depth network that is trained with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import SameBlock
from baselines.blocks.grid import coordinate_grid, warp
from baselines.blocks.keypoints import Keypoints
from baselines.card import merged
from baselines.dagan.network import DaGAN
from baselines.training import losses
from baselines.training.first_order import FOMM_CONFIG, FirstOrderTrainee
from baselines.training.trainee import MOTION_SIDE

DAGAN_CONFIG: dict[str, Any] = {
    "common_params": FOMM_CONFIG["common_params"],
    "kp_detector_params": FOMM_CONFIG["kp_detector_params"],
    # The attention compares all pairs of positions, which is too slow for features of half the frame's side.
    "generator_params": FOMM_CONFIG["generator_params"] | {"attention_side": 32},
    "command_line": {"generator": "DepthAwareGenerator"},
    "depth_params": {"width": 8, "widths": [8, 16, 16, 32, 32], "side": MOTION_SIDE},
}
NEAREST, FARTHEST = 0.1, 100.0


class CameraMotion(nn.Module):
    """Map two frames ``(N, 3, S, S)`` to the camera's motion from the second to the first, and its focal length.

    rotation: ``(N, 3, 3)``; translation: ``(N, 3)``; focal: ``(N,)`` in half sides of the frame. Used only in training,
    to learn depth without labels (DaGAN Sec. 3.1).
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 64)):
        super().__init__()
        steps = zip((6, *widths), widths)
        self.blocks = nn.Sequential(*(nn.Sequential(SameBlock(a, b), nn.AvgPool2d(2)) for a, b in steps))
        self.last = nn.Conv2d(widths[-1], 7, 1)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = 0.1 * self.last(self.blocks(torch.cat([first, second], dim=1))).mean((2, 3))
        x, y, z = out[:, :3].unbind(1)
        zero = torch.zeros_like(x)
        axis = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
        return torch.linalg.matrix_exp(axis), out[:, 3:6], 2 * torch.exp(out[:, 6])


def reproject(image: Tensor, disparity: Tensor, rotation: Tensor, translation: Tensor, focal: Tensor) -> Tensor:
    """Warp a frame ``(N, 3, H, W)`` to the viewpoint of the disparity ``(N, 1, H, W)`` in (0, 1).

    Each pixel is projected to its depth, moved by the camera's motion, and projected into `image` (DaGAN Sec. 3.1).
    """
    depth = 1 / (1 / FARTHEST + (1 / NEAREST - 1 / FARTHEST) * disparity[:, 0])
    grid = coordinate_grid(depth.shape[1], depth.shape[2], depth) / focal[:, None, None, None]
    rays = torch.cat([grid, torch.ones_like(grid[..., :1])], dim=-1)
    points = torch.einsum("nij,nhwj->nhwi", rotation, rays * depth[..., None]) + translation[:, None, None]
    seen = focal[:, None, None, None] * points[..., :2] / points[..., 2:].clamp_min(NEAREST / 10)
    return warp(image, seen, align_corners=True, padding="border")


class DepthTrainee(FirstOrderTrainee):
    """DaGAN (Hong et al. 2022); see also `adversarial`.

    The paper trains the depth network beforehand, on many hours of video, and freezes it. Here it is trained at the
    same time on the same pairs, with the same method: depth and camera motion reconstruct the driving frame from the
    source's pixels. As in the paper it has no other loss.
    """

    config = DAGAN_CONFIG
    shareable = (
        "kp_detector",
        "depth_encoder",
        "depth_decoder",
        *(
            f"generator.{part}"
            for part in ("dense_motion_network", "first", "down_blocks", "bottleneck", "up_blocks", "final")
        ),
    )
    network: DaGAN

    def build(self) -> DaGAN:
        reduced = "depth_params" in self.config
        if reduced and self.config["command_line"]["generator"] == "SPADEDepthAwareGenerator":
            # The decoder always doubles the sides twice.
            self.config = merged(self.config, {"generator_params": {"spade_width": 48, "num_down_blocks": 2}})
        return DaGAN(self.config)

    def parts(self) -> dict[str, nn.Module]:
        depth = {"depth_encoder": self.network.depth_encoder, "depth_decoder": self.network.depth_decoder}
        return super().parts() | depth | {"camera_motion": CameraMotion()}

    def start_from(self, state: Mapping[str, Tensor]) -> list[str]:
        """Accept a FOMM's detector, too; the weights of the depth channel then start at zero."""
        own = self.networks.state_dict()
        return super().start_from({k: _widened(v, own[k].shape) if k in own else v for k, v in state.items()})

    def detect(self, *frames: Tensor) -> list[Keypoints]:
        images = torch.cat(frames)
        depth = self.network.depth(images)
        self.depths = list(depth.split([len(batch) for batch in frames]))
        keypoints = self.network.detect(images, depth.detach())
        assert keypoints.jacobian is not None  # FOMM's detector has them
        sizes = [len(batch) for batch in frames]
        return [Keypoints(*parts) for parts in zip(keypoints.value.split(sizes), keypoints.jacobian.split(sizes))]

    def generate(self, image: Tensor, source: Keypoints, driving: Keypoints) -> Tensor:
        depth = self.depths[0].detach()
        with self.reduced_precision(image.device):
            frame, _ = self.network.generate(
                image.contiguous(memory_format=torch.channels_last), source, driving, depth
            )
        return frame.float()

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        parts = super().losses(source, driving, rng, progress)
        return parts | self.depth_terms(source, driving, self.depths[1])

    def depth_terms(self, source: Tensor, driving: Tensor, disparity: Tensor) -> dict[str, Tensor]:
        """Return the depth network's losses. disparity: ``(N, 1, S, S)`` of the driving frames."""
        small, target, disparity = (F.adaptive_avg_pool2d(x, MOTION_SIDE) for x in (source, driving, disparity))
        seen = reproject(small, disparity, *self.networks["camera_motion"](small, target))
        return self.weighted(
            {
                "depth_photometric": losses.photometric(seen, target),
                "depth_smoothness": losses.smoothness(disparity, target),
            }
        )

    def keypoint_terms(self, source: Keypoints, driving: Keypoints) -> dict[str, Tensor]:
        crowded = losses.keypoint_distance(source.value) + losses.keypoint_distance(driving.value)
        return super().keypoint_terms(source, driving) | self.weighted({"keypoint_distance": crowded})


def _widened(value: Tensor, shape: torch.Size) -> Tensor:
    """Add an input channel of zeros to a convolution's kernel if it then has this shape; else return it unchanged."""
    if value.ndim == 4 and (len(value), value.shape[1] + 1, *value.shape[2:]) == tuple(shape):
        return torch.cat([value, value.new_zeros(len(value), 1, *value.shape[2:])], dim=1)
    return value
