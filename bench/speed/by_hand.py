"""The detectors and metrics of a clip run, called directly, without the harness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from bench import metrics
from bench.detectors import Detector
from bench.detectors.base import DerivedDetector, Detection, as_array
from bench.metrics.base import GENERATED, as_images
from bench.metrics.clips.base import Tracks
from bench.metrics.clips.chosen import feature
from bench.run.measure import Measurer
from bench.run.setup import CLIP_FRAMES
from bench.run.tracks import Needs

CPU = torch.device("cpu")
TRUTH, DRIVING, SOURCE = "target", "driving", "source"


def parts(n: int) -> Iterator[slice]:
    """Return slices of `n` frames, of the batch size of a clip run."""
    return (slice(start, start + CLIP_FRAMES) for start in range(0, n, CLIP_FRAMES))


class ByHand:
    """Computes what a run computes for a clip driven by itself, from frames in memory.

    truth: uint8 ``(N, H, W, 3)``; the first is the source. times: ``(N,)`` seconds.
    """

    def __init__(self, measurer: Measurer, truth: np.ndarray, times: np.ndarray) -> None:
        self._measurer, self._times, self._truth = measurer, times, truth
        self._needs = Needs.of(measurer.clip_definitions)
        self._known = self._references()

    def __call__(self, made: np.ndarray, known: bool = False) -> list[object]:
        """Return the values of a generated clip ``(N, H, W, 3)``. known: reuse the detections of the true frames."""
        generated = self._detect((GENERATED,), made)
        truth, source = self._known if known else self._references()
        values: list[object] = []
        for part in parts(len(made)):
            images = as_images(made[part], CPU), as_images(self._truth[part], CPU)
            values.append(metrics.compute_images(self._measurer.definitions, *images))
        for one in self._measurer.definitions:
            if one.detector:
                values.append(one.compute(*(torch.from_numpy(side[one.detector]) for side in (generated, truth))))
        rate = float(1 / (self._times[1] - self._times[0]))
        first = {kind: track[0] for kind, track in source.items()}
        tracks = Tracks(self._times, rate, made.shape[1:3], generated, truth, truth, first)
        return [*values, *(one.compute(tracks) for one in self._measurer.clip_definitions)]

    def _references(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return self._detect((TRUTH, DRIVING), self._truth), self._detect((SOURCE,), self._truth[:1])

    def _detect(self, roles: Sequence[str], frames: np.ndarray) -> dict[str, np.ndarray]:
        """Return the tracks of frames with these roles, by kind of detector or name of feature."""
        kinds = {kind: None for role in roles for kind in self._needs.detectors.get(role, ())}
        if SOURCE not in roles:
            kinds |= {one.detector: None for one in self._measurer.definitions if one.detector}
        found: dict[str, list[np.ndarray]] = {}
        names = dict.fromkeys(name for role in roles for name in self._needs.features.get(role, ()))
        recorders = {name: feature(name, self._measurer.choice.weights).start(None) for name in names}
        for part in parts(len(frames)):
            once = Once(frames[part])
            for kind in kinds:
                detector = self._measurer.choice[kind]
                found.setdefault(kind, []).append(as_array(once(detector), detector.shape))
            for recorder in recorders.values():
                recorder.add(frames[part], self._times[part])
        tracks = {kind: np.concatenate(values) for kind, values in found.items()}
        return tracks | {name: recorder.finish() for name, recorder in recorders.items()}


class Once:
    """Runs each detector once on some frames, including shared bases."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self._found: dict[str, list[Detection]] = {}

    def __call__(self, detector: Detector) -> list[Detection]:
        """Return the detections of a detector in the frames."""
        if detector.signature not in self._found:
            self._found[detector.signature] = self._detect(detector)
        return self._found[detector.signature]

    def _detect(self, detector: Detector) -> list[Detection]:
        if not isinstance(detector, DerivedDetector):
            return detector.detect(self._frames)
        found = list(self(detector.base))
        good = {k: one.values for k, one in enumerate(found) if one.values is not None}
        if good:
            made = detector.derive_all(np.stack(list(good.values())), self._frames[list(good)])
            for k, one in zip(good, made, strict=True):
                found[k] = one
        return found
