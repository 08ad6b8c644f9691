"""How a model was trained, as a table: one column per stage, one row per fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.schema.manifest import ModelEntry, Prepared


@dataclass(frozen=True)
class Training:
    """A training. stages: column heads, empty for one stage. rows: a fact's name and its value in each stage."""

    model: str
    stages: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]


def of_run(manifest: Prepared) -> list[Training]:
    """Return the trainings of the run's models, in order."""
    return [training for model in manifest.models if (training := of_model(model))]


def of_model(model: ModelEntry) -> Training | None:
    """Return the training of one model, which may have several stages; None if it is unknown."""
    facts = model.training
    if not isinstance(facts, Mapping) or not facts:
        return None
    staged = all(isinstance(one, Mapping) for one in facts.values())
    stages: dict[str, Mapping[str, Any]] = dict(facts) if staged else {"": facts}  # type: ignore[arg-type]
    names = dict.fromkeys(name for stage in stages.values() for name in stage)
    rows = tuple((name, tuple(stage.get(name) for stage in stages.values())) for name in names)
    return Training(model.name, tuple(stages) if staged else (), rows)
