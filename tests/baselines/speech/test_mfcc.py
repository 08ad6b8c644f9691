"""The front end of SyncNet: sizes, silence, the shape of the filters. Its numbers are in SyncNet's golden folder."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.speech.mfcc import EPS, filterbank, mfcc, power_spectrum


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (399, 1), (400, 1), (401, 2), (560, 2), (561, 3), (25600, 159)]
)
def test_number_of_frames(samples: int, frames: int) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, samples).astype(np.int16)
    coefficients = mfcc(noise)
    assert coefficients.shape == (13, frames) and coefficients.dtype == np.float64
    assert np.isfinite(coefficients).all()


def test_silence_has_a_logarithm() -> None:
    coefficients = mfcc(np.zeros(800, dtype=np.int16))
    np.testing.assert_allclose(coefficients[0], np.log(EPS))
    np.testing.assert_allclose(coefficients[1:], 0, atol=1e-12)


def test_power_of_a_tone_lies_in_its_bin() -> None:
    tone = 1000 * np.sin(2 * np.pi * 1000 / 16000 * np.arange(400))
    assert power_spectrum(tone)[0].argmax() == 32  # 1000 Hz in steps of 16000 / 512 Hz


def test_a_frame_does_not_depend_on_later_samples() -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 4000).astype(np.int16)
    np.testing.assert_allclose(mfcc(noise)[:, :3], mfcc(noise[:800])[:, :3], rtol=1e-12)


def test_filters_are_triangles_side_by_side() -> None:
    filters = filterbank()
    assert filters.shape == (26, 257) and filters.min() == 0 and (filters.max(1) == 1).all()
    peaks = filters.argmax(1)
    assert (np.diff(peaks) > 0).all() and (np.diff(peaks, 2) >= -1).all()  # wider with the frequency
    between = slice(peaks[0], peaks[-1] + 1)
    np.testing.assert_allclose(filters[:, between].sum(0), 1)
    assert filters[:, 256].sum() == 0  # the last one ends at 8000 Hz
