"""Settings shared by the trainings of MemFace's two stages, and the seconds of the sound set that they use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.runtime.errors import UserError
from bench.training.settings_error import user_error
from protocols import sound_set
from protocols.catalogue import SAMPLE


class StageSettings(BaseModel):
    """Settings of a training of either stage.

    model: one of `models`. data: folder of clips; ``sample``: the sound set's training clip. adapt: a clip to which
    `init_from` is adapted, instead of `data`. begin, end: seconds of that clip, or of the sound set's training clip;
    default for ``talk_b`` of the sound set: the first 3.8 s. recipe: ``short`` for seconds of a person, ``published``
    as far as it is printed. steps: None: from the recipe. Subclasses define `models` and `of_checkpoint` (settings
    that an adaptation takes from its checkpoint).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    models: ClassVar[tuple[str, ...]] = ()
    of_checkpoint: ClassVar[tuple[str, ...]] = ()

    model: str
    out: Path
    data: str | None = None
    adapt: str | None = None
    begin: float = Field(0.0, ge=0)
    end: float | None = Field(None, gt=0)
    init_from: Path | None = None
    recipe: Literal["short", "published"] | None = None
    steps: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    batch: int | None = Field(None, ge=1)
    threads: int | None = Field(None, ge=1)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.models:
            raise ValueError(f"not one of {', '.join(cls.models)}")
        return name

    @classmethod
    def read(cls, values: dict[str, Any], file: Path | None) -> Self:
        """Check settings, and set torch's threads. file: settings file, for messages. Raises UserError."""
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise user_error(error, file) from None
        if settings.threads:
            torch.set_num_threads(settings.threads)
        return settings

    @property
    def short(self) -> bool:
        """Return whether the recipe is `short`: the default on the sound set, and for adapting to a clip of it."""
        if self.recipe is not None:
            return self.recipe == "short"
        return self.adapt == sample_stretch("adaptation", "adapt")[0] or (
            self.adapt is None and self.data in (None, SAMPLE)
        )

    def begun(self) -> Path:
        """Return the checkpoint from which an adaptation starts. Raises UserError for conflicting settings."""
        if self.data is not None:
            raise UserError("--adapt and --data exclude each other", code="conflicting-options")
        if self.init_from is None:
            raise UserError("--adapt needs --init-from, the checkpoint to start from", code="missing-option")
        if unused := [name for name in self.of_checkpoint if name in self.model_fields_set]:
            raise UserError(
                f"{', '.join(unused)}: cannot be changed, an adaptation reads it from --init-from {self.init_from}",
                code="unused-option",
            )
        return self.init_from


def sample_stretch(strategy: str, use: str) -> tuple[str, float, float]:
    """Return clip, first and last second of the sound set for this purpose (`protocols.stretches`)."""
    clip, start, end, _ = next(one for one in sound_set.recipe()[strategy] if one[3] == use)
    return clip, start, end
