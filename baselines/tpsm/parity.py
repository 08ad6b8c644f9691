"""Recompute the arrays of TPSM's golden folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import resize_flow, warp
from baselines.blocks.relative import movement_scale, relative_points
from baselines.parity import Case, Hooks, Record, hooks
from baselines.tpsm.network import TPSM, Motion


def build(spec: Mapping[str, Any]) -> TPSM:
    """See `baselines.parity`."""
    return TPSM(spec["config"])


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    images = dict(zip(("source", "driving", "initial"), case.images()))
    for name, image in images.items():
        record(f"input.{name}", image)
    blur = AntiAliasDownsample(3, case.spec["config"]["dense_motion_params"]["scale_factor"])
    record("antialias.kernel", blur.weight[0, 0])
    record("antialias.source", blur(images["source"]))
    points = {}
    for name, image in images.items():
        with hooks(record) as hook:
            if name == "source":
                _watch_resnet(hook, net, "kp_detector.fg_encoder", net.kp_detector.fg_encoder)
            points[name] = net.detect(image)
        record(f"kp_{name}.fg_kp", points[name])
    source, driving, initial = points.values()
    with hooks(record) as hook:
        _watch_resnet(hook, net, "bg_predictor.bg_encoder", net.bg_predictor.bg_encoder)
        background = net.bg_predictor(images["source"], images["driving"])
    record("bg_params", background)
    with hooks(record) as hook:
        hook.features(net, "avd_network")
        avd = net.avd_network(source, driving)
    scale = movement_scale(source, initial)
    moved = {
        "absolute": (driving, None),
        "reconstruction": (driving, background),
        "relative": (relative_points(source, driving, initial, scale), None),
        "avd": (avd, None),
        "relative_noadapt": (relative_points(source, driving, initial), None),
    }
    for mode, (target, bg) in moved.items():
        if not case.has(mode):
            continue
        record(f"{mode}.kp.fg_kp", target)
        with hooks(record) as hook:
            if mode == "absolute":
                hook.features(net, "dense_motion_network")
                hook.features(net, "inpainting_network")
            _watch(hook, net, mode, images["source"], record)
            generated = net.generate(images["source"], source, target, bg)
        for i, feature in enumerate(generated.warped):
            record(f"{mode}.warped_encoder_maps.{i}", feature)
        record(f"{mode}.prediction", generated.frame)
        if mode == "absolute":
            encoded = net.inpainting_network.encode_driving(images["driving"], generated.motion.occlusions)
            for i, feature in enumerate(reversed(encoded)):
                record(f"get_encode.{i}", feature)


def _watch_resnet(hook: Hooks, net: Any, path: str, resnet: Any) -> None:
    # Poolings are no modules here, so record the input of the next one.
    hook.input(resnet.layer1, f"feature.{path}.maxpool")
    hook.input(resnet.fc, f"feature.{path}.avgpool", lambda x: x[:, :, None, None])
    hook.features(net, path)


def _watch(hook: Hooks, net: Any, mode: str, source_image: Tensor, record: Record) -> None:
    motion_net = net.dense_motion_network

    def motion(_: tuple, output: Motion) -> None:
        record(f"{mode}.tps.theta", output.spline.theta)
        record(f"{mode}.tps.control_params", output.spline.weights)
        record(f"{mode}.transformations", output.transformations)
        record(f"{mode}.contribution_maps", output.contributions)
        record(f"{mode}.deformation", output.flow)
        for i, occlusion in enumerate(output.occlusions):
            record(f"{mode}.occlusion_map.{i}", occlusion)
        flow = resize_flow(output.flow, source_image.shape[2], source_image.shape[3], align_corners=True)
        record(f"{mode}.deformed", warp(source_image, flow, align_corners=True))

    hook.input(motion_net.hourglass.encoder, f"{mode}.hourglass_input")
    hook.after(motion_net, motion)
