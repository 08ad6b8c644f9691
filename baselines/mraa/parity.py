"""Recompute the arrays of MRAA's golden folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import resize_flow, warp
from baselines.mraa.network import MRAA
from baselines.mraa.regions import relative_regions
from baselines.parity import Case, Hooks, Record, hooks


def build(spec: Mapping[str, Any]) -> MRAA:
    """See `baselines.parity`."""
    return MRAA(spec["config"])


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    images = dict(zip(("source", "driving", "initial"), case.images()))
    for name, image in images.items():
        record(f"input.{name}", image)
    blur = AntiAliasDownsample(3, case.spec["config"]["region_predictor_params"]["scale_factor"])
    record("antialias.kernel", blur.weight[0, 0])
    record("antialias.source", blur(images["source"]))
    regions = {}
    for name, image in images.items():
        with hooks(record) as hook:
            if name == "source":
                hook.features(net, "region_predictor")
            regions[name] = found = net.detect(image)
        for part in ("heatmap", "shift", "covar", "affine"):
            record(f"region_{name}.{part}", getattr(found, part))
        record(f"region_{name}.u", found.u.flatten(0, 1))
        record(f"region_{name}.d", found.d.flatten(0, 1))
    source, driving, initial = regions.values()
    with hooks(record) as hook:
        hook.features(net, "bg_predictor")
        background = net.bg_predictor(images["source"], images["driving"])
    record("bg_params", background)
    with hooks(record) as hook:
        hook.features(net, "avd_network")
        avd = net.disentangled(source, driving)
    moved = {
        "absolute": (driving, None),
        "reconstruction": (driving, background),
        "relative": (relative_regions(source, driving, initial, adapt_scale=True), None),
        "avd": (avd, None),
        "avd_initial": (net.disentangled(source, initial), None),
        "relative_noadapt": (relative_regions(source, driving, initial, adapt_scale=False), None),
    }
    for mode, (target, moving) in moved.items():
        if not case.has(mode):
            continue
        for part in ("shift", "affine", "covar"):
            record(f"{mode}.region.{part}", getattr(target, part))
        with hooks(record) as hook:
            if mode == "absolute":
                hook.features(net, "generator")
            _watch(hook, net, mode, images["source"], record)
            record(f"{mode}.prediction", net.generate(images["source"], source, target, moving)[0])


def _watch(hook: Hooks, net: Any, mode: str, source_image: Tensor, record: Record) -> None:
    motion_net = net.generator.pixelwise_flow_predictor

    def motion(_: tuple, output: Any) -> None:
        record(f"{mode}.mask", output.mask)
        record(f"{mode}.optical_flow", output.flow)
        record(f"{mode}.occlusion_map", output.occlusion)
        flow = resize_flow(output.flow, source_image.shape[2], source_image.shape[3], align_corners=False)
        record(f"{mode}.deformed", warp(source_image, flow, align_corners=False))

    hook.input(motion_net.hourglass.encoder, f"{mode}.hourglass_input")
    hook.after(motion_net, motion)
