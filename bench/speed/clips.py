"""The jobs of `python -m bench speed` for whole clips: a run compared with its detectors and metrics alone.

One clip of the sample set and a model that takes almost no time, in one process. Detections are not cached.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from baselines.levels import array_from_levels, to_levels
from baselines.predictor import MotionMode, PairBatch, Predictor
from bench import detectors, metrics
from bench.detectors import DetectorSet
from bench.detectors.cache import FILE, cached
from bench.metrics.clips.chosen import feature, kinds_of_clips
from bench.metrics.shapes import split
from bench.run.batches import Evaluator
from bench.run.clip_sound import Sounds
from bench.run.clip_work import ClipEvaluator
from bench.run.engine import Model, evaluate
from bench.run.measure import Measurer
from bench.run.setup import CLIP_FRAMES
from bench.rundir.directory import RunDirectory
from bench.runtime.config import Config
from bench.speed.by_hand import CPU, TRUTH, ByHand, parts
from bench.speed.metrics import Jobs, Libraries
from protocols import catalogue
from protocols.resolve import resolve

PROTOCOL = "vox1-reconstruction"


class Dimmed(Predictor):
    """A model that returns the driving frame, a little darker, so that it differs from the true frame."""

    name, share = "dimmed", 0.97

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        return batch.driving * self.share

    def of(self, frame: np.ndarray) -> np.ndarray:
        """Return the frame that the model makes from a driving frame, both uint8 ``(H, W, 3)``."""
        return to_levels(torch.from_numpy(array_from_levels(frame)) * self.share).numpy()


class ClipJobs:
    """Times work on up to `n` frames of the sample set's first clip.

    folder: for the runs' files.
    """

    def __init__(self, config: Config, n: int, folder: Path) -> None:
        protocol = catalogue.get(PROTOCOL)
        self._resolved = resolve(protocol, {}, config.cache, sample=True)
        clip = self._resolved.pair_list.pairs[0].clip
        self._pairs = [pair for pair in self._resolved.pair_list.pairs if pair.clip == clip][:n]
        self._folder, self._model = folder, Dimmed()
        self._truth = self._decoded()
        self._made = np.stack([self._model.of(frame) for frame in self._truth])
        shapes = split(protocol.metrics)
        self._names = [*shapes.pairs, *shapes.clips]
        kinds = metrics.kinds(shapes.pairs) | kinds_of_clips(shapes.clips)
        self._choice = detectors.choose("auto", config.weights, kinds=kinds)
        self._store = folder / "known"  # with the detections of the true frames

    @property
    def frames(self) -> int:
        return len(self._pairs)

    def jobs(self) -> Jobs:
        """Return, by job and way, a function that processes `frames` frames."""
        libraries, none = Libraries(self._made, self._truth), DetectorSet("embedded", None)
        pixels, names = Measurer(list(libraries.ways), none, "same-identity", CPU, clips=True), list(libraries.ways)
        whole = Measurer(self._names, self._choice, "same-identity", CPU, clips=True)
        alone = ByHand(whole, self._truth, np.array([pair.time for pair in self._pairs]))
        self._detect_truth()

        def in_batches() -> object:
            return [pixels.measure(self._made[part], {TRUTH: self._truth[part]}) for part in parts(self.frames)]

        return {
            "clip": {
                "bench, the whole run": self._first,
                "decoding, detectors and metrics alone": lambda: [self._decoded(), alone(self._made)],
                "detectors and metrics alone": partial(alone, self._made),
            },
            "clip, a second model": {
                "bench, the whole run": self._second,
                "bench, the first model": self._first,
                "detectors and metrics alone, the truth's values given": partial(alone, self._made, known=True),
            },
            "clip, pixel metrics": {
                f"bench, {CLIP_FRAMES} frames at a time": in_batches,
                "bench, the whole run": partial(self._run, names, none),
                "scikit-image and numpy, frame by frame": libraries,
            },
        }

    def _first(self) -> object:
        with tempfile.TemporaryDirectory(dir=self._folder) as store:
            return self._run(self._names, self._kept(Path(store)))

    def _second(self) -> object:
        with tempfile.TemporaryDirectory(dir=self._folder) as store:
            shutil.copyfile(self._store / FILE, Path(store) / FILE)
            return self._run(self._names, self._kept(Path(store)))

    def _detect_truth(self) -> None:
        for detector in self._kept(self._store).values():
            detector.detect(self._truth)

    def _kept(self, store: Path) -> DetectorSet:
        """Return the detectors of a run, with a cache in a folder."""
        kept = DetectorSet(self._choice.policy, self._choice.weights)
        kept.networks = self._choice.networks
        kept.update(cached(self._choice, store))
        return kept

    def _run(self, names: Sequence[str], choice: DetectorSet) -> object:
        """Run the model in a new folder, like `bench run` without detector processes."""
        assert self._resolved.clips is not None
        measurer = Measurer(names, choice, "same-identity", CPU, clips=True)
        chosen = measurer.clip_definitions
        features = {name: feature(name, choice.weights) for one in chosen for name in one.features}
        clips = {clip.id: clip for clip in self._resolved.clips.clips}
        sounds = Sounds(self._resolved.clips, self._resolved.datasets)
        inner = Evaluator(self._resolved.load, measurer, CPU)
        work = ClipEvaluator(inner, clips, chosen, features, sounds, CLIP_FRAMES)
        model = Model(self._model.name, self._model, "absolute")
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            run = RunDirectory(Path(folder))
            return evaluate(model, self._pairs, work, run, batch_size=CLIP_FRAMES, progress=lambda n: None)

    def _decoded(self) -> np.ndarray:
        return np.stack([self._resolved.load(pair).driving for pair in self._pairs])
