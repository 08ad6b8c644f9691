"""`python -m bench run --paper`: list what a paper's tables need on this machine, and run what can be run."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import typer
from rich.console import Console

from baselines.errors import ModelError
from bench.run.command import RunSettings
from bench.runtime.config import Config
from bench.runtime.errors import UserError
from bench.tables.command import planned, run_tables, settings_of
from bench.tables.differences import Difference, differences
from bench.tables.look import look
from bench.tables.plan import Job
from bench.tables.steps import LISTS, Step, is_rule, pair_list, root, steps, weights_folder
from protocols.errors import DataError
from reports.paper.printed import Table, TableError
from reports.paper.tables import published, works


@dataclass(frozen=True)
class Reproduction:
    """A paper on this machine. tables: of all its versions. commands: in the order in which they are run."""

    paper: str
    tables: tuple[Table, ...]
    jobs: tuple[Job, ...]
    steps: tuple[Step, ...]
    commands: tuple[str, ...]
    differences: tuple[Difference, ...]


def reproduction(
    paper: str, settings: RunSettings, pairs: Sequence[Path] = (), *, untrained: bool = False, small: bool = False
) -> Reproduction:
    """Return what a paper needs. untrained, small: random and sample weights count, as with ``--table``.

    Raises TableError for an unknown paper, and as `bench.tables.plan.plan`.
    """
    if paper not in works():
        near = difflib.get_close_matches(paper.lower(), works(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(works())}"
        raise TableError(f"no paper is called {paper}; {hint}", code="unknown-paper")
    tables = published(works()[paper])
    jobs = planned(tables, settings, pairs, untrained=untrained, sample_weights=small)
    needed = steps(jobs, settings.config)
    return Reproduction(
        paper,
        tuple(tables),
        tuple(jobs),
        tuple(needed),
        tuple(_commands(paper, jobs, needed, settings.config)),
        tuple(differences(tables, jobs, needed)),
    )


def run_paper(
    paper: str,
    settings: RunSettings,
    pairs: Sequence[Path],
    console: Console,
    *,
    dry_run: bool = False,
    untrained: bool = False,
    sample_weights: bool = False,
    format: str = "text",
) -> int:
    """Print what a paper's tables need, then plan or run them; return the number of failed pairs.

    Raises as `run_tables`, also after writing JSON if a run would stop.
    """
    found = reproduction(paper, settings, pairs, untrained=untrained, small=sample_weights)
    if format == "json":
        shown = _as_data(found, settings)
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))
        if stops := [run["stops"] for run in shown["runs"] if run["stops"]]:
            raise UserError(f"the runs of {paper} would stop: {'; '.join(stops)}", code="nothing-to-run")
        if not any(job.ready for job in found.jobs):
            raise UserError(f"nothing can be run of {paper}", code="nothing-to-run")
        return 0
    _say(found, console, everything=dry_run)
    names = [table.id for table in found.tables]
    options = {"dry_run": dry_run, "untrained": untrained, "sample_weights": sample_weights}
    return run_tables(names, settings, pairs, console, **options)


def _commands(paper: str, jobs: Sequence[Job], needed: Sequence[Step], config: Config) -> Iterator[str]:
    """Return the commands from the first step to the tables, with this machine's folders or placeholders."""
    folder = f"--weights {quote(str(weights_folder(config)))}"
    extras = sorted({found[1] for step in needed if (found := re.search(r"\[([\w-]+)\]", step.place))})
    if extras:
        yield f'pip install -c constraints.txt -e ".[{",".join(extras)}]"'
    lists = {file: job.protocol.dataset for job in jobs if (file := pair_list(job)) is not None}
    made = [*({str(LISTS)} if any(LISTS in file.parents for file in lists) else ()), quote(str(weights_folder(config)))]
    yield f"mkdir -p {' '.join(made)}"
    fetched = dict.fromkeys(step.way.rsplit(" ", 1)[1] for step in needed if " weights fetch " in step.way)
    if fetched:
        yield f"python -m bench weights fetch {' '.join(fetched)} {folder}"
    yield f"python -m bench weights check {folder}"
    data = {name: f"--data {name}={quote(str(root(name, config)))}" for name in _datasets(jobs)}
    for step in needed:
        if step.kind == "pair list" and " clips make " in step.way:
            yield step.way
    for file, name in lists.items():
        if not is_rule(file):
            yield f"python -m bench pairs survey {quote(str(file))} {data[name]}"
    yield from (step.way for step in needed if step.kind == "training")
    chosen = " ".join([*data.values(), folder, *(f"--pairs {quote(str(file))}" for file in lists)])
    scripts = "" if any(job.protocol.driven_by == "sound" for job in jobs) else " --as-published"
    run = f"python -m bench run --paper {paper} --name {paper} {chosen}{scripts}"
    yield f"{run} --dry-run"
    yield run
    runs = " ".join(f"--run runs/{paper}-{job.protocol.name}" for job in jobs)
    yield f"python -m bench tables {' '.join(works()[paper])} {runs} --format html --out {paper}.html"


