"""Input and output processing of DeepSpeech 0.1 as in AD-NeRF and VOCA: its input, and windows of its output.

Written from the facts of AD-NeRF's published code; the recognizer itself is not included. Everything is float64.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import dct

from baselines.speech.mfcc import EPS, LIFTER, RATE, filterbank, power_spectrum

COEFFICIENTS = 26
CONTEXT = 9  # steps on both sides
STEPS_PER_SECOND = 50
WINDOW, STRIDE = 16, 2  # rows of AD-NeRF's windows
LETTERS = 29  # logits per step: 26 letters, space, apostrophe, blank


def mfcc26(samples: np.ndarray) -> np.ndarray:
    """Return 26 cepstral coefficients ``(steps, 26)``, 100 per second, of int16 at 16 kHz; `mfcc` has 13."""
    power = power_spectrum(samples)
    energies = power @ filterbank().T
    cepstrum = dct(np.log(np.where(energies == 0, EPS, energies)), type=2, norm="ortho", axis=1)[:, :COEFFICIENTS]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    energy = power.sum(1)
    cepstrum[:, 0] = np.log(np.where(energy == 0, EPS, energy))
    return cepstrum


def inputs(samples: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return the recognizer's input ``(steps, 494)``, 50 per second, and the mean and deviation of its normalization.

    Every second step with nine on both sides, zeros outside, oldest first. Mean and deviation are over the whole
    matrix, zeros included, so a part of a sound gives other numbers alone than inside the whole sound.
    """
    steps = mfcc26(samples)[::2]
    padded = np.pad(steps, ((CONTEXT, CONTEXT), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * CONTEXT + 1, axis=0)  # (steps, 26, 19)
    rows = windows.transpose(0, 2, 1).reshape(len(steps), -1)
    mean, deviation = float(rows.mean()), float(rows.std())
    return (rows - mean) / deviation, mean, deviation


def resampled(
    logits: np.ndarray, samples: int, rate: float = STEPS_PER_SECOND, frames: int | None = None
) -> np.ndarray:
    """Resample logits ``(steps, F)`` to ``(rows, F)`` linearly; the last row is repeated at the end.

    samples: number of samples of the sound at 16 kHz. rate: rows per second; replaced by frames over seconds if
    `frames` is given.
    """
    seconds = samples / RATE
    count = round(seconds * rate) if frames is None else frames
    if frames is not None:
        rate = frames / seconds
    given = np.arange(len(logits)) / STEPS_PER_SECOND
    wanted = np.arange(count) / rate
    return np.stack([np.interp(wanted, given, column) for column in logits.T], axis=1)


def windows(rows: np.ndarray, size: int = WINDOW, stride: int = STRIDE) -> np.ndarray:
    """Return windows ``(n, size, F)``, zeros outside; window i starts half a window before row ``stride * i``."""
    padded = np.pad(rows, ((size // 2, size // 2), (0, 0)))
    count = math.ceil(len(rows) / stride)
    return np.stack([padded[i * stride : i * stride + size] for i in range(count)])


def ad_nerf(logits: np.ndarray, samples: int, frames: int | None = None) -> np.ndarray:
    """Return AD-NeRF's ``aud.npy`` ``(n, 16, 29)``, a window per frame at 25 per second, from logits ``(steps, 29)``.

    Its first windowing, of one row, drops the last row.
    """
    return windows(resampled(logits, samples, frames=frames)[:-1])
