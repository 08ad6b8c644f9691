"""`python -m bench train --model memface-render`: train MemFace's renderer, or adapt it to a new speaker."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from baselines.errors import ModelError
from baselines.memface.drawing import of_face_mesh
from baselines.memface.loading import read_renderer
from baselines.memface.renderer import PUBLISHED, REDUCED
from baselines.memface.training import render
from baselines.memface.training.footage import Footage, footage
from baselines.memface.training.loop import train as train_loop
from baselines.memface.training.takes import frames_of
from baselines.memface.variants import VARIANTS
from baselines.memface.view import Framing
from baselines.predictor import default_device
from baselines.training import clips
from baselines.training.files import sha256
from bench.runtime.config import cache_folder
from bench.runtime.errors import UserError
from bench.training.lock import of_training
from bench.training.memface_a2e import place_of
from bench.training.memface_settings import StageSettings, sample_stretch
from protocols import sound_set
from protocols.catalogue import SAMPLE

log = logging.getLogger(__name__)

Stretch = tuple[Path, float, float | None]  # a clip, first and last second
MODEL = "memface-render"
MODELS = (MODEL, *(name for name, variant in VARIANTS.items() if variant.render))
STEPS, SHORT_ADAPTATION_EPOCHS = 400, 30  # of the recipe `short`
EPOCHS, ADAPTATION_EPOCHS = 200, 50  # of `published`; the first number is this project's, as the paper prints none


class RenderSettings(StageSettings):
    """Settings for training the renderer. Clips need no sound.

    model: ``memface-render``, or a variant with another second stage. data: clips, videos or folders of frames, with
    identities from their names (`baselines.training.clips.identity`). An adaptation rebuilds the memory, then tunes the
    network. size: ``reduced``, as the sample checkpoints, or ``published``. slots: N. similarity: of the explicit
    memory. vgg: file of torchvision's VGG-19; None: the VGG-16 of a package. epochs, steps: None: from the recipe.
    """

    models: ClassVar[tuple[str, ...]] = MODELS
    of_checkpoint: ClassVar[tuple[str, ...]] = ("size", "similarity")

    size: Literal["reduced", "published"] | None = None
    slots: int | None = Field(None, ge=1, le=65536)
    similarity: Literal["distance", "inner"] = "distance"
    vgg: Path | None = None
    learning_rate: float | None = Field(None, gt=0)
    epochs: int | None = Field(None, ge=1)
    save_every: int = Field(100, ge=1)
    device: str | None = None

    def recipe_of(self, short: render.RenderRecipe, published: render.RenderRecipe) -> render.RenderRecipe:
        """Return the recipe with the settings that override it."""
        given: dict[str, Any] = {"rate": self.learning_rate, "batch": self.batch}
        given = {name: value for name, value in given.items() if value is not None}
        return replace(short if self.short else published, **given)

    @property
    def config(self) -> dict[str, Any]:
        """Return the configuration of the network."""
        size = self.size or ("reduced" if self.short else "published")
        own = VARIANTS[self.model].render if self.model in VARIANTS else {}
        given = {"similarity": self.similarity} | ({} if self.slots is None else {"slots": self.slots})
        return {**(REDUCED if size == "reduced" else PUBLISHED), **own, **given}


def train(values: Mapping[str, Any], file: Path | None = None) -> Path:
    """Train or adapt and return the checkpoint.

    values: of `RenderSettings`. file: settings file, for messages. Raises UserError or ModelError.
    """
    settings = RenderSettings.read(dict(values), file)
    stage, steps = _adaptation(settings) if settings.adapt is not None else _training(settings)
    with of_training(settings.out):
        return train_loop(stage, out=settings.out, steps=steps, seed=settings.seed, save_every=settings.save_every)


def _training(settings: RenderSettings) -> tuple[render.RenderStage, int]:
    people: dict[str, list[Stretch]] = {}
    for person, stretch in _clips(settings):
        people.setdefault(person, []).append(stretch)
    framing = Framing(**settings.config["view"])
    found = [
        footage(person, (_frames(*each) for each in stretches), framing, of_face_mesh())
        for person, stretches in people.items()
    ]
    recipe = settings.recipe_of(render.SHORT, render.RenderRecipe())
    stage = _stage(settings, settings.config, found, recipe)
    return stage, _steps(settings, found, recipe, STEPS if settings.short else None, EPOCHS)


def _adaptation(settings: RenderSettings) -> tuple[render.RenderStage, int]:
    assert settings.adapt is not None
    checkpoint = settings.begun()
    person, (place, begin, end) = _clip(settings, settings.adapt)
    config = dict(read_renderer(checkpoint)[0].config)
    wanted = VARIANTS[settings.model].render.get("memory", "explicit") if settings.model in VARIANTS else "explicit"
    if config["memory"] != wanted:
        raise ModelError(
            f"{checkpoint} has the memory {config['memory']}; {settings.model} has {wanted}",
            code="other-network",
        )
    if settings.slots is not None:
        config["slots"] = settings.slots
    found = [footage(person, [_frames(place, begin, end)], Framing(**config["view"]), of_face_mesh())]
    recipe = settings.recipe_of(render.SHORT_ADAPTATION, render.RenderRecipe())
    epochs = SHORT_ADAPTATION_EPOCHS if settings.short else ADAPTATION_EPOCHS
    return _stage(settings, config, found, recipe), _steps(settings, found, recipe, None, epochs)


def _clips(settings: RenderSettings) -> Iterator[tuple[str, Stretch]]:
    """Return identity and stretch of each training clip."""
    if settings.data in (None, SAMPLE):
        clip, _, end = sample_stretch("adaptation", "train")
        found = sound_set.SoundSet(sound_set.ensure(cache_folder()))
        yield found.identity(clip), (found.folder(clip), settings.begin, settings.end or end)
        return
    if settings.end is not None or settings.begin:
        raise UserError("begin and end need --adapt or --data sample", code="unused-option")
    root = Path(settings.data)
    if not root.is_dir():
        raise UserError(f"--data {root}: no such folder", code="missing-folder")
    names = clips.names(root)
    if not names:
        raise UserError(f"--data {root}: contains no clips", code="empty-dataset")
    for name in names:
        yield clips.identity(name), (place_of(root, name), 0.0, None)


def _clip(settings: RenderSettings, name: str) -> tuple[str, Stretch]:
    """Return identity and stretch of the clip to adapt to: a file or a folder, or the sound set's."""
    place, (own, _, end) = Path(name), sample_stretch("adaptation", "adapt")
    if place.exists():
        return clips.identity(place.stem), (place, settings.begin, settings.end)
    if name != own:
        raise UserError(f"--adapt {name}: no such folder or video; of the sound set: {own}", code="unknown-clip")
    found = sound_set.SoundSet(sound_set.ensure(cache_folder()))
    return found.identity(own), (found.folder(own), settings.begin, settings.end or end)


