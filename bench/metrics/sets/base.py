"""What a metric of sets is: a distance between the features of all that a model made and of all that is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

Role = Literal["target", "driving"]

# Of whole clips so many are taken, evenly spread over each. Neighboring frames say nearly the same, and a set metric's
# interval hangs on people: more frames a clip take time and move little.
FRAMES_A_CLIP, WINDOWS_A_CLIP = 16, 2


@dataclass(frozen=True)
class Features:
    """One side of a set metric.

    values: float32 ``(N, D)``. people, videos: ``(N,)`` whose, and of which video, each row is, by name.
    """

    values: np.ndarray
    people: np.ndarray
    videos: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Features:
        """Take some rows, by a mask or by their numbers."""
        return Features(self.values[rows], self.people[rows], self.videos[rows])


@dataclass(frozen=True)
class Estimate:
    """A distance, and what it is on resampled people.

    value: on the data. resampled: ``(R,)``, the same resamples for every model; NaN where one has too few rows.
    """

    value: float
    resampled: np.ndarray


class Distance(Protocol):
    """Computes one distance of several models from the same real rows."""

    def __call__(self, made: Sequence[Features], real: Features, resamples: int, seed: int) -> list[Estimate]:
        """Return one estimate a model, in order. A person of both sides is drawn on both or on neither."""


@dataclass(frozen=True)
class SetDefinition:
    """One way to compute one number a model.

    name: what the column is called. A proxy for a paper's metric has a name of its own.
    family: ``fid``, ``kid`` or ``fvd`` (`bench.metrics.families`), which gives version and direction.
    kind: the kind of detector whose values are the features; window: frames that one feature is of, 1 for a frame.
    least: rows of either side below which the report warns.
    params: everything else that moves the number, for the signature. on_request: whether its family does not bring it.
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
        """One line that names everything that moves the number.

        detector: the signature of the network. of_clips: whether the run is of whole clips, of which some frames count.
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
    """Return where the windows of `length` frames begin that are taken of `n`: none overlaps another."""
    taken = min(n // length, WINDOWS_A_CLIP)
    if taken <= 1:
        return [(n - length) // 2] * taken
    return [int(start) for start in np.linspace(0, n - length, taken).round()]
