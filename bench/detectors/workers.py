"""Detectors in processes of their own: several at once, and none that hangs or crashes takes the run with it.

Pebble's pool starts, watches and replaces the processes. Frames travel through its pipe: a frame of 256 x 256 takes a
fraction of a millisecond, a detector some ten of them.
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

START = 600.0  # seconds that a worker may take to import its libraries, on a slow disk too
TIMEOUT = 120.0  # seconds for the frames of one call, by default


class Pool:
    """`count` worker processes, each with all `detectors`, started when they are first needed.

    detectors: by signature; they are pickled, and so must not have loaded what cannot be.
    limit: seconds for the frames of one call; loading what the detector needs is part of the first.
    """

    def __init__(self, detectors: Mapping[str, Detector], count: int, limit: float = TIMEOUT) -> None:
        self.count, self.limit = count, limit
        self._content = pickle.dumps(dict(detectors))
        self._lock = threading.Lock()
        # Held while frames are asked: replacing a pool takes with it what another thread waits for.
        self._asking = threading.Lock()
        self._closed = False
        self._futures: list[ProcessFuture] = []
        self._pool = self._start()

    def run(self, detector: Detector, operation: str, arrays: Sequence[np.ndarray]) -> list[Detection]:
        """One `Detection` an entry of the arrays, which are shared out among the workers.

        operation: "detect" (frames) or "derive" (frames, values of the base).
        Where a worker is lost, its frames are tried again one by one; one that costs a worker again has that as its
        reason, and is not `lasting`. Threads that ask at once are served one after the other.
        Raises what the detector raises, and Stopped where no worker can be started.
        """
        with self._asking:
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
                found[k] = Detection(None, f"{detector.name}{answer}", lasting=False)
            else:
                found[k] = answer[0]
        return [found[k] for k in range(n)]

    def close(self) -> None:
        """End the workers, whatever they are at, and whoever waits for them."""
        with self._lock:
            self._closed = True
            for future in self._futures:
                future.cancel()
            self._end()

    def _ask(
        self, detector: Detector, operation: str, arrays: Sequence[np.ndarray], chunks: Sequence[np.ndarray]
    ) -> list[list[Detection] | str]:
        """For each chunk of rows what the detector found, or in words how its worker was lost."""
        jobs = [(operation, detector.signature, tuple(array[rows] for array in arrays)) for rows in chunks]
        for again in (True, False):
            try:
                answers = [self._answer(future, len(jobs)) for future in self._schedule(jobs)]
                break
            except BrokenProcessPool as error:  # a worker died while it was idle or starting
                if not again:
                    raise Stopped(
                        f"a detector's worker cannot start ({error}); --workers 0 goes without", code="worker-failed"
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
            code = lost.exitcode or 0
            return f": its process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
        except TimeoutError:
            if not future.done():  # nobody has taken it up
                raise BrokenProcessPool("no answer") from None
            return f" ran longer than {self.limit:g} s"
        if kind == "unfit":
            raise Stopped(
                f"a detector's worker cannot start ({answer}); --workers 0 goes without", code="worker-failed"
            )
        if kind == "raised":
            raise answer
        return [Detection(values, reason) for values, reason in answer]

    def _start(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")  # a fork beside threads may inherit a lock that nobody releases
        return ProcessPool(self.count, initializer=worker.begin, initargs=(self._content, self.limit), context=context)

    def _end(self) -> None:
        self._pool.stop()
        self._pool.join()


class Remote(Detector):
    """A detector that a `Pool` asks. Frames that cost a worker are not tried again while this object lives."""

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
        self._lost |= {key: one for key, one in found.items() if not one.lasting}
        return [found.get(key) or self._lost[key] for key in keys]


class RemoteDerived(Remote, DerivedDetector):
    """The same for one that derives its values: only that part is asked of the workers, its base answers for itself."""

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
    """The same detectors in `count` processes; one that several derive from stays one. The pool is to be closed.

    An embedded detector whose network is on an accelerator stays here: one network there serves all frames.
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
