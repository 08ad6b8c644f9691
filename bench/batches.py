"""Batch by batch: frames decoded ahead, the model asked, its answers measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import torch

from baselines.predictor import Predictor
from bench.engine import Batch, Model, Outcome, pair_info, predict
from bench.errors import Stopped
from bench.measure import Measurer
from bench.rundir import to_png
from bench.trouble import Portions
from protocols.errors import DataError, Gone
from protocols.pairs import Pair
from protocols.resolve import LoadedPair

LONGEST = 1000  # characters of what a model says of a pair that it cannot make
AHEAD = 2  # batches that wait for detectors in worker processes while the model goes on

_Framed = tuple[Pair, LoadedPair, np.ndarray]


class Evaluator:
    """Asks models and measures what they give, on one device.

    load: decodes a pair's frames. seed: the run's. ahead: how many batches may wait to be measured, in a second thread,
    while the model is asked for the next; 0 measures each batch before. The rows are the same.
    say: told where a batch does not fit into memory and is halved, which goes for all that follow.
    """

    def __init__(
        self,
        load: Callable[[Pair], LoadedPair],
        measurer: Measurer,
        device: torch.device,
        *,
        seed: int = 0,
        ahead: int = 0,
        say: Callable[[str], None] = print,
    ) -> None:
        self.load, self.measurer, self.device = load, measurer, device
        self.seed, self.ahead, self.say = seed, ahead, say
        self._portions: dict[str, Portions] = {}
        self._asked: Predictor | None = None

    def __call__(self, model: Model, batches: Sequence[Sequence[Pair]]) -> Iterator[Batch]:
        """The batches, in order. Before an error, those that were asked and can be measured come first.

        Raises Stopped where a frame that was there when the run began is gone, or the device fails.
        """
        if self._asked is not None and self._asked is not model.predictor:
            self._asked.forget()
        self._asked = model.predictor
        asking, measuring = self._portion(model.label), self._portion(f"metrics of {model.label}")
        truncate = self.measurer.truncate
        waiting: deque[Callable[[], Batch]] = deque()
        with _second_thread(self.ahead) as begin:
            try:
                for pairs, loaded in _prefetched(batches, self.load):
                    good = [(pair, frames) for pair, frames in zip(pairs, loaded) if isinstance(frames, LoadedPair)]
                    outcomes = {pair.id: Outcome(None, str(frames), 0.0) for pair, frames in zip(pairs, loaded)}
                    parts = list(asking(good, lambda part: predict(model, part, self.device, self.seed, truncate)))
                    outcomes |= dict(zip((pair.id for pair, _ in good), (answer for part in parts for answer in part)))
                    framed = [
                        (pair, frames, out) for pair, frames in good if (out := outcomes[pair.id].frame) is not None
                    ]
                    rows = _typed(pd.DataFrame([_row(model, pair, outcomes[pair.id]) for pair in pairs]))
                    waiting.append(begin(partial(self._measured, measuring, rows, framed)))
                    while len(waiting) > self.ahead:
                        yield waiting.popleft()()
                while waiting:
                    yield waiting.popleft()()
            except Exception:
                yield from _finished(waiting)
                raise

    def _portion(self, label: str) -> Portions:
        return self._portions.setdefault(label, Portions(label, self.say))

    def _measured(self, portions: Portions, rows: pd.DataFrame, framed: Sequence[_Framed]) -> Batch:
        """The rows of a batch with their metrics, and its frames."""
        values = [self._measure([]), *portions(framed, self._measure)]
        rows = rows.merge(pd.concat(values[1:] or values), "left", "pair")
        rows.loc[rows["status"] == "failed", self.measurer.reason_columns()] = "no frame"
        return Batch(rows, {pair.id: to_png(frame) for pair, _, frame in framed})

    def _measure(self, entries: Sequence[_Framed]) -> pd.DataFrame:
        """Columns ``pair``, and ``<metric>`` and ``<metric>.reason`` for each metric."""
        if not entries:
            return self.measurer.columns().assign(pair=pd.Series(dtype="str"))
        references = {
            role: np.stack([getattr(frames, role) for _, frames, _ in entries])
            for role in ("source", "driving", "target")
            if all(getattr(frames, role) is not None for _, frames, _ in entries)
        }
        columns = self.measurer.measure(np.stack([frame for _, _, frame in entries]), references)
        return columns.assign(pair=[pair.id for pair, _, _ in entries])


def _finished(waiting: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    """Those that can still be measured after an error, which is the one to tell: theirs are not."""
    for finish in waiting:
        try:
            batch = finish()
        except Exception:
            continue
        yield batch


@contextmanager
def _second_thread(wanted: int) -> Iterator[Callable[[Callable[[], Batch]], Callable[[], Batch]]]:
    """A function that begins some work and returns what to call for its result; without a thread, that call works."""
    if not wanted:
        yield lambda work: work
        return
    thread = ThreadPoolExecutor(1, "measuring")
    try:
        yield lambda work: thread.submit(work).result
    finally:  # Ctrl-C does not wait for a detector; closing the workers ends it
        thread.shutdown(wait=False, cancel_futures=True)


def _prefetched(
    batches: Sequence[Sequence[Pair]], load: Callable[[Pair], LoadedPair]
) -> Iterator[tuple[Sequence[Pair], list[LoadedPair | DataError]]]:
    """Batches with their decoded frames; the next batch is decoded while this one is worked on."""

    def load_batch(batch: Sequence[Pair]) -> list[LoadedPair | DataError]:
        return [_load(load, pair) for pair in batch]

    with ThreadPoolExecutor(1) as pool:
        ahead = None
        for position, batch in enumerate(batches):
            loaded = ahead.result() if ahead else load_batch(batch)
            ahead = pool.submit(load_batch, batches[position + 1]) if position + 1 < len(batches) else None
            yield batch, loaded


def decoded(load: Callable[[Pair], LoadedPair], pair: Pair) -> LoadedPair:
    """A pair's frames. Raises DataError where one cannot be read, and Stopped where one is gone.

    All were there when the run began: that is no fault of the pair's, and others would follow.
    """
    try:
        return load(pair)
    except Gone as error:
        raise Stopped(f"{error}, though it was there when the run began") from None


def _load(load: Callable[[Pair], LoadedPair], pair: Pair) -> LoadedPair | DataError:
    try:
        return decoded(load, pair)
    except DataError as error:  # an unreadable frame: this pair fails, and the table counts it
        return error


def _row(model: Model, pair: Pair, outcome: Outcome) -> dict[str, object]:
    status = "failed" if outcome.frame is None else "ok"
    row = {"pair": pair.id, "model": model.label, **pair_info(pair)}
    error = outcome.error and outcome.error[:LONGEST]
    return row | {"status": status, "error": error, "seconds": outcome.seconds}


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Text columns are text even where a batch has only None: no table depends on how pairs fell into batches."""
    texts = rows.select_dtypes("object").columns
    return rows.assign(**{name: pd.Series(rows[name].tolist(), dtype="str") for name in texts})
