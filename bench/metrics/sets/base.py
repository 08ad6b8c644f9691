"""What a set metric is: a distance between the features of all output of a model and of all real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

Role = Literal["target", "driving"]

# Frames taken from each whole clip, evenly spread. Neighboring frames say nearly the same, and the interval of a set
# metric depends on the number of people: more frames per clip take time and change little.
FRAMES_A_CLIP, WINDOWS_A_CLIP = 16, 2


@dataclass(frozen=True)
class Features:
    """One side of a set metric.

    values: float32 ``(N, D)``. people, videos: ``(N,)`` the person and the video of each row, by name.
    """

    values: np.ndarray
    people: np.ndarray
    videos: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Features:
        """Return some rows, by a mask or by their numbers."""
        return Features(self.values[rows], self.people[rows], self.videos[rows])


@dataclass(frozen=True)
class Estimate:
    """A distance, and its values on resampled people.

    value: on the data. resampled: ``(R,)``, the same resamples for every model; NaN where one has too few rows.
    """

    value: float
    resampled: np.ndarray


class Distance(Protocol):
    """Compute one distance of several models from the same real rows."""

    def __call__(self, made: Sequence[Features], real: Features, resamples: int, seed: int) -> list[Estimate]:
        """Return one estimate per model, in order. A person of both sides is drawn on both or on neither."""


@dataclass(frozen=True)
class SetDefinition:
    """One way to compute one number per model.

    name: the column's name. A proxy for a paper's metric has its own name.
    family: ``fid``, ``kid`` or ``fvd`` (`bench.metrics.families`), which gives version and direction.
    kind: the kind of detector whose values are the features; window: frames per feature, 1 for single frames.
    least: rows of either side below which the report warns.
    params: everything else that changes the number, for the signature. on_request: whether it is computed only when
        requested by its own name.
    """

    name: str
    family: str
    version: int
    kind: str
    window: int
    least: int
    params: Mapping[str, str | float | int]
    summary: str
    distance: Distance = field(repr=False, compare=False)
    proxy: bool = False
    on_request: bool = False
    higher_is_better: bool = False
    unit: str = ""

    def signature(self, detector: str, of_clips: bool) -> str:
        """Return one line with everything that changes the number.

        detector: the signature of the network. of_clips: whether the run is of whole clips, of which some frames
        count.
        """
        sampled = f"{FRAMES_A_CLIP}-frames-a-clip" if of_clips else "all-frames"
        if self.window > 1:
            sampled = f"{WINDOWS_A_CLIP}-windows-of-{self.window}-a-clip"
        named = [self.name, f"v:{self.version}", *(f"{key}:{value}" for key, value in self.params.items())]
        return "|".join([*named, f"sampled:{sampled}", f"detector:[{detector}]"])


def frame_positions(n: int) -> list[int]:
    """Return which of a clip's `n` frames are taken: the middles of equal stretches, all where there are few."""
    taken = min(n, FRAMES_A_CLIP)
    return [int((k + 0.5) * n / taken) for k in range(taken)]


def window_starts(n: int, length: int) -> list[int]:
    """Return the first frames of the windows of `length` frames that are taken of `n`: without overlap."""
    taken = min(n // length, WINDOWS_A_CLIP)
    if taken <= 1:
        return [(n - length) // 2] * taken
    return [int(start) for start in np.linspace(0, n - length, taken).round()]
