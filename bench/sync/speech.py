"""Features of speech for the lip-sync proxies: loudness in four bands, and phones by the package hama."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from bench.detectors.mfcc import RATE, STEP, WINDOW, filterbank, power_spectrum

BANDS, TOP = 4, 17  # the first 17 of 26 mel filters, below 3.9 kHz, which a telephone's sound has, too
FLOOR = 1e3  # added to the power of int16 samples, so that silence is not minus infinity
MEL_RATE, MEL_START = RATE // STEP, WINDOW / 2 / RATE  # rows a second, and the middle of the first in seconds

HAMA = "1.7.0"
PHONE_STEP = 320
PHONE_RATE, PHONE_START = RATE // PHONE_STEP, PHONE_STEP / 2 / RATE
LEVEL = 0.7  # of the loudest sample; the network is not indifferent to loudness
PART, MARGIN = 1000 * PHONE_STEP, 50 * PHONE_STEP  # samples at a time, and of their surroundings
LABIALS = frozenset(("p", "pʰ", "p͈", "b", "m", "f", "v"))
OPEN = frozenset(("ɑ", "æ", "aɪ", "aʊ", "ɔ", "a", "eɪ", "ɛ", "oʊ", "ʌ", "ɔɪ"))
_SILENT = ("<blank>", "<wb>")
_last: dict[bytes, np.ndarray] = {}  # of one sound, by its hash: several metrics of a clip ask for the same


def spectra(samples: np.ndarray, columns: int = 2000) -> Iterator[np.ndarray]:
    """`power_spectrum` of int16 ``(n,)`` in parts of so many columns, equal to that of the whole."""
    count = 1 + max(0, -(-(len(samples) - WINDOW) // STEP))
    for first in range(0, count, columns):
        last = min(first + columns, count)
        before = min(first, 1)  # the first sample of a part has none before it; the column with it is dropped
        yield power_spectrum(samples[(first - before) * STEP : (last - 1) * STEP + WINDOW])[before:]


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Logarithm of the power in four bands below 3.9 kHz ``(n, 4)``, 100 rows a second, of int16 at 16 kHz."""
    filters = filterbank()[:TOP].T
    energies = np.concatenate([np.log(part @ filters + FLOOR) for part in spectra(samples)])
    return np.stack([band.mean(1) for band in np.array_split(energies, BANDS, axis=1)], axis=1)


def missing(weights: Path | None = None) -> list[str]:
    """Name what keeps `phones` from being computed, in words; empty where nothing does."""
    try:
        found = metadata.version("hama")
    except metadata.PackageNotFoundError:
        found = "none"
    return [] if found == HAMA else [f"package hama {HAMA} is not installed (found: {found})"]


def phones(samples: np.ndarray) -> np.ndarray:
    """Log-probabilities of hama's tokens ``(n, 191)``, 50 rows a second, of int16 at 16 kHz.

    The sound is brought to one level, and computed 20 s at a time, each with a second of its surroundings.
    """
    samples = np.ascontiguousarray(samples, np.int16)
    key = hashlib.blake2b(samples.data, digest_size=16).digest()
    if (known := _last.get(key)) is not None:
        return known
    _last.clear()
    _last[key] = _phones(samples)
    return _last[key]


def of_tokens(names: frozenset[str]) -> np.ndarray:
    """The columns of `phones` that are of these tokens."""
    return np.array([k for k, token in enumerate(_model().decoder_tokens) if token in names])


def events(log_probabilities: np.ndarray, names: frozenset[str]) -> int:
    """How often one of the tokens begins, by the most probable token of each row."""
    best, tokens = log_probabilities.argmax(1), _model().decoder_tokens
    begins = np.flatnonzero(np.diff(best, prepend=-1))
    return sum(tokens[best[k]] in names and tokens[best[k]] not in _SILENT for k in begins)


@lru_cache(1)
def _model() -> Any:
    from hama.asr import ASRModel

    return ASRModel()


def _phones(samples: np.ndarray) -> np.ndarray:
    peak = max(int(samples.max(initial=0)), -int(samples.min(initial=0)), 1)
    count = -(-len(samples) // PHONE_STEP)
    found, done = np.empty((0, 0), np.float32), 0
    for first in range(0, len(samples), PART):
        begin = max(first - MARGIN, 0)
        wave = samples[begin : first + PART + MARGIN][None].astype(np.float32)
        wave *= LEVEL / peak
        inputs = {"waveform": wave, "waveform_lengths": np.array([wave.shape[1]])}
        rows = _model().session.run(["log_probs", "out_lengths"], inputs)[0][0]
        skipped = (first - begin) // PHONE_STEP
        rows = rows[skipped : skipped + -(-min(PART, len(samples) - first) // PHONE_STEP)]
        if not done:
            found = np.empty((count, rows.shape[1]), rows.dtype)
        found[done : done + len(rows)] = rows
        done += len(rows)
    return found[:done]
