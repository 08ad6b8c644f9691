"""Find blinks in a curve of eye openness: where lids are shut, for how long, how often.

The rule is this project's, with hysteresis. Relative to the usual openness in the clip, an eye closes where the curve
falls below `OPENED`, provided that it also falls below `SHUT`, and opens where it is above `OPENED` again. A closure of
at most `LONGEST` is a blink. A face that looks down has low lids for longer, which is no blink. A closure that begins
or ends unseen does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.filters import apply_hysteresis_threshold

from bench.detectors.base import NO_FACE

USUAL = 75  # percentile over the clip
SHUT, OPENED = 0.65, 0.75  # shares of it: on the sample clips blinks fall to 0.3 and 0.55, open eyes stay above 0.8
LONGEST = 0.5  # seconds
BRIDGED = 0.2  # longest gap in seconds without a face over which the curve is interpolated
SHORTEST = 5.0  # fewest seconds in which eyes are seen
NARROW = 0.12  # usual openness below which eyes count as never open; open eyes have 0.25 to 0.35


@dataclass(frozen=True)
class Blinks:
    """The blinks and closures of a clip.

    durations: of the complete blinks, seconds, between the moments at which the curve passes `OPENED`. seconds: for how
        long eyes are seen. seen, shut: ``(N,)`` bool, frames with eyes, and those in blinks or longer closures.
    """

    durations: np.ndarray
    seconds: float
    seen: np.ndarray
    shut: np.ndarray

    @property
    def rate(self) -> float:
        """Return blinks per minute."""
        return 60 * len(self.durations) / self.seconds


def blinks(times: np.ndarray, lids: np.ndarray, rate: float, shortest: float = SHORTEST) -> Blinks | str:
    """Find the blinks of a clip, or return in words why it has no value.

    times: ``(N,)`` seconds. lids: openness of both eyes ``(N, 2)``, NaN where no face was found. rate: frames per
    second, for the last frame. shortest: seconds for which eyes must be seen.
    """
    openness = lids.mean(1)
    seen = np.isfinite(openness)
    if not seen.any():
        return NO_FACE
    seconds = float(np.diff(times, append=times[-1] + 1 / rate)[seen].sum())
    if seconds < shortest - 1e-6:
        return f"eyes visible for {seconds:.1f} s; {shortest:.0f} s are needed"
    usual = float(np.percentile(openness[seen], USUAL))
    if usual < NARROW:
        return f"eyes that do not open (openness {usual:.2f})"
    curve = _bridged(times, openness, seen) / usual
    shut = apply_hysteresis_threshold(np.where(np.isfinite(curve), -curve, -np.inf), -OPENED, -SHUT)
    edges = np.flatnonzero(np.diff(shut, prepend=False, append=False)).reshape(-1, 2)
    lengths = np.array([_moment(times, curve, end - 1) - _moment(times, curve, begin - 1) for begin, end in edges])
    return Blinks(lengths[lengths <= LONGEST], seconds, seen, shut & seen)


def _bridged(times: np.ndarray, openness: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the curve with short gaps interpolated; longer ones stay NaN."""
    known = np.flatnonzero(seen)
    after = np.searchsorted(known, np.arange(len(times))).clip(0, len(known) - 1)
    before = np.searchsorted(known, np.arange(len(times)), side="right").clip(1) - 1
    near = times[known[after]] - times[known[before]] <= BRIDGED + 1e-6
    inside = (np.arange(len(times)) >= known[0]) & (np.arange(len(times)) <= known[-1])
    return np.where(seen | (near & inside), np.interp(times, times[seen], openness[seen]), np.nan)


def _moment(times: np.ndarray, curve: np.ndarray, k: int) -> float:
    """Return when the curve passes `OPENED` between frames k and k + 1; NaN where one is unseen or does not exist."""
    if k < 0 or k + 1 >= len(times):
        return float("nan")
    share = (OPENED - curve[k]) / (curve[k + 1] - curve[k])
    return float(times[k] + share * (times[k + 1] - times[k]))
