"""A cache of detections, shared by models and runs.

Keys are the frame's content and the detector's signature, so that changes of either need no invalidation. The cache is
an SQLite file, written in transactions: interrupted writes are rolled back, and processes can share it. A damaged file
is renamed; if no file can be written, detections are computed and not cached.
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
PATIENCE = 30.0  # seconds to wait for the lock of another process
_TABLE = "CREATE TABLE IF NOT EXISTS detections (key BLOB PRIMARY KEY, vals BLOB, reason TEXT) WITHOUT ROWID"


class Store:
    """Detections by key, in one file below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except sqlite3.Error as error:
            self._give_up(error)
        except OSError:  # the folder cannot be created
            pass

    def get(self, key: bytes, shape: tuple[int, ...]) -> Detection | None:
        """Return the detection of `key`, or None; also None if its values do not have `shape`."""
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
        """Store all entries in one transaction."""
        rows = [(key, None if one.values is None else _packed(one.values), one.reason) for key, one in entries.items()]
        self._execute("INSERT OR REPLACE INTO detections VALUES (?, ?, ?)", rows)

    def _execute(self, statement: str, rows: list[tuple]) -> tuple | None:
        """Run `statement` for every row; return the first row of its result. On an error, stop using the file."""
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
        # Several threads may use the connection, because all its uses hold the lock.
        connection = sqlite3.connect(self.file, timeout=PATIENCE, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            connection.execute(_TABLE)
        self._connection = connection

    def _give_up(self, error: sqlite3.Error) -> None:
        """Continue without the file if it cannot be used (read-only, locked, disk full); start a new one if damaged."""
        self._connection = None
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            with contextlib.suppress(OSError, sqlite3.Error):
                self.file.replace(self.file.with_suffix(".damaged"))
                self._open()


class CachedDetector(Detector):
    """A detector that reads from a `Store` first, and stores new detections."""

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
    """Convert to float32 if that is lossless, as for a network's output, for half the space."""
    small = np.asarray(values, dtype="<f4")
    exact = np.array_equal(small, values, equal_nan=True)
    return small.tobytes() if exact else np.ascontiguousarray(values, dtype="<f8").tobytes()


def cached(detectors: Mapping[str, Detector], folder: Path) -> dict[str, Detector]:
    """Return the detectors with a shared cache below `folder`; a shared base runs once per frame."""
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
    """Return a 20-byte hash of a frame's shape and content and the detector's signature."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(f"{frame.shape}|{frame.dtype}|{signature}|".encode())
    digest.update(np.ascontiguousarray(frame).data)
    return digest.digest()
