"""`python -m bench train`: settings from a file and the command line, the training loop, evaluations by runs."""

from __future__ import annotations

import importlib
import logging
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from rich.console import Console
from rich.logging import RichHandler

from baselines.memface.variants import VARIANTS
from baselines.predictor import default_device
from baselines.spec import ModelSpec
from baselines.training.clips import identities
from baselines.training.evaluation import Evaluate, Evaluation
from baselines.training.exclude import excluded
from baselines.training.loop import train as train_loop
from baselines.training.settings import TrainSettings
from baselines.training.trainees import reference
from baselines.training.vgg import VGG19, VggFeatures
from bench.detectors.weights import find_file
from bench.runtime import config as locations
from bench.runtime import settings_file
from bench.runtime.config import cache_folder
from bench.runtime.errors import UserError
from bench.training.lock import of_training
from bench.training.settings_error import user_error
from protocols import sample_set
from protocols.catalogue import SAMPLE
from reports.schema.summary import Row

log = logging.getLogger(__name__)

# Stages of models that are trained separately: name to the module with the function `train`.
STAGES = {
    name: "bench.training.memface_a2e" for name in ("memface-a2e", *(name for name, of in VARIANTS.items() if of.a2e))
} | {
    name: "bench.training.memface_render"
    for name in ("memface-render", *(name for name, of in VARIANTS.items() if of.render))
}


class EvaluationSettings(BaseModel):
    """Settings of the evaluations during a training.

    protocol: evaluation protocol, on the sample set unless `data` names data sets (NAME=PATH). limit: number of pairs.
    metrics: the protocol's if empty. watch: metric that selects the best checkpoint; the first if None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str = "vox1-sameid"
    data: tuple[str, ...] = ("sample",)
    limit: int | None = Field(None, ge=1)
    metrics: tuple[str, ...] = ()
    watch: str | None = None


class Settings(BaseModel):
    """All settings of a file: the fields of `TrainSettings`, and these.

    exclude_pairs: one or several pair lists whose clips are excluded from training.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    data: str = "sample"
    exclude_pairs: tuple[str, ...] = ()
    device: str | None = None
    threads: int | None = Field(None, ge=1)
    evaluation: EvaluationSettings = EvaluationSettings()

    @field_validator("exclude_pairs", mode="before")
    @classmethod
    def _several(cls, lists: Any) -> Any:
        return (lists,) if isinstance(lists, (str, Path)) else lists


def train(file: Path | None, given: Mapping[str, Any]) -> Path:
    """Train and return the checkpoint.

    file: settings in TOML or YAML, or None; given: settings of the command line, which override the file.
    Raises UserError or ModelError for what the user can fix.
    """
    leads = os.environ.get("LOCAL_RANK", "0") == "0"
    level = logging.INFO if leads else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", handlers=[RichHandler(show_path=False)])
    found = settings_file.read(file) if file else {}
    model = given.get("model", found.get("model"))
    model = model if isinstance(model, str) else ""  # a file may contain anything, too large for a message
    if of_two := STAGES.get(model):
        return importlib.import_module(of_two).train({**found, **given}, file)
    if model in VARIANTS:
        raise UserError(f"--model {model}: train one of MemFace's stages: {', '.join(STAGES)}", code="no-training")
    whole, chosen = read(file, given)
    if whole.threads:
        torch.set_num_threads(whole.threads)
    if chosen.part == "networks":
        reference(chosen.model)
        _log_perceptual_network(chosen)
    if chosen.recipe == "published" and (pairs := chosen.pairs_of_a_step()) != chosen.published_pairs():
        log.warning("%g pairs per step; the paper has %d", pairs, chosen.published_pairs())
    evaluate = evaluator(chosen, whole.evaluation) if chosen.evaluate_every else None
    with of_training(chosen.out):
        return train_loop(chosen, evaluate)


