"""face-vid2vid: One-Shot Free-View Neural Talking-Head Synthesis (Wang et al., CVPR 2021).

NVIDIA published neither code nor weights. This is the network of the widely used reimplementation (see model.json),
with 15 keypoints instead of 20 and other layers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock
from baselines.blocks.grid import resize
from baselines.blocks.spade import SpadeDecoder
from baselines.fv2v.estimators import CanonicalKeypointDetector, PoseExpressionEstimator
from baselines.fv2v.pose import Pose, gaussian_volumes, place
from baselines.fv2v.volume import Hourglass3d, ResBlock3d, resize_volume_flow, volume_grid, warp_volume


@dataclass(frozen=True)
class Motion:
    """flow: ``(N, D, h, w, 3)`` source coordinates of each driving position; occlusion: ``(N, 1, h, w)`` in (0, 1).

    mask: ``(N, K+1, D, h, w)``, sums to 1 over the motions, background first. motions: ``(N, K+1, D, h, w, 3)``.
    hourglass_input: ``(N, (K+1)(compress+1), D, h, w)``.
    """

    flow: Tensor
    occlusion: Tensor
    mask: Tensor
    motions: Tensor
    hourglass_input: Tensor


class DenseMotionNetwork(nn.Module):
    """Map a source volume and two sets of 3D keypoints to `Motion` (Sec. 3.2, Eq. 3 without the rotation).

    side: estimate the motion on a volume averaged to this side, and enlarge the flow (a reduced network); None: on the
    full volume, as released. mask_kernel: size of the last convolution, which computes the masks.
    """

    norm_after: ClassVar[dict[str, str]] = {"compress": "norm"}

    def __init__(
        self,
        num_kp: int,
        feature_channel: int = 32,
        block_expansion: int = 32,
        max_features: int = 1024,
        num_blocks: int = 5,
        reshape_depth: int = 16,
        compress: int = 4,
        side: int | None = None,
        mask_kernel: int = 7,
    ):
        super().__init__()
        self.side = side
        count = num_kp + 1
        self.hourglass = Hourglass3d(block_expansion, count * (compress + 1), num_blocks, max_features)
        self.mask = nn.Conv3d(self.hourglass.out_features, count, mask_kernel, padding=mask_kernel // 2)
        self.compress = nn.Conv3d(feature_channel, compress, 1)
        self.norm = nn.BatchNorm3d(compress)
        self.occlusion = nn.Conv2d(self.hourglass.out_features * reshape_depth, 1, 7, padding=3)

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> Motion:
        """Return the motion. volume: ``(N, C, D, h, w)``; source, driving: ``(N, K, 3)``."""
        small = F.relu(self.norm(self.compress(volume)))
        if self.side is not None:
            small = F.adaptive_avg_pool3d(small, (small.shape[2], self.side, self.side))
        n, channels, *size = small.shape
        grid = volume_grid(size[0], size[1], size[2], source)
        shifted = grid - driving[:, :, None, None, None] + source[:, :, None, None, None]
        motions = torch.cat([grid.expand_as(shifted[:, :1]), shifted], dim=1)
        count = motions.shape[1]
        copies = small[:, None].expand(n, count, channels, *size).flatten(0, 1)
        warped = warp_volume(copies, motions.flatten(0, 1).to(small.dtype)).view(n, count, channels, *size)
        heatmaps = gaussian_volumes(driving, grid) - gaussian_volumes(source, grid)
        heatmaps = torch.cat([torch.zeros_like(heatmaps[:, :1]), heatmaps], dim=1).to(warped.dtype)
        hourglass_input = torch.cat([heatmaps[:, :, None], warped], dim=2).flatten(1, 2)
        feature = self.hourglass(hourglass_input)
        mask = torch.softmax(self.mask(feature).float(), dim=1)
        flow = resize_volume_flow((mask[..., None] * motions).sum(1), volume.shape[2:])
        occlusion = torch.sigmoid(self.occlusion(feature.flatten(1, 2)).float())
        return Motion(flow, occlusion, mask, motions, hourglass_input)


class LeakyBlock(SameBlock):
    """`SameBlock` with a leaky ReLU of slope 0.01."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.01)


def visible(volume: Tensor, motion: Motion, third: nn.Module, fourth: nn.Module) -> Tensor:
    """Return the volume ``(N, C, D, h, w)`` warped, its depth flattened by two layers, and occlusions masked."""
    moved = warp_volume(volume, motion.flow.to(volume.dtype))
    feature = fourth(third(moved.flatten(1, 2)))
    occlusion = resize(motion.occlusion, feature.shape[2], feature.shape[3], align_corners=False)
    return feature * occlusion.to(feature.dtype)


