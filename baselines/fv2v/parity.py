"""Recompute the arrays of face-vid2vid's golden folders, with either decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.relative import movement_scale, relative_points
from baselines.fv2v.network import FaceVid2Vid, Motion
from baselines.fv2v.pose import Pose, rotation_matrix
from baselines.parity import Case, Hooks, Record, hooks

# Entries of the files that have no effect on this network, or repeat `common_params`.
IGNORED = {"estimate_jacobian", "estimate_occlusion_map", "reshape_channel", "num_kp", "image_channel"}
IGNORED |= {"feature_channel", "max_features"}


def build(spec: Mapping[str, Any]) -> FaceVid2Vid:
    """See `baselines.parity`."""
    given = spec["config"]
    common = {key: given["generator"][key] for key in ("num_kp", "image_channel", "feature_channel")}
    detector = {k: v for k, v in given["kp_detector"].items() if k not in IGNORED - {"reshape_channel", "max_features"}}
    generator = {k: v for k, v in given["generator"].items() if k not in IGNORED - {"max_features"}}
    return FaceVid2Vid(
        {
            "common_params": common,
            "kp_detector_params": detector,
            "he_estimator_params": {k: v for k, v in given["he_estimator"].items() if k not in IGNORED},
            "generator_params": {**generator, "spade": given["generator_class"].startswith("spade")},
        }
    )


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    source_image, first, _ = case.images()
    second = first.flip(-1) * 0.75
    record("image.source", source_image[0])
    record("image.driving0", first[0])
    record("kp_detector.down.weight.constructed.value", AntiAliasDownsample(3, 0.25).weight)
    if "rotation.yaw_pitch_roll_degrees.value" in case.arrays:
        angles = torch.from_numpy(case.arrays["rotation.yaw_pitch_roll_degrees.value"]).float()
        record("rotation.yaw_pitch_roll_degrees.value", angles)
        record("rotation.matrix.value", rotation_matrix(angles[:, 0], angles[:, 1], angles[:, 2]))
    with hooks(record) as hook:
        _watch_detector(hook, net)
        canonical = net.canonical(source_image)
    record("kp_canonical.value", canonical)
    record("kp_canonical_of_driving0.value", net.canonical(first))
    record("kp_canonical_of_driving1.value", net.canonical(second))
    with hooks(record) as hook:
        _watch_estimator(hook, net)
        source_pose = _pose(net, source_image, "he_source", record)
    poses = [_pose(net, first, "he_driving0", record), _pose(net, second, "he_driving1", record)]
    source, initial = net.place(canonical, source_pose), net.place(canonical, poses[0])
    record("kp_source.value", source)
    record("kp_driving_initial.value", initial)
    scale = movement_scale(source, initial)
    modes: dict[str, tuple[dict[str, float], Tensor | float | None]] = {
        "absolute": ({}, None),
        "relative": ({}, 1.0),
        "relative_adapt": ({}, scale),
        "free_view": ({"yaw": 20.0, "pitch": -10.0, "roll": 5.0}, None),
        "free_view_yaw_only": ({"yaw": -30.0}, None),
        "free_view_relative_adapt": ({"yaw": 20.0, "pitch": 0.0, "roll": 0.0}, scale),
    }
    for mode, (turned, factor) in modes.items():
        for i, pose in enumerate(poses):
            name = f"{mode}.{i}"
            driving = net.place(canonical, pose.turned(turned))
            record(f"{name}.kp_driving.value", driving)
            target = driving if factor is None else relative_points(source, driving, initial, factor)
            record(f"{name}.kp_norm.value", target)
            if not case.wants(f"{name}.prediction"):
                continue
            with hooks(record) as hook:
                if name == "absolute.0":
                    _watch_generator(hook, net, record)
                record(f"{name}.prediction", net.generate(source_image, source, target)[0])


def _pose(net: Any, image: Tensor, name: str, record: Record) -> Pose:
    estimator = net.he_estimator
    with hooks(record) as hook:
        for angle, head in (("yaw", "fc_roll"), ("pitch", "fc_pitch"), ("roll", "fc_yaw")):
            hook.output(getattr(estimator, head), f"{name}.{angle}.value")
        pose = net.pose(image)
    record(f"{name}.t.value", pose.translation)
    record(f"{name}.exp.value", pose.expression.flatten(1))
    for angle in ("yaw", "pitch", "roll"):
        record(f"{name}.{angle}_degree.value", getattr(pose, angle))
    return pose


def _watch_detector(hook: Hooks, net: Any) -> None:
    detector = net.kp_detector
    hook.output(detector.down, "kp_detector.down")
    hook.output(detector.predictor.down_blocks, "kp_detector.down_blocks")
    hook.output(detector.predictor.conv, "kp_detector.conv")
    hook.output(detector.predictor.up_blocks.up0, "kp_detector.up0")
    hook.output(detector.predictor, "kp_detector.feature")
    hook.output(detector.kp, "kp_detector.logits")


def _watch_estimator(hook: Hooks, net: Any) -> None:
    estimator = net.he_estimator
    hook.output(estimator.conv1, "he_source.conv1")
    hook.input(estimator.conv2, "he_source.maxpool")  # the pooling is no module: its output enters the next one
    hook.output(estimator.norm2, "he_source.norm2")
    for i in range(1, 8):
        hook.output(getattr(estimator, f"block{i}"), f"he_source.block{i}")


def _watch_generator(hook: Hooks, net: Any, record: Record) -> None:
    generator = net.generator
    motion_net = generator.dense_motion_network
    for path in ("first", "down_blocks.0", "down_blocks.1", "second", "third", "fourth"):
        hook.output(generator.get_submodule(path), f"generator.{path}")
    hook.output(generator.resblocks_3d[0], "generator.resblocks_3d.0")
    hook.output(generator.resblocks_3d, "generator.feature_3d")
    hook.output(motion_net.compress, "dense_motion.compress")
    hook.output(motion_net.hourglass, "dense_motion.hourglass")
    hook.output(motion_net.hourglass.encoder, "dense_motion.encoder_bottom", lambda levels: levels[-1])
    hook.output(motion_net.mask, "dense_motion.mask_logits")
    hook.output(motion_net.occlusion, "dense_motion.occlusion_logits")
    hook.after(motion_net, lambda _, motion: _motion(motion, record))
    depth = generator.depth
    hook.input(generator.third.conv, "generator.deformed_3d", lambda x: x.unflatten(1, (-1, depth)))
    if generator.spade:
        hook.input(generator.decoder, "generator.occluded")
        for path, module in generator.decoder.named_modules(prefix="decoder"):
            hook.output(module, path)
        return
    hook.input(generator.resblocks_2d, "generator.occluded")
    hook.output(generator.resblocks_2d[0], "generator.resblocks_2d.0")
    hook.output(generator.resblocks_2d, "generator.resblocks_2d")
    for i, block in enumerate(generator.up_blocks):
        hook.output(block, f"generator.up_blocks.{i}")
    hook.output(generator.final, "generator.final")


def _motion(motion: Motion, record: Record) -> None:
    count = motion.mask.shape[1]
    grouped = motion.hourglass_input.unflatten(1, (count, -1))
    record("dense_motion.sparse_motion", motion.motions)
    record("dense_motion.deformed_feature", grouped[:, :, 1:])
    record("dense_motion.heatmap", grouped[:, :, :1])
    record("dense_motion.mask", motion.mask)
    record("dense_motion.deformation", motion.flow)
    record("dense_motion.occlusion_map", motion.occlusion)
