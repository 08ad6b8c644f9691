"""The loop of a run: frames in, predictions out, measured, kept batch by batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor
from bench.heap import give_back
from bench.measure import Measurer
from bench.rundir import RunDirectory
from bench.trouble import Portions, is_of_device
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair
from protocols.resolve import LoadedPair, Resolved

TABLES = 8  # of batches that are kept apart: many small tables take many times the memory of one


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


def evaluate(
    model: Model,
    resolved: Resolved,
    measurer: Measurer,
    run: RunDirectory,
    *,
    device: torch.device,
    batch_size: int,
    seed: int,
    progress: Callable[[int], None],
    say: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Ask `model` for every pair of the list and measure what it gives; batches finished earlier are not repeated.

    Returns one row a pair in the order of the list. `progress` is called with the number of pairs just finished.
    A batch that does not fit into memory is halved, and `say` is told.
    Raises ModelError where the model cannot be asked at all, OSError where the run cannot be written, Stopped where the
    device fails; what was finished before stays in the run directory.
    """
    pairs = resolved.pair_list.pairs
    finished = run.shards(model.label)
    done = {pair for rows in finished for pair in rows["pair"]}
    progress(len(done))
    pending = [pair for pair in pairs if pair.id not in done]
    asking, measuring = Portions(model.label, say), Portions(f"metrics of {model.label}", say)
    for batch, loaded in _prefetched(pending, resolved.load, batch_size):
        good = [(pair, frames) for pair, frames in zip(batch, loaded) if isinstance(frames, LoadedPair)]
        outcomes = {pair.id: Outcome(None, str(frames), 0.0) for pair, frames in zip(batch, loaded)}
        answers = asking(good, lambda part: predict(model, part, device, seed, measurer.truncate))
        outcomes |= dict(zip((pair.id for pair, _ in good), (answer for part in answers for answer in part)))
        measured = [(pair, frames, outcomes[pair.id].frame) for pair, frames in good]
        rows = _typed(pd.DataFrame([_row(model, pair, outcomes[pair.id]) for pair in batch]))
        framed = [entry for entry in measured if entry[2] is not None]
        values = [_measure(measurer, []), *measuring(framed, lambda part: _measure(measurer, part))]
        rows = rows.merge(pd.concat(values[1:] or values), "left", "pair")
        rows.loc[rows["status"] == "failed", measurer.reason_columns()] = "no frame"
        for pair, _, frame in measured:
            if frame is not None:
                run.write_frame(model.label, pair.id, frame)
        run.write_shard(model.label, hashlib.sha256(batch[0].id.encode()).hexdigest()[:16], rows)
        finished.append(rows)
        if len(finished) >= TABLES:
            finished = [pd.concat(finished, ignore_index=True)]
            give_back()
        progress(len(batch))
    order = {pair.id: position for position, pair in enumerate(pairs)}
    rows = pd.concat(finished, ignore_index=True)
    return rows.sort_values("pair", key=lambda ids: ids.map(order), ignore_index=True)


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
            output = model.predictor.predict(batch, model.mode)
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
    error = "the model gave no finite frame"
    return [Outcome(frame, None if frame is not None else error, seconds) for frame in frames]


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


def _prefetched(
    pairs: Sequence[Pair], load: Callable[[Pair], LoadedPair], size: int
) -> Iterator[tuple[Sequence[Pair], list[LoadedPair | DataError]]]:
    """Batches with their decoded frames; the next batch is decoded while this one is worked on."""

    def load_batch(batch: Sequence[Pair]) -> list[LoadedPair | DataError]:
        return [_load(load, pair) for pair in batch]

    batches = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    with ThreadPoolExecutor(1) as pool:
        ahead = None
        for position, batch in enumerate(batches):
            loaded = ahead.result() if ahead else load_batch(batch)
            ahead = pool.submit(load_batch, batches[position + 1]) if position + 1 < len(batches) else None
            yield batch, loaded


def _load(load: Callable[[Pair], LoadedPair], pair: Pair) -> LoadedPair | DataError:
    try:
        return load(pair)
    except DataError as error:  # an unreadable frame: this pair fails, and the table counts it
        return error


def _row(model: Model, pair: Pair, outcome: Outcome) -> dict[str, object]:
    status = "failed" if outcome.frame is None else "ok"
    row = {"pair": pair.id, "model": model.label, **pair_info(pair)}
    return row | {"status": status, "error": outcome.error, "seconds": outcome.seconds}


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Text columns are text even where a batch has only None: no table depends on how pairs fell into batches."""
    texts = rows.select_dtypes("object").columns
    return rows.assign(**{name: pd.Series(rows[name].tolist(), dtype="str") for name in texts})


def _measure(measurer: Measurer, entries: Sequence[tuple[Pair, LoadedPair, np.ndarray]]) -> pd.DataFrame:
    """Columns ``pair``, and ``<metric>`` and ``<metric>.reason`` for each metric."""
    if not entries:
        return measurer.columns().assign(pair=pd.Series(dtype="str"))
    references = {
        role: np.stack([getattr(frames, role) for _, frames, _ in entries])
        for role in ("source", "driving", "target")
        if all(getattr(frames, role) is not None for _, frames, _ in entries)
    }
    columns = measurer.measure(np.stack([frame for _, _, frame in entries]), references)
    return columns.assign(pair=[pair.id for pair, _, _ in entries])
