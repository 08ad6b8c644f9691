"""Remembers what detectors said of frames, across models and runs.

The key is the frame's content and the detector's signature, so nothing has to be thrown away when either changes.
One SQLite file, written in transactions: a torn write is rolled back, and processes may share it. A file that cannot
be used is set aside; where none can be written, detections are computed and not kept.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.detectors.base import DerivedDetector, Detection, Detector

FILE = "detections-v1.sqlite"
PATIENCE = 30.0  # seconds to wait for another process that writes
_TABLE = "CREATE TABLE IF NOT EXISTS detections (key BLOB PRIMARY KEY, vals BLOB, reason TEXT) WITHOUT ROWID"


class Store:
    """Keys to detections in one file below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except sqlite3.Error as error:
            self._give_up(error)
        except OSError:  # no folder can be made
            pass

    def get(self, key: bytes, shape: tuple[int, ...]) -> Detection | None:
        """What was kept under `key`, or None. Values that are not of `shape` are as good as none."""
        row = self._execute("SELECT vals, reason FROM detections WHERE key = ?", [(key,)])
        if not row:
            return None
        values, reason = row
        if values is None:
            return Detection(None, reason)
        size = np.prod(shape, dtype=int)
        kept = {8 * size: "<f8", 4 * size: "<f4"}.get(len(values))
        return Detection(np.frombuffer(values, kept).reshape(shape).astype(np.float64)) if kept else None

    def put(self, entries: Mapping[bytes, Detection]) -> None:
        """Keep all entries in one transaction."""
        rows = [(key, None if one.values is None else _packed(one.values), one.reason) for key, one in entries.items()]
        self._execute("INSERT OR REPLACE INTO detections VALUES (?, ?, ?)", rows)

    def _execute(self, statement: str, rows: list[tuple]) -> tuple | None:
        """Run `statement` for every row; the first row of its result. A store that fails is no longer used."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                with self._connection:
                    if statement.startswith("SELECT"):
                        return self._connection.execute(statement, rows[0]).fetchone()
                    self._connection.executemany(statement, rows)
            except sqlite3.Error as error:
                self._give_up(error)
            return None

    def _open(self) -> None:
        # A connection that is only ever used under the lock may serve several threads.
        connection = sqlite3.connect(self.file, timeout=PATIENCE, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            connection.execute(_TABLE)
        self._connection = connection

    def _give_up(self, error: sqlite3.Error) -> None:
        """Go on without the file while it cannot be used (read-only, locked, disk full); begin again if damaged."""
        self._connection = None
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            with contextlib.suppress(OSError, sqlite3.Error):
                self.file.replace(self.file.with_suffix(".damaged"))
                self._open()


class CachedDetector(Detector):
    """A detector that asks a `Store` before it looks, and tells it what it saw."""

    def __init__(self, detector: Detector, store: Store) -> None:
        self.detector, self.store = detector, store
        self.kind, self.name, self.proxy, self.shape = detector.kind, detector.name, detector.proxy, detector.shape
        self._signature = detector.signature

    @property
    def signature(self) -> str:
        return self._signature

    def detect(self, frames: np.ndarray) -> list[Detection]:
        keys = [frame_key(frame, self._signature) for frame in frames]
        found = {key: known for key in set(keys) if (known := self.store.get(key, self.shape)) is not None}
        wanted = {key: position for position, key in enumerate(keys) if key not in found}
        if wanted:
            fresh = dict(zip(wanted, self.detector.detect(frames[list(wanted.values())])))
            self.store.put({key: one for key, one in fresh.items() if one.cacheable})
            found |= fresh
        return [found[key] for key in keys]


def _packed(values: np.ndarray) -> bytes:
    """As float32 where that says the same, as of what a network gave: half the space."""
    small = np.asarray(values, dtype="<f4")
    exact = np.array_equal(small, values, equal_nan=True)
    return small.tobytes() if exact else np.ascontiguousarray(values, dtype="<f8").tobytes()


def cached(detectors: Mapping[str, Detector], folder: Path) -> dict[str, Detector]:
    """The same detectors behind one store below `folder`; one that several derive from is asked once a frame."""
    store = Store(folder)
    bases: dict[str, Detector] = {}

    def wrap(detector: Detector) -> Detector:
        signature = detector.signature
        if signature not in bases:
            if isinstance(detector, DerivedDetector):
                detector = copy.copy(detector)
                detector.base = wrap(detector.base)
            bases[signature] = CachedDetector(detector, store)
        return bases[signature]

    return {kind: wrap(detector) for kind, detector in detectors.items()}


def frame_key(frame: np.ndarray, signature: str) -> bytes:
    """20 bytes that stand for a frame's shape and content and for the detector."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(f"{frame.shape}|{frame.dtype}|{signature}|".encode())
    digest.update(np.ascontiguousarray(frame).data)
    return digest.digest()
