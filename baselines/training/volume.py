"""face-vid2vid in training: reconstruction, adversarial losses, equivariance, keypoint and deformation priors."""

from __future__ import annotations

from typing import Any

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


class VolumeTrainee(Trainee):
    """face-vid2vid (Wang et al. 2021, Sec. 3.3); see also `adversarial`.

    The paper takes the true head pose from a network trained elsewhere; here it comes from a table (`poses`). Without
    one, there is no head pose loss, and rotation, translation and expression are told apart by their form and by the
    deformation prior alone: the angles are what the reconstruction makes of them, in no known axes, and free view turns
    the head only as far as they mean one.
    """

    config = FV2V_CONFIG
    takes_poses = True

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
        """The source's keypoints in the pose of each of several batches of frames, and all poses.

        Batches may be shorter than the source's.
        """
        canonical = self.network.canonical(source)
        pose = self.network.pose(torch.cat(frames))
        sizes = [len(batch) for batch in frames]
        points = self.network.place(torch.cat([canonical[:size] for size in sizes]), pose)
        return list(points.split(sizes)), pose

    def generate(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        return self.network.generate(image, source, driving)[0].float()

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.generate(source, *self.place(source, source, driving)[0])

    def losses(
        self,
        source: Tensor,
        driving: Tensor,
        rng: torch.Generator,
        progress: float,
        poses: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """poses: true yaw, pitch, roll ``(N, 3)`` of the driving frames in degrees, NaN where one is not known."""
        count, half = len(driving), self.deformed(len(driving))
        transform = ThinPlateTransform.random(half, rng).to(driving.device)
        (at_source, at_driving, at_copy), pose = self.place(source, source, driving, transform.frames(driving[:half]))
        back = transform.points(at_copy[..., :2])  # of the points as the camera sees them, without depth
        parts = {}
        if poses is not None:
            angles = torch.stack([getattr(pose, name)[count : 2 * count] for name in ANGLES], dim=1)
            parts["head_pose"] = losses.head_pose(angles, poses)
        compared = self.compare(self.generate(source, at_source, at_driving), driving, rng)
        parts |= {
            "equivariance": losses.equivariance_points(at_driving[:half, :, :2], back),
            "keypoint_prior": losses.keypoint_prior(at_driving),
            "deformation": losses.deformation_prior(pose.expression),
        }
        return compared | self.weighted(parts)
