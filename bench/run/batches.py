"""Process batches: decode frames ahead, run the model, measure its frames."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from baselines import arithmetic
from baselines.predictor import ModelError, Predictor
from bench.metrics.base import GENERATED
from bench.run.clip_video import ClipVideo
from bench.run.engine import Batch, Decoded, Model, Prediction, pair_info, predict
from bench.run.measure import Measurer
from bench.run.set_features import columns_in
from bench.run.tracks import TrackRecorder
from bench.rundir.encoding import to_png
from bench.runtime.device_errors import OomBackoff
from bench.runtime.device_stream import OwnStream
from bench.runtime.errors import Stopped
from protocols import interruption
from protocols.errors import DataError, MissingFile
from protocols.pairs import Pair
from protocols.resolve import LoadedPair

LONGEST = 1000  # characters of an error message in a row
AHEAD = 2  # batches that wait for metrics while the model continues
DECODERS = ENCODERS = 8  # threads at most

Result = TypeVar("Result")


class LessPrecise(ModelError):
    """Foreign code lowered the precision of torch in the whole process."""


class Evaluator:
    """Run models and measure their frames, on one device.

    load: decodes a pair's frames. seed: the run's. ahead: number of batches that threads may measure and encode while
    the model continues; 0 finishes each batch before the next. The rows are the same.
    notify: receives a line when a batch does not fit into memory; all later batches are halved, too.
    batch_size: of a full batch; on an accelerator, smaller ones are padded to it for models that request it.
    """

    def __init__(
        self,
        load: Callable[[Pair], LoadedPair],
        measurer: Measurer,
        device: torch.device,
        *,
        seed: int = 0,
        ahead: int = 0,
        notify: Callable[[str], None] = print,
        batch_size: int = 0,
    ) -> None:
        self.fill = 0 if device.type == "cpu" else batch_size
        self.load, self.measurer, self.device = load, measurer, device
        self.seed, self.ahead, self.notify = seed, ahead, notify
        self._backoffs: dict[str, OomBackoff] = {}
        self._metrics_stream = OwnStream(device)
        self._current: Predictor | None = None
        self._recorder: tuple[TrackRecorder, Mapping[str, int]] | None = None
        self._pictures: Collection[str] | None = None
        self._featured: Collection[str] | None = None
        self._video: ClipVideo | None = None
        self._notified: set[str] = set()

    def __call__(self, model: Model, batches: Sequence[Sequence[Pair]]) -> Iterator[Batch]:
        """Yield the batches in order. Before an error, the batches that can still be measured come first.

        Raises Stopped if a frame disappeared during the run, or the device fails.
        """
        if self._current is not None and self._current is not model.predictor:
            self._current.forget()
        self._current = model.predictor
        asking, measuring = self._backoff(model.label), self._backoff(f"metrics of {model.label}")
        waiting: deque[Callable[[], Batch]] = deque()
        with (
            ThreadPoolExecutor(_half_of_the_cores(ENCODERS), "png") as encoders,
            _in_thread(self.ahead, "measuring") as begin_measuring,
            _in_thread(self.ahead, "encoding") as begin_encoding,
        ):
            each = encoders.map if self.ahead else map
            try:
                for batch in _prefetched(batches, self.load, self.device):
                    rows, framed, network = self._asked_for(asking, model, batch)
                    measured = begin_measuring(partial(_timed, self._measured, measuring, rows, framed))
                    encoded = begin_encoding(partial(_timed, _encoded, framed, each, self._pictures, self._video))
                    seconds = {"decoding": batch.seconds, "network": network}
                    waiting.append(partial(_batch, measured, encoded, seconds))
                    while len(waiting) > self.ahead:
                        yield waiting.popleft()()
                while waiting:
                    yield waiting.popleft()()
            except LessPrecise:  # waiting batches may have been measured with low precision
                raise
            except Exception:
                yield from _finished(waiting)
                raise

    @contextmanager
    def recording(
        self,
        recorder: TrackRecorder,
        positions: Mapping[str, int],
        pictures: Collection[str] | None,
        featured: Collection[str],
        video: ClipVideo | None = None,
    ) -> Iterator[None]:
        """Pass the frames that are measured inside the block to `recorder`.

        positions: of each pair among the clip's frames. pictures: pairs whose frames are encoded; None for all.
        featured: pairs whose frames count for set metrics. video: receives all frames.
        """
        self._recorder, self._pictures, self._featured = (recorder, positions), pictures, featured
        self._video = video
        try:
            yield
        finally:
            self._recorder = self._pictures = self._featured = self._video = None

    def _asked_for(self, backoff: OomBackoff, model: Model, batch: _Loaded) -> tuple[pd.DataFrame, Decoded, float]:
        """Run the model; return the batch's rows, the pairs with a frame, and the seconds."""
        start, truncate = time.perf_counter(), self.measurer.truncate

        def ask(part: Decoded) -> list[Prediction]:
            return predict(model, part, self.device, self.seed, truncate, min(self.fill, backoff.size or self.fill))

        made = [answer for part in backoff(batch.good, ask) for answer in part]
        self._check_arithmetic(model)
        seconds = time.perf_counter() - start
        predictions = batch.unreadable | dict(zip((pair.id for pair in batch.good.pairs), made))
        rows = typed(pd.DataFrame([_row(model, pair, predictions[pair.id]) for pair in batch.pairs]))
        kept = {k: answer.frame for k, answer in enumerate(made) if answer.frame is not None}
        images = {}
        if kept:
            all_of_them = len(kept) == len(made)  # then no frame is copied
            images = {role: frames if all_of_them else frames[list(kept)] for role, frames in batch.good.images.items()}
            images[GENERATED] = torch.from_numpy(np.stack(list(kept.values())))
        return rows, Decoded(tuple(batch.good.pairs[k] for k in kept), images), seconds

    def _check_arithmetic(self, model: Model) -> None:
        """Raise LessPrecise if foreign code made the process compute in less than float32.

        A changed choice of kernels is reported and reset.
        """
        precision, choice = arithmetic.changed(self.device)
        if precision or choice:
            arithmetic.exact()
        if precision:
            raise LessPrecise(
                f"while {model.label} ran, code in this process (a plug-in, a detector's package) lowered the "
                f"precision of torch ({', '.join(precision)}), which the metrics use, too; run such a model as a "
                "program of its own (cmd:COMMAND)"
            )
        if choice and (line := f"{model.label}: changed torch's {' and '.join(choice)}; reset") not in self._notified:
            self._notified.add(line)
            self.notify(line)

    def _backoff(self, label: str) -> OomBackoff:
        return self._backoffs.setdefault(label, OomBackoff(label, self.notify, size=self.fill or None))

    def _measured(self, backoff: OomBackoff, rows: pd.DataFrame, framed: Decoded) -> pd.DataFrame:
        """Return the rows of a batch with their metrics."""
        values = [self._measure(framed[:0]), *backoff(framed, self._measure)]
        rows = rows.merge(pd.concat(values[1:] or values), "left", "pair")
        rows.loc[rows["status"] == "failed", self.measurer.reason_columns()] = "no frame"
        return rows

    def _measure(self, framed: Decoded) -> pd.DataFrame:
        """Return columns ``pair``, ``<metric>`` and ``<metric>.reason`` for each metric."""
        if not framed:
            return self.measurer.columns().assign(pair=pd.Series(dtype="str"))
        images = {role: images.numpy() for role, images in framed.images.items()}
        recorder, positions = self._recorder or (None, {})
        with self._metrics_stream():
            columns, found = self.measurer.measure_and_detect(images, recorder.needs.detectors if recorder else {})
            if self.measurer.frame_features:
                counts = [self._featured is None or pair.id in self._featured for pair in framed.pairs]
                features = self.measurer.frame_features(images[GENERATED], np.array(counts))
                columns = pd.concat([columns, features], axis=1)
        if recorder:  # last: if something fails before, the frames are measured again
            recorder.add([positions[pair.id] for pair in framed.pairs], images, found)
        return columns.assign(pair=[pair.id for pair in framed.pairs])


