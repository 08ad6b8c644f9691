"""The training loop: when a training ends, and when it is saved and evaluated."""

from __future__ import annotations

import logging
from pathlib import Path

from baselines.predictor import ModelError
from baselines.training import clips
from baselines.training.data import TrainingFrames
from baselines.training.evaluation import Evaluate
from baselines.training.run import Run
from baselines.training.settings import TrainSettings
from protocols import interruption

log = logging.getLogger(__name__)


def train(settings: TrainSettings, evaluate: Evaluate | None = None) -> Path:
    """Train one model and return its checkpoint, ``<out>/<model>.safetensors``.

    Resumes from ``<out>/state.pt`` if it exists; the result equals that of an uninterrupted run with the same number of
    threads. Every step has a generator seeded by (seed, step), so no generator state is stored.
    evaluate: called every ``settings.evaluate_every`` steps; affects only when the training ends.
    Raises ModelError for unusable settings, data or weights, if losses stay non-finite, and if not even one pair fits
    into memory; KeyboardInterrupt on Ctrl-C in a command, after the current step is saved.
    """
    whole = settings.size == "published" or settings.part == "avd"
    if whole and any(side != settings.frame_size for side, _, _ in settings.plan):
        what = "the AVD network" if settings.part == "avd" else "a network of the published size"
        side = settings.frame_size
        raise ModelError(f"{what} is trained only at its own side: all stages must have side {side}", code="bad-value")
    chosen, by_identity = settings.clips, settings.recipe == "published"
    if settings.excluded:
        chosen = tuple(clips.names(settings.data, chosen, set(settings.excluded)))
    data = TrainingFrames(settings.data, chosen, settings.cache, by_identity, settings.poses, settings.frame_size)
    stored, largest = data.frames.shape[2], max(side for side, _, _ in settings.plan)
    if stored < largest:
        log.warning("frames of %d pixels are enlarged to %d by nearest neighbors", stored, largest)
    run = Run(settings, data)
    while run.step < settings.steps and not run.evaluations.exhausted(settings.patience):
        run.advance()
        if evaluate and settings.evaluate_every and run.step % settings.evaluate_every == 0:
            run.evaluate(evaluate)
        stop = not run.processes.all(not interruption.requested())
        if run.step % settings.save_every == 0 or stop:
            run.save()
            run.draw()
        if stop:
            raise interruption.Interrupted
    run.save()
    checkpoint = run.export()
    run.processes.wait()
    return checkpoint
