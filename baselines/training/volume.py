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
        "num_down_blocks": 1,  # as in FOMM: all details must be in the volume
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
            "mask_kernel": 3,  # 7x7x7 takes half of a step's time; in bfloat16 it corrupts memory (CPU, torch 2.13)
        },
    },
    "beta_axes": False,
}


class Placing(Protocol):
    """Pose and expression of frames. expression: offsets of the keypoints ``(N, K, 3)``."""

    @property
    def expression(self) -> Tensor: ...


class CanonicalKeypointTrainee(Trainee):
    """Base for models that place the source's canonical keypoints by pose and expression, and warp a volume."""

    @abstractmethod
    def place(self, source: Tensor, *frames: Tensor) -> tuple[list[Tensor], Placing]:
        """Return the source's keypoints ``(n, K, 3)`` in its own pose and in those of several batches of frames.

        Batches may be shorter than the source's. Also return poses and expressions of all frames, concatenated.
        """

    @abstractmethod
    def generate(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Return the frame in float32: the image, animated from source to driving keypoints."""

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
        """Return the losses. poses: true yaw, pitch, roll ``(N, 3)`` of driving frames in degrees, NaN if unknown."""
        half = self.deformed(len(driving))
        transform = ThinPlateTransform.random(half, rng).to(driving.device)
        (at_source, at_driving, at_copy), placing = self.place(source, driving, transform.frames(driving[:half]))
        back = transform.points(at_copy[..., :2])  # in the image plane, without depth
        compared = self.compare(self.generate(source, at_source, at_driving), driving, rng)
        parts = {
            "equivariance": losses.equivariance_points(at_driving[:half, :, :2], back),
            "keypoint_prior": losses.keypoint_prior(at_driving),
            "deformation": losses.deformation_prior(placing.expression),
        }
        return compared | self.weighted(parts | self.more_losses(placing, len(source), poses))

    def more_losses(self, placing: Placing, first: int, poses: Tensor | None) -> dict[str, Tensor]:
        """Return a model's additional unweighted losses. first: index of the first driving frame in `placing`."""
        return {}


class VolumeTrainee(CanonicalKeypointTrainee):
    """face-vid2vid (Wang et al. 2021, Sec. 3.3); see also `adversarial`.

    The paper gets the true head pose from a pretrained network; here it is from a table (`poses`). Without one, there
    is no head pose loss, and only their form and the deformation prior separate rotation, translation and expression.
    Then the reconstruction determines the angles, in unknown axes, and free view may not turn the head as requested.
    """

    config = FV2V_CONFIG
    takes_poses = True
    shareable = ("kp_detector", "he_estimator", "generator.dense_motion_network", "generator.resblocks_3d")

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        if self.config["generator_params"].get("spade"):  # since its decoder doubles the sides twice
            self.config = merged(self.config, {"generator_params": {"num_down_blocks": 2}})
        network = self.network = FaceVid2Vid(self.config)
        self.networks = nn.ModuleDict(
            {"kp_detector": network.kp_detector, "he_estimator": network.he_estimator, "generator": network.generator}
        )
        if self.bf16:
            self._reduce_precision()

    def _reduce_precision(self) -> None:
        """Let convolutions compute in bfloat16; angles, points, flow and sampling stay in float32."""
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
        assert isinstance(detector.down, AntiAliasDownsample)  # only the released "beta" checkpoints lack it
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
