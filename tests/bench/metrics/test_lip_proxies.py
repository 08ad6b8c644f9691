"""The proxies for lip-sync on lips and speech whose agreement is planted."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest

from baselines.speech import hama as phones_by_hama
from baselines.speech.mfcc import mfcc, power_spectrum
from bench.metrics.clips import lip_proxies, speaking
from bench.metrics.clips.base import ClipValue, Tracks
from bench.sync import speech
from protocols.sound import Sound

TOKENS = ["<blank>", "<wb>", "m", "a", "s", "t"]
SECONDS = 9


@pytest.fixture
def hama(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Log-probabilities of `TOKENS` in the place of the package's; it gives an m or an a where the sound is loud."""

    class Model:
        decoder_tokens = TOKENS

    def phones(samples: np.ndarray) -> np.ndarray:
        steps = samples[: len(samples) // 320 * 320].reshape(-1, 320).astype(float).mean(1)
        chances = np.full((len(steps), len(TOKENS)), 0.01)
        chances[np.arange(len(steps)), np.where(steps > 3000, 3, np.where(steps < -3000, 2, 0))] = 0.95
        return np.log(chances)

    monkeypatch.setattr(phones_by_hama, "_model", Model)
    monkeypatch.setattr(phones_by_hama, "phones", phones)
    return make_levels()


def make_levels() -> np.ndarray:
    """One of -1, 0 and 1 every 20 ms: closed, nothing heard, open; changes at random times."""
    rng = np.random.default_rng(3)
    return np.concatenate([np.full(rng.integers(3, 14), level) for level in rng.integers(-1, 2, 200)])[: SECONDS * 50]


def make_sound(levels: np.ndarray, later: float = 0.0) -> Sound:
    return Sound(np.repeat(levels * 6000, 320).astype(np.int16), 16000, later, 16000)


def make_lips(levels: np.ndarray, fps: float = 25.0, lead: float = 0.04) -> tuple[np.ndarray, np.ndarray]:
    """Times and 68 landmarks whose inner lips follow the levels `lead` seconds before them."""
    times = np.arange(0, SECONDS - 0.1, 1 / fps)
    opening = np.interp(times + lead, (np.arange(len(levels)) + 0.5) / 50, levels)
    points = np.random.default_rng(0).normal(100, 1, (len(times), 68, 2)) * 0 + 100.0
    points[:, 36:42, 0], points[:, 42:48, 0] = 80.0, 120.0
    for upper, lower in speaking.LIPS:
        points[:, upper, 1], points[:, lower, 1] = 100 - 2 - opening, 100 + 2 + opening
    return times, points


def tracks_of(times: np.ndarray, points: np.ndarray, sound: Sound | None) -> Tracks:
    return Tracks(times, 25.0, (256, 256), {"landmarks-mesh": points}, sound=sound)


def values(tracks: Tracks) -> dict[str, ClipValue]:
    return {one.name: one.compute(tracks) for one in lip_proxies.DEFINITIONS}


@pytest.mark.parametrize("fps", [25.0, 30.0])
def test_lips_in_sync(hama: np.ndarray, fps: float) -> None:
    found = values(tracks_of(*make_lips(hama, fps), make_sound(hama)))
    assert found["lip-labial-auc"].value > 0.97
    assert found["lip-lag-corr"].value > 0.8 and found["lip-lag"].value == 0.04
    assert {one.reason for one in found.values()} == {None}


@pytest.mark.parametrize("moved", [-0.4, -0.2, -0.12, 0.12, 0.2, 0.4])
def test_sound_that_is_moved_shows_in_the_lag(hama: np.ndarray, moved: float) -> None:
    still, found = (values(tracks_of(*make_lips(hama), make_sound(hama, by))) for by in (0.0, moved))
    assert found["lip-lag"].extra["signed"] == pytest.approx(0.04 + moved)
    assert found["lip-lag"].value == pytest.approx(abs(0.04 + moved))
    assert found["lip-lag-corr"].value == pytest.approx(still["lip-lag-corr"].value, abs=0.05)
    assert found["lip-labial-auc"].value < still["lip-labial-auc"].value - 0.15


def test_lips_of_other_speech(hama: np.ndarray) -> None:
    own, other = (values(tracks_of(*make_lips(levels), make_sound(hama))) for levels in (hama, hama[::-1]))
    assert other["lip-labial-auc"].value < own["lip-labial-auc"].value - 0.3
    assert other["lip-lag-corr"].value < own["lip-lag-corr"].value - 0.2


def test_lips_that_speech_does_not_predict_have_no_lag(hama: np.ndarray) -> None:
    times, points = make_lips(np.random.default_rng(5).permutation(hama))
    found = values(tracks_of(times, points, make_sound(hama)))
    assert found["lip-lag-corr"].value < 0.45
    assert math.isnan(found["lip-lag"].value) and "0.45" in str(found["lip-lag"].reason)


def test_loudness_needs_no_package_and_no_wide_band() -> None:
    levels = np.abs(make_levels())
    rng = np.random.default_rng(0)
    loud = np.repeat(levels * 4000 + 20, 320) * rng.normal(0, 1, 320 * len(levels))
    sound = Sound(loud.clip(-32768, 32767).astype(np.int16), 16000, 0.0, 8000)
    found = lip_proxies.loudness_corr(tracks_of(*make_lips(levels), sound))
    assert found.value > 0.8 and abs(found.extra["lag"]) <= 0.04 + 1e-9
    assert found.reason is None


def test_faces_that_are_lost_are_counted_and_left_out(hama: np.ndarray) -> None:
    times, points = make_lips(hama)
    points[60:90] = np.nan
    found = values(tracks_of(times, points, make_sound(hama)))
    assert {(one.n, one.failed) for one in found.values()} == {(len(times) - 30, 30)}
    assert found["lip-labial-auc"].value > 0.95 and found["lip-lag"].value == 0.04


@pytest.mark.parametrize("seconds", [0.0, 2.9, 4.9])
def test_short_clips_have_a_reason(hama: np.ndarray, seconds: float) -> None:
    times, points = make_lips(hama)
    keep = times <= seconds
    found = values(tracks_of(times[keep], points[keep], make_sound(hama)))
    assert math.isnan(found["lip-lag"].value) and " s are needed" in str(found["lip-lag"].reason)
    assert math.isnan(found["lip-labial-auc"].value) == (seconds < 3)


def test_every_other_clip_without_a_value_has_a_reason(hama: np.ndarray) -> None:
    times, points = make_lips(hama)
    still = np.repeat(points[:1], len(times), 0)
    sound = make_sound(hama)
    cases = [
        (points, None, "no sound"),
        (points * np.nan, sound, "no face"),
        (points, Sound(np.zeros(160000, np.int16), 16000), "silent"),
        (points, sound.later(30), "silent"),
        (points, Sound(sound.samples[:48000], 16000), "s are needed"),
        (still, sound, "do not move"),
        (points, Sound(sound.samples, 16000, 0.0, 8000), "8000"),
        (points, make_sound(np.maximum(hama, 0)), "labials"),
    ]
    for landmarks, heard, words in cases:
        found = values(tracks_of(times, landmarks, heard))
        told = [str(one.reason) for name, one in found.items() if math.isnan(one.value)]
        assert told and all(words in reason for reason in told), words
        assert len(told) == {"8000": 3, "labials": 1}.get(words, 4) or words == "s are needed"


def test_the_area_is_a_share_of_pairs() -> None:
    rng = np.random.default_rng(0)
    values, high, low = rng.integers(0, 9, 50).astype(float), rng.random(50), rng.random(50)
    wins = (values[:, None] > values) + 0.5 * (values[:, None] == values)
    expected = (high[:, None] * low * wins).sum() / (high.sum() * low.sum())
    assert speaking.weighted_auc(values, high, low) == pytest.approx(expected)
    assert speaking.weighted_auc(np.arange(3.0), np.array([0, 0, 1]), np.array([1, 1, 0])) == 1


def test_both_ways_to_solve_a_regression_agree() -> None:
    rng = np.random.default_rng(0)
    x, y, other, truth = rng.normal(size=(40, 60)), rng.normal(size=40), rng.normal(size=(30, 60)), rng.normal(size=30)
    wide = speaking.judged(x, y, other, truth, 0.3)
    scaled = (x - x.mean(0)) / np.sqrt(x.var(0).mean())
    weights = np.linalg.solve(scaled.T @ scaled + 0.3 * 40 * np.eye(60), scaled.T @ (y - y.mean()))
    assert wide == pytest.approx(np.corrcoef((other - x.mean(0)) @ weights, truth)[0, 1])
    tall = speaking.judged(x[:, :9], y, other[:, :9], truth, 0.3)
    assert -1 <= tall <= 1 and tall != wide


def test_spectra_in_parts_are_those_of_the_whole() -> None:
    samples = np.random.default_rng(0).integers(-9000, 9000, 16000 * 3 + 77).astype(np.int16)
    np.testing.assert_allclose(np.concatenate(list(speech.spectra(samples, 40))), power_spectrum(samples), rtol=1e-12)
    assert len(speech.log_mel(samples)) == mfcc(samples).shape[1]


@pytest.mark.skipif(importlib.util.find_spec("hama") is None, reason="hama is not installed")
def test_phones_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones_by_hama, "PART", 80 * phones_by_hama.PHONE_STEP)
    rng = np.random.default_rng(0)
    t = np.arange(16000 * 2) / 16000
    voice = 6000 * np.sin(2 * np.pi * 140 * t) * (1 + np.sin(2 * np.pi * 3 * t)) + rng.normal(0, 200, len(t))
    samples = voice.astype(np.int16)
    rows = phones_by_hama.phones(samples)
    assert rows.shape == (100, len(phones_by_hama._model().decoder_tokens)) and phones_by_hama.missing() == []
    np.testing.assert_allclose(np.exp(rows).sum(1), 1, atol=1e-4)
    assert len(phones_by_hama.of_tokens(speech.LABIALS)) == len(speech.LABIALS)
    assert len(phones_by_hama.of_tokens(speech.OPEN)) == len(speech.OPEN)
