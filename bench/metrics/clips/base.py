"""Clip metrics: a definition with a signature, and a pure function from tracks to one number per clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from bench.metrics.families import FAMILIES
from protocols.sound import Sound

Role = Literal["target", "driving", "source", "none"]
Params = Mapping[str, str | float | int]


def _nothing(weights: Path | None) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Tracks:
    """The tracks of one generated clip and of its reference, frame by frame.

    times: ``(N,)`` seconds, ascending, 0 for the clip's first frame. rate: frames per second. size: (height, width) of
        the frames in pixels.
    generated, target, driving: kind of a detector or name of a feature to float64 ``(N, *shape)``; a frame in which
        nothing was found is NaN, so that time never shrinks. A feature on a clock
        of its own gives ``(M, *shape)``.
    source: kind of a detector to the values ``(*shape,)`` of the photograph.
    sound, target_sound: of the generated clip and of its reference; None where there is none.
    """

    times: np.ndarray
    rate: float
    size: tuple[int, int]
    generated: Mapping[str, np.ndarray]
    target: Mapping[str, np.ndarray] = field(default_factory=dict)
    driving: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: Mapping[str, np.ndarray] = field(default_factory=dict)
    sound: Sound | None = None
    target_sound: Sound | None = None


@dataclass(frozen=True)
class ClipValue:
    """The value of a clip, or NaN with a reason.

    n: frames that counted. failed: frames that should have counted and had no value. extra: related values by name,
        such as an offset with its sign; the definition describes each name.
    """

    value: float
    reason: str | None = None
    n: int = 0
    failed: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def none(cls, reason: str, failed: int = 0) -> ClipValue:
        """Return a missing value with its reason."""
        return cls(float("nan"), reason, 0, failed)


@dataclass(frozen=True)
class ClipDefinition:
    """A definition of one number per clip. Version, direction and unit are its family's.

    name: the column's name. A proxy for a paper's metric has its own name.
    family: the paper's metric that it belongs to (`bench.metrics.families`).
    against: the role that the generated clip is compared with; "none" where it is judged alone.
    kinds: kinds of detectors whose tracks `compute` reads, to the names of the detectors that it is defined for (any
        where empty).
    features: features whose tracks it reads. Both are tracks of the generated clip and of `against`.
    needs_sound: whether there is no value without sound.
    proxy: True where it replaces a paper's metric whose weights are not available.
    params: everything else that changes the number, for the signature.
    compute: from `Tracks` to the number.
    extra: the names in `ClipValue.extra`, with a description: columns ``<name>.<extra>`` of a run's rows.
    missing: from the weights folder, or None, to what prevents it on this machine, in words (a weight file, a package);
        empty where nothing does.
    own_unit: another unit of its family, where it is not the first one.
    """

    name: str
    family: str
    against: Role
    params: Params
    summary: str
    compute: Callable[[Tracks], ClipValue] = field(repr=False, compare=False)
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    needs_sound: bool = False
    proxy: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    missing: Callable[[Path | None], Sequence[str]] = field(default=_nothing, repr=False, compare=False)
    own_unit: str | None = None

    @property
    def version(self) -> int:
        """Return the version, raised whenever a change of the code can change the number."""
        return FAMILIES[self.family].version

    @property
    def higher_is_better(self) -> bool:
        """Return whether higher values are better."""
        return FAMILIES[self.family].higher_is_better

    @property
    def unit(self) -> str:
        """Return "px", "cm", "deg", "s", "Hz", "share" or "" (no unit)."""
        return FAMILIES[self.family].unit if self.own_unit is None else self.own_unit

    def signature(self, parts: Mapping[str, str]) -> str:
        """Return one line with everything that changes the number.

        parts: kind or feature to the signature of the detector or feature that gives its track.
        """
        named = [self.name, f"v:{self.version}", *(f"{key}:{value}" for key, value in self.params.items())]
        return "|".join(named + [f"{kind}:[{parts[kind]}]" for kind in (*self.kinds, *self.features)])