def failed_rows(model: Model, pairs: Sequence[Pair], why: str, measurer: Measurer) -> pd.DataFrame:
    """Return the rows of pairs that were not passed to the model."""
    rows = typed(pd.DataFrame([_row(model, pair, Prediction(None, why, 0.0)) for pair in pairs]))
    return rows.merge(measurer.columns().assign(pair=pd.Series(dtype="str")), "left", "pair")


def _encoded(
    framed: Decoded,
    each: Callable[..., Iterable[bytes]],
    pictures: Collection[str] | None,
    video: ClipVideo | None,
) -> dict[str, bytes]:
    """Encode frames. each: `map`, or a pool's: one thread encodes about 200 per second. pictures: None for all."""
    if video is not None and framed:
        video.add(framed.pairs, framed.images[GENERATED].numpy())
    made = zip(framed.pairs, framed.images.get(GENERATED, ()))
    images = {pair.id: image.numpy() for pair, image in made if pictures is None or pair.id in pictures}
    return dict(zip(images, each(to_png, images.values())))


def _half_of_the_cores(most: int) -> int:
    return min(most, max(1, (os.cpu_count() or 1) // 2))


def _timed(work: Callable[..., Result], *arguments: Any) -> tuple[Result, float]:
    start = time.perf_counter()
    return work(*arguments), time.perf_counter() - start


def _batch(
    measured: Callable[[], tuple[pd.DataFrame, float]],
    encoded: Callable[[], tuple[dict[str, bytes], float]],
    seconds: Mapping[str, float],
) -> Batch:
    """Wait for the results of both threads and return the batch."""
    (rows, metrics), (frames, encoding) = measured(), encoded()
    return Batch(rows, frames, {**seconds, "metrics": metrics, "encoding": encoding})


def _finished(waiting: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    """Yield the batches that can still be measured after an error; their own errors are dropped."""
    for finish in waiting:
        try:
            batch = finish()
        except Exception:
            continue
        yield batch


@contextmanager
def _in_thread(wanted: int, name: str) -> Iterator[Callable[[Callable[[], Result]], Callable[[], Result]]]:
    """Yield a function that starts work in a thread and returns a function for its result.

    Without a thread, it does the work at once.
    """
    if not wanted:
        yield _now
        return
    thread = ThreadPoolExecutor(1, name)
    try:
        yield lambda work: partial(interruption.result, thread.submit(work))
    finally:  # a request to stop does not wait for a detector; closing the workers ends it
        thread.shutdown(wait=False, cancel_futures=True)


def _now(work: Callable[[], Result]) -> Callable[[], Result]:
    result = work()
    return lambda: result


@dataclass(frozen=True)
class _Loaded:
    """A batch's pairs: those that were decoded, the failures of the others by id, and the seconds."""

    pairs: Sequence[Pair]
    good: Decoded
    unreadable: dict[str, Prediction]
    seconds: float


def _prefetched(
    batches: Sequence[Sequence[Pair]], load: Callable[[Pair], LoadedPair], device: torch.device
) -> Iterator[_Loaded]:
    """Yield batches with their decoded frames; the next batch is decoded meanwhile."""
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(_half_of_the_cores(DECODERS), "decoding") as decoders:

        def load_batch(batch: Sequence[Pair]) -> _Loaded:
            start = time.perf_counter()
            loaded = dict(zip((pair.id for pair in batch), decoders.map(partial(_load, load), batch)))
            good = [(pair, one) for pair in batch if isinstance(one := loaded[pair.id], LoadedPair)]
            bad = {name: Prediction(None, str(one), 0.0) for name, one in loaded.items() if isinstance(one, DataError)}
            return _Loaded(batch, Decoded.of(good, device), bad, time.perf_counter() - start)

        ahead = None
        for position, batch in enumerate(batches):
            interruption.check()
            loaded = interruption.result(ahead) if ahead else load_batch(batch)
            ahead = pool.submit(load_batch, batches[position + 1]) if position + 1 < len(batches) else None
            yield loaded


def decoded(load: Callable[[Pair], LoadedPair], pair: Pair) -> LoadedPair:
    """Return a pair's frames. Raises DataError if one cannot be read, and Stopped if one disappeared.

    All existed when the run began, so a missing file is no fault of the pair, and others would be missing, too.
    """
    try:
        return load(pair)
    except MissingFile as error:
        raise Stopped(f"{error}; it disappeared during the run", code="missing-file") from None


def _load(load: Callable[[Pair], LoadedPair], pair: Pair) -> LoadedPair | DataError:
    try:
        return decoded(load, pair)
    except DataError as error:  # an unreadable frame: this pair fails, and the table counts it
        return error


def _row(model: Model, pair: Pair, prediction: Prediction) -> dict[str, object]:
    status = "failed" if prediction.frame is None else "ok"
    row: dict[str, object] = {"pair": pair.id, "model": model.label, **pair_info(pair)}
    error = prediction.error and prediction.error[:LONGEST]
    return row | {"status": status, "error": error, "seconds": prediction.seconds}


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Make text columns text even if a batch has only None, so that no table depends on the batches."""
    texts = rows.select_dtypes("object").columns.difference(columns_in(rows))
    return rows.assign(**{name: pd.Series(rows[name].tolist(), dtype="str") for name in texts})
