"""Precomputed features: ``.npy`` files, one per clip."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from baselines.errors import ModelError
from baselines.speech.feature import SpeechFeature, at
from protocols.sound import Sound

SHORT = 0.5  # seconds that a file may end before the frames; its last row is repeated


class Precomputed(SpeechFeature):
    """Rows ``(T, F)``, or AD-NeRF's windows ``(T, 16, 29)``, which are read as rows of 464 numbers.

    The first row is at time 0 of the clip, like AD-NeRF's windows. The sound itself is not used.
    """

    name = "npy"

    def __init__(self, place: Path, rate: float = 25.0, begins: float = 0.0):
        """Read files. place: a file, or a folder with ``<clip>.npy``. rate: rows per second. begins: see `of`.

        Raises ModelError for unusable files.
        """
        if not rate > 0:
            raise ModelError(f"{place}: rows per second must be a number above 0, not {rate:g}", code="bad-value")
        self.place, self.rate, self._begins = place, rate, begins
        if place.is_dir():
            first = next(iter(sorted(place.glob("*.npy"))), None)
            if first is None:
                raise ModelError(f"{place}: no .npy files", code="missing-file")
            self.width = _read(first).shape[1]
        else:
            self.width = _read(place).shape[1]

    @property
    def signature(self) -> str:
        files = sorted(self.place.glob("*.npy")) if self.place.is_dir() else [self.place]
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
        return f"npy;sha256:{digest.hexdigest()[:12]};rate:{self.rate:g};at:linear"

    def of(self, clip: str, begins: float = 0.0) -> Precomputed:
        if not self.place.is_dir():
            return Precomputed(self.place, self.rate, begins) if begins else self
        file = self.place / f"{clip}.npy"
        if not file.is_file():
            raise ModelError(f"{self.place}: no features of the clip {clip}", code="missing-file")
        found = Precomputed(file, self.rate, begins)
        if found.width != self.width:
            raise ModelError(f"{file}: {found.width} numbers per row, other files have {self.width}", code="bad-value")
        return found

    def rows(self, sound: Sound, times: np.ndarray) -> np.ndarray:
        if self.place.is_dir():
            raise ModelError(f"{self.place}: features of several clips; name one of its files", code="missing-file")
        found, times = _read(self.place), np.asarray(times, float) + self._begins
        if len(times) and times[-1] > (len(found) - 1) / self.rate + SHORT:
            raise ModelError(
                f"{self.place}: {len(found)} rows at {self.rate:g} per second end before the clip", code="bad-value"
            )
        return at(times, found, 0.0, self.rate)


def _read(file: Path) -> np.ndarray:
    """Return rows ``(T, F)``, float32."""
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(
            f"{file}: not an .npy file of features ({type(error).__name__})", code="unreadable-file"
        ) from None
    if not isinstance(found, np.ndarray) or found.ndim not in (2, 3) or not found.size or found.dtype.kind not in "fiu":
        raise ModelError(f"{file}: no features of the shape (T, F) or (T, 16, 29)", code="bad-value")
    rows = np.asarray(found, np.float32).reshape(len(found), -1)
    if not np.isfinite(rows).all():
        raise ModelError(f"{file}: has features that are not finite", code="bad-value")
    return rows
