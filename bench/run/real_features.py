"""Features of the real side, for set metrics: of every frame of the list, independent of the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from bench.detectors import Detector, guard
from bench.metrics.sets.base import Role, frame_positions, window_starts
from bench.run.batches import decoded
from bench.run.engine import frame_name
from protocols import interruption
from protocols.errors import DataError
from protocols.pairs import Pair
from protocols.resolve import LoadedPair

FRAMES = 16  # in a batch of a network
Item = Sequence[Pair]  # one frame, or the frames of one window


def items(pairs: Sequence[Pair], length: int) -> list[Item]:
    """Return the items of a list that get features: single frames, or windows of `length` frames."""
    clips = [list(own) for name, own in groupby(pairs, key=lambda pair: pair.clip) if name]
    if length > 1:
        return [own[start : start + length] for own in clips for start in window_starts(len(own), length)]
    frames = [own[k] for own in clips for k in frame_positions(len(own))] if clips else pairs
    return [(pair,) for pair in frames]


def measured(
    kind: str, detector: Detector, length: int, pairs: Sequence[Pair], role: Role, load: Callable[[Pair], LoadedPair]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the features of one network, and notices.

    kind: its name in notices. length: frames of a window, 1 for single frames. role: the side that is real.
    Columns ``pair`` (of windows the clip), ``person``, ``video``, ``frame`` and ``features``, a row per feature. A
    frame of several pairs is computed once, and ``frame`` is the same in all of its rows.
    """
    wanted = items(pairs, length)
    names = [_name(item, role) for item in wanted]
    found: dict[str, np.ndarray | None] = {}
    size = max(1, FRAMES // length)
    unique = list(dict(zip(names, wanted)).items())
    for start in range(0, len(unique), size):
        interruption.check()
        loaded = [
            (name, images) for name, item in unique[start : start + size] if (images := _images(item, role, load))
        ]
        for name, one in zip([name for name, _ in loaded], _detected(detector, length, [one for _, one in loaded])):
            found[name] = one
    rows = [
        {
            "pair": item[0].clip if length > 1 else item[0].id,
            "person": item[0].driving_identity,
            "video": item[0].clip or name.rpartition("/")[0],
            "frame": name,
            "features": found[name],
        }
        for name, item in zip(names, wanted)
        if found.get(name) is not None
    ]
    table = pd.DataFrame(rows, columns=["pair", "person", "video", "frame", "features"])
    return table, list(_notices(kind, length, pairs, len(wanted) - len(table)))


def _name(item: Item, role: Role) -> str:
    """Return the name of a frame, or of a window's first frame; stretched driving frames have names of their own."""
    pair = item[0]
    name = frame_name(getattr(pair, role)) or pair.id
    return name if role == "target" or (pair.alpha, pair.beta) == (1.0, 1.0) else f"{name} x {pair.alpha} {pair.beta}"


def _images(item: Item, role: Role, load: Callable[[Pair], LoadedPair]) -> list[np.ndarray]:
    """Return the frames, uint8 ``(H, W, 3)``; none if one cannot be read."""
    try:
        return [getattr(decoded(load, pair), role) for pair in item]
    except DataError:  # its pair fails, and is counted
        return []


def _detected(detector: Detector, length: int, images: Sequence[Sequence[np.ndarray]]) -> Iterator[np.ndarray | None]:
    """Yield one feature per item, in order; frames of the same size are batched."""
    for _, own in groupby(images, key=lambda one: one[0].shape):
        batch = np.stack([np.stack(one) if length > 1 else one[0] for one in own])
        for detection in guard.detect(detector, batch):
            yield None if detection.values is None else np.asarray(detection.values, np.float32)


def _notices(kind: str, length: int, pairs: Sequence[Pair], missing: int) -> Iterator[str]:
    what = "windows" if length > 1 else "frames"
    if missing:
        yield f"{kind}: {missing} real {what} cannot be read and are left out"
    frames = [len(list(own)) for name, own in groupby(pairs, key=lambda pair: pair.clip) if name]
    if short := sum(n < length for n in frames):
        yield f"{kind}: {short} of {len(frames)} clips are left out: fewer than {length} frames"
