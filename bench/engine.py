"""The loop of a run: what is done batch by batch is kept; and how a model is asked for one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow
import torch
from torch import Tensor

from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor, TimeLimit
from bench.heap import give_back
from bench.rundir import RunDirectory
from bench.trouble import is_of_device
from protocols.pairs import FrameRef, Pair
from protocols.resolve import LoadedPair

TABLES = 64  # of batches that are kept apart: many small tables take many times the memory of one
TRIM = 4  # batches after which freed memory is given back


@dataclass(frozen=True)
class Model:
    """A predictor under the label that it has in this run's tables, and the motion mode it is asked for."""

    label: str
    predictor: Predictor
    mode: MotionMode


@dataclass(frozen=True)
class Outcome:
    """What became of one pair: a uint8 frame ``(H, W, 3)``, or the reason why there is none."""

    frame: np.ndarray | None
    error: str | None
    seconds: float


class Batch(NamedTuple):
    """Measured pairs, a row each, and the frames of those that have one, encoded by `rundir.to_png`."""

    rows: pd.DataFrame
    frames: dict[str, bytes]


# Asks a model for batches of pairs and measures what it gives.
Work = Callable[[Model, Sequence[Sequence[Pair]]], Iterable[Batch]]


def evaluate(
    model: Model,
    pairs: Sequence[Pair],
    work: Work,
    run: RunDirectory,
    *,
    batch_size: int,
    progress: Callable[[int], None],
) -> pd.DataFrame:
    """Have `work` done for every pair of the list; batches finished earlier are not repeated.

    Returns one row a pair in the order of the list, in whatever order the batches come. `progress` is called with the
    number of pairs just finished.
    Raises ModelError where the model cannot be asked at all, OSError where the run cannot be written, Stopped where the
    device fails; what was finished before stays in the run directory.
    """
    shards = run.shards(model.label)
    done = {pair for rows in shards for pair in rows["pair"]}
    tables = [_arrow(rows) for rows in shards]
    del shards
    progress(len(done))
    pending = [pair for pair in pairs if pair.id not in done]
    batches = [pending[start : start + batch_size] for start in range(0, len(pending), batch_size)]
    for number, (rows, frames) in enumerate(work(model, batches), start=1):
        for pair, png in frames.items():
            run.write_frame(model.label, pair, png)
        run.write_shard(model.label, hashlib.sha256(rows["pair"][0].encode()).hexdigest()[:16], rows)
        tables.append(_arrow(rows))
        if len(tables) >= TABLES:
            tables = [_joined(tables)]
        if number % TRIM == 0:
            give_back()
        progress(len(rows))
    order = {pair.id: position for position, pair in enumerate(pairs)}
    rows = _joined(tables).to_pandas()
    return rows.sort_values("pair", key=lambda ids: ids.map(order), ignore_index=True)


def _arrow(rows: pd.DataFrame) -> pyarrow.Table:
    return pyarrow.Table.from_pandas(rows, preserve_index=False)


def _joined(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """One table of one piece: concatenated data frames keep each text column in as many pieces as there were."""
    return pyarrow.concat_tables(tables, promote_options="default").combine_chunks()


def predict(
    model: Model, pairs: Sequence[tuple[Pair, LoadedPair]], device: torch.device, seed: int, truncate: bool = False
) -> list[Outcome]:
    """One `Outcome` a pair, in order. A batch that fails is tried again pair by pair, so that one bad pair is alone.

    Raises what the device says of itself (`bench.trouble`): it is no pair's fault.
    """
    if not pairs:
        return []
    batch = pair_batch(pairs, device, seed)
    start = time.perf_counter()
    try:
        with torch.inference_mode():
            output, missing = ask(model.predictor, batch, model.mode)
            frames = as_uint8(output, batch.source, model.label, truncate)
    except ModelError:
        raise
    except Exception as error:  # a model may fail in any way; the run goes on without this pair
        if is_of_device(error):
            raise
        if len(pairs) > 1:
            return [outcome for pair in pairs for outcome in predict(model, [pair], device, seed, truncate)]
        return [Outcome(None, f"{type(error).__name__}: {error}".splitlines()[0], time.perf_counter() - start)]
    seconds = (time.perf_counter() - start) / len(pairs)
    return [Outcome(frame, None if frame is not None else missing, seconds) for frame in frames]


def ask(predictor: Predictor, batch: PairBatch, mode: MotionMode) -> tuple[Tensor, str]:
    """A model's frames, and why those that are not finite are missing."""
    try:
        return predictor.predict(batch, mode), "the model gave no finite frame"
    except TimeLimit as limit:
        return limit.frames, str(limit)


def pair_batch(pairs: Sequence[tuple[Pair, LoadedPair]], device: torch.device, seed: int) -> PairBatch:
    """Decoded pairs as a `PairBatch` on `device`."""

    def stack(role: str) -> Tensor | None:
        frames = [getattr(loaded, role) for _, loaded in pairs]
        if any(frame is None for frame in frames):
            return None
        images = torch.from_numpy(np.stack(frames)).to(device)
        return images.permute(0, 3, 1, 2).float().div(255)

    return PairBatch(
        ids=tuple(pair.id for pair, _ in pairs),
        source=stack("source"),
        driving=stack("driving"),
        target=stack("target"),
        anchor=stack("anchor"),
        seeds=tuple(pair_seed(seed, pair.id) for pair, _ in pairs),
        info=tuple(pair_info(pair) for pair, _ in pairs),
    )


def pair_seed(seed: int, pair: str) -> int:
    """A 63-bit seed of one pair's own, so that its random numbers depend on neither its batch nor its place."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{pair}".encode()).digest()[:8], "big") >> 1


def pair_info(pair: Pair) -> dict[str, str | float | None]:
    """A pair's facts as columns of ``samples.parquet``."""
    return {
        "source_identity": pair.source_identity,
        "driving_identity": pair.driving_identity,
        "source": frame_name(pair.source),
        "driving": frame_name(pair.driving),
        "target": frame_name(pair.target),
        "alpha": pair.alpha,
        "beta": pair.beta,
    }


def frame_name(frame: FrameRef | None) -> str | None:
    """``dataset/clip/frame``, or None."""
    return None if frame is None else f"{frame.dataset}/{frame.clip}/{frame.frame}"


def as_uint8(output: Tensor, source: Tensor, label: str, truncate: bool = False) -> list[np.ndarray | None]:
    """Frames ``(N, 3, H, W)`` in [0, 1] as uint8 ``(H, W, 3)``, rounded half to even; None where one is not finite.

    truncate: cut ``255 x`` off instead, as the evaluation scripts of FOMM and its successors do; frames that were read
    from 8-bit files come out as they were either way.
    Raises ModelError if the model gave another shape than that of the source frames.
    """
    if output.shape != source.shape:
        raise ModelError(f"{label} gave frames of shape {tuple(output.shape)}, expected {tuple(source.shape)}")
    output = output.float()
    finite = output.isfinite().flatten(1).all(1).tolist()
    levels = output.nan_to_num().clamp(0, 1).mul(255)
    images = (levels.floor() if truncate else levels.round()).byte().permute(0, 2, 3, 1).cpu().numpy()
    return [image if ok else None for image, ok in zip(images, finite)]
