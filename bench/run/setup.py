"""Prepare a run from the command line: models, pairs, detectors and metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from baselines import registry
from baselines.predictor import ModelError
from baselines.spec import ModelSpec
from bench import detectors, metrics
from bench.detectors.face_box import FaceBox
from bench.metrics.clips.chosen import feature, kinds_of_clips, left_out
from bench.metrics.sets.chosen import kinds_of_sets, real_side, sets_left_out
from bench.metrics.shapes import split
from bench.run import anchors, frames_list, manifest, talking, video_facts
from bench.run.batches import AHEAD, Evaluator
from bench.run.clip_sound import TRUTH, Sounds, names_of
from bench.run.clip_work import ClipEvaluator
from bench.run.engine import Model
from bench.run.measure import Measurer
from bench.rundir.directory import REAL
from bench.runtime.config import Config
from bench.runtime.device import choose as choose_device
from bench.runtime.device import pairs_at_a_time
from bench.runtime.errors import UserError
from protocols import catalogue, interruption
from protocols import crop as crops
from protocols.clips import ClipList
from protocols.names import BOUNDS, safe_name
from protocols.protocol import MODES, MotionMode, Protocol
from protocols.resolve import Resolved, resolve
from reports.schema.manifest import Prepared

MANY = 64  # generated frames; two processes take 3 s to start and save 10 s in 100 pairs
CLIP_FRAMES = 16  # of a clip at a time, at least; no number depends on it
EACH = 32  # generated frames for each process for detectors, by default
ROLES = ("_source", "_driving", "_target", REAL)  # folders of pictures, and of features, next to those of models


@dataclass(frozen=True)
class RunSettings:
    """The options of the command line; the command's help explains each.

    protocol: a name, a file, or a protocol made in code. clips: a list of whole clips made in code.
    notices: what the user must know about these settings.
    """

    models: Sequence[str]
    protocol: str | Protocol
    config: Config
    out: Path = Path("runs")
    name: str | None = None
    force: bool = False
    require_data: bool = False
    allow_missing: bool = False
    pairs: Path | None = None
    reading: str | None = None
    size: str | None = None
    crop: str | None = None
    limit: int | None = None
    metrics: Sequence[str] | None = None
    detectors: str = "auto"
    mode: MotionMode | None = None
    anchor: anchors.Anchor = "first"
    bounds: bool = True
    device: str | None = None
    seed: int = 0
    batch_size: int | None = None
    workers: int | None = None
    detector_timeout: float | None = None
    executor: str = "local"
    ray_address: str | None = None
    ray_workers: int | None = None
    save_frames: bool = False
    media: bool = True
    as_published: bool = False
    clips: ClipList | None = None
    notices: Sequence[str] = ()
    sound: str = TRUTH
    strict: bool = False
    command: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Setup:
    """Everything that a run needs on the machine that runs the models, checked and loaded."""

    settings: RunSettings
    device: torch.device
    models: Sequence[Model]
    resolved: Resolved
    measurer: Measurer
    sounds: Sounds | None = None
    unlike: video_facts.Unlike = field(default_factory=dict)

    def plan(self) -> Prepared:
        """Return the manifest of the run before it begins."""
        seed, more = self.settings.seed, {"unlike": self.unlike}
        return manifest.build(self.resolved, self.models, self.measurer, seed=seed, sounds=self.sounds, **more)

    def batch_size(self, device: torch.device) -> int:
        """Return the batch size on this device."""
        return self.settings.batch_size or pairs_at_a_time(device)

    def evaluator(self, notify: Callable[[str], None]) -> Evaluator | ClipEvaluator:
        """Return what runs the models in this process."""
        ahead = AHEAD if self.measurer.choice.pool or self.device.type != "cpu" else 0
        load, seed = self.resolved.load, self.settings.seed
        size = self.batch_size(self.device)
        evaluator = Evaluator(load, self.measurer, self.device, seed=seed, ahead=ahead, notify=notify, batch_size=size)
        if self.resolved.clips is None:
            return evaluator
        assert self.sounds is not None  # of every run of whole clips
        chosen, weights = self.measurer.clip_definitions, self.measurer.choice.weights
        features = {name: feature(name, weights) for one in chosen for name in one.features}
        clips = {clip.id: clip for clip in self.resolved.clips.clips}
        more_options = self.settings.save_frames, self.settings.media, self.resolved.source
        return ClipEvaluator(evaluator, clips, chosen, features, self.sounds, max(size, CLIP_FRAMES), *more_options)


@contextmanager
def prepare(settings: RunSettings) -> Iterator[Setup]:
    """Load and check everything before the first prediction; models and worker processes end with the block.

    Raises UserError, DataError or ModelError for what the user can fix.
    """
    if settings.mode and settings.mode not in MODES:
        raise UserError(f"--mode {settings.mode}: choose one of {', '.join(MODES)}", code="unknown-choice")
    if settings.crop is not None and crops.mode(settings.crop) is None:
        raise UserError(f"--crop {settings.crop}: choose one of {', '.join(crops.MODES)}", code="unknown-choice")
    if settings.detector_timeout is not None and settings.workers == 0:
        raise UserError("--detector-timeout needs processes for detectors; --workers 0 has none", code="unused-option")
    if settings.detector_timeout is not None and settings.executor == "ray" and settings.workers is None:
        raise UserError(
            "--detector-timeout needs processes for detectors; Ray's workers have some with --workers N only",
            code="unused-option",
        )
    device = choose_device(settings.device)
    protocol = settings.protocol
    protocol = (catalogue.get(protocol) if isinstance(protocol, str) else protocol).sized(settings.size)
    names = settings.metrics or protocol.metrics
    with ExitStack() as stack:
        _check_names(settings)
        models = _load_models(settings.models, settings, protocol.mode, device)
        for model in models:
            stack.callback(model.predictor.close)
        wanted = partial(
            detectors.choose,
            settings.detectors,
            settings.config.weights,
            kinds=_kinds(names),
            device=str(device),
        )
        planned = wanted()  # reports missing detectors before the data set is read
        resolved = resolve(
            protocol,
            settings.config.data,
            settings.config.cache,
            asked=settings.config.asked,
            follow_links=settings.config.follow_links,
            crop=None if settings.crop is None else crops.mode(settings.crop),
            finder=FaceBox(settings.config.cache),
            sample=settings.config.sample,
            require_data=settings.require_data,
            pair_file=settings.pairs,
            clips=settings.clips,
            limit=settings.limit,
            seed=settings.seed,
            variant=settings.reading,
            mode=settings.mode,
            allow_missing=settings.allow_missing,
        )
        resolved = replace(resolved, notices=[*settings.notices, *resolved.notices])
        resolved = anchors.choose(settings.anchor, resolved, settings.config.cache)
        resolved = replace(resolved, notices=[*resolved.notices, *talking.check(models, resolved)])
        if settings.bounds:
            requested = {model.spec.unlabeled for model in models if model.spec}
            more = [bound for bound in talking.bounds(resolved) if bound not in requested]
            models = [*models, *_load_models(more, settings, protocol.mode, device)]
        tell_size(models, resolved.shapes)
        workers = settings.workers
        if workers is None:
            workers = _workers(settings, device, planned, len(models) * len(resolved.pair_list.pairs))
            if settings.detector_timeout is not None:  # only a process can be stopped
                workers = max(workers, 1)
        chosen = wanted(cache=settings.config.cache, workers=workers, timeout=settings.detector_timeout)
        stack.callback(chosen.close)
        for model in models:
            model.predictor.expect([pair.id for pair in resolved.pair_list.pairs])
        shown = frames_list.inputs(resolved)
        notices = [notice for model in models for notice in frames_list.check(model, resolved.pair_list, shown)]
        resolved = replace(resolved, notices=[*resolved.notices, *notices])
        sounds: Sounds | None = None
        unlike: video_facts.Unlike = {}
        of_clips = resolved.clips is not None
        shapes = split(names)
        lines = sets_left_out(shapes.sets, chosen, of_clips, real_side(protocol.reference, protocol.roles))
        if of_clips:
            lines += left_out(shapes.clips, chosen, protocol.reference, protocol.roles)
        resolved = replace(resolved, notices=[*resolved.notices, *lines])
        if of_clips:
            resolved, sounds, unlike = _clips(settings, models, resolved)
        else:
            _refuse_of_clips(settings)
        measurer = Measurer(names, chosen, protocol.reference, device, settings.as_published, of_clips, protocol.roles)
        yield Setup(settings, device, models, resolved, measurer, sounds, unlike)


def _kinds(names: Sequence[str]) -> set[str]:
    """Return the kinds of detectors and networks that metrics need. Raises UserError for unknown names."""
    for name in names:
        metrics.check_name(name)
    shapes = split(names)
    return metrics.kinds(shapes.pairs) | kinds_of_clips(shapes.clips) | kinds_of_sets(shapes.sets)


def _refuse_of_clips(settings: RunSettings) -> None:
    """Raise UserError for options of whole clips in a protocol of single frames."""
    given = [("--sound", settings.sound != TRUTH), ("--strict", settings.strict), ("--no-media", not settings.media)]
    if wrong := [option for option, used in given if used]:
        raise UserError(
            f"{' and '.join(wrong)}: for protocols of whole clips; this one is of single frames",
            code="unused-option",
        )


def _clips(
    settings: RunSettings, models: Sequence[Model], resolved: Resolved
) -> tuple[Resolved, Sounds, video_facts.Unlike]:
    """Pass every model its clips; report differences of finished videos from the reference, or refuse them."""
    assert resolved.clips is not None
    wanted = {clip.id: names_of(clip) for clip in resolved.clips.clips}
    differing = [line for model in models for line in model.predictor.expect_clips(wanted)]
    unlike = {model.label: found for model in models if (found := video_facts.differences(model, resolved))}
    differing += [line for model in models for line in video_facts.lines(model, unlike.get(model.label, {}))]
    if differing and settings.strict:
        raise UserError(f"--strict: {'; '.join(differing)}", code="clips-differ")
    sounds = Sounds(resolved.clips, resolved.datasets, settings.sound)
    told = [line for model in models for line in video_facts.notices(model)]
    return replace(resolved, notices=[*resolved.notices, *told, *differing]), sounds, unlike


def tell_size(models: Sequence[Model], shapes: Sequence[tuple[int, int]]) -> None:
    """Set the sizes of the run's frames, (height, width), in every model. Raises ModelError for sizes it cannot use."""
    for model in models:
        predictor, worked_on = model.predictor, set[int | None]()
        for height, width in shapes:
            if height == width:
                predictor.set_frame_size(height)
                worked_on.add(predictor.frame_size)
            elif predictor.frame_size is not None or predictor.output_size is not None:
                raise ModelError(
                    f"{model.label} works on square frames, those here are {width}x{height}: --size 256 or 512 cuts "
                    "and resizes them",
                    code="frame-size",
                )
        if len(worked_on) > 1:
            sizes = ", ".join(f"{width}x{height}" for height, width in shapes)
            raise ModelError(
                f"{model.label} works on frames of one size, those here have several ({sizes}): --size 256 or 512 "
                f"brings all to one, {model.label}?resize=true resizes them for this model",
                code="frame-size",
            )


