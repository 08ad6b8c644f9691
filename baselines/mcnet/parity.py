"""Recompute the arrays of MCNet's golden folder, without its training losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.blocks.dense_motion import sparse_motions
from baselines.blocks.keypoints import Keypoints
from baselines.blocks.relative import movement_scale, relative_keypoints
from baselines.mcnet.memory import Compensation
from baselines.mcnet.network import MCNet, deform, occlusion
from baselines.parity import Case, Hooks, Record, hooks

SIDES = (32, 64, 128)  # of the memory's levels, coarse to fine


def build(spec: Mapping[str, Any]) -> MCNet:
    """See `baselines.parity`."""
    return MCNet(spec["config"])


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    images = dict(zip(("source", "driving", "initial"), case.images()))
    for name, image in images.items():
        record("input.driving_initial" if name == "initial" else f"input.{name}", image)
    source, driving, initial = (_detect(net, image, name, record) for name, image in images.items())
    scale = movement_scale(source.value, initial.value)
    record("relative_adapt.scale", scale[0])
    moved: dict[str, Any] = {
        "absolute": driving,
        "relative": relative_keypoints(source, driving, initial, adapt_scale=False),
        "relative_adapt": relative_keypoints(source, driving, initial, adapt_scale=True),
        "noise": driving,
    }
    strength = net.generator.mbUnit.styleconv.weight
    released = strength.detach().clone()
    noise = net.noise([0], images["source"])
    for mode, target in moved.items():
        if not case.has(mode):
            continue
        if mode == "noise":
            strength.data.copy_(torch.from_numpy(case.arrays["noise.strength"]))
            noise = [torch.from_numpy(case.arrays[f"noise.mem{side}.noise"]) for side in SIDES]
            record("noise.strength", strength)
            for side, level in zip(SIDES, noise):
                record(f"noise.mem{side}.noise", level)
        record(f"{mode}.kp_norm.value", target.value)
        record(f"{mode}.kp_norm.jacobian", target.jacobian)
        with hooks(record) as hook:
            _watch_motion(hook, net, mode, case, source, target, record)
            _watch_memory(hook, net.generator.mbUnit, mode, case, record)
            _watch_decoder(hook, net, mode)
            frame = net.generate(images["source"], source, target, noise).frame
        record(f"{mode}.prediction", frame)
        if f"{mode}.prediction.index" in case.arrays:
            positions = torch.from_numpy(case.arrays[f"{mode}.prediction.index"]).long()
            record(f"{mode}.prediction.ubyte", torch.round(255 * frame.flatten()[positions]))
    strength.data.copy_(released)


def _detect(net: Any, image: Tensor, name: str, record: Record) -> Keypoints:
    detector = net.kp_detector
    with hooks(record) as hook:
        hook.output(detector.down, f"kp_detector.{name}.down")
        hook.output(detector.predictor, f"kp_detector.{name}.feature")
        hook.output(detector.kp, f"kp_detector.{name}.logits")
        hook.output(detector.jacobian, f"kp_detector.{name}.jacobian_map")
        points = net.detect(image)
    record(f"kp_{name}.value", points.value)
    record(f"kp_{name}.jacobian", points.jacobian)
    return points


def _watch_motion(
    hook: Hooks, net: Any, mode: str, case: Case, source: Keypoints, driving: Keypoints, record: Record
) -> None:
    generator, motion_net = net.generator, net.generator.dense_motion_network
    images = case.images()
    features: list[Tensor] = []

    def encoded(_: tuple, output: Tensor) -> None:
        features.append(output)
        record(f"{mode}.encoder.{output.shape[-1]}", output)

    def entered(inputs: tuple) -> None:
        grouped = inputs[0].unflatten(1, (-1, 4))
        record(f"{mode}.dense.heatmap", grouped[:, :, :1])
        record(f"{mode}.dense.sparse_motion", sparse_motions(source, driving, *grouped.shape[-2:]))
        record(f"{mode}.dense.sparse_deformed", grouped[:, :, 1:])

    def moved(_: tuple, output: Any) -> None:
        record(f"{mode}.dense.mask", output.mask)
        record(f"{mode}.deformation", output.flow)
        record(f"{mode}.occlusion_map", output.occlusion)
        record(f"{mode}.deformed_source", deform(images[0], output))
        for feature in features if case.wants(f"{mode}.deformed.32") else ():
            deformed = deform(feature, output)
            record(f"{mode}.deformed.{feature.shape[-1]}", deformed)
            if feature.shape[-1] not in SIDES:  # the others are recorded as inputs of the memory
                record(f"{mode}.warped.{feature.shape[-1]}", deformed * occlusion(feature, output))

    for block in (generator.first, *generator.down_blocks):
        hook.after(block, encoded)
    hook.output(motion_net.down, f"{mode}.dense.down")
    hook.before(motion_net.hourglass.encoder, entered)
    hook.output(motion_net.hourglass, f"{mode}.dense.hourglass")
    hook.after(motion_net, moved)


def _watch_memory(hook: Hooks, unit: Any, mode: str, case: Case, record: Record) -> None:
    """Record every part of the unit; the unit's latest input tells the level."""
    seen: dict[str, Any] = {}

    def say(name: str, tensor: Tensor) -> None:
        seen[name] = tensor
        record(f"{mode}.mem{seen['side']}.{name}", tensor)

    def entered(inputs: tuple) -> None:
        seen["side"] = inputs[0].shape[-1]
        record(f"{mode}.warped.{seen['side']}", inputs[0])

    def projected(_: tuple, output: Tensor) -> None:
        say("feat_proj", output)
        say("gap", output.mean((2, 3)))

    def modulated(inputs: tuple, output: Tensor) -> None:
        conv = unit.styleconv.modulated_conv
        factors = conv.modulate(inputs[1])
        say("modulation", factors)
        say("demodulated_weight", conv.demodulated_weight(factors)[0])
        say("modulated_conv", output)

    def key_value(_: tuple, output: Tensor) -> None:
        key, value = F.relu(output).chunk(2, dim=1)
        say("key", key)
        say("value", value)

    def query(_: tuple, output: Tensor) -> None:
        say("query", F.relu(output))
        if case.wants(f"{mode}.mem{seen['side']}.attention"):
            scores = seen["query"].flatten(2).transpose(1, 2) @ seen["key"].flatten(2)
            say("attention", torch.softmax(scores / 4, dim=-1))

    def difference(inputs: tuple, output: Tensor) -> None:
        say("attn_out", seen["feat_proj"] - inputs[0])
        say("diff_conv", output)

    def compensated(_: tuple, output: Compensation) -> None:
        say("compensated", output.feature)

    hook.before(unit, entered)
    for side in SIDES:
        hook.after(getattr(unit, f"feat_forward_proj_{side}"), projected)
        hook.output(getattr(unit, f"conv_{side}"), f"{mode}.mem{side}.out_conv")
    hook.after(unit.style_route, lambda _, output: say("style_code", output))
    hook.after(unit.styleconv.modulated_conv, modulated)
    hook.after(unit.styleconv, lambda _, output: say("memory", output))
    hook.after(unit.conv_kv.attention, lambda _, output: say("kernel_attention", output))
    hook.after(unit.conv_kv, key_value)
    hook.after(unit.query_conv, query)
    hook.after(unit.diff_conv, difference)
    hook.after(unit, compensated)


def _watch_decoder(hook: Hooks, net: Any, mode: str) -> None:
    generator = net.generator
    for i, side in enumerate(SIDES):
        hook.output(generator.resblock[2 * i + 1], f"{mode}.decoder.res{side}")
        hook.output(generator.up_blocks[i], f"{mode}.decoder.up{2 * side}")
    hook.input(generator.final, f"{mode}.final.input")
    hook.output(generator.final, f"{mode}.final.logits")
