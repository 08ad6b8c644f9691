"""Features of speech for the lip-sync proxies: loudness in four bands, and the times of labial sounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from baselines.speech.hama import tokens
from baselines.speech.mfcc import RATE, STEP, WINDOW, filterbank, power_spectrum

BANDS, TOP = 4, 17  # the first 17 of 26 mel filters, below 3.9 kHz, as in telephone sound
FLOOR = 1e3  # added to the power of int16 samples, so that the logarithm of silence is finite
MEL_RATE, MEL_START = RATE // STEP, WINDOW / 2 / RATE  # rows per second, and the middle of the first one in seconds

LABIALS = frozenset(("p", "pʰ", "p͈", "b", "m", "f", "v"))
OPEN = frozenset(("ɑ", "æ", "aɪ", "aʊ", "ɔ", "a", "eɪ", "ɛ", "oʊ", "ʌ", "ɔɪ"))
_SILENT = ("<blank>", "<wb>")


def spectra(samples: np.ndarray, columns: int = 2000) -> Iterator[np.ndarray]:
    """Return `power_spectrum` of int16 ``(n,)``, computed in parts of `columns` with the same result."""
    count = 1 + max(0, -(-(len(samples) - WINDOW) // STEP))
    for first in range(0, count, columns):
        last = min(first + columns, count)
        before = min(first, 1)  # the first sample of a part has no predecessor; its column is dropped
        yield power_spectrum(samples[(first - before) * STEP : (last - 1) * STEP + WINDOW])[before:]


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return the log power in four bands below 3.9 kHz ``(n, 4)``, 100 rows per second, of int16 at 16 kHz."""
    filters = filterbank()[:TOP].T
    energies = np.concatenate([np.log(part @ filters + FLOOR) for part in spectra(samples)])
    return np.stack([band.mean(1) for band in np.array_split(energies, BANDS, axis=1)], axis=1)


def events(log_probabilities: np.ndarray, names: frozenset[str]) -> int:
    """Return the number of onsets of the tokens, by the most probable token of each row."""
    best, called = log_probabilities.argmax(1), tokens()
    begins = np.flatnonzero(np.diff(best, prepend=-1))
    return sum(called[best[k]] in names and called[best[k]] not in _SILENT for k in begins)