def _workers(settings: RunSettings, device: torch.device, choice: detectors.DetectorSet, frames: int) -> int:
    """Return the default number of processes for detectors.

    None if starting them takes longer than they save, if each would fill the GPU with its own networks, or with Ray's
    workers.
    """
    on_gpu = device.type != "cpu" and not all(detector.proxy for detector in choice.values())
    if frames < MANY or on_gpu or settings.executor != "local":
        return 0
    cores = os.cpu_count() or 1
    return min(cores, frames // EACH) if cores > 1 else 0


def _check_names(settings: RunSettings) -> None:
    """Raise UserError for models that cannot be in the same run, and for none."""
    if not settings.models:
        raise UserError("--models names no model", code="missing-option")
    specs = [ModelSpec.parse(model) for model in settings.models]
    if settings.bounds:  # whichever the run has
        specs += [ModelSpec("model", bound) for bound in BOUNDS if bound not in {spec.unlabeled for spec in specs}]
    folders = [safe_name(spec.name) for spec in specs]
    for folder in folders:
        if folder in ROLES:
            raise UserError(
                f"a model cannot be called {folder}: a run stores other pictures under this name", code="bad-name"
            )
        if folders.count(folder) > 1:
            raise UserError(
                f"two models would be called {folder}; name them apart with LABEL=SPEC", code="duplicate-name"
            )


def _load_models(specs: Sequence[str], settings: RunSettings, protocol_mode: str, device: torch.device) -> list[Model]:
    """Load models before any work, so that a wrong name or file is reported at once."""
    models = []
    for spec in map(ModelSpec.parse, specs):
        interruption.check()
        predictor = registry.load(spec, weights=settings.config.weights, device=device)
        if settings.mode and spec.unlabeled not in BOUNDS:
            predictor.known_mode(settings.mode, spec.name)
        mode = predictor.nearest_mode(settings.mode or protocol_mode)
        models.append(Model(spec.name, predictor, mode, spec, registry.code(spec, predictor)))
    return models
