"""Recompute the arrays of X2Face's golden folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.grid import coordinate_grid, warp
from baselines.parity import Case, Record, hooks
from baselines.synthetic_weights import fill
from baselines.x2face.network import UNet, X2Face, merge


def build(spec: Mapping[str, Any]) -> X2Face:
    """See `baselines.parity`."""
    given, unet = spec["config"]["UnwrappedFaceWeightedAverage"], spec["config"]["unet"]
    pose = "posereg" in spec["networks"]
    return X2Face({"inner_nc": given["inner_nc"], "levels": unet["num_downs"], "ngf": unet["ngf"], "pose": pose})


def compute(net: Any, case: Case, record: Record) -> None:
    """See `baselines.parity`."""
    source, driving, _ = case.images()
    flipped = source.flip(-1)
    record("image.S", source[0])
    record("image.D", driving[0])
    model = net.model
    with _watched(model.pix2pixUnwrapped.netG, "unwrapped", record):
        mosaic = model.embed(source)
    with _watched(model.pix2pixSampler.netG, "sampler", record):
        grid = model.drive(driving)
    record("one_source.returned_bottleneck.value", torch.relu(model.pix2pixSampler.netG.encode(driving)[0]).flatten())
    record("one_source.unwrap_grid", mosaic.grid)
    record("one_source.mosaic", mosaic.image)
    record("one_source.drive_grid", grid)
    record("one_source.prediction", net.generate(source, driving))
    several = [mosaic, model.embed(flipped), model.embed(driving)]
    record("three_sources.prediction", warp(merge(several), grid, align_corners=True))
    batch = net.generate(source.repeat(2, 1, 1, 1), torch.cat([driving, flipped]))
    record("batch.1.prediction", batch[1:])
    record("get_unwrapped_oneimage", mosaic.image)
    record("get_unwrapped.result", merge(several, floor=0.0))
    record("get_unwrapped.confidences", torch.stack([each.confidence for each in several], dim=-1))
    record("get_sampler", grid)
    edited = mosaic.image.clone()
    edited[:, :, 125:155, 90:120] = 0.5
    record("edited_mosaic.prediction", warp(edited, grid, align_corners=True).clamp(0, 1))
    if net.posereg is not None:
        _pose(net, source, record)
        _sound(net, case, source, record)
    with _corners_not_aligned(net):
        record("align_corners_false.one_source.prediction", _not_aligned(net, source, driving))


def _pose(net: Any, source: Tensor, record: Record) -> None:
    target = torch.tensor([[0.3, -0.2, 0.5]])
    edit, bottleneck = net.toward_pose(target), net.model.pix2pixSampler.netG.encode(source)[0]
    record("pose.target_pose.value", target)
    record("pose.source_bottleneck.value", bottleneck.flatten())
    record("pose.predicted_pose_of_source.value", net.posereg(bottleneck.flatten(1)))
    record("pose.edited_bottleneck.value", edit(bottleneck).flatten())
    record("pose.prediction", net.generate(source, source, edit))


def _sound(net: Any, case: Case, source: Tensor, record: Record) -> None:
    delta = torch.from_numpy(10 * fill("audio_delta", (128,), case.spec["seed"]))
    edit, bottleneck = net.by_sound(delta), net.model.pix2pixSampler.netG.encode(source)[0]
    record("audio.delta.value", delta)
    record("audio.source_bottleneck.value", torch.relu(bottleneck).flatten())
    record("audio.edited_bottleneck.value", edit(bottleneck).flatten())
    record("audio.prediction", net.generate(source, source, edit))


@contextmanager
def _watched(unet: UNet, name: str, record: Record) -> Iterator[None]:
    with hooks(record) as hook:
        for i, level in enumerate(unet.levels()):
            whole = ".value" if i == len(unet.levels()) - 1 else ""
            hook.output(level.down, f"{name}.down{i}{whole}")
            hook.output(level.up, f"{name}.up{i}")
        yield


@contextmanager
def _corners_not_aligned(net: Any) -> Iterator[None]:
    enlargers = [module for module in net.modules() if isinstance(module, nn.Upsample)]
    for module in enlargers:
        module.align_corners = False
    yield
    for module in enlargers:
        module.align_corners = True


def _not_aligned(net: Any, source: Tensor, driving: Tensor) -> Tensor:
    """Return the frame with current torch's defaults for corners, to recognize that mistake."""
    out = torch.tanh(net.model.pix2pixUnwrapped(source)[:, :2]).permute(0, 2, 3, 1)
    mosaic = warp(source, out + coordinate_grid(source.shape[2], source.shape[3], out), align_corners=False)
    return warp(mosaic, net.model.drive(driving), align_corners=False)
