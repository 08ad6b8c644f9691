"""Detectors in worker processes: in parallel, and a crash or hang does not end the run.

Pebble's pool starts, monitors and replaces the processes. Frames are sent through its pipe: a frame of 256 x 256 takes
a fraction of a millisecond, a detector about ten milliseconds.
"""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from bench.detectors import worker
from bench.detectors.base import DerivedDetector, Detection, Detector
from bench.detectors.cache import frame_key
from bench.runtime.errors import Stopped
from protocols import interruption

START = 600.0  # seconds in which a worker must import its libraries, even from a slow disk
TIMEOUT = 120.0  # default limit in seconds for the frames of one call


class Pool:
    """`count` worker processes, each with all `detectors`, started at the first call.

    detectors: by signature; must be picklable.
    limit: seconds for the frames of one call; the first call includes loading the detector.
    """

    def __init__(self, detectors: Mapping[str, Detector], count: int, limit: float = TIMEOUT) -> None:
        self.count, self.limit = count, limit
        self._content = pickle.dumps(dict(detectors))
        self._lock = threading.Lock()
        # Held during a call: replacing the pool would discard the work that another thread waits for.
        self._busy = threading.Lock()
        self._closed = False
        self._futures: list[ProcessFuture] = []
        self._pool = self._start()

    def run(self, detector: Detector, operation: str, arrays: Sequence[np.ndarray]) -> list[Detection]:
        """Return one `Detection` per entry of the arrays, which are distributed over the workers.

        operation: "detect" (frames) or "derive" (frames, values of the base).
        If a worker dies or hangs, its frames are retried one by one; a frame that fails again has that as its reason
        and is not `cacheable`. Calls from several threads run one after the other.
        Raises what the detector raises, and Stopped if no worker can be started.
        """
        with self._busy:
            return self._run(detector, operation, arrays)

    def _run(self, detector: Detector, operation: str, arrays: Sequence[np.ndarray]) -> list[Detection]:
        n = len(arrays[0])
        chunks = np.array_split(np.arange(n), min(n, self.count))
        found: dict[int, Detection] = {}
        for rows, answer in zip(chunks, self._ask(detector, operation, arrays, chunks)):
            if isinstance(answer, list):
                found |= dict(zip(rows, answer))
        singles = [np.array([k]) for k in range(n) if k not in found]
        for (k,), answer in zip(singles, self._ask(detector, operation, arrays, singles)):
            if isinstance(answer, str):
                found[k] = Detection(None, f"{detector.name}{answer}", cacheable=False)
            else:
                found[k] = answer[0]
        return [found[k] for k in range(n)]

    def close(self) -> None:
        """Stop the workers at once, and wake threads that wait for them."""
        with self._lock:
            self._closed = True
            for future in self._futures:
                future.cancel()
            self._end()

    def _ask(
        self, detector: Detector, operation: str, arrays: Sequence[np.ndarray], chunks: Sequence[np.ndarray]
    ) -> list[list[Detection] | str]:
        """Return, for each chunk of rows, the detections, or as text how the worker was lost."""
        jobs = [(operation, detector.signature, tuple(array[rows] for array in arrays)) for rows in chunks]
        for again in (True, False):
            try:
                answers = [self._answer(future, len(jobs)) for future in self._schedule(jobs)]
                break
            except BrokenProcessPool as error:  # a worker died while it was idle or starting
                if not again:
                    raise Stopped(
                        f"a detector's worker process cannot start ({error}); --workers 0 runs without",
                        code="worker-failed",
                    ) from None
                with self._lock:
                    if not self._closed:
                        self._end()
                        self._pool = self._start()
        for rows, answer in zip(chunks, answers):
            if isinstance(answer, list) and len(answer) != len(rows):
                raise ValueError(f"{len(answer)} results for {len(rows)} frames")
        return answers

    def _schedule(self, jobs: Sequence[tuple]) -> list[ProcessFuture]:
        with self._lock:
            if self._closed:
                raise Stopped("the detectors' workers are closed", code="worker-failed")
            try:
                self._futures = [self._pool.schedule(worker.work, args=job, timeout=self.limit) for job in jobs]
            except RuntimeError as error:
                raise BrokenProcessPool(str(error)) from None
            return self._futures

    def _answer(self, future: ProcessFuture, jobs: int) -> list[Detection] | str:
        try:
            kind, answer = interruption.result(future, START + jobs * self.limit)
        except CancelledError:
            raise Stopped("the detectors' workers are closed", code="worker-failed") from None
        except ProcessExpired as lost:
            return died(lost.exitcode or 0)
        except TimeoutError:
            if not future.done():  # no worker has started it
                raise BrokenProcessPool("no answer") from None
            return late(self.limit)
        if kind == "unfit":
            raise Stopped(
                f"a detector's worker process cannot start ({answer}); --workers 0 runs without", code="worker-failed"
            )
        if kind == "raised":
            raise answer
        return [Detection(values, reason) for values, reason in answer]

    def _start(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")  # a forked process may inherit a lock held by a thread
        return ProcessPool(self.count, initializer=worker.begin, initargs=(self._content, self.limit), context=context)

    def _end(self) -> None:
        self._pool.stop()
        self._pool.join()


def died(code: int) -> str:
    """Return the reason for a frame in which a worker ended. code: exit code, or minus the number of the signal."""
    return f": its process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def late(limit: float) -> str:
    """Return the reason for a frame that took longer than `limit` seconds."""
    return f" ran longer than {limit:g} s"


class Remote(Detector):
    """A detector in the workers of a `Pool`. Frames that crashed a worker are not retried by this object."""

    def __init__(self, detector: Detector, pool: Pool) -> None:
        self.kind, self.name, self.proxy, self.shape = detector.kind, detector.name, detector.proxy, detector.shape
        self._signature, self._pool = detector.signature, pool
        self._lost: dict[bytes, Detection] = {}

    @property
    def signature(self) -> str:
        return self._signature

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return self._ask("detect", frames)

    def _ask(self, operation: str, frames: np.ndarray, *more: np.ndarray) -> list[Detection]:
        keys = [frame_key(frame, self._signature) for frame in frames]
        rest = [k for k, key in enumerate(keys) if key not in self._lost]
        answers = self._pool.run(self, operation, [array[rest] for array in (frames, *more)]) if rest else []
        found = {keys[k]: one for k, one in zip(rest, answers)}
        self._lost |= {key: one for key, one in found.items() if not one.cacheable}
        return [found.get(key) or self._lost[key] for key in keys]


class RemoteDerived(Remote, DerivedDetector):
    """A derived detector in the workers: only the derived part; the base has its own `Remote`."""

    def __init__(self, detector: DerivedDetector, base: Detector, pool: Pool) -> None:
        super().__init__(detector, pool)
        self.base = base

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return self.derive_all(values[None], frame[None])[0]

    def derive_all(self, values: np.ndarray, frames: np.ndarray) -> list[Detection]:
        return self._ask("derive", frames, values)

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return DerivedDetector.detect(self, frames)


def in_workers(
    detectors: Mapping[str, Detector], count: int, limit: float = TIMEOUT
) -> tuple[dict[str, Detector], Pool]:
    """Move detectors to `count` processes; return them, and the pool, which the caller must close.

    Shared bases stay shared. An embedded network on an accelerator stays in this process and serves all frames.
    """
    plain: dict[str, Detector] = {}

    def collect(detector: Detector) -> None:
        if not _stays(detector):
            plain[detector.signature] = detector
        if isinstance(detector, DerivedDetector):
            collect(detector.base)

    for detector in detectors.values():
        collect(detector)
    pool = Pool(plain, count, limit)
    made: dict[str, Detector] = {}

    def wrap(detector: Detector) -> Detector:
        signature = detector.signature
        if signature not in made:
            if isinstance(detector, DerivedDetector) and _stays(detector):
                made[signature] = here = copy.copy(detector)
                here.base = wrap(detector.base)
            elif isinstance(detector, DerivedDetector):
                made[signature] = RemoteDerived(detector, wrap(detector.base), pool)
            else:
                made[signature] = Remote(detector, pool)
        return made[signature]

    return {kind: wrap(detector) for kind, detector in detectors.items()}, pool


def _stays(detector: Detector) -> bool:
    return isinstance(detector, DerivedDetector) and detector.proxy and detector.device != "cpu"