def read(file: Path | None, given: Mapping[str, Any]) -> tuple[Settings, TrainSettings]:
    """Read and check the settings. Raises UserError that names the first invalid one and its file.

    On custom data, the default is the papers' training: published size, recipe, schedule and number of steps, and
    their VGG-19 if it is installed. On the sample set, the default is the training of the sample checkpoints.
    """
    found = settings_file.read(file) if file else {}
    given = dict(given)
    if protocol := given.pop("protocol", None):
        evaluation = found.get("evaluation", {})
        if not isinstance(evaluation, dict):
            raise UserError(f"{file}: evaluation: must be a table", code="bad-settings-file")
        found["evaluation"] = {**evaluation, "protocol": protocol}
    values = found | given
    if values.get("data", "sample") != "sample":
        values = {"size": "published", "recipe": "published"} | _vgg19() | values
    elif values.get("recipe") == "published":
        values = _vgg19() | values
    for name in ("model", "out"):
        if name not in values:
            raise UserError(f"--{name} is needed, on the command line or in --config", code="missing-option")
    try:
        whole = Settings(**values)
        fields = {name: value for name, value in values.items() if name not in Settings.model_fields}
        folder, clips = data_folder(whole.data)
        chosen = TrainSettings(**{"clips": clips} | fields, data=folder, device=whole.device or str(default_device()))
        if whole.exclude_pairs:
            left_out = excluded(whole.exclude_pairs, folder, chosen.clips)
            chosen = chosen.model_copy(update={"excluded": tuple(sorted({*chosen.excluded, *left_out}))})
        if chosen.recipe == "published" and "steps" not in fields:
            steps = chosen.published_steps(identities(folder, chosen.clips, set(chosen.excluded)))
            chosen = TrainSettings(**chosen.model_dump() | {"steps": steps})
    except ValidationError as error:
        raise user_error(error, file, found) from None
    if chosen.patience and not chosen.evaluate_every:
        raise UserError("patience needs evaluate_every", code="missing-option")
    if "evaluate_every" not in values:  # 0 turns a file's evaluations off
        for name, value in (("protocol", protocol), ("evaluation", found.get("evaluation"))):
            if value:
                raise UserError(f"{name} needs evaluate_every", code="missing-option")
    return whole, chosen


def _log_perceptual_network(settings: TrainSettings) -> None:
    """Log the network of the perceptual loss; warn if it should be the papers' and is not."""
    if settings.vgg:
        log.info("perceptual loss: VGG-19, %s", settings.vgg)
    elif settings.recipe == "short":
        log.info("perceptual loss: %s", VggFeatures.name)
    else:
        log.warning(
            "perceptual loss: %s, not the papers' VGG-19: %s was not found in the weights folder; `vgg` in --config "
            "names it elsewhere",
            VggFeatures.name,
            VGG19,
        )


def _vgg19() -> dict[str, Path]:
    """Return the papers' VGG-19, if it is installed."""
    file = find_file(VGG19, locations.load().weights)
    return {"vgg": file} if file else {}


def data_folder(name: str) -> tuple[Path, tuple[str, ...] | None]:
    """Return the folder of ``--data`` and its training clips, None for all. Raises UserError."""
    if name == "sample":
        return sample_set.ensure(cache_folder()), tuple(sample_set.clips("train"))
    if not Path(name).is_dir():
        raise UserError(f"--data {name}: no such folder", code="missing-folder")
    return Path(name), None


def scored(rows: Iterable[Row], watched: str, sign: float) -> Evaluation:
    """Return the metrics' means (NaN without a value), and the score: infinite if `watched` has no value."""
    means = {row.metric: float("nan") if row.mean is None else row.mean for row in rows}
    return Evaluation(means, float("inf") if math.isnan(means[watched]) else sign * means[watched])


def evaluator(training: TrainSettings, settings: EvaluationSettings) -> Evaluate:
    """Return a function that evaluates a checkpoint by a run in ``<out>/evaluations``. Raises UserError.

    Each run replaces the previous one; the metrics' means are kept in ``<out>/evaluation.csv``.
    """
    import shutil

    from bench import metrics
    from bench.run.command import RunSettings, run
    from protocols import catalogue
    from protocols.resolve import opener
    from protocols.roots import data_used, refuse_unused

    config, protocol = locations.load(settings.data), catalogue.get(settings.protocol)
    used = data_used(protocol, config.data, asked=config.asked, sample=config.sample)
    refuse_unused(config.asked, used, f"evaluation: {protocol.name}")
    opened = opener(config.data, config.cache, follow_links=config.follow_links)
    is_sample = [opened(name).name for name in used] == [SAMPLE]  # opened now, not at the first evaluation
    names = settings.metrics or protocol.metrics
    watched = settings.watch or names[0]
    if watched not in names:
        raise UserError(
            f"evaluation.watch {watched}: choose one of the metrics {', '.join(names)}", code="unknown-metric"
        )
    side = sample_set.recipe()["size"] if is_sample and not protocol.custom else protocol.frame_size
    if side != training.frame_size:
        raise UserError(
            f"evaluation: frames have {side}x{side} pixels, but the network has frame_size {training.frame_size}",
            code="frame-size",
        )
    sign = -1.0 if metrics.definitions()[watched].higher_is_better else 1.0

    def evaluate(checkpoint: Path) -> Evaluation:
        folder = training.out / "evaluations"
        shutil.rmtree(folder / "latest", ignore_errors=True)
        chosen = RunSettings(
            models=[str(ModelSpec("model", training.model, {"weights": str(checkpoint)}, label=training.model))],
            protocol=settings.protocol,
            config=config,
            out=folder,
            name="latest",
            limit=settings.limit,
            metrics=list(names),
            mode="avd" if training.part == "avd" else None,
            bounds=False,
            device=training.device,
        )
        directory, _ = run(chosen, Console(quiet=True))
        return scored(directory.summary(directory.complete()).rows, watched, sign)

    return evaluate
