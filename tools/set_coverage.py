"""Coverage of intervals of set distances over many draws of people: the table of docs/statistics.md.

    python tools/set_coverage.py        (several minutes on one core)

Synthetic features with a part of the person on both sides, one of the model's output for the person, one of the frame.
"""

from __future__ import annotations

import numpy as np

from bench.metrics.sets import estimates
from bench.metrics.sets.base import Features
from bench.metrics.sets.frechet import distance, fit
from bench.stats.sets import interval

# People, frames of each, dimensions, whether the real side has the same people, data sets.
DESIGNS = (
    (5, 20, 16, True, 300),
    (11, 20, 16, True, 300),
    (40, 20, 16, True, 200),
    (11, 20, 16, False, 200),
    (40, 2, 200, True, 120),
)
RESAMPLES, PLAIN_RESAMPLES = 400, 60
GAP = 0.3


def main() -> None:
    print("| people, frames each, dimensions | real side | FID | KID | FID, percentiles of resamples |")
    print("| --- | --- | --- | --- | --- |")
    for people, frames, width, same, sets in DESIGNS:
        rng = np.random.default_rng(1)
        found = [one_set(people, frames, width, same, rng) for _ in range(sets)]
        shares = []
        for place in range(3):
            values, low, high = np.array([one[place] for one in found]).T
            shares.append(f"{100 * np.mean((low <= values.mean()) & (values.mean() <= high)):.0f}")
        side = "the same people" if same else "other people"
        print(f"| {people}, {frames}, {width} | {side} | {' | '.join(shares)} |", flush=True)


def one_set(people: int, frames: int, width: int, same: bool, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Return value, lower and upper end: FID, KID, and FID by percentiles of plain resamples of people."""
    scale = 1 / np.sqrt(1 + np.arange(width))
    real_person = rng.normal(size=(people, 1, width))
    person = real_person if same else rng.normal(size=(people, 1, width))
    real = real_person + 0.6 * rng.normal(size=(people, frames, width))
    made = person + 0.3 * rng.normal(size=(people, 1, width)) + 0.6 * rng.normal(size=(people, frames, width)) + GAP
    sides, found = [made * scale, real * scale], []
    names = [np.repeat([f"{k}" if same else f"{side}{k}" for k in range(people)], frames) for side in ("m", "r")]
    features = [Features(one.reshape(-1, width), who, who) for one, who in zip(sides, names)]
    for method in (estimates.frechet, estimates.kid):
        (one,) = method(features[:1], features[1], RESAMPLES, 1)
        low, high = interval(one.value, one.resampled)
        assert low is not None and high is not None  # there is more than one person
        found.append((one.value, low, high))
    plain = []
    for _ in range(PLAIN_RESAMPLES):
        drawn = rng.integers(0, people, people)
        other = drawn if same else rng.integers(0, people, people)
        rows = (side[who].reshape(-1, width) for side, who in zip(sides, (drawn, other)))
        plain.append(distance(*[fit(one) for one in rows]).value)
    return [*found, (found[0][0], *np.quantile(plain, [0.025, 0.975]))]


if __name__ == "__main__":
    main()
