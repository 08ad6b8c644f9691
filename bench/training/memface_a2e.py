"""`python -m bench train --model memface-a2e`: MemFace's audio to expression, trained or adapted."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator

from baselines.errors import ModelError
from baselines.memface import bases, expression_file
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression
from baselines.memface.basis import WIDTH
from baselines.memface.training import a2e
from baselines.memface.training.loop import train as train_loop
from baselines.memface.training.takes import Take, take
from baselines.memface.variants import VARIANTS
from baselines.speech.feature import NAMES, feature
from baselines.training import clips
from bench.runtime.config import cache_folder
from bench.runtime.errors import UserError
from bench.training.lock import of_training
from bench.training.memface_settings import StageSettings, sample_stretch
from protocols import sound_set
from protocols.catalogue import SAMPLE
from protocols.folder import is_video

log = logging.getLogger(__name__)

MODEL = "memface-a2e"
MODELS = (MODEL, *(name for name, variant in VARIANTS.items() if variant.a2e))
STEPS, ADAPTATION_STEPS = 500, 150  # of the recipe `short`
EPOCHS, ADAPTATION_EPOCHS = 100, 200  # of `published`; the first number is this project's, as the paper prints none
SHORT_NETWORK = {"window": 32, "dropout": 0.3}  # for seconds of speech


class A2ESettings(StageSettings):
    """Settings for training audio to expression.

    model: ``memface-a2e``, or a variant with another first stage. data: clips, ``<clip>.mp4`` with sound or
    ``<clip>/<frame>.png`` at 25 frames per second with ``<clip>.wav``. speech: speech features; speech_rate: rows per
    second of ``.npy`` files. basis: ``facemesh``, ``arkit`` or an ``.npz`` file. components: of ``facemesh``.
    """

    models: ClassVar[tuple[str, ...]] = MODELS
    of_checkpoint: ClassVar[tuple[str, ...]] = ("components", "window", "projections")

    speech: str = "log-mel"
    speech_rate: float = Field(25.0, gt=0)
    basis: str = bases.MESH
    components: int = Field(WIDTH, ge=1, le=512)
    window: int | None = Field(None, ge=2, le=4096, multiple_of=2)
    projections: Literal["reconstructed", "literal"] = "reconstructed"
    save_every: int = Field(200, ge=1)
    device: Literal["cpu"] = "cpu"

    @model_validator(mode="after")
    def _rate_of_files(self) -> Self:
        if "speech_rate" in self.model_fields_set and self.speech in NAMES:
            raise ValueError(f"speech_rate is for .npy files: remove it, {self.speech} has its own")
        return self


def train(values: Mapping[str, Any], file: Path | None = None) -> Path:
    """Train or adapt and return the checkpoint.

    values: of `A2ESettings`. file: settings file, for messages. Raises UserError or ModelError.
    """
    settings = A2ESettings.read(dict(values), file)
    stage, steps = _adaptation(settings) if settings.adapt is not None else _training(settings)
    with of_training(settings.out):
        return train_loop(stage, out=settings.out, steps=steps, seed=settings.seed, save_every=settings.save_every)


def _training(settings: A2ESettings) -> tuple[a2e.A2EStage, int]:
    cache = cache_folder()
    if settings.data not in (None, SAMPLE) and (settings.end is not None or settings.begin):
        raise UserError("begin and end need --adapt or --data sample", code="unused-option")
    heard = feature(settings.speech, settings.speech_rate)  # first, since the meshes of many videos take long
    takes = [take(*where) for where in _places(settings, cache)]
    _log_counts(takes)
    recipe = _recipe(settings, a2e.SHORT if settings.short else a2e.PUBLISHED)
    faces = [one for each in takes for one in ((each, each.mirrored()) if recipe.mirror else (each,))]
    basis = bases.fitted(settings.basis, (one.aligned[one.seen] for one in faces), cache, settings.components)
    variant = VARIANTS.get(settings.model)
    config = A2EConfig(
        **{
            **(SHORT_NETWORK if settings.short else {}),
            **({"window": settings.window} if settings.window else {}),
            **(variant.a2e if variant else {}),
            "features": heard.width,
            "coefficients": basis.width,
            "projections": settings.projections,
        }
    )
    torch.manual_seed(settings.seed)
    network, started = AudioToExpression(config), None
    if settings.init_from is not None:
        begun = expression_file.read(settings.init_from, cache, speech=settings.speech)
        if begun.network.config != config or begun.basis.signature != basis.signature:
            raise ModelError(f"{settings.init_from} is of another network or basis", code="other-network")
        network.load_state_dict(begun.network.state_dict())
        started = _started(begun)
    stage = a2e.A2EStage(settings.model, network, basis, heard, takes, recipe, started_from=started)
    return stage, settings.steps or (STEPS if settings.short else _steps(takes, network, recipe, EPOCHS))


def _adaptation(settings: A2ESettings) -> tuple[a2e.A2EStage, int]:
    assert settings.adapt is not None
    checkpoint, cache, given = settings.begun(), cache_folder(), settings.model_fields_set
    begun = expression_file.read(
        checkpoint,
        cache,
        speech=settings.speech if "speech" in given else None,
        basis=Path(settings.basis) if settings.basis.endswith(".npz") else None,
    )
    if "basis" in given and not settings.basis.endswith(".npz") and not begun.basis.name.startswith(settings.basis):
        raise ModelError(f"{checkpoint} has the basis {begun.basis.name}, not {settings.basis}", code="other-network")
    if "speech_rate" in given and begun.feature.rate != settings.speech_rate:
        raise ModelError(
            f"{checkpoint} hears {begun.feature.name} with {begun.feature.rate:g} rows per second, "
            f"not {settings.speech_rate:g}",
            code="other-network",
        )
    place, end = Path(settings.adapt), settings.end
    if not place.exists() and settings.adapt == (own := sample_stretch("adaptation", "adapt"))[0]:
        place, end = sound_set.ensure(cache) / own[0], own[2] if end is None else end
    takes = [take(place, cache, settings.begin, end)]
    _log_counts(takes)
    network = begun.network.requires_grad_(True)
    recipe = _recipe(settings, a2e.SHORT_ADAPTATION if settings.short else a2e.PUBLISHED_ADAPTATION)
    stage = a2e.A2EStage(
        settings.model, network, begun.basis, begun.feature, takes, recipe, started_from=_started(begun)
    )
    steps = ADAPTATION_STEPS if settings.short else _steps(takes, network, recipe, ADAPTATION_EPOCHS)
    return stage, settings.steps or steps


def _started(begun: expression_file.Expression) -> dict[str, Any]:
    """Return what a checkpoint records about the checkpoint from which it started."""
    return {"sha256": begun.checkpoint.sha256, "takes": begun.checkpoint.facts.get("takes")}


def _recipe(settings: A2ESettings, recipe: a2e.A2ERecipe) -> a2e.A2ERecipe:
    return recipe if settings.batch is None else replace(recipe, batch=settings.batch)


def _steps(takes: list[Take], network: AudioToExpression, recipe: a2e.A2ERecipe, epochs: int) -> int:
    """Return the number of steps; an epoch has as many windows as the clips."""
    frames = sum(len(one.times) for one in takes)
    return epochs * math.ceil(frames / (network.config.window * recipe.batch))


def _places(settings: A2ESettings, cache: Path) -> list[tuple[Path, Path, float, float | None]]:
    """Return the arguments of `take` for each training clip."""
    data = settings.data
    if data in (None, SAMPLE):
        clip, _, end = sample_stretch("adaptation", "train")
        return [(sound_set.ensure(cache) / clip, cache, settings.begin, settings.end or end)]
    root = Path(data)
    if not root.is_dir():
        raise UserError(f"--data {data}: no such folder", code="missing-folder")
    names = clips.names(root)
    if not names:
        raise UserError(f"--data {data}: contains no clips", code="empty-dataset")
    return [(place_of(root, name), cache, 0.0, None) for name in names]


def place_of(root: Path, name: str) -> Path:
    """Return a clip's folder, or its video."""
    if (root / name).is_dir():
        return root / name
    return next(file for file in sorted(root.iterdir()) if file.stem == name and is_video(file))


def _log_counts(takes: list[Take]) -> None:
    frames, lost = sum(len(one.times) for one in takes), sum(int((~one.seen).sum()) for one in takes)
    log.info("%d clips, %d frames, %d of them without a face", len(takes), frames, lost)