def _datasets(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.protocol.dataset for job in jobs))


def _say(found: Reproduction, console: Console, *, everything: bool) -> None:
    """Print what to get, the commands, and what will still differ; before a run, only what is missing."""

    def line(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, soft_wrap=True, highlight=False)

    wanted = [step for step in found.steps if everything or not step.found]
    n_found = sum(step.found is not None for step in found.steps)
    line(f"{found.paper}: {', '.join(table.id for table in found.tables)}", "bold")
    line(f"what to get, {n_found} of {len(found.steps)} found" + ("" if everything else "; missing:"), "bold")
    for step in wanted:
        facts = "; ".join(filter(None, (step.size, step.license)))
        state = step.found or "MISSING"
        line(f"  {step.kind} {step.name}, for {step.wanted_for}: {state}", None if step.found else "yellow")
        if everything:
            line(f"    place {step.place}" + (f" ({facts})" if facts else ""))
            line(f"    get   {step.way}")
    if not everything:
        return
    line("commands, in this order (folders as configured, else placeholders)", "bold")
    for number, command in enumerate(found.commands, start=1):
        line(f"  {number}. {command}")
    line("what will still differ from print", "bold")
    for one in found.differences:
        source = f" (source: {one.source})" if one.source else ""
        line(f"  {one.kind}{': ' if one.where else ''}{', '.join(one.where)}: {one.text}{source}")
    line("runs on this machine; time of trainings and on other devices: not measured", "bold")


def _as_data(found: Reproduction, settings: RunSettings) -> dict[str, Any]:
    """Return the same for JSON, with an estimate of each run on this machine in seconds."""
    ready = [job for job in found.jobs if job.ready]
    return {
        "paper": found.paper,
        "tables": [table.id for table in found.tables],
        "steps": [asdict(step) for step in found.steps],
        "commands": list(found.commands),
        "runs": [_run(job, settings_of(job, settings, len(ready) > 1)) for job in found.jobs],
        "differences": [asdict(one) for one in found.differences],
    }


def _run(job: Job, settings: RunSettings) -> dict[str, Any]:
    """Return a run of the plan: its inputs, whether it would stop, its estimated time (null if not measured)."""
    notices: list[str] = []
    estimate, stops = None, None
    try:
        if job.data is not None:
            estimate = look(job, settings, lambda text, _: notices.append(text))
    except (DataError, ModelError, UserError) as error:
        stops = str(error)
    return {
        "protocol": job.protocol.name,
        "tables": list(job.tables),
        "data": job.data,
        "models": list(job.models),
        "weights": dict(job.weights),
        "skipped": dict(job.skipped),
        "unfilled": dict(job.unfilled),
        "ready": job.ready and stops is None,
        "stops": stops,
        "notices": notices,
        "estimate": asdict(estimate) if estimate else None,
    }
