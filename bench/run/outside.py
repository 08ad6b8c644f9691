"""External models: the code and files that decide their frames, and whether they changed."""

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
    """Return a model's entry in the manifest, with its code's hash. Raises ModelError as `entry` does.

    of_sound: whether sound drives the run's clips; then the entry has what drives the model. shapes: every
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
    return entry({**own, **description(model.predictor, model.label), **code} | own)


def output_filter(predictor: Predictor, shapes: Sequence[tuple[int, int]]) -> str | None:
    """Return the filter that resizes a model's frames to the run's sizes, (height, width); None if none is needed."""
    side = predictor.output_size
    return None if side is None or all(shape == (side, side) for shape in shapes) else FILTER


def description(predictor: Predictor, label: str) -> Mapping[str, object]:
    """Return a predictor's description. Raises ModelError if it is not a mapping."""
    facts = predictor.describe()
    if not isinstance(facts, Mapping):
        raise ModelError(f"{label}: describe() gave a {type(facts).__name__}, not a mapping", code="bad-model")
    return facts


def entry(facts: Mapping[str, object]) -> ModelEntry:
    """Check a predictor's description, with its name. Raises ModelError for what the manifest cannot store."""
    try:
        return checked(ModelEntry, json.loads(json.dumps(facts, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{facts['name']}: its description cannot be recorded: {first_line(error)}", code="bad-model"
        ) from None


def code(found: Mapping[str, Code]) -> dict[str, CodeEntry]:
    """Return the manifest's entry of the hashed files, by label."""
    return {label: CodeEntry(files=dict(one.files), not_covered=one.not_covered) for label, one in found.items()}


def covered(models: Sequence[Model]) -> list[str]:
    """Return a line for each program and plug-in: the files that its hash covers, and what no hash covers."""
    lines = []
    for model in models:
        if model.code:
            files = f"{counted(len(model.code.files), 'file')} as measured ({folder.some(list(model.code.files))})"
            rest = not_covered(model) or "files that it opens by itself are not covered"
            lines.append(f"{CODE}{model.label}: {files}; {rest}; --force measures again")
    return lines


def not_covered(model: Model) -> str:
    """Return, in words, what may change a model's frames and is in no hash; empty if nothing is known."""
    names = model.code.not_covered if model.code else ()
    return f"not covered: {folder.some(names)}" if names else ""


def changed_meanwhile(model: Model, before: ModelEntry) -> str | None:
    """Return, in words, what changed in a program or a folder of frames since the run began.

    Plug-ins were loaded then.

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
    """Return the names of edited, new and removed files, at most five."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more files" if len(names) > 5 else "")
