"""LivePortrait: Efficient Portrait Animation with Stitching and Retargeting Control (Guo et al., 2024).

Frames of 256 pixels in, 512 out. Attribute names are those of the published files (models for humans).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, SameBlock
from baselines.blocks.spade import SpadeDecoder
from baselines.fv2v.network import DenseMotionNetwork, LeakyBlock, Motion, visible
from baselines.fv2v.volume import ResBlock3d
from baselines.liveportrait.convnext import DEPTHS, WIDTHS, ConvNextV2
from baselines.liveportrait.motion import KEYPOINTS, FaceMotion, expected_angle, rotation_matrix
from baselines.liveportrait.retargeting import PointNet

BINS = 66  # of an angle


class AppearanceExtractor(nn.Module):
    """Map a source image ``(N, 3, H, W)`` in [0, 1] to its feature volume ``(N, channels, depth, H/4, W/4)``."""

    def __init__(
        self,
        image_channel: int = 3,
        block_expansion: int = 64,
        num_down_blocks: int = 2,
        max_features: int = 512,
        reshape_channel: int = 32,
        reshape_depth: int = 16,
        num_resblocks: int = 6,
    ):
        super().__init__()
        widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        self.depth = reshape_depth
        self.first = SameBlock(image_channel, block_expansion)
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(widths, widths[1:]))
        self.second = nn.Conv2d(widths[-1], reshape_channel * reshape_depth, 1)
        blocks = [(f"3dr{i}", ResBlock3d(reshape_channel)) for i in range(num_resblocks)]
        self.resblocks_3d = nn.Sequential(OrderedDict(blocks))

    def forward(self, image: Tensor) -> Tensor:
        feature = self.first(image)
        for block in self.down_blocks:
            feature = block(feature)
        return self.resblocks_3d(self.second(feature).unflatten(1, (-1, self.depth)))


class MotionDetector(ConvNextV2):
    """The backbone with seven linear heads."""

    def __init__(self, num_kp: int, depths: tuple[int, ...] = DEPTHS, widths: tuple[int, ...] = WIDTHS):
        super().__init__(depths, widths)
        self.fc_kp = nn.Linear(widths[-1], 3 * num_kp)
        self.fc_scale = nn.Linear(widths[-1], 1)
        self.fc_pitch = nn.Linear(widths[-1], BINS)
        self.fc_yaw = nn.Linear(widths[-1], BINS)
        self.fc_roll = nn.Linear(widths[-1], BINS)
        self.fc_t = nn.Linear(widths[-1], 3)
        self.fc_exp = nn.Linear(widths[-1], 3 * num_kp)


class MotionExtractor(nn.Module):
    """Map an image ``(N, 3, H, W)`` in [0, 1] to `FaceMotion`."""

    def __init__(
        self,
        num_kp: int,
        backbone: str = "convnextv2_tiny",
        depths: tuple[int, ...] = DEPTHS,
        widths: tuple[int, ...] = WIDTHS,
    ):
        """Build it. depths, widths: of a reduced network. Raises ValueError for another backbone or keypoint number."""
        super().__init__()
        if backbone != "convnextv2_tiny" or num_kp != KEYPOINTS:
            raise ValueError(
                f"motion extractor {backbone} with {num_kp} keypoints: only convnextv2_tiny with 21 is supported"
            )
        self.detector = MotionDetector(num_kp, depths, widths)

    def forward(self, image: Tensor) -> FaceMotion:
        heads = self.detector
        x = heads.features(image)
        pitch, yaw, roll = (expected_angle(head(x)) for head in (heads.fc_pitch, heads.fc_yaw, heads.fc_roll))
        return FaceMotion(
            keypoints=heads.fc_kp(x).float().unflatten(1, (-1, 3)),
            rotation=rotation_matrix(pitch, yaw, roll),
            expression=heads.fc_exp(x).float().unflatten(1, (-1, 3)),
            translation=heads.fc_t(x).float(),
            scale=heads.fc_scale(x).float(),
        )


class WarpingModule(nn.Module):
    """Map a feature volume and two sets of keypoints to the feature that the generator decodes."""

    def __init__(
        self,
        num_kp: int,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 2,
        reshape_channel: int = 32,
        reshape_depth: int = 16,
        dense_motion_params: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        width = min(max_features, block_expansion * 2**num_down_blocks)
        params = {"reshape_depth": reshape_depth, **(dense_motion_params or {})}
        self.dense_motion_network = DenseMotionNetwork(num_kp, reshape_channel, **params)
        self.third = LeakyBlock(reshape_channel * reshape_depth, width)
        self.fourth = nn.Conv2d(width, width, 1)

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Motion]:
        """Return ``(N, width, h, w)`` and the motion. volume: ``(N, C, D, h, w)``; source, driving: ``(N, K, 3)``."""
        motion = self.dense_motion_network(volume, source, driving)
        return visible(volume, motion, self.third, self.fourth), motion


class LivePortrait(nn.Module):
    """All networks, named by their files, or by the entries of the last file.

    config: ``appearance_feature_extractor_params``, ..., as in the published YAML file; of a reduced network also
    ``depths`` and ``widths`` of the motion extractor, ``width`` and ``middle`` of the generator (`SpadeDecoder`).
    Without ``stitching_retargeting_module_params`` (networks of the training's second stage) the three ``retarget_...``
    are None, and `corrects` is False.
    """

    retarget_shoulder: PointNet
    retarget_mouth: PointNet
    retarget_eye: PointNet

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        appearance, warping = config["appearance_feature_extractor_params"], config["warping_module_params"]
        generator = config["spade_generator_params"]
        self.appearance_feature_extractor = AppearanceExtractor(**appearance)
        self.motion_extractor = MotionExtractor(**config["motion_extractor_params"])
        self.warping_module = WarpingModule(**warping)
        width = self.warping_module.fourth.out_channels
        self.spade_generator = SpadeDecoder(
            width,
            width,
            middle=generator.get("middle", 6),
            out_features=generator["block_expansion"],
            width=generator.get("width", 512),
            upscale=generator["upscale"],
        )
        mlps = config.get("stitching_retargeting_module_params")
        self.corrects = mlps is not None
        for attribute, name in (("retarget_shoulder", "stitching"), ("retarget_mouth", "lip"), ("retarget_eye", "eye")):
            network = PointNet(**mlps[name]) if mlps is not None else None
            self.register_module(attribute, network)

    def encode(self, image: Tensor) -> Tensor:
        """Return the feature volume ``(N, 32, 16, 64, 64)`` of a source ``(N, 3, 256, 256)`` in [0, 1]."""
        return self.appearance_feature_extractor(image)

    def motion(self, image: Tensor) -> FaceMotion:
        """Return canonical keypoints, pose, expression and scale of frames ``(N, 3, 256, 256)`` in [0, 1]."""
        return self.motion_extractor(image)

    def generate(self, volume: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Motion]:
        """Return the source animated to the driving keypoints, ``(N, 3, 512, 512)`` in (0, 1), and the motion."""
        feature, motion = self.warping_module(volume, source, driving)
        return self.decode(feature), motion

    def decode(self, feature: Tensor) -> Tensor:
        """Return the frame for the warped feature."""
        return self.spade_generator(feature, feature)
