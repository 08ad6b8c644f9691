"""Models from outside: what decides their frames, and whether it stayed so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from baselines import registry
from baselines.code import Code
from baselines.errors import ModelError
from baselines.frame_size import FILTER
from baselines.predictor import Predictor
from bench.run.engine import Model
from protocols import folder
from protocols.errors import first_line
from protocols.words import counted
from reports.schema.base import checked
from reports.schema.manifest import CodeEntry, ModelEntry

CODE = "the code of "


def describe(model: Model, of_sound: bool = False, shapes: Sequence[tuple[int, int]] = ()) -> ModelEntry:
    """A model's entry in the manifest, its code's hash included. Raises ModelError as `entry` does.

    of_sound: whether sound drives the run's clips, so that what drives the model is to be told. shapes: every
    (height, width) of the run's frames.
    """
    own: dict[str, object] = {"name": model.label, "mode": model.mode}
    if model.predictor.output_size is not None:
        own["output_frame_size"] = model.predictor.output_size
    if filtered := output_filter(model.predictor, shapes):
        own["output_filter"] = filtered
    if of_sound and model.predictor.driven_by:
        own["driven_by"] = model.predictor.driven_by
    code = {"code_sha256": model.code.sha256} if model.code else {}
    return entry({**own, **said(model.predictor, model.label), **code} | own)


def output_filter(predictor: Predictor, shapes: Sequence[tuple[int, int]]) -> str | None:
    """By what a model's frames are brought to a run's sizes, (height, width); None where all are of these."""
    side = predictor.output_size
    return None if side is None or all(shape == (side, side) for shape in shapes) else FILTER


def said(predictor: Predictor, label: str) -> Mapping[str, object]:
    """What a predictor says of itself. Raises ModelError where that is no mapping."""
    facts = predictor.describe()
    if not isinstance(facts, Mapping):
        raise ModelError(f"{label}: describe() gave a {type(facts).__name__}, not a mapping", code="bad-model")
    return facts


def entry(facts: Mapping[str, object]) -> ModelEntry:
    """What a predictor says of itself, with its name. Raises ModelError for what the manifest cannot hold."""
    try:
        return checked(ModelEntry, json.loads(json.dumps(facts, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{facts['name']}: what it says of itself cannot be recorded: {first_line(error)}", code="bad-model"
        ) from None


def code(found: Mapping[str, Code]) -> dict[str, CodeEntry]:
    """The manifest's entry of the files behind the hashes, by label."""
    return {label: CodeEntry(files=dict(one.files), not_covered=one.not_covered) for label, one in found.items()}


def looked_at(models: Sequence[Model]) -> list[str]:
    """A line for each program and plug-in: which files its hash is of, and what is in no hash."""
    lines = []
    for model in models:
        if model.code:
            files = f"{counted(len(model.code.files), 'file')} as measured ({folder.some(list(model.code.files))})"
            rest = not_covered(model) or "what it opens by itself is not looked at"
            lines.append(f"{CODE}{model.label}: {files}; {rest}; --force measures again")
    return lines


def not_covered(model: Model) -> str:
    """In words what may move a model's frames and is in no hash; empty where nothing is known to."""
    names = model.code.not_covered if model.code else ()
    return f"not covered: {folder.some(names)}" if names else ""


def changed_meanwhile(model: Model, before: ModelEntry) -> str | None:
    """In words what changed since a run began, of a program or a folder of frames; a plug-in was loaded then.

    before: its entry in the run's manifest.
    """
    if model.spec and model.spec.kind == "cmd" and model.code:
        now = registry.code(model.spec, model.predictor)
        files = changed_files(model.code.files, now.files if now else {})
        return f"{CODE}{model.label} ({files})" if files else None
    if model.spec and model.spec.kind == "frames":
        return f"frames of {model.label}" if describe(model).content() != before.content() else None
    return None


def changed_files(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Names of files that were edited, are new or are gone, at most five."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more files" if len(names) > 5 else "")
