"""Recompute the arrays of DaGAN's golden folder, which has both generators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.blocks.dense_motion import sparse_motions
from baselines.blocks.grid import resize_flow, warp
from baselines.blocks.keypoints import Keypoints
from baselines.blocks.relative import movement_scale, relative_keypoints
from baselines.blocks.spade import SpectralConv
from baselines.dagan.network import DaGAN, SpadeDepthAwareGenerator
from baselines.parity import Case, Record, hooks
from baselines.synthetic_weights import fill_spec


def build(spec: Mapping[str, Any]) -> DaGAN:
    """See `baselines.parity`."""
    return DaGAN(spec["config"])


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    images = dict(zip(("source", "driving", "initial"), case.images()))
    depths, points = {}, {}
    for name, image in images.items():
        record("input.driving_initial" if name == "initial" else f"input.{name}", image)
        depths[name] = _depth(net, image, name, record)
    for name, image in images.items():
        points[name] = _detect(net, image, depths[name], name, record)
    source, driving, initial = points.values()
    record("relative_adapt.scale", movement_scale(source.value, initial.value)[0])
    moved: dict[str, Any] = {
        "absolute": driving,
        "relative": relative_keypoints(source, driving, initial, adapt_scale=False),
        "relative_adapt": relative_keypoints(source, driving, initial, adapt_scale=True),
    }
    for mode in ("relative", "relative_adapt"):
        record(f"{mode}.kp_norm.value", moved[mode].value)
        record(f"{mode}.kp_norm.jacobian", moved[mode].jacobian)
    spade = _spade(case, record) if case.has("spade") else None
    for mode, target in moved.items():
        if case.wants(f"{mode}.prediction"):
            _mode(net, mode, images["source"], source, target, depths["source"], case, record)
    for mode, target in moved.items():
        if spade is not None and case.wants(f"spade.{mode}.prediction"):
            _spade_mode(spade, mode, images["source"], source, target, depths["source"], case, record)


def _depth(net: Any, image: Tensor, name: str, record: Record) -> Tensor:
    features = net.depth_encoder(image)
    disparities = net.depth_decoder(features)
    if name == "source":
        for i, feature in enumerate(features):
            record(f"depth.source.feature{i}", feature)
        for i in reversed(range(1, 4)):
            record(f"depth.source.disp{i}", disparities[i])
    record(f"depth.{name}.disp0", disparities[0])
    return disparities[0]


def _detect(net: Any, image: Tensor, depth: Tensor, name: str, record: Record) -> Keypoints:
    detector = net.kp_detector
    with hooks(record) as hook:
        hook.output(detector.down, f"kp_detector.{name}.down")
        hook.output(detector.predictor, f"kp_detector.{name}.feature")
        hook.output(detector.kp, f"kp_detector.{name}.logits")
        hook.output(detector.jacobian, f"kp_detector.{name}.jacobian_map")
        points = net.detect(image, depth)
    record(f"kp_{name}.value", points.value)
    record(f"kp_{name}.jacobian", points.jacobian)
    return points


def _mode(
    net: Any,
    mode: str,
    image: Tensor,
    source: Keypoints,
    driving: Keypoints,
    depth: Tensor,
    case: Case,
    record: Record,
) -> None:
    generator = net.generator
    attention = generator.AttnModule
    with hooks(record) as hook:
        motion_net = generator.dense_motion_network
        hook.output(motion_net.down, f"{mode}.dense.down")
        hook.output(motion_net.hourglass, f"{mode}.dense.hourglass")
        hook.after(motion_net, lambda _, motion: _motion(mode, image, source, driving, motion, record))
        for i, block in enumerate([generator.first, *generator.down_blocks]):
            hook.output(block, f"{mode}.encoder.{256 >> i}")
        for i, block in enumerate([generator.src_first, *generator.src_down_blocks]):
            hook.output(block, f"{mode}.depth_feature.{256 >> i}")
        hook.before(attention, lambda inputs: record(f"{mode}.warped.64", inputs[1]))
        for part in ("query", "key", "value"):
            hook.output(getattr(attention, f"{part}_conv"), f"{mode}.attn.{part}", F.relu)
        hook.output(attention, f"{mode}.attn.out")
        hook.output(generator.bottleneck, f"{mode}.decoder.bottleneck")
        for i, block in enumerate(generator.up_blocks):
            hook.output(block, f"{mode}.decoder.up{128 << i}")
        hook.output(generator.final, f"{mode}.final.logits")
        if case.wants(f"{mode}.attn.attention"):
            hook.before(attention, lambda inputs: record(f"{mode}.attn.attention", _attention(attention, *inputs)))
        frame, motion = net.generate(image, source, driving, depth)
    if case.wants(f"{mode}.deformed.64"):
        feature = generator.encode(image)[-1]
        record(f"{mode}.deformed.64", warp(feature, motion.flow, align_corners=False))
    record(f"{mode}.attn.gamma", attention.gamma)
    record(f"{mode}.prediction", frame)
    _ubyte(f"{mode}.prediction", frame, case, record)


def _motion(mode: str, image: Tensor, source: Keypoints, driving: Keypoints, motion: Any, record: Record) -> None:
    n, count, h, w = motion.mask.shape
    grouped = motion.hourglass_input.view(n, count, -1, h, w)
    record(f"{mode}.dense.heatmap", grouped[:, :, :1])
    record(f"{mode}.dense.sparse_motion", sparse_motions(source, driving, h, w))
    record(f"{mode}.dense.sparse_deformed", grouped[:, :, 1:])
    record(f"{mode}.dense.mask", motion.mask)
    record(f"{mode}.deformation", motion.flow)
    record(f"{mode}.occlusion_map", motion.occlusion)
    flow = resize_flow(motion.flow, image.shape[2], image.shape[3], align_corners=False)
    record(f"{mode}.deformed_source", warp(image, flow, align_corners=False))


def _attention(attention: Any, depth: Tensor, warped: Tensor) -> Tensor:
    query = F.relu(attention.query_conv(depth)).flatten(2).transpose(1, 2)
    return torch.softmax(query @ F.relu(attention.key_conv(warped)).flatten(2), dim=-1)


def _ubyte(name: str, frame: Tensor, case: Case, record: Record) -> None:
    if f"{name}.index" in case.arrays:
        positions = torch.from_numpy(case.arrays[f"{name}.index"].astype(np.int64))
        record(f"{name}.ubyte", (frame.flatten()[positions] * 255).round())


def _spade(case: Case, record: Record) -> SpadeDepthAwareGenerator | None:
    """Return the generator of ``variants.spade``, with the same name and its own overrides of weights."""
    variant = case.spec.get("variants", {}).get("spade")
    if variant is None:
        return None
    spec = {**case.spec, "networks": variant["networks"]}
    spec["overrides"] = [*case.spec["overrides"], *variant["overrides"]]
    config = {**case.spec["config"], "command_line": variant["config"]}
    with torch.device("meta"):
        generator = DaGAN(config).generator
    assert isinstance(generator, SpadeDepthAwareGenerator)
    state = fill_spec(spec)["generator"]
    generator.load_state_dict(state, assign=True)
    floats = torch.cat([value.flatten().double() for value in state.values() if value.is_floating_point()])
    record("weights.spade_generator.sum_and_sumsq", torch.stack([floats.sum(), floats.square().sum()]))
    for path, module in generator.named_modules():
        if isinstance(module, SpectralConv):
            record(f"spade.sigma.{path}", module.sigma())
    return generator.eval()


def _spade_mode(
    generator: Any,
    mode: str,
    image: Tensor,
    source: Keypoints,
    driving: Keypoints,
    depth: Tensor,
    case: Case,
    record: Record,
) -> None:
    decoder, name = generator.decoder, f"spade.{mode}"
    with hooks(record) as hook:
        hook.before(decoder, lambda inputs: record(f"{name}.deformed_image_masked", inputs[1]))
        hook.output(generator.AttnModule, f"{name}.attn.out")
        hook.before(decoder.G_middle_0, lambda inputs: record(f"{name}.seg", inputs[1]))
        for path, module in decoder.named_modules():
            hook.output(module, f"{name}.decoder.{path}")
        frame, _ = generator(image, source, driving, depth)
    record(f"{name}.prediction", frame)
    _ubyte(f"{name}.prediction", frame, case, record)
