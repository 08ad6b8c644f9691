"""Settings of a finished run, read from the command in its manifest, to generate its frames again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from baselines.spec import ModelSpec, split_names
from bench.cli.options import one_spelling
from bench.cli.run import run
from bench.figure import again
from bench.figure.again import Again
from bench.figure.command import Begin
from bench.run.command import RunSettings
from bench.runtime import config
from bench.runtime.errors import UserError
from bench.tables import command as tables
from bench.tables.paper import works
from protocols.protocol import MODES
from reports.paper.tables import published
from reports.schema.manifest import Complete

KEPT_ONLY = "only its saved frames can be shown"


def beginner(data: Sequence[str], weights: Path | None, device: str | None) -> Begin:
    """Return a function that loads a run's models again when they are needed; see `settings_of`."""

    def begin(manifest: Complete, labels: Sequence[str]) -> AbstractContextManager[Again]:
        return again.begin(manifest, settings_of(manifest, labels, data, weights, device), labels)

    return begin


def can_compute(manifest: Complete) -> bool:
    """Return whether frames of a run can be generated again: made by `bench run`, with no model driven by sound."""
    return "run" in manifest.command[:4] and not any(model.driven_by == "sound" for model in manifest.models)


def settings_of(
    manifest: Complete, labels: Sequence[str], data: Sequence[str], weights: Path | None, device: str | None
) -> RunSettings:
    """Return those settings of a run that determine its frames, for some of its models.

    data, weights: replace those of the command, if given. Relative paths are relative to the current folder.
    Raises UserError for a run made by another command.
    """
    words = list(manifest.command)
    if "run" not in words[:4]:
        raise UserError(f"{manifest.name} was not made by `bench run`: {KEPT_ONLY}", code="missing-frames")
    parsed = _parameters(words[words.index("run") + 1 :])
    specs = {ModelSpec.parse(spec).name: spec for spec in split_names(parsed["models"] or "")}
    mode = parsed["mode"]
    settings = RunSettings(
        models=[specs.get(label, label) for label in labels],  # bounds are not in --models
        protocol=parsed["protocol"] or manifest.protocol.name,
        config=config.load(
            list(data) or parsed["data"] or (["sample"] if manifest.sample_data else ()),
            weights or parsed["weights"],
            follow_links=parsed["follow_links"],
        ),
        pairs=parsed["pairs"][0] if parsed["pairs"] and len(parsed["pairs"]) == 1 else None,
        require_data=parsed["require_data"],
        allow_missing=parsed["allow_missing"],
        reading=parsed["reading"],
        size=parsed["size"],
        crop=parsed["crop"],
        limit=parsed["limit"],
        mode=next((one for one in MODES if one == mode), None),
        anchor=parsed["anchor"],
        seed=parsed["seed"],
        as_published=parsed["as_published"],
        device=device,
    )
    return _as_planned(parsed, settings, manifest) if parsed["table"] or parsed["paper"] else settings


def _as_planned(parsed: dict[str, Any], settings: RunSettings, manifest: Complete) -> RunSettings:
    """Return the settings of a run of the tables' plan: the spec of each label, and the list.

    parsed: of the run's command. settings: the rest. Raises UserError where the plan no longer has such a run.
    """
    own = replace(settings, models=split_names(parsed["models"] or ""))
    entries = works()[parsed["paper"]] if parsed["paper"] else parsed["table"]
    names = [name for entry in entries for name in split_names(entry)]
    plan = {"untrained": parsed["untrained"], "sample_weights": parsed["sample_weights"]}
    for job in tables.planned(published(names), own, parsed["pairs"] or (), **plan):
        if job.protocol.name == manifest.protocol.name:
            specs = {ModelSpec.parse(spec).name: spec for spec in job.models}
            return replace(
                tables.settings_of(job, own, several=False),
                models=[specs.get(label, label) for label in settings.models],
            )
    raise UserError(f"{', '.join(names)}: these tables run no {manifest.protocol.name} any more", code="other-run")


def _parameters(words: list[str]) -> dict[str, Any]:
    """Parse the options of a `bench run` with Typer. Raises UserError if they are no longer valid."""
    app = typer.Typer(add_completion=False)
    app.command(context_settings=one_spelling(run))(run)
    command = typer.main.get_command(app)
    try:
        return dict(command.make_context("run", words).params)
    except typer.BadParameter.__bases__[0] as error:  # type: ignore[misc]  # of usage; typer does not export it
        raise UserError(f"the run's command is no longer valid ({error}): {KEPT_ONLY}", code="other-run") from None
