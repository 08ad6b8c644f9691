"""`python -m bench inspect`: record what a network computes for one pair.

Nothing is re-implemented: the pictures show what hooks on the network's modules recorded while its predictor processed
the pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.blocks.grid import coordinate_grid, resize_flow, warp
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import MotionMode, PairBatch
from bench.inspection import latent
from reports.inspection.figures import Inspection, MemoryLevel

Call = tuple[tuple[Any, ...], Any]  # arguments and result of a module's forward
MEMORY_PARTS = ("styleconv", "conv_kv", "conv_key", "conv_value", "query_conv")


def inspect(predictor: NetworkPredictor, batch: PairBatch, mode: MotionMode) -> Inspection:
    """Run the predictor on one pair ``(1, 3, S, S)``, and record the calls of the probes in its card.

    The probes:
    ``motion``, the module that computes a flow from an image and two sets of keypoints;
    ``memory``, the module with the parts of `MEMORY_PARTS` and its `score_scale`;
    ``depth``, a function of an image;
    ``rectify``, a function of the source's keypoints and the driving image;
    ``mosaic``, the module that embeds the source and warps it;
    ``levels`` and ``directions``: see `bench.inspection.latent`;
    ``stitching``, the module that corrects driving keypoints given the source's.
    """
    network: Any = predictor.network  # the card names its modules
    probes = {what: attrgetter(path)(network) for what, path in predictor.card.probes.items()}
    memory = probes.get("memory")  # None in a variant without it
    watched = {"motion": probes.get("motion"), "memory": memory}
    watched |= {what: probes.get(what) for what in ("levels", "stitching")}
    watched |= {part: getattr(memory, part, None) for part in MEMORY_PARTS}
    with _calls({name: part for name, part in watched.items() if part is not None}) as calls:
        frame = predictor.predict(batch, mode)
    with torch.inference_mode():
        facts = _motion(batch.source, *calls["motion"][-1]) if "motion" in calls else {}
        if "stitching" in calls:
            facts["unstitched_points"] = _points(calls["stitching"][-1][0][1])
        if "rectify" in probes:
            facts["rectified"] = _image(probes["rectify"](network.detect(batch.source), batch.driving).image)
        if "depth" in probes:
            facts["depth"] = _array(probes["depth"](batch.source)[0, 0])
        if "mosaic" in probes:
            facts |= _mosaic(probes["mosaic"], batch)
        if "levels" in calls:
            facts |= latent.levels(batch.source, [moved.logits for _, moved in calls["levels"]])
        if "directions" in probes:
            facts["directions"] = latent.directions(network, batch.source)
            facts["references"] = latent.references(network, batch.source, batch.driving)
        spots = spread(facts["driving_points"].clip(-1, 1)) if memory is not None else np.empty((0, 2))
        levels = _levels(memory, calls, spots) if memory is not None else ()
    return Inspection(
        model=predictor.name,
        mode=mode,
        source=_image(batch.source),
        driving=_image(batch.driving),
        frame=_image(frame),
        target=_image(batch.driving if batch.target is None else batch.target),
        meta_memory=None if memory is None else _array(memory.mb[0]),
        spots=spots,
        memory_levels=levels,
        **facts,
    )


@contextmanager
def _calls(parts: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Call]]]:
    """Record every call of the modules within the context, in order."""
    calls: dict[str, list[Call]] = {}

    def note(name: str, module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        calls.setdefault(name, []).append((arguments, result))

    handles = [part.register_forward_hook(partial(note, name)) for name, part in parts.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _motion(source: Tensor, arguments: tuple[Any, ...], motion: Any) -> dict[str, Any]:
    """Return keypoints, flow, occlusion maps and weights of the motions, as arrays."""
    points = [_points(keypoints) for keypoints in arguments[1:3]]
    shares = motion.contributions if hasattr(motion, "contributions") else motion.mask
    occlusions = motion.occlusions if hasattr(motion, "occlusions") else (motion.occlusion,)
    flow = motion.flow[..., :2]
    if flow.ndim == 5:  # of a volume: its mean along the depth
        flow, shares = flow.mean(1), shares.mean(2)
    return {
        "source_points": points[0],
        "driving_points": points[1],
        "shares": _array(shares[0]),
        "occlusions": tuple(_array(occlusion[0, 0]) for occlusion in occlusions if occlusion is not None),
        **_flow(source, flow),
    }


def _flow(image: Tensor, flow: Tensor) -> dict[str, Any]:
    """Return the flow relative to the frame's side, and the image warped by it alone."""
    still = coordinate_grid(flow.shape[1], flow.shape[2], like=flow)
    whole = resize_flow(flow, image.shape[2], image.shape[3], align_corners=True)
    return {
        "flow": _array((flow[0] - still) / 2),
        "warped": _image(warp(image, whole.to(image.dtype), align_corners=True)),
    }