class VolumeGenerator(nn.Module):
    """Map the source image to a feature volume, warp it in 3D, flatten it and decode it in 2D (Sec. 3.2).

    spade: use the released alternative decoder, modulated by the feature that it decodes.
    """

    def __init__(
        self,
        num_kp: int,
        image_channel: int = 3,
        feature_channel: int = 32,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 2,
        reshape_depth: int = 16,
        num_resblocks: int = 6,
        dense_motion_params: Mapping[str, Any] | None = None,
        spade: bool = False,
        spade_width: int = 512,
    ):
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork(num_kp, feature_channel, **(dense_motion_params or {}))
        widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        steps = list(zip(widths, widths[1:]))
        flat = feature_channel * reshape_depth
        self.depth = reshape_depth
        self.first = SameBlock(image_channel, block_expansion, kernel_size=3 if spade else 7)
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in steps)
        self.second = nn.Conv2d(widths[-1], flat, 1)
        self.resblocks_3d = _named("3dr", [ResBlock3d(feature_channel) for _ in range(num_resblocks)])
        self.third = LeakyBlock(flat, widths[-1])
        self.fourth = nn.Conv2d(widths[-1], widths[-1], 1)
        self.spade = spade
        if spade:
            self.decoder = SpadeDecoder(widths[-1], widths[-1], middle=6, out_features=widths[0], width=spade_width)
        else:
            self.resblocks_2d = _named("2dr", [ResBlock(widths[-1]) for _ in range(num_resblocks)])
            self.up_blocks = nn.ModuleList(UpBlock(b, a) for a, b in reversed(steps))
            self.final = nn.Conv2d(block_expansion, image_channel, kernel_size=7, padding=3)

    def encode(self, image: Tensor) -> Tensor:
        """Return the feature volume ``(N, C, D, H/4, W/4)`` of an image ``(N, 3, H, W)``."""
        feature = self.first(image)
        for block in self.down_blocks:
            feature = block(feature)
        return self.resblocks_3d(self.second(feature).unflatten(1, (-1, self.depth)))

    def forward(self, source_image: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Motion]:
        """Return the frame ``(N, 3, H, W)`` in (0, 1) and its motion."""
        volume = self.encode(source_image)
        motion = self.dense_motion_network(volume, source, driving)
        return self.decode(visible(volume, motion, self.third, self.fourth)), motion

    def decode(self, feature: Tensor) -> Tensor:
        """Return the frame for the masked feature."""
        if self.spade:
            return self.decoder(feature, feature)
        feature = self.resblocks_2d(feature)
        for block in self.up_blocks:
            feature = block(feature)
        return torch.sigmoid(self.final(feature))


class FaceVid2Vid(nn.Module):
    """All networks, named as in the checkpoints.

    config: as in the YAML files: ``common_params``, ``kp_detector_params``, ``he_estimator_params``,
        ``generator_params``; and ``beta_axes``, for the rotation axes of the earlier "beta" checkpoints.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        common = config["common_params"]
        num_kp, channels = common["num_kp"], common.get("image_channel", 3)
        self.kp_detector = CanonicalKeypointDetector(num_kp, channels, **config["kp_detector_params"])
        self.he_estimator = PoseExpressionEstimator(num_kp, channels, **config["he_estimator_params"])
        self.generator = VolumeGenerator(num_kp, channels, common["feature_channel"], **config["generator_params"])
        self.beta_axes = bool(config.get("beta_axes", False))

    def canonical(self, image: Tensor) -> Tensor:
        """Return the canonical keypoints ``(N, K, 3)`` of a source ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def pose(self, image: Tensor) -> Pose:
        """Return pose and expression of any frames ``(N, 3, H, W)`` in [0, 1]."""
        return self.he_estimator(image)

    def place(self, canonical: Tensor, pose: Pose) -> Tensor:
        """Return the source's canonical keypoints in a pose, ``(N, K, 3)``."""
        return place(canonical, pose, self.beta_axes)

    def generate(self, source_image: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Motion]:
        """Return the source animated to the driving keypoints, ``(N, 3, H, W)`` in (0, 1), and its motion."""
        return self.generator(source_image, source, driving)


def _named(prefix: str, blocks: list[nn.Module]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((f"{prefix}{i}", block) for i, block in enumerate(blocks)))
