"""Recompute the arrays of LivePortrait's golden folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.fv2v.network import Motion
from baselines.liveportrait.animation import Animation, Options, Ratios
from baselines.liveportrait.motion import FaceMotion, expected_angle
from baselines.liveportrait.network import LivePortrait
from baselines.liveportrait.parity_crop import compute_crop
from baselines.parity import Case, Record, hooks

DETAILED = "absolute.1"  # the mode with recorded features
WITHOUT_EFFECT = {"estimate_occlusion_map"}
NAMES = {  # options as named in spec.json
    "flag_relative_motion": "relative",
    "flag_stitching": "stitching",
    "animation_region": "region",
    "driving_multiplier": "multiplier",
    "flag_eye_retargeting": "eye_retargeting",
    "flag_lip_retargeting": "lip_retargeting",
    "flag_normalize_lip": "normalize_lip",
}


def build(spec: Mapping[str, Any]) -> LivePortrait:
    """See `baselines.parity`."""
    given = spec["config"]["model_params"]
    warping = {k: v for k, v in given["warping_module_params"].items() if k not in WITHOUT_EFFECT}
    return LivePortrait({**given, "warping_module_params": warping})


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    if case.has("crop"):
        compute_crop(case, record)
    images = dict(zip(("source", "driving", "initial"), case.images()))
    for name, image in images.items():
        record(f"input.{name}", image)
    faces = {name: _face(net, name, image, record) for name, image in images.items()}
    with hooks(record) as hook:
        hook.features(net, "appearance_feature_extractor")
        volume = net.encode(images["source"])
    record("feature_3d", volume)
    for path, module in net.spade_generator.named_modules():
        if hasattr(module, "sigma"):
            record(f"spectral.{path}.sigma", module.sigma()[None])
    for mode, options in case.spec["mode_options"].items():
        if case.has(mode):
            _mode(net, case, mode, options, faces, volume, record)


def _face(net: Any, name: str, image: Tensor, record: Record) -> FaceMotion:
    detector = net.motion_extractor.detector
    angles: dict[str, Tensor] = {}
    with hooks(record) as hook:
        if name == "source":
            hook.features(net, "motion_extractor")
        for angle in ("pitch", "yaw", "roll"):
            head = getattr(detector, f"fc_{angle}")
            hook.output(head, f"motion_{name}.{angle}")
            hook.after(head, partial(_keep_angle, angles, angle))
        face = net.motion(image)
    record(f"motion_{name}.angles_degree", torch.stack([*angles.values()], dim=1))
    record(f"motion_{name}.t", face.translation)
    record(f"motion_{name}.exp", face.expression)
    record(f"motion_{name}.scale", face.scale)
    record(f"motion_{name}.kp", face.keypoints)
    record(f"motion_{name}.rotation", face.rotation)
    record(f"kp_{name}", face.points())
    return face


def _keep_angle(angles: dict[str, Tensor], angle: str, inputs: tuple, logits: Tensor) -> None:
    angles[angle] = expected_angle(logits)


def _mode(
    net: Any,
    case: Case,
    mode: str,
    given: Mapping[str, Any],
    faces: Mapping[str, FaceMotion],
    volume: Tensor,
    record: Record,
) -> None:
    options = {NAMES[name]: value for name, value in given.items() if name in NAMES}
    friendly = given.get("driving_option", "expression-friendly") == "expression-friendly"
    ratios = case.spec["config"]["ratios"]
    still = given.get("still", False)
    rest = torch.from_numpy(case.arrays["lip_array"]) if still else None
    with hooks(partial(_numbered, record, f"{mode}.0")) as hook:
        _watch_corrections(hook, net)
        animation = Animation(
            net,
            faces["source"],
            Options(**options, expression_friendly=friendly),
            initial=None if still else faces["initial"],
            rest=rest,
            ratios=_ratios(ratios["source"]),
        )
    if animation.multiplier is not None:
        record(f"{mode}.motion_multiplier", animation.multiplier[0])
    for i, name in enumerate(["driving"] if still else ["initial", "driving"]):
        number = f"{mode}.{i}"
        with hooks(partial(_numbered, record, number)) as hook:
            _watch_corrections(hook, net)
            points = animation.drive(faces[name], _ratios(ratios["driving"][i]))
        record(f"{number}.kp_norm", points)
        if case.wants(f"{number}.prediction"):
            _generate(net, number, volume, animation.points, points, record)


def _ratios(three: list[float]) -> Ratios:
    return Ratios((three[0], three[1]), three[2])


def _numbered(record: Record, prefix: str, name: str, tensor: Tensor) -> None:
    record(f"{prefix}.{name}", tensor)


def _watch_corrections(hook: Any, net: Any) -> None:
    """Record input and output of the networks that correct keypoints; their first layer has the whole input."""
    count = net.retarget_shoulder.mlp[0].in_features // 2  # numbers of one face's keypoints
    hook.input(net.retarget_shoulder.mlp, "kp_driving", lambda x: x[:, count:].unflatten(1, (-1, 3)))
    hook.output(net.retarget_shoulder, "stitching_delta")
    for network, name in ((net.retarget_eye, "eye"), (net.retarget_mouth, "lip")):
        hook.input(network.mlp, f"{name}_ratio", lambda x: x[:, count:])
        hook.output(network, f"{name}_delta", lambda x: x.unflatten(1, (-1, 3)))


def _generate(net: Any, number: str, volume: Tensor, source: Tensor, driving: Tensor, record: Record) -> None:
    with hooks(record) as hook:
        if number == DETAILED:
            _watch_networks(hook, net, record)
        hook.after(net.warping_module.dense_motion_network, lambda _, motion: _motion(motion, number, record))
        record(f"{number}.prediction", net.generate(volume, source, driving)[0])


def _watch_networks(hook: Any, net: Any, record: Record) -> None:
    dense = net.warping_module.dense_motion_network
    hook.input(dense.hourglass, f"{DETAILED}.hourglass_input")
    hook.input(net.warping_module.third, f"{DETAILED}.deformed")
    hook.input(net.spade_generator, f"{DETAILED}.warped")
    # The normalization is no module here.
    hook.input(
        net.spade_generator.G_middle_0.norm_0,
        "feature.spade_generator.G_middle_0.norm_0.param_free_norm",
        F.instance_norm,
    )
    for name in ("warping_module", "spade_generator"):
        hook.features(net, name)


def _motion(motion: Motion, number: str, record: Record) -> None:
    record(f"{number}.mask", motion.mask)
    record(f"{number}.deformation", motion.flow)
    record(f"{number}.occlusion_map", motion.occlusion)
