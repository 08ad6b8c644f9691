"""`python -m bench run --table`: plan the runs of tables, run them, print measured next to printed numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from baselines.errors import ModelError
from baselines.spec import ModelSpec
from bench.run.command import RunSettings, run
from bench.runtime.errors import UserError
from bench.tables import plan as table_plan
from bench.tables.plan import Job
from protocols.errors import DataError
from reports.paper.compare import regenerate
from reports.paper.export import markdown
from reports.paper.printed import Table
from reports.paper.tables import published


def run_tables(
    names: Sequence[str],
    settings: RunSettings,
    pairs: Sequence[Path],
    console: Console,
    *,
    dry_run: bool = False,
    untrained: bool = False,
    sample_weights: bool = False,
) -> int:
    """Plan, run and print; return the number of failed pairs.

    names: of tables or papers. settings: as for one run, without protocol; its models and metrics, if any, replace the
    tables'. Every protocol is a separate run; a complete one is not computed again.
    dry_run: prepare every run and report its inputs, but run none.
    Raises TableError for an unknown table, UserError if nothing can be run or, in a dry run, if a run would stop; and
    as `run` does.
    """
    tables = published(names)
    jobs = planned(tables, settings, pairs, untrained=untrained, sample_weights=sample_weights)
    ready = [job for job in jobs if job.ready]
    stopped = 0
    for job in jobs:
        _notify(job, settings, console)
        if dry_run:
            stopped += not _look(job, settings_of(job, settings, len(ready) > 1), console)
    if stopped:
        raise UserError(f"the run of {', '.join(names)} would stop; see the plan above", code="nothing-to-run")
    if dry_run and ready:
        return 0
    if not ready:
        raise UserError(
            f"nothing of {', '.join(names)} can be run; the plan above lists what is missing", code="nothing-to-run"
        )
    failed, folders = 0, []
    for job in ready:
        directory, lost = run(settings_of(job, settings, len(ready) > 1), console)
        failed += lost
        folders.append(directory.path)
    fed = {table for job in ready for table in job.tables}
    for table in tables:
        if table.id in fed:
            typer.echo("\n" + markdown([regenerate(table, folders)]), nl=False)
    again = " ".join([*(table.id for table in tables if table.id in fed), *(f"--run {folder}" for folder in folders)])
    console.print(
        f"\nagain, or as html, latex, csv, json: python -m bench tables {again}", markup=False, soft_wrap=True
    )
    return failed


def planned(
    tables: Sequence[Table],
    settings: RunSettings,
    pairs: Sequence[Path],
    *,
    untrained: bool = False,
    sample_weights: bool = False,
) -> list[Job]:
    """Return the runs that tables need. Raises as `plan` does, and UserError for a reading that no protocol has."""
    jobs = table_plan.plan(
        tables,
        settings.config,
        models=settings.models,
        require_data=settings.require_data,
        untrained=untrained,
        sample_weights=sample_weights,
        pairs=pairs,
    )
    if settings.reading and not any(settings.reading in job.protocol.readings for job in jobs):
        known = {reading: None for job in jobs for reading in job.protocol.readings}
        raise UserError(
            f"--reading {settings.reading}: no protocol here has it (known: {', '.join(known) or 'none'})",
            code="unknown-reading",
        )
    return jobs


def settings_of(job: Job, settings: RunSettings, several: bool) -> RunSettings:
    """Return the settings of one run of a plan. several: whether the plan has more runs."""
    name = settings.name
    return replace(
        settings,
        config=replace(settings.config, asked=()),  # the plan checked that every root has its protocol
        protocol=job.protocol.name,
        models=job.models,
        metrics=settings.metrics or job.metrics,
        pairs=job.pairs,
        reading=settings.reading if settings.reading in job.protocol.readings else None,
        name=f"{name}-{job.protocol.name}" if name and several else name,
    )


def _look(job: Job, settings: RunSettings, console: Console) -> bool:
    """Print a dry run's details; return whether the run would start. Without data or models there is no run."""
    from bench.tables.look import look, to_fetch

    if not job.ready:
        _line(console, "no run: " + ("no frames" if job.data is None else "no models"), "yellow")
    passed = True
    try:
        if job.data is not None:
            estimate = look(job, settings, lambda text, style: _line(console, text, style))
            if estimate:
                _line(console, estimate.text)
    except (DataError, ModelError, UserError) as error:
        _line(console, f"STOPS: {error}", "bold red")
        passed = False
    for text in to_fetch(job, settings.config.weights):
        _line(console, text)
    return passed


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(f"  {text}", style=style, markup=False, soft_wrap=True, highlight=False)


def _notify(job: Job, settings: RunSettings, console: Console) -> None:
    line = partial(_line, console)
    console.print(f"{job.protocol.name}, for {', '.join(job.tables)}", style="bold", markup=False)
    loud = "yellow"
    if job.data is None:
        line(f"data: MISSING; give --data {job.protocol.dataset}=PATH", loud)
    else:
        line(f"data: {job.data}", loud if job.data.startswith("SAMPLE") else None)
    line(f"pairs: {_pairs(job, settings)}")
    for model in job.models:
        label = ModelSpec.parse(model).name
        weights = job.weights.get(label)
        line(
            f"run {label if weights else model}: {weights or 'as named'}",
            loud if weights and weights.isupper() else None,
        )
    for model, reason in job.skipped.items():
        line(f"skip {model}: {reason}", loud)
    reasons: dict[str, list[str]] = {}
    for head, reason in job.unfilled.items():
        reasons.setdefault(reason, []).append(head)
    for reason, heads in reasons.items():
        line(f"empty {', '.join(heads)}: {reason}", loud)
    if not job.models:
        line("nothing to run: no model has weights here (--weights DIR, or --untrained)", loud)


def _pairs(job: Job, settings: RunSettings) -> str:
    if job.pairs:
        text = str(job.pairs)
    elif job.data and job.data.startswith("SAMPLE"):
        text = "the sample set's"
    elif job.protocol.driven_by == "sound":
        text = "people and seconds by a fixed rule; --pairs FILE takes a list"
    else:
        text = f"{job.protocol.n} drawn with seed {settings.seed}; --pairs FILE takes a published list"
    return f"{text}, the first {settings.limit}" if settings.limit else text
