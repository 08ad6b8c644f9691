"""The arithmetic around DeepSpeech 0.1 in AD-NeRF and VOCA: its input, and windows of its output.

Written from the facts of AD-NeRF's published code; the recogniser itself is not here. Everything is float64.
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
LETTERS = 29  # logits of a step: 26 letters, space, apostrophe, blank


def mfcc26(samples: np.ndarray) -> np.ndarray:
    """26 cepstral coefficients ``(steps, 26)`` at 100 a second of int16 at 16 kHz; `mfcc` has 13."""
    power = power_spectrum(samples)
    energies = power @ filterbank().T
    cepstrum = dct(np.log(np.where(energies == 0, EPS, energies)), type=2, norm="ortho", axis=1)[:, :COEFFICIENTS]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    energy = power.sum(1)
    cepstrum[:, 0] = np.log(np.where(energy == 0, EPS, energy))
    return cepstrum


def inputs(samples: np.ndarray) -> tuple[np.ndarray, float, float]:
    """What the recogniser gets, ``(steps, 494)`` at 50 a second, and the mean and deviation that were taken out.

    Every second step with nine on both sides, zeros outside, oldest first. One mean and one deviation over the whole
    matrix, its zeros included: so a piece of a sound gives other numbers than the same piece inside the sound.
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
    """Logits ``(steps, F)`` at so many rows a second, linear, the last held: ``(rows, F)``.

    samples: of the sound at 16 kHz. rate: rows a second; with a number of `frames` it is frames over seconds.
    """
    seconds = samples / RATE
    count = round(seconds * rate) if frames is None else frames
    if frames is not None:
        rate = frames / seconds
    given = np.arange(len(logits)) / STEPS_PER_SECOND
    wanted = np.arange(count) / rate
    return np.stack([np.interp(wanted, given, column) for column in logits.T], axis=1)


def windows(rows: np.ndarray, size: int = WINDOW, stride: int = STRIDE) -> np.ndarray:
    """Windows ``(n, size, F)`` of rows; window i begins half a window before row ``stride * i``, zeros outside."""
    padded = np.pad(rows, ((size // 2, size // 2), (0, 0)))
    count = math.ceil(len(rows) / stride)
    return np.stack([padded[i * stride : i * stride + size] for i in range(count)])


def ad_nerf(logits: np.ndarray, samples: int, frames: int | None = None) -> np.ndarray:
    """AD-NeRF's ``aud.npy`` ``(n, 16, 29)``, one window a frame of 25 a second, of logits ``(steps, 29)``.

    Its first windowing, of one row, drops the last row.
    """
    return windows(resampled(logits, samples, frames=frames)[:-1])
