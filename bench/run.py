"""`python -m bench run`: models over a protocol, measured, with a report at the end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from baselines import registry
from baselines.predictor import ModelError, MotionMode
from bench import detectors, finished, metrics, statistics
from bench import manifest as manifests
from bench.config import Config
from bench.device import choose as choose_device
from bench.engine import Model, evaluate
from bench.errors import UserError, one_line
from bench.measure import Measurer
from bench.rundir import RunDirectory, safe_name, write_parquet, write_png
from protocols import catalogue
from protocols.catalogue import Protocol
from protocols.resolve import Resolved, resolve
from reports import caveats, choose, html
from reports import console as tables

BOUNDS = ("copy-source", "copy-target")
# Pairs at a time. On a CPU the networks take them one by one anyway; a batch is then what an interruption costs.
BATCH = {"cpu": 4, "cuda": 16}


@dataclass(frozen=True)
class RunSettings:
    """What was asked on the command line; the command's help has the meaning of each."""

    models: Sequence[str]
    protocol: str
    config: Config
    out: Path = Path("runs")
    name: str | None = None
    require_data: bool = False
    allow_missing: bool = False
    pairs: Path | None = None
    reading: str | None = None
    limit: int | None = None
    metrics: Sequence[str] | None = None
    detectors: str = "auto"
    mode: MotionMode | None = None
    bounds: bool = True
    device: str | None = None
    seed: int = 0
    batch_size: int | None = None
    save_frames: bool = False
    as_published: bool = False
    command: Sequence[str] = field(default=())


def run(settings: RunSettings, console: Console) -> tuple[RunDirectory, int]:
    """Carry a run out, or take it up where it stopped; returns its folder and the number of failed pairs.

    Raises UserError, DataError or ModelError for what the user can mend; all checks come before the first prediction.
    """
    if settings.mode and settings.mode not in get_args(MotionMode):
        raise UserError(f"--mode {settings.mode}: choose one of {', '.join(get_args(MotionMode))}")
    device = choose_device(settings.device)
    protocol = catalogue.get(settings.protocol)
    names = settings.metrics or protocol.metrics
    models = _load_models(settings, protocol.mode, device)
    with ExitStack() as stack:
        for model in models:
            stack.callback(model.predictor.close)
        return _run(settings, protocol, names, models, device, console)


def _run(
    settings: RunSettings,
    protocol: Protocol,
    names: Sequence[str],
    models: Sequence[Model],
    device: torch.device,
    console: Console,
) -> tuple[RunDirectory, int]:
    chosen = detectors.choose(
        settings.detectors,
        settings.config.weights,
        kinds=metrics.kinds(names),
        device=str(device),
        cache=settings.config.cache,
    )
    resolved = resolve(
        protocol,
        settings.config.data,
        settings.config.cache,
        sample=settings.config.sample,
        require_data=settings.require_data,
        pair_file=settings.pairs,
        limit=settings.limit,
        seed=settings.seed,
        variant=settings.reading,
        mode=settings.mode,
        allow_missing=settings.allow_missing,
    )
    for notice in resolved.notices:
        console.print(notice, style="bold yellow", markup=False, soft_wrap=True)
    for model in models:
        model.predictor.expect([pair.id for pair in resolved.pair_list.pairs])
    measurer = Measurer(names, chosen, protocol.reference, device, settings.as_published)
    batch_size = settings.batch_size or BATCH.get(device.type, 1)
    plan = manifests.build(resolved, models, measurer, seed=settings.seed, batch_size=batch_size, device=device)
    fingerprint = manifests.fingerprint(plan)
    name = settings.name or f"{settings.protocol}-{fingerprint[:8]}"
    directory = RunDirectory(settings.out / safe_name(name))
    _announce(plan, chosen.messages, console)
    with directory.locked():
        before = directory.manifest()
        if before and before.get("fingerprint") != fingerprint:
            raise UserError(f"{directory.path} holds another run ({before.get('command')}); choose another --name")
        samples = directory.samples(before) if before and before.get("state") == "complete" else None
        if samples is not None:
            console.print(f"{directory.path} is complete already; its report is drawn again")
            plan = before
        else:
            plan |= {"name": name, "fingerprint": fingerprint, "command": list(settings.command)}
            plan |= {"created": before["created"] if before else manifests.now()}
            samples = _work(settings, resolved, models, measurer, directory, plan, device, console)
        return directory, _finish(directory, plan, samples, console)


def redraw(path: Path) -> Path:
    """Draw the report of a finished run again. Raises UserError if the folder holds none."""
    with finished.readable(path):
        manifest, _ = finished.read(path)
        finished.check_summary(path, manifest)
        return html.write(path)


