"""Wav2Lip's log-mel spectrogram and its windows (Prajwal et al. 2020, Sec. 3; its front end is librosa 0.7's).

Mono sound at 16 kHz in [-1, 1]; the level is not normalized.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.fft import rfft
from scipy.signal import get_window

from protocols.clips import EARLY

RATE = 16000
WINDOW, HOP = 800, 200  # samples: 50 ms, 12.5 ms
PER_SECOND = RATE // HOP  # columns
BANDS, LOWEST, HIGHEST = 80, 55.0, 7600.0  # hertz
COLUMNS = 16  # of a window, the networks' input
PREEMPHASIS = 0.97
FLOOR, REFERENCE, RANGE = 1e-5, 20.0, 100.0  # magnitude, decibels, decibels
LARGEST = 4.0
PIECE = 256  # columns that are computed at a time
LEAST = (COLUMNS - 1) * HOP  # samples of a window


def log_mel(samples: np.ndarray, padding: Literal["reflect", "constant"] = "reflect") -> np.ndarray:
    """Return the log-mel spectrogram ``(80, 1 + n // 200)``, float32 in [-4, 4], of samples ``(n,)``; silence is -4.

    padding: before the first sample and after the last. "constant" (zeros) is librosa's default from 0.10; it changes
    the two outermost columns at either end.
    Raises ValueError without samples, for several channels, and for integers, which have another scale.
    """
    if samples.ndim != 1 or not samples.size or samples.dtype.kind != "f":
        raise ValueError(f"mono sound in [-1, 1] wanted, not {samples.dtype} of shape {samples.shape}")
    return _columns(samples, 0, 1 + len(samples) // HOP, padding)


class Spectrogram:
    """`log_mel` of a long sound, computed in pieces on demand, so that it is never in memory as a whole.

    samples: int16 ``(n,)`` at 16 kHz, at least `LEAST`. Pieces start at multiples of `PIECE`, so that numbers do not
    depend on which windows are requested, or on their order.
    """

    def __init__(self, samples: np.ndarray) -> None:
        if samples.ndim != 1 or samples.dtype != np.int16 or len(samples) < LEAST:
            raise ValueError(f"{LEAST} samples of int16 or more wanted, not {samples.dtype} of shape {samples.shape}")
        self._samples = samples
        self.columns = 1 + len(samples) // HOP
        self._piece = lru_cache(2)(self._made)

    def window(self, start: int) -> np.ndarray:
        """Return the window ``(1, 80, 16)`` from column `start`, or the last 16 columns at the end."""
        start = min(start, self.columns - COLUMNS)
        first, last = start // PIECE, (start + COLUMNS - 1) // PIECE
        whole = np.concatenate([self._piece(piece) for piece in range(first, last + 1)], 1)
        at = start - first * PIECE
        return whole[None, :, at : at + COLUMNS]

    def _made(self, piece: int) -> np.ndarray:
        last = min((piece + 1) * PIECE, self.columns)
        return _columns(self._samples, piece * PIECE, last, "reflect")


def _columns(samples: np.ndarray, first: int, last: int, padding: Literal["reflect", "constant"]) -> np.ndarray:
    """Return columns `first` to `last` of `log_mel`, ``(80, last - first)``; int16 samples are scaled to [-1, 1]."""
    places, n = np.arange(first * HOP - WINDOW // 2, (last - 1) * HOP + WINDOW // 2), len(samples)
    period = max(1, 2 * (n - 1))
    turned = np.minimum(places % period, period - places % period) if n > 1 else np.zeros_like(places)
    scale = 32768 if samples.dtype == np.int16 else 1
    x, before = (samples[at].astype(np.float64) / scale for at in (turned, np.maximum(turned - 1, 0)))
    x = np.where(turned > 0, x - PREEMPHASIS * before, x)
    if padding == "constant":
        x[(places < 0) | (places >= n)] = 0
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    # The transform's result, and all that follows, is in single precision.
    spectrum = rfft(frames * get_window("hann", WINDOW), axis=1).astype(np.complex64)
    decibels = 20 * np.log10(np.maximum(FLOOR, filter_bank() @ np.abs(spectrum).T)) - REFERENCE
    return np.clip(2 * LARGEST * (decibels + RANGE) / RANGE - LARGEST, -LARGEST, LARGEST).astype(np.float32)


@lru_cache(1)
def filter_bank() -> np.ndarray:
    """Return 80 triangles ``(80, 401)`` float32 from 55 to 7600 Hz, even on Slaney's mel scale, each of area 2 (in Hz).

    Source: Slaney, Auditory Toolbox, 1998.
    """
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    triangles = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    bank = (triangles.astype(np.float32) * (2 / (high - low))).astype(np.float32)
    bank.flags.writeable = False
    return bank


def window_starts(columns: int, fps: float) -> list[int]:
    """Return the first column of each frame's window in a spectrogram with this number of columns.

    If a window would exceed the end, the last 16 columns are the last window; so at 25 frames per second the video ends
    about 0.1 s before the sound. Raises ValueError for sound shorter than a window, and for a rate that is not a
    positive number.
    """
    if columns < COLUMNS:
        raise ValueError(f"sound of {columns} columns is shorter than a window of {COLUMNS}")
    if not 0 < fps < math.inf:
        raise ValueError(f"frames per second must be positive, not {fps}")
    step = PER_SECOND / fps
    starts: list[int] = []
    while (start := int(len(starts) * step)) + COLUMNS <= columns:
        starts.append(start)
    return [*starts, columns - COLUMNS]


def first_column(time: float) -> int:
    """Return the first column of the window of a frame at a time in seconds, which may be rounded down by 1e-6."""
    return int(PER_SECOND * (time + EARLY))


def windows(mel: np.ndarray, starts: list[int]) -> np.ndarray:
    """Return windows ``(N, 1, 80, 16)`` of a spectrogram ``(80, columns)``, starting at these columns."""
    return np.stack([mel[None, :, start : start + COLUMNS] for start in starts])


# Slaney's scale: 15 mel per kilohertz up to 1 kHz, above that 27 mel per factor of 6.4.
_LINEAR, _KNEE, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _mel(hertz: float) -> float:
    return hertz / _LINEAR if hertz < _KNEE else _KNEE / _LINEAR + np.log(hertz / _KNEE) / _STEP


def _hertz(mel: np.ndarray) -> np.ndarray:
    knee = _KNEE / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _KNEE * np.exp(_STEP * (mel - knee)))
