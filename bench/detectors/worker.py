"""The code of a detector's worker process. It imports little, so that workers start fast; see `detectors.workers`."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

from bench.runtime import debug

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GRACE = 30.0  # seconds after the time limit after which a worker that was not killed ends itself

_detectors: dict[str, Any] = {}
_trouble: str | None = None
_limit = 0.0


def begin(content: bytes, limit: float) -> None:
    """Make this process a worker.

    content: the pickled detectors by signature. limit: the parent's time limit per job, in seconds.
    """
    global _trouble, _limit
    os.environ.update(dict.fromkeys(THREADS, "1"))
    _limit = limit
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _detectors.update(pickle.loads(content))
        if "torch" in sys.modules:
            from baselines.arithmetic import exact  # torch is already imported

            sys.modules["torch"].set_num_threads(1)
            exact()
    except Exception as error:  # the parent reports any error at startup
        _trouble = f"{type(error).__name__}: {error}"


def work(operation: str, signature: str, arrays: Sequence[Any]) -> tuple[str, Any]:
    """Return a detector's results for some frames: ``("found", [(values, reason), ...])``.

    operation: "detect" (frames) or "derive" (frames, values of the base). Returns ``("raised", error)`` with the
    detector's error, made `portable`; ``("unfit", text)`` if this worker could not load its detectors.
    """
    if _trouble is not None:
        return "unfit", _trouble
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        # If foreign code hangs and holds the GIL, no thread in this process can notice that the parent has ended.
        faulthandler.dump_traceback_later(_limit + GRACE, exit=True, file=nowhere)
        try:
            return "found", _work(_detectors[signature], operation, arrays)
        except Exception as error:  # a plug-in's detector may raise anything
            return "raised", portable(error)
        finally:
            faulthandler.cancel_dump_traceback_later()


def portable(error: Exception) -> Exception:
    """Return the error if it can be pickled, else a RuntimeError with its text."""
    debug.note(error)
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:  # a foreign error class may do anything when pickled
        other = RuntimeError(f"{type(error).__name__}: {error}")
        for line in getattr(error, "__notes__", ()):
            other.add_note(line)
        return other


def _work(detector: Any, operation: str, arrays: Sequence[Any]) -> list[tuple[Any, str | None]]:
    if operation == "derive":
        frames, values = arrays
        found = detector.derive_all(values, frames)
    else:
        found = detector.detect(*arrays)
    return [(one.values, one.reason) for one in found]


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