def _work(
    settings: RunSettings,
    resolved: Resolved,
    models: Sequence[Model],
    measurer: Measurer,
    directory: RunDirectory,
    plan: dict[str, Any],
    device: torch.device,
    console: Console,
) -> pd.DataFrame:
    """Evaluate every model; whatever stops it, the manifest says that the run is unfinished and can be taken up."""
    directory.write_manifest(plan | {"state": "running"})
    resolved.pair_list.write(directory.path / "pairs.csv")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    samples, timings = [], {}

    def say(line: str) -> None:
        plan["notices"].append(line)
        console.print(line, style="yellow", markup=False, soft_wrap=True)

    try:
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            for model in models:
                task = progress.add_task(model.label, total=len(resolved.pair_list.pairs))
                start = time.perf_counter()
                rows = evaluate(
                    model,
                    resolved,
                    measurer,
                    directory,
                    device=device,
                    batch_size=plan["batch_size"],
                    seed=settings.seed,
                    progress=lambda n, task=task: progress.advance(task, n),
                    say=say,
                )
                samples.append(rows)
                seconds = rows["seconds"].sum()
                timings[model.label] = {
                    "pairs_per_second": round(len(rows) / seconds, 3) if seconds else None,
                    "wall_seconds": round(time.perf_counter() - start, 2),
                }
    except BaseException:
        directory.write_manifest(plan | {"state": "interrupted"})
        console.print(
            f"stopped; what was finished is kept in {directory.path}, the same command goes on from there",
            markup=False,
            soft_wrap=True,
        )
        raise
    plan["timings"] = timings
    table = pd.concat(samples, ignore_index=True)
    # Times differ from run to run; they lie in a file of their own, so that equal runs have equal samples.
    write_parquet(directory.path / "seconds.parquet", table[["pair", "model", "seconds"]])
    table = table.drop(columns="seconds")
    plan["samples_sha256"] = directory.write_samples(table)
    _keep_pictures(directory, plan, table, resolved, settings.save_frames)
    return table


def _finish(directory: RunDirectory, plan: dict[str, Any], samples: pd.DataFrame, console: Console) -> int:
    """Write summary, manifest and report, print the table; returns the number of failed pairs."""
    summary = statistics.summarise(samples, plan["metrics"], seed=plan["seeds"]["run"])
    plan["summary_sha256"] = directory.write_json("summary.json", summary)
    plan["state"] = "complete"
    directory.write_manifest(plan)
    report = html.write(directory.path)
    directory.clear_work()
    console.print(tables.table(summary, plan))
    failed = samples[samples["status"] == "failed"]
    for (model, error), rows in failed.groupby(["model", "error"], sort=False):
        line = f"{model}: {len(rows)} of {len(samples) // len(plan['models'])} pairs failed: {error}"
        console.print(one_line(line), style="red", markup=False, soft_wrap=True)
    console.print(f"report: {report}", markup=False, soft_wrap=True)
    return len(failed)


def _keep_pictures(
    directory: RunDirectory, plan: dict[str, Any], samples: pd.DataFrame, resolved: Resolved, save_frames: bool
) -> None:
    """Copy the frames that the report shows, and all of them where the user asked for frames."""
    pairs = {pair.id: pair for pair in resolved.pair_list.pairs}
    labels = [model["name"] for model in plan["models"]]
    for pair in choose.picture_pairs(samples, plan):
        frames = resolved.load(pairs[pair])
        for role in ("source", "driving", "target"):
            if (frame := getattr(frames, role)) is not None:
                write_png(directory.path / "pictures" / f"_{role}" / f"{pair}.png", frame)
        for label in labels:
            _copy(directory.frame_file(label, pair), directory.path / "pictures" / safe_name(label) / f"{pair}.png")
    if save_frames:
        for label in labels:
            for pair in pairs:
                _copy(directory.frame_file(label, pair), directory.path / "frames" / safe_name(label) / f"{pair}.png")


def _copy(source: Path, destination: Path) -> None:
    if source.exists():  # a failed pair has no frame
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)


def _announce(plan: dict[str, Any], detector_messages: Sequence[str], console: Console) -> None:
    """Say before the work what is measured with what, and what stands in for something else."""
    pairs, protocol = plan["pairs"], plan["protocol"]["name"]
    console.print(f"protocol {protocol}: {pairs['n']} pairs, list {pairs['name']} {pairs['sha256'][:12]}")
    for message in detector_messages:
        console.print(message, markup=False, soft_wrap=True)
    if untrained := caveats.untrained_models(plan):
        console.print(f"UNTRAINED ({', '.join(untrained)}): random weights", style="bold yellow", soft_wrap=True)
    samples = [model["name"] for model in plan["models"] if model.get("sample_weights")]
    if samples:
        console.print(
            f"SAMPLE WEIGHTS ({', '.join(samples)}: no official checkpoint found): "
            "these rows say nothing about the published models",
            style="bold yellow",
            markup=False,
            soft_wrap=True,
        )


def _load_models(settings: RunSettings, protocol_mode: MotionMode, device: torch.device) -> list[Model]:
    """Load every model before any work, so that a wrong name or file is told at once."""
    if not settings.models:
        raise UserError("--models names no model")
    specs = [_label_and_spec(model) for model in settings.models]
    if settings.bounds:
        specs += [(bound, bound) for bound in BOUNDS if bound not in {spec for _, spec in specs}]
    folders = [safe_name(label) for label, _ in specs]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UserError(f"two models would be called {folder}; name them apart with LABEL=SPEC")
    models = []
    for label, spec in specs:
        predictor = registry.load(spec, weights=settings.config.weights, device=device)
        mode = settings.mode or protocol_mode
        if mode not in predictor.motion_modes:
            if settings.mode and spec not in BOUNDS:
                known = ", ".join(predictor.motion_modes)
                raise ModelError(f"{label} has no motion mode {mode}; it has: {known}")
            mode = predictor.motion_modes[0]
        models.append(Model(label, predictor, mode))
    return models


def _label_and_spec(model: str) -> tuple[str, str]:
    """``LABEL=SPEC`` or ``SPEC``, which is its own label; an equals sign inside a command or a path is no label."""
    label, equals, spec = model.partition("=")
    if equals and spec and label.replace("-", "").replace("_", "").replace("+", "").isalnum():
        return label, spec
    return model, model
