"""Proxies for lip-sync without SyncNet's weights: do the lips close on labials, and does the sound predict the lips?

They are this project's. They are neither Sync-C nor Sync-D, and not comparable with a paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from baselines.speech import hama
from baselines.speech.mfcc import RATE
from bench.detectors.base import NO_FACE
from bench.metrics.clips import speaking
from bench.metrics.clips.base import ClipDefinition, ClipValue, Params, Tracks
from bench.sync import speech

SHORTEST_AUC, SHORTEST_LAG = 3.0, 5.0  # seconds; of clips of 4 s the lags were wrong
LEAD = 0.04  # seconds by which lips come before the token: mouths close early, and the network speaks up late
FEWEST = 3  # labials, and open vowels
RIDGE_PHONES, RIDGE_LOUDNESS = 0.3, 1.0
LEAST = 0.45  # least correlation for a meaningful lag; lips with other speech had up to 0.4
BEFORE, AFTER = 1.0, float(speaking.LAGS[-1]) + speaking.GRID  # seconds of sound around the clip that are listened to


@dataclass(frozen=True)
class Heard:
    """Lips and sound of a clip. times, opening: on an even grid ``(n,)``. near: whether a face is near ``(n,)``.

    samples, first: int16 at 16 kHz, and their start in seconds from the first frame. n, failed: frames with and without
        a face.
    """

    times: np.ndarray
    opening: np.ndarray
    near: np.ndarray
    samples: np.ndarray
    first: float
    n: int
    failed: int


def heard(tracks: Tracks, shortest: float, needed: int = 0) -> Heard | ClipValue:
    """Return lips and sound of a clip, or why it has no value.

    shortest: seconds with both face and sound that are needed. needed: least sample rate of the file's sound.
    """
    opening, sound = speaking.lip_opening(tracks.generated["landmarks-mesh"]), tracks.sound
    failed = int(np.isnan(opening).sum())
    if sound is None:
        return ClipValue.none("no sound", failed)
    if sound.source_rate is not None and sound.source_rate < needed:
        return ClipValue.none(f"sound of {sound.source_rate} samples per second, {needed} are needed", failed)
    if failed == len(opening):
        return ClipValue.none(NO_FACE, failed)
    if speaking.silent(sound, tracks.times):
        return ClipValue.none("silent sound", failed)
    end = float(tracks.times[-1])
    times, even, near = speaking.on_grid(tracks.times, opening)
    both = (times >= sound.start) & (times <= sound.start + sound.seconds) & near
    if (seconds := both.sum() * speaking.GRID) < shortest:
        return ClipValue.none(f"{seconds:.1f} s of a face with sound, {shortest:.0f} s are needed", failed)
    if even[both].std() < 1e-6:
        return ClipValue.none("the lips do not move", failed)
    # Cut at the network's own steps, so that shifted sound has the same features.
    begin = max(0, int((-BEFORE - sound.start) * sound.rate) // hama.PHONE_STEP * hama.PHONE_STEP)
    samples = sound.samples[begin : round((end + AFTER - sound.start) * sound.rate)]
    first = sound.start + begin / sound.rate
    return Heard(times, even, near, samples, first, len(opening) - failed, failed)


def labial_auc(tracks: Tracks) -> ClipValue:
    """Return how often the lips are wider on an open vowel than on a labial, each weighted by its probability."""
    found = heard(tracks, SHORTEST_AUC, RATE)
    if isinstance(found, ClipValue):
        return found
    rows = hama.phones(found.samples)
    at = np.arange(len(rows)) / hama.PHONE_RATE + hama.PHONE_START + found.first - LEAD
    place = np.searchsorted(found.times, at).clip(0, len(found.times) - 1)
    use = (at >= found.times[0]) & (at <= found.times[-1]) & found.near[place]
    for what, names in (("labials", speech.LABIALS), ("open vowels", speech.OPEN)):
        if (count := speech.events(rows[use], names)) < FEWEST:
            return ClipValue.none(f"{count} {what} heard, {FEWEST} are needed", found.failed)
    chances = np.exp(rows[use])
    wide, closed = (chances[:, hama.of_tokens(names)].sum(1) for names in (speech.OPEN, speech.LABIALS))
    value = speaking.weighted_auc(np.interp(at[use], found.times, found.opening), wide, closed)
    return ClipValue(value, None, found.n, found.failed)


def loudness_corr(tracks: Tracks) -> ClipValue:
    """Return the correlation of the lips with their prediction from the power in four bands, at the best of 31 lags."""
    found = heard(tracks, SHORTEST_LAG)
    if isinstance(found, ClipValue):
        return found
    rows = speech.log_mel(found.samples)
    clock = np.arange(len(rows)) / speech.MEL_RATE + speech.MEL_START + found.first
    return _best(found, found.opening, clock, (rows - rows.mean(0)).astype(np.float32), RIDGE_LOUDNESS, "height")


def phones_lag(tracks: Tracks, part: str) -> ClipValue:
    """Return the correlation of the lips with their prediction from phones at the best lag ("height"), or its "lag".

    Both signals less their averages over a second. 31 lags; the lag is absolute.
    """
    found = heard(tracks, SHORTEST_LAG, RATE)
    if isinstance(found, ClipValue):
        return found
    rows = speaking.without_trend(hama.phones(found.samples), hama.PHONE_RATE)
    clock = np.arange(len(rows)) / hama.PHONE_RATE + hama.PHONE_START + found.first
    return _best(found, speaking.without_trend(found.opening, 1 / speaking.GRID), clock, rows, RIDGE_PHONES, part)


def _best(found: Heard, opening: np.ndarray, clock: np.ndarray, rows: np.ndarray, ridge: float, part: str) -> ClipValue:
    curve = speaking.lag_curve(found.times[found.near], opening[found.near], clock, rows, ridge)
    best = int(np.nanargmax(curve))
    height, lag = float(curve[best]), float(speaking.LAGS[best])
    if part == "lag" and height < LEAST:
        return ClipValue.none(f"lips and speech correlate by {height:.2f}, a lag needs {LEAST}", found.failed)
    if part == "lag":
        return ClipValue(abs(lag), None, found.n, found.failed, {"signed": lag})
    return ClipValue(height, None, found.n, found.failed, {"lag": lag})


_LIPS = {"landmarks-mesh": ("mesh68",)}
_HAMA = {"speech": f"hama-{hama.HAMA}-by-20s"}
_CURVE = {"lags": "-0.6..0.6s", "fit": "ridge-halves"}
_PHONES: Params = {**_HAMA, **_CURVE, "ridge": RIDGE_PHONES, "trend": "1s-off"}
_LAG = {"lag": "the best lag, seconds; positive: the sound is late"}
_SIGNED = {"signed": "the lag with its sign, seconds; positive: the sound is late"}
DEFINITIONS = [
    ClipDefinition(
        "lip-labial-auc",
        "lip-labial-auc",
        "none",
        {**_HAMA, "lead": f"{LEAD}s", "weighted": "by-probability"},
        "how often the lips are wider on open vowels than on labials",
        labial_auc,
        kinds=_LIPS,
        needs_sound=True,
        proxy=True,
        missing=hama.missing,
    ),
    ClipDefinition(
        "lip-lag-corr",
        "lip-lag-corr",
        "none",
        _PHONES,
        "correlation of the lips with what phones predict, at the best lag",
        partial(phones_lag, part="height"),
        kinds=_LIPS,
        needs_sound=True,
        proxy=True,
        extra=_LAG,
        missing=hama.missing,
    ),
    ClipDefinition(
        "lip-loudness-corr",
        "lip-lag-corr",
        "none",
        {"speech": "log-mel-4-below-3.9kHz", **_CURVE, "ridge": RIDGE_LOUDNESS},
        "correlation of the lips with what loudness predicts, at the best lag",
        loudness_corr,
        kinds=_LIPS,
        needs_sound=True,
        proxy=True,
        extra=_LAG,
    ),
    ClipDefinition(
        "lip-lag",
        "lip-lag",
        "none",
        {**_PHONES, "least": LEAST},
        "absolute lag at which phones predict the lips best",
        partial(phones_lag, part="lag"),
        kinds=_LIPS,
        needs_sound=True,
        proxy=True,
        extra=_SIGNED,
        missing=hama.missing,
    ),
]