def _points(keypoints: Any) -> np.ndarray:
    """Return positions ``(K, 2)`` in [-1, 1] of keypoints or regions given as (x, y) or (x, y, z)."""
    for name in ("value", "shift"):
        keypoints = getattr(keypoints, name, keypoints)
    return _array(keypoints[0, :, :2])


def _mosaic(part: Any, batch: PairBatch) -> dict[str, Any]:
    """Return the embedded face and the flow that samples it, for networks without keypoints."""
    mosaic = part.embed(batch.source)
    return {"embedded": _image(mosaic.image), **_flow(mosaic.image, part.drive(batch.driving))}


def _levels(memory: Any, calls: Mapping[str, list[Call]], spots: np.ndarray) -> tuple[MemoryLevel, ...]:
    levels = []
    for i, (arguments, compensation) in enumerate(calls["memory"]):
        pairs = calls["conv_kv" if "conv_kv" in calls else "conv_key"]
        conditioned = pairs[i][0][0]
        key = pairs[i][1].chunk(2, dim=1)[0].relu() if "conv_kv" in calls else pairs[i][1]
        query = calls["query_conv"][i][1].relu()
        read = attention(query, key, spots, memory.score_scale)
        change = (compensation.feature - arguments[0]).abs().mean(1)[0]
        levels.append(
            MemoryLevel(
                side=query.shape[2],
                conditioned=_array(conditioned[0]),
                value=_array(compensation.value[0]),
                projected=_array(compensation.projected[0]),
                attention=_array(read[0]),
                change=_array(change),
            )
        )
    return tuple(levels)


def attention(query: Tensor, key: Tensor, spots: np.ndarray, scale: float) -> Tensor:
    """Return the attention of spots in the frame to the memory cells (Eq. 3), ``(1, P, S, S)``; sums to 1 over cells.

    query: ``(1, M, L, L)``; key: ``(1, M, S, S)``; spots: ``(P, 2)`` (x, y) in [-1, 1], at the nearest position.
    """
    last = query.shape[2] - 1
    x, y = torch.from_numpy((spots.T + 1) / 2 * last).round().long().clamp(0, last)
    scores = torch.einsum("mp,mkl->pkl", query[0, :, y, x].float(), key[0].float()) * scale
    return torch.softmax(scores.flatten(1), dim=1).view(1, *scores.shape)


def spread(points: np.ndarray, count: int = 4) -> np.ndarray:
    """Choose `count` of the points ``(K, 2)`` far from each other, starting with the one nearest to the center."""
    chosen = [int(np.square(points).sum(1).argmin())]
    while len(chosen) < min(count, len(points)):
        distance = np.square(points[:, None] - points[chosen]).sum(2).min(1)
        chosen.append(int(distance.argmax()))
    return points[chosen]


def _array(x: Tensor) -> np.ndarray:
    return x.detach().float().cpu().numpy()


def _image(x: Tensor) -> np.ndarray:
    """Convert ``(1, 3, H, W)`` to ``(H, W, 3)`` in [0, 1]."""
    return _array(x[0].permute(1, 2, 0).clamp(0, 1))
