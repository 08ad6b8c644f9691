"""Mel-frequency cepstral coefficients as in python_speech_features 0.6; the front end of SyncNet.

Source: Davis and Mermelstein, 1980, with that package's conventions: pre-emphasis of the whole signal, rectangular
window, natural logarithm, lifter, and the log energy instead of coefficient 0. Everything is float64.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dct, rfft

RATE = 16000
WINDOW, STEP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms
FILTERS, COEFFICIENTS, LIFTER = 26, 13, 22
PREEMPHASIS = 0.97
EPS = np.finfo(np.float64).eps


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Return coefficients ``(13, frames)`` of mono audio ``(n,)`` at 16 kHz, in the range of int16.

    There are ``1 + ceil((n - 400) / 160)`` frames; the last one is padded with zeros.
    """
    power = power_spectrum(samples)
    energies = _positive(power @ filterbank().T)
    cepstrum = dct(np.log(energies), type=2, norm="ortho", axis=1)[:, :COEFFICIENTS]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    cepstrum[:, 0] = np.log(_positive(power.sum(1)))
    return cepstrum.T


def power_spectrum(samples: np.ndarray) -> np.ndarray:
    """Return ``|FFT|^2 / 512`` of each frame, ``(frames, 257)``."""
    samples = np.asarray(samples, dtype=np.float64)
    emphasised = np.append(samples[:1], samples[1:] - PREEMPHASIS * samples[:-1])
    count = 1 + max(0, -(-(len(samples) - WINDOW) // STEP))
    padded = np.pad(emphasised, (0, (count - 1) * STEP + WINDOW - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    return np.abs(rfft(frames, FFT, axis=1)) ** 2 / FFT


def filterbank() -> np.ndarray:
    """Return 26 triangles ``(26, 257)`` from 0 to 8000 Hz, evenly spaced in mel = 2595 log10(1 + f / 700)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    edges = np.floor((FFT + 1) * hertz / RATE)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(FFT // 2 + 1)
    return np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))


def _positive(x: np.ndarray) -> np.ndarray:
    """Replace zeros by the machine epsilon of float64, so that they have a logarithm."""
    return np.where(x == 0, EPS, x)
