"""Recompute the arrays of FOMM's golden folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import resize_flow, warp
from baselines.blocks.keypoints import Keypoints
from baselines.blocks.relative import relative_keypoints
from baselines.fomm.network import FOMM
from baselines.parity import Case, Hooks, Record, hooks


def build(spec: Mapping[str, Any]) -> FOMM:
    """See `baselines.parity`."""
    return FOMM(spec["config"])


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    images = dict(zip(("source", "driving", "initial"), case.images()))
    for name, image in images.items():
        record(f"input.{name}", image)
    blur = AntiAliasDownsample(3, case.spec["config"]["kp_detector_params"]["scale_factor"])
    record("antialias.kernel", blur.weight[0, 0])
    record("antialias.source", blur(images["source"]))
    points = {name: _detect(net, image, f"kp_{name}", record) for name, image in images.items()}
    source, driving, initial = points.values()
    moved: dict[str, Any] = {
        "absolute": driving,
        "relative": relative_keypoints(source, driving, initial, adapt_scale=False),
        "relative_adapt": relative_keypoints(source, driving, initial, adapt_scale=True),
        "relative_nojacobian": relative_keypoints(source, driving, initial, adapt_scale=False, with_jacobian=False),
        "absolute_aligned": driving,
    }
    convention = net.generator.align_corners
    for mode, target in moved.items():
        if not case.has(mode):
            continue
        aligned = mode == "absolute_aligned" or convention
        net.generator.align_corners = net.generator.dense_motion_network.align_corners = aligned
        with hooks(record) as hook:
            if mode == "absolute":
                hook.features(net, "generator")
            _watch(hook, net, mode, images["source"], aligned, record)
            record(f"{mode}.kp.value", target.value)
            record(f"{mode}.kp.jacobian", target.jacobian)
            record(f"{mode}.prediction", net.generate(images["source"], source, target)[0])
    net.generator.align_corners = net.generator.dense_motion_network.align_corners = convention


def _detect(net: Any, image: torch.Tensor, name: str, record: Record) -> Keypoints:
    detector = net.kp_detector
    with hooks(record) as hook:
        if name == "kp_source":
            hook.features(net, "kp_detector")
        hook.output(
            detector.kp,
            f"{name}.heatmap",
            lambda logits: torch.softmax(logits.flatten(2) / detector.temperature, dim=2).view(logits.shape),
        )
        points = net.detect(image)
    record(f"{name}.value", points.value)
    record(f"{name}.jacobian", points.jacobian)
    return points


def _watch(hook: Hooks, net: Any, mode: str, source_image: torch.Tensor, aligned: bool, record: Record) -> None:
    motion_net = net.generator.dense_motion_network

    def motion(_: tuple, output: Any) -> None:
        record(f"{mode}.mask", output.mask)
        record(f"{mode}.deformation", output.flow)
        record(f"{mode}.occlusion_map", output.occlusion)
        flow = resize_flow(output.flow, source_image.shape[2], source_image.shape[3], align_corners=False)
        record(f"{mode}.deformed", warp(source_image, flow, aligned))

    hook.input(motion_net.hourglass.encoder, f"{mode}.hourglass_input")
    hook.after(motion_net, motion)
