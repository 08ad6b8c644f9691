"""Collect the tracks of a clip (detections, features, sound), frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.detectors import DetectorSet
from bench.features.base import Feature
from bench.metrics.base import GENERATED
from bench.metrics.clips.base import ClipDefinition, Tracks
from bench.run.set_features import Windows
from protocols.sound import Sound


@dataclass(frozen=True)
class Needs:
    """Which tracks a run's clip metrics read: kinds of detectors and names of features, by role.

    detectors: role to kinds; the role ``source`` is one photograph per clip. features: role to names.
    """

    detectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, definitions: Sequence[ClipDefinition]) -> Needs:
        """Return what these definitions read."""
        kinds: dict[str, dict[str, None]] = {}
        features: dict[str, dict[str, None]] = {}
        for one in definitions:
            roles = (GENERATED,) if one.against == "none" else (GENERATED, one.against)
            for role in roles:
                kinds.setdefault(role, {}).update(dict.fromkeys(one.kinds))
                if role != "source":
                    features.setdefault(role, {}).update(dict.fromkeys(one.features))
        return cls({k: tuple(v) for k, v in kinds.items()}, {k: tuple(v) for k, v in features.items()})


class TrackRecorder:
    """The tracks of one clip of one model.

    times: of each requested frame, seconds. needs, choice, features: what is recorded, and by which detectors and
    features. sound, target_sound: of the generated clip and of its reference, None for none. windows: receives the
    frames, too, for set metrics.
    """

    def __init__(
        self,
        times: Sequence[float],
        needs: Needs,
        choice: DetectorSet,
        features: Mapping[str, Feature],
        sound: Sound | None = None,
        target_sound: Sound | None = None,
        windows: Windows | None = None,
    ) -> None:
        self._windows = windows
        self.times, self.needs = np.asarray(times, float), needs
        self._choice = choice
        self._found: dict[str, dict[str, np.ndarray]] = {}
        self._source: dict[str, np.ndarray] = {}
        self._sound, self._target_sound = sound, target_sound
        self._size = (0, 0)
        self._streams: dict[tuple[str, str], _Stream] = {}
        for role, names in needs.features.items():
            for name in names:
                heard = sound if role == GENERATED else target_sound
                self._streams[role, name] = _Stream(features[name], len(self.times), heard)

    def add(
        self,
        positions: Sequence[int],
        images: Mapping[str, np.ndarray],
        detections: Mapping[tuple[str, str], np.ndarray],
    ) -> None:
        """Add the clip's next generated frames.

        positions: their numbers among `times`, ascending. images: uint8 ``(n, H, W, 3)`` by role, ``generated`` among
        them. detections: kind and role to ``(n, *shape)``.
        """
        at = np.asarray(positions, int)
        if not len(at):
            return
        self._size = images[GENERATED].shape[1:3]
        for role, kinds in self.needs.detectors.items():
            for kind in kinds:
                values = detections[kind, role]
                if role == "source":
                    self._source.setdefault(kind, values[0])
                    continue
                shape = (len(self.times), *values.shape[1:])
                track = self._found.setdefault(role, {}).setdefault(kind, np.full(shape, np.nan))
                track[at] = values
        for (role, _), stream in self._streams.items():
            stream.add(at, images[role], self.times[at])
        if self._windows is not None:
            self._windows.add(positions, images[GENERATED])

    def finish(self, rate: float) -> Tracks:
        """Return the tracks of the clip; failed frames are NaN."""
        found = {role: dict(tracks) for role, tracks in self._found.items()}
        for role, kinds in self.needs.detectors.items():
            for kind in kinds:  # for a clip without any frame
                if role != "source":
                    shape = (len(self.times), *self._choice[kind].shape)
                    found.setdefault(role, {}).setdefault(kind, np.full(shape, np.nan))
        for (role, name), stream in self._streams.items():
            found.setdefault(role, {})[name] = stream.finish()
        return Tracks(
            times=self.times,
            rate=rate,
            size=self._size,
            generated=found.get(GENERATED, {}),
            target=found.get("target", {}),
            driving=found.get("driving", {}),
            source=self._source,
            sound=self._sound,
            target_sound=self._target_sound,
        )


class _Stream:
    """One feature of one side of a clip. A feature with a row for each frame restarts after a failed frame."""

    def __init__(self, feature: Feature, n: int, sound: Sound | None) -> None:
        self._feature, self._sound, self._recorder = feature, sound, feature.start(sound)
        self._first = self._next = 0
        self._values = np.full((n, *feature.shape), np.nan)

    def add(self, at: np.ndarray, frames: np.ndarray, times: np.ndarray) -> None:
        breaks = np.flatnonzero(np.diff(at) != 1) + 1 if not self._feature.own_clock else np.array([], int)
        for part in np.split(np.arange(len(at)), breaks):
            if at[part[0]] != self._next and not self._feature.own_clock:
                self._keep()
                self._recorder = self._feature.start(self._sound)
                self._first = int(at[part[0]])
            self._recorder.add(frames[part], times[part])
            self._next = int(at[part[-1]]) + 1

    def finish(self) -> np.ndarray:
        if self._feature.own_clock:
            return self._recorder.finish()
        self._keep()
        return self._values

    def _keep(self) -> None:
        rows = self._recorder.finish()
        self._values[self._first : self._first + len(rows)] = rows
