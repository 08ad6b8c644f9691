"""The loop of a run: store each finished batch; and run a model on one."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines.code import Code
from baselines.levels import from_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor, filled
from baselines.spec import ModelSpec
from bench.run.finished_rows import FinishedRows
from bench.run.generated import generate
from bench.rundir.directory import UNIT, RunDirectory
from bench.runtime.allocator import release_freed_memory
from bench.runtime.device_errors import is_of_device
from protocols import interruption
from protocols.errors import typed_line
from protocols.pairs import FrameRef, Pair
from protocols.plugins import FAILURES
from protocols.resolve import LoadedPair
from reports.schema.manifest import Placement

log = logging.getLogger(__name__)

UNWRITTEN = 1  # batches that may wait to be written
STAGES = ("decoding", "network", "metrics", "encoding", "writing")  # they run in parallel, each on a different batch


@dataclass(frozen=True)
class Model:
    """A predictor with its label in this run's tables and its motion mode.

    spec: as on the command line. code: of a program or a plug-in.
    """

    label: str
    predictor: Predictor
    mode: MotionMode
    spec: ModelSpec | None = None
    code: Code | None = None


@dataclass(frozen=True)
class Prediction:
    """The result of one pair: a uint8 frame ``(H, W, 3)``, or the reason why there is none."""

    frame: np.ndarray | None
    error: str | None
    seconds: float


class Batch(NamedTuple):
    """Measured pairs, a row each, and their frames, encoded by `rundir.to_png`; a failed pair has no frame.

    In a run of whole clips one clip: its row, then those of its frames, distinguished by the column `UNIT`.
    seconds: how long some of the `STAGES` worked on it. video: of the clip, where videos are kept; empty without a
        frame.
    """

    rows: pd.DataFrame
    frames: dict[str, bytes]
    seconds: Mapping[str, float]
    video: bytes | None = None


class Pictures(NamedTuple):
    """Frames of an unfinished clip, before its `Batch`, so that a long clip is never in memory as a whole."""

    frames: dict[str, bytes]


class Evaluated(NamedTuple):
    """One row per pair in the order of the list; seconds that each of the `STAGES` worked on pairs evaluated now."""

    rows: pd.DataFrame
    seconds: dict[str, float]


@dataclass(frozen=True)
class Decoded:
    """Pairs and their frames by role: uint8 ``(N, S, S, 3)`` on the CPU. A slice has the same type."""

    pairs: tuple[Pair, ...]
    images: Mapping[str, Tensor]

    @classmethod
    def of(cls, loaded: Sequence[tuple[Pair, LoadedPair]], device: torch.device) -> Decoded:
        """Stack the frames of loaded pairs. device: that will use them; a GPU copies from pinned memory meanwhile."""
        images: dict[str, Tensor] = {}
        for role in ("source", "driving", "target", "anchor") if loaded else ():
            frames = [getattr(one, role) for _, one in loaded]
            if role == "target" and all(frame is one.driving for frame, (_, one) in zip(frames, loaded)):
                images[role] = images["driving"]  # once in memory
            elif all(frame is not None for frame in frames):
                stacked = torch.from_numpy(np.stack(frames))
                images[role] = stacked.pin_memory() if device.type == "cuda" else stacked
        return cls(tuple(pair for pair, _ in loaded), images)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, rows: slice) -> Decoded:
        return Decoded(self.pairs[rows], {role: images[rows] for role, images in self.images.items()})


Part = Batch | Pictures
# Runs a model on batches of pairs and measures its frames.
Work = Callable[[Model, Sequence[Sequence[Pair]]], Iterable[Part]]


class Place(NamedTuple):
    """An evaluator of batches, and its placement if known."""

    work: Work
    placement: Callable[[], Placement]


def evaluate(
    model: Model,
    pairs: Sequence[Pair],
    work: Work,
    run: RunDirectory,
    *,
    batch_size: int,
    progress: Callable[[int], None],
    keep_frames: bool = False,
    videos: bool = False,
) -> Evaluated:
    """Run `work` for every pair of the list; batches finished earlier are not repeated.

    The batches may come in any order; a thread writes them while `work` continues. progress: receives the number of
    pairs just written. keep_frames, videos: repeat clips without all their frames, or without a video.
    Raises ModelError if the model cannot run at all, OSError if the run cannot be written, Stopped if the device fails;
    finished batches stay in the run directory.
    """
    finished, done = FinishedRows(), set[str]()
    for rows in run.shards(model.label, keep_frames, videos):
        finished.add(rows)
        done.update(rows["pair"])
    pending = [pair for pair in pairs if pair.id not in done and pair.clip not in done]
    progress(len(pairs) - len(pending))
    batches = _batches(pending, batch_size)
    seconds = Counter[str]()
    per_clip = Counter(pair.clip for pair in pending)  # frames of each clip, including missing ones

    def write(part: Part) -> Part:
        start = time.perf_counter()
        for pair, png in part.frames.items():
            run.write_frame(model.label, pair, png)
        if isinstance(part, Batch):  # last: it implies that all of its frames are written
            if part.video is not None:
                run.write_video(model.label, part.rows["pair"][0], part.video)
            name = hashlib.sha256(part.rows["pair"][0].encode()).hexdigest()[:16]
            run.write_shard(model.label, name, part.rows)
            seconds.update(part.seconds)
        seconds.update({"writing": time.perf_counter() - start})
        return part

    # Leaving the block, even by an error, waits for pending writes.
    with ThreadPoolExecutor(1, "writing") as writer:
        interruption.check()
        for batch in _kept(work(model, batches), lambda part: writer.submit(write, part)):
            if isinstance(batch, Pictures):
                continue
            finished.add(batch.rows)
            release_freed_memory()
            progress(len(batch.rows) if UNIT not in batch.rows else per_clip[batch.rows["pair"][0]])
            interruption.check()
    names = dict.fromkeys(name for pair in pairs for name in (pair.clip, pair.id) if name)  # a clip before its frames
    order = {name: position for position, name in enumerate(names)}
    rows = finished.rows()
    return Evaluated(rows.sort_values("pair", key=lambda ids: ids.map(order), ignore_index=True), dict(seconds))


def _batches(pairs: Sequence[Pair], size: int) -> list[Sequence[Pair]]:
    """Split pairs into batches of `size`; whole clips into one per clip."""
    if pairs and pairs[0].clip:
        return [tuple(own) for _, own in groupby(pairs, key=lambda pair: pair.clip)]
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]


def _kept(parts: Iterable[Part], begin: Callable[[Part], Future[Part]]) -> Iterator[Part]:
    """Yield the parts once they are written, while the next ones are computed."""
    waiting: deque[Future[Part]] = deque()
    for part in parts:
        waiting.append(begin(part))
        if len(waiting) > UNWRITTEN:
            yield interruption.result(waiting.popleft())
    while waiting:
        yield interruption.result(waiting.popleft())


def predict(
    model: Model, pairs: Decoded, device: torch.device, seed: int, truncate: bool = False, fill: int = 0
) -> list[Prediction]:
    """Return one `Prediction` a pair, in order. A batch that fails is repeated pair by pair, to isolate a bad pair.

    fill: number of pairs to which a smaller batch is padded for a model that requests it, `Predictor.filled_batches`.

    Raises errors of the device (`bench.runtime.device_errors`), which are no pair's fault.
    """
    if not pairs:
        return []
    batch = pair_batch(pairs, device, seed)
    start = time.perf_counter()
    try:
        with torch.inference_mode():
            padded = filled(batch, fill) if model.predictor.filled_batches else batch
            made = generate(model.predictor, padded, model.mode, model.label, truncate)[: len(pairs)]
    except ModelError:
        raise
    except FAILURES as error:  # a model may fail in any way; the run continues without this pair
        if is_of_device(error):
            raise
        log.debug("%s, pairs %s", model.label, ", ".join(batch.ids), exc_info=error)
        if len(pairs) > 1:
            singles = (pairs[k : k + 1] for k in range(len(pairs)))
            return [
                prediction for single in singles for prediction in predict(model, single, device, seed, truncate, fill)
            ]
        return [Prediction(None, typed_line(error), time.perf_counter() - start)]
    seconds = (time.perf_counter() - start) / len(pairs)
    return [Prediction(None, one, seconds) if isinstance(one, str) else Prediction(one, None, seconds) for one in made]


def pair_batch(pairs: Decoded, device: torch.device, seed: int) -> PairBatch:
    """Return decoded pairs as a `PairBatch` on `device`."""

    def images(role: str) -> Tensor:
        return from_levels(pairs.images[role].to(device, non_blocking=True).permute(0, 3, 1, 2))

    def known(role: str) -> Tensor | None:
        return images(role) if role in pairs.images else None

    driving = images("driving")
    return PairBatch(
        ids=tuple(pair.id for pair in pairs.pairs),
        source=images("source"),
        driving=driving,
        target=driving if pairs.images.get("target") is pairs.images["driving"] else known("target"),
        anchor=known("anchor"),
        seeds=tuple(pair_seed(seed, pair.id) for pair in pairs.pairs),
        info=tuple(pair_info(pair) for pair in pairs.pairs),
    )


def pair_seed(seed: int, pair: str) -> int:
    """Return a 63-bit seed for one pair, so that its random numbers depend on neither its batch nor its position."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{pair}".encode()).digest()[:8], "big") >> 1


def pair_info(pair: Pair) -> dict[str, str | float | None]:
    """Return a pair's facts as columns of ``samples.parquet``, or of ``frames.parquet`` for a frame of a clip."""
    clip: dict[str, str | float | None] = {"clip": pair.clip, "time": pair.time} if pair.clip else {}
    return clip | {
        "source_identity": pair.source_identity,
        "driving_identity": pair.driving_identity,
        "source": frame_name(pair.source),
        "driving": frame_name(pair.driving),
        "target": frame_name(pair.target),
        "anchor": frame_name(pair.anchor),
        "alpha": pair.alpha,
        "beta": pair.beta,
    }


def frame_name(frame: FrameRef | None) -> str | None:
    """Return ``dataset/clip/frame``, or None."""
    return None if frame is None else f"{frame.dataset}/{frame.clip}/{frame.frame}"