def _stage(
    settings: RenderSettings, config: Mapping[str, Any], people: list[Footage], recipe: render.RenderRecipe
) -> render.RenderStage:
    for one in people:
        log.info("%s: %d frames, %d more without a face", one.identity, len(one.scenes), one.lost)
    device = torch.device(settings.device) if settings.device else default_device()
    start = None if settings.init_from is None else read_renderer(settings.init_from)[0]
    if start is not None and {**start.config, "slots": 0} != {**config, "slots": 0}:
        raise ModelError(f"{settings.init_from} is of another network than the settings describe", code="other-network")
    torch.manual_seed(settings.seed)
    stage = render.RenderStage(
        settings.model,
        config,
        people,
        recipe,
        seed=settings.seed,
        start=None if start is None else start.state_dict(),
        vgg=settings.vgg,
        device=device,
    )
    stage.identity["started_from"] = settings.init_from and sha256(settings.init_from)
    return stage


def _steps(
    settings: RenderSettings, people: list[Footage], recipe: render.RenderRecipe, steps: int | None, epochs: int
) -> int:
    if settings.steps is not None:
        return settings.steps
    if settings.epochs is None and steps is not None:
        return steps
    return render.steps(people, settings.epochs or epochs, recipe.batch)


def _frames(place: Path, begin: float = 0.0, end: float | None = None) -> Iterator[np.ndarray]:
    """Return the frames of a stretch of a clip."""
    for time, frame in frames_of(place):
        if begin <= time + 1e-6 and (end is None or time < end - 1e-6):
            yield frame
