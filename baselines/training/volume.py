"""face-vid2vid in training: reconstruction, adversarial losses, equivariance, keypoint and deformation priors."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAliasDownsample
from baselines.card import merged
from baselines.fv2v.network import FaceVid2Vid
from baselines.fv2v.pose import ANGLES, Pose
from baselines.training import losses
from baselines.training.precision import in_bf16
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee
from baselines.training.transform import ThinPlateTransform

DEPTH = 4
FV2V_CONFIG: dict[str, Any] = {
    "common_params": {"num_kp": 10, "image_channel": 3, "feature_channel": 16},
    "kp_detector_params": {
        "temperature": 0.1,
        "block_expansion": 8,
        "max_features": 64,
        "scale_factor": 0.25,
        "num_blocks": 4,
        "reshape_channel": 32 * DEPTH,
        "reshape_depth": DEPTH,
    },
    "he_estimator_params": {"block_expansion": 8, "num_bins": 66, "side": 128},
    "generator_params": {
        "block_expansion": 24,
        "max_features": 48,
        "num_down_blocks": 1,  # as FOMM's: every detail passes the volume
        "reshape_depth": DEPTH,
        "num_resblocks": 2,
        "spade_width": 48,
        "dense_motion_params": {
            "block_expansion": 8,
            "max_features": 48,
            "num_blocks": 4,
            "reshape_depth": DEPTH,
            "compress": 2,
            "side": 32,
            "mask_kernel": 3,  # 7x7x7 took half of the time of a step; in bfloat16 it corrupts memory (CPU, torch 2.13)
        },
    },
    "beta_axes": False,
}


class Placing(Protocol):
    """Pose and expression of frames. expression: offsets of the keypoints ``(N, K, 3)``."""

    @property
    def expression(self) -> Tensor: ...


class CanonicalKeypointTrainee(Trainee):
    """Keypoints of the source alone, which the pose and expression of any frame place, and a volume that they warp."""

    @abstractmethod
    def place(self, source: Tensor, *frames: Tensor) -> tuple[list[Tensor], Placing]:
        """The source's keypoints ``(n, K, 3)`` as the source has them and as each of several batches of frames does.

        Batches may be shorter than the source's. Also what placed them, of all frames one after another.
        """

    @abstractmethod
    def generate(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """The frame in float32: the image, moved from keypoints to others."""

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.generate(source, *self.place(source, driving)[0])

    def losses(
        self,
        source: Tensor,
        driving: Tensor,
        rng: torch.Generator,
        progress: float,
        poses: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """poses: true yaw, pitch, roll ``(N, 3)`` of the driving frames in degrees, NaN where one is not known."""
        half = self.deformed(len(driving))
        transform = ThinPlateTransform.random(half, rng).to(driving.device)
        (at_source, at_driving, at_copy), placing = self.place(source, driving, transform.frames(driving[:half]))
        back = transform.points(at_copy[..., :2])  # of the points as the camera sees them, without depth
        compared = self.compare(self.generate(source, at_source, at_driving), driving, rng)
        parts = {
            "equivariance": losses.equivariance_points(at_driving[:half, :, :2], back),
            "keypoint_prior": losses.keypoint_prior(at_driving),
            "deformation": losses.deformation_prior(placing.expression),
        }
        return compared | self.weighted(parts | self.more_losses(placing, len(source), poses))

    def more_losses(self, placing: Placing, first: int, poses: Tensor | None) -> dict[str, Tensor]:
        """Losses that not all of these models have, before their weights. first: place of the first driving frame."""
        return {}


class VolumeTrainee(CanonicalKeypointTrainee):
    """face-vid2vid (Wang et al. 2021, Sec. 3.3); see also `adversarial`.

    The paper takes the true head pose from a network trained elsewhere; here it comes from a table (`poses`). Without
    one, there is no head pose loss, and rotation, translation and expression are told apart by their form and by the
    deformation prior alone: the angles are what the reconstruction makes of them, in no known axes, and free view turns
    the head only as far as they mean one.
    """

    config = FV2V_CONFIG
    takes_poses = True
    shareable = ("kp_detector", "he_estimator", "generator.dense_motion_network", "generator.resblocks_3d")

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        if self.config["generator_params"].get("spade"):  # its decoder doubles the sides twice
            self.config = merged(self.config, {"generator_params": {"num_down_blocks": 2}})
        network = self.network = FaceVid2Vid(self.config)
        self.networks = nn.ModuleDict(
            {"kp_detector": network.kp_detector, "he_estimator": network.he_estimator, "generator": network.generator}
        )
        if self.bf16:
            self._reduce_precision()

    def _reduce_precision(self) -> None:
        """Convolutions in bfloat16; angles, points, flow and sampling in float32."""
        generator, motion = self.network.generator, self.network.generator.dense_motion_network
        for name in ("encode", "decode"):
            vars(generator)[name] = in_bf16(getattr(generator, name))
        for module in (generator.third, generator.fourth, motion.occlusion, self.network.kp_detector.predictor):
            vars(module)["forward"] = in_bf16(module.forward)
        volumes: list[nn.Module] = [motion.hourglass, self.network.kp_detector.kp]
        if motion.mask.kernel_size[0] < 7:  # see FV2V_CONFIG
            volumes.append(motion.mask)
        for volume in volumes:
            vars(volume)["forward"] = in_bf16(volume.forward, torch.channels_last_3d)

    def set_side(self, side: int) -> None:
        detector = self.network.kp_detector
        assert isinstance(detector.down, AntiAliasDownsample)  # only the released "beta" checkpoints have none
        if detector.down.stride != side // self.motion_side:
            detector.down = AntiAliasDownsample(3, self.motion_side / side).to(detector.down.weight.device)

    def notes(self, poses: Tensor | None) -> dict[str, str]:
        if poses is None:
            return {"head_pose_loss": "off, no poses were named"}
        known = int(poses.isfinite().all(1).sum())
        return {"head_pose_loss": f"weight {self.weights['head_pose']}, {known} of {len(poses)} frames have a pose"}

    def place(self, source: Tensor, *frames: Tensor) -> tuple[list[Tensor], Pose]:
        canonical = self.network.canonical(source)
        batches = (source, *frames)
        pose = self.network.pose(torch.cat(batches))
        sizes = [len(batch) for batch in batches]
        points = self.network.place(torch.cat([canonical[:size] for size in sizes]), pose)
        return list(points.split(sizes)), pose

    def generate(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        return self.network.generate(image, source, driving)[0].float()

    def more_losses(self, placing: Placing, first: int, poses: Tensor | None) -> dict[str, Tensor]:
        if poses is None:
            return {}
        angles = torch.stack([getattr(placing, name)[first : first + len(poses)] for name in ANGLES], dim=1)
        return {"head_pose": losses.head_pose(angles, poses)}
