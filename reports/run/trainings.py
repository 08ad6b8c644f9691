"""How a model was trained, as a table: a column a stage, a row a fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.schema.manifest import ModelEntry, Prepared


@dataclass(frozen=True)
class Training:
    """stages: heads of the columns, empty for a model of one stage. rows: a fact's name and its value in each stage."""

    model: str
    stages: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]


def of_run(manifest: Prepared) -> list[Training]:
    """The trainings that models of the run say, in order."""
    return [training for model in manifest.models if (training := of_model(model))]


def of_model(model: ModelEntry) -> Training | None:
    """The training of one model, which may be of several stages; None where nothing is known."""
    facts = model.training
    if not isinstance(facts, Mapping) or not facts:
        return None
    staged = all(isinstance(one, Mapping) for one in facts.values())
    stages: dict[str, Mapping[str, Any]] = dict(facts) if staged else {"": facts}  # type: ignore[arg-type]
    names = dict.fromkeys(name for stage in stages.values() for name in stage)
    rows = tuple((name, tuple(stage.get(name) for stage in stages.values())) for name in names)
    return Training(model.name, tuple(stages) if staged else (), rows)
