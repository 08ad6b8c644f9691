"""Phones from the package hama: log-probabilities of its tokens, independent of the sound's length."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from baselines.speech.mfcc import RATE

HAMA = "1.7.0"
PHONE_STEP = 320
PHONE_RATE, PHONE_START = RATE // PHONE_STEP, PHONE_STEP / 2 / RATE
LEVEL = 0.7  # of the loudest sample; the network's output depends on loudness
PART, MARGIN = 1000 * PHONE_STEP, 50 * PHONE_STEP  # samples per part, and of context on each side
_last: dict[bytes, np.ndarray] = {}  # of one sound, by its hash: several metrics of a clip use the same


def missing(weights: Path | None = None) -> list[str]:
    """Return what `phones` lacks, in words; empty if it can be computed."""
    try:
        found = metadata.version("hama")
    except metadata.PackageNotFoundError:
        found = "none"
    return [] if found == HAMA else [f"package hama {HAMA} is not installed (found: {found})"]


def phones(samples: np.ndarray) -> np.ndarray:
    """Return log-probabilities of hama's tokens ``(n, 191)``, 50 rows per second, of int16 at 16 kHz.

    The sound is normalized in level, and computed in parts of 20 s, each with a second of context on both sides.
    """
    samples = np.ascontiguousarray(samples, np.int16)
    key = hashlib.blake2b(samples.data, digest_size=16).digest()
    if (known := _last.get(key)) is not None:
        return known
    _last.clear()
    _last[key] = _phones(samples)
    return _last[key]


def of_tokens(names: frozenset[str]) -> np.ndarray:
    """Return the columns of `phones` of these tokens."""
    return np.array([k for k, token in enumerate(_model().decoder_tokens) if token in names])


def tokens() -> tuple[str, ...]:
    """Return the names of the columns of `phones`."""
    return tuple(_model().decoder_tokens)


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
