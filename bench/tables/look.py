"""Dry run of a table's protocol: prepare everything as for the run itself, and report it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.network_predictor import NetworkPredictor
from bench.metrics.base import Definition
from bench.metrics.clips.base import ClipDefinition
from bench.run.command import RunSettings
from bench.run.engine import Decoded, predict
from bench.run.setup import Setup, prepare
from bench.tables.plan import Job
from bench.weights import files as weights
from bench.weights.files import WeightFile
from protocols.names import BOUNDS, PERFECT
from protocols.words import counted

PAIRS = 4  # generated and measured to estimate the time

Notify = Callable[[str, str | None], None]


@dataclass(frozen=True)
class Estimate:
    """Estimated time of a run, from `asked` of its pairs, generated and measured now.

    seconds: of the whole run, models one after another. device: that they ran on. pairs: in the list. models:
    seconds per pair of each. metrics: seconds per frame. untimed: models that were not timed.
    """

    seconds: float
    device: str
    asked: int
    pairs: int
    models: Mapping[str, float]
    metrics: float
    untimed: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the estimate in words."""
        each = ", ".join(
            [*(f"{name} {value:.2f} s" for name, value in self.models.items()), f"metrics {self.metrics:.2f} s a frame"]
        )
        left = f"; not counted: {', '.join(self.untimed)}" if self.untimed else ""
        return (
            f"time: about {_duration(self.seconds)}, one after another on {self.device}: measured now on {self.asked} "
            f"of its pairs ({each}), times {self.pairs} pairs{left}"
        )


def look(job: Job, settings: RunSettings, notify: Notify) -> Estimate | None:
    """Prepare the run of a job, as `bench.run.command.run` would, report its inputs, and return its estimated time.

    Without a model that can run, data and metrics are checked with a bound in its place, and there is no estimate.
    Raises DataError, ModelError or UserError as that run would.
    """
    with prepare(replace(settings, models=settings.models or (PERFECT,), workers=0)) as setup:
        pairs = setup.resolved.pair_list
        notify(
            f"list: {pairs.name}, {counted(len(pairs), 'pair')}, sha256 {pairs.sha256[:12]}; all frames found",
            None,
        )
        for notice in setup.resolved.notices:
            notify(notice, "yellow")
        for line in _columns(job, [*setup.measurer.definitions, *setup.measurer.clip_definitions]):
            notify(line, None)
        for model in setup.models:
            if isinstance(model.predictor, NetworkPredictor):
                origin, checkpoint = model.predictor.origin, model.predictor.checkpoint
                file = f"; {checkpoint.path}" if checkpoint else ""
                style = None if origin.status == "official" else "yellow"
                notify(f"weights of {model.label}: {origin.status.upper()}, {origin.note}{file}", style)
        return _estimate(setup) if job.models else None


def to_fetch(job: Job, folder: Path | None) -> list[str]:
    """Return a line for each missing file of the papers' rows or columns, with its size and how to get it."""
    wanted = {name for column in job.columns for name in column.definitions}
    found = [
        file for file in weights.files(folder) if not file.found and not file.problem and _wanted(file, job, wanted)
    ]
    # One of a model's alternative files is enough.
    return [f"fetch {file.name} ({file.size}) for {_what_for(file, job, wanted)}: {_way(file)}" for file in found]


def _wanted(file: WeightFile, job: Job, definitions: set[str]) -> bool:
    return bool(set(file.models) & job.skipped.keys()) if file.models else bool(_uses(file) & definitions)


def _what_for(file: WeightFile, job: Job, definitions: set[str]) -> str:
    return ", ".join(sorted(set(file.models) & job.skipped.keys() if file.models else _uses(file) & definitions))


def _uses(file: WeightFile) -> set[str]:
    return {name.strip() for name in file.used_for.split(",")}


def _way(file: WeightFile) -> str:
    return f"python -m bench weights fetch {file.id}" if file.address else f"{file.source}, {file.way}"


def _columns(job: Job, definitions: Sequence[Definition | ClipDefinition]) -> list[str]:
    """Return the metric of each printed column: ``AKD -> akd-dlib (dlib68, embedded, proxy)``."""
    lines = []
    for column in job.columns:
        family = [definition for definition in definitions if definition.family == column.family]
        own = [definition for definition in family if definition.name in column.definitions] or family
        named = ", ".join(f"{definition.name}{_detector(definition)}" for definition in own)
        lines.append(f"{column.head} -> {named or 'not measured'}")
    return lines


def _detector(definition: Definition | ClipDefinition) -> str:
    detector = definition.detector_name if isinstance(definition, Definition) else ""
    of = [detector] if detector else []
    if definition.proxy:
        of += ["embedded", "proxy"]
    elif detector:
        of.append("the papers' own")
    return f" ({', '.join(of)})" if of else ""


def _estimate(setup: Setup) -> Estimate:
    listed = setup.resolved.pair_list.pairs
    some = [(pair, setup.resolved.load(pair)) for pair in listed[:PAIRS]]
    decoded = Decoded.of(some, setup.device)
    roles = {role: images.numpy() for role, images in decoded.images.items() if role != "anchor"}
    seconds, untimed = dict[str, float](), list[str]()
    for model in setup.models:
        own = type(model.predictor).__module__.partition(".")[0] == "baselines" and hasattr(model.predictor, "network")
        if not own or model.predictor.driven_by == "sound":  # that answers whole clips
            untimed += [model.label] if model.predictor.name not in BOUNDS else []
            continue
        if setup.device.type != "cpu":  # the first call makes kernels
            predict(model, decoded[:1], setup.device, setup.settings.seed)
        predictions = predict(model, decoded, setup.device, setup.settings.seed)
        seconds[model.label] = sum(prediction.seconds for prediction in predictions) / len(predictions)
    frames = roles["source"]
    setup.measurer.measure(frames[:1], {role: images[:1] for role, images in roles.items()})  # loads the detectors
    start = time.perf_counter()
    setup.measurer.measure(frames, roles)
    measured = (time.perf_counter() - start) / len(frames)
    whole = len(listed) * (sum(seconds.values()) + measured * len(setup.models))
    return Estimate(whole, str(setup.device), len(some), len(listed), seconds, measured, tuple(untimed))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
