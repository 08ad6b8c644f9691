"""`python -m bench run`: run models on a protocol, measure their frames, and write the report."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.run import earlier, executors, media, outside, pictures, real_features, seen_videos
from bench.run import manifest as manifests
from bench.run.announce import announce
from bench.run.clip_rows import COUNTS
from bench.run.engine import STAGES, Model, Place, evaluate
from bench.run.executors import Executor
from bench.run.failed import by_reason
from bench.run.set_features import split
from bench.run.setup import RunSettings, Setup, prepare
from bench.rundir import kept_pictures
from bench.rundir.directory import CLIP, KEPT, REAL, UNIT, VIDEO, RunDirectory, readable
from bench.rundir.whole import write_parquet
from bench.runtime.allocator import allocate_blas_buffer, release_freed_memory
from bench.runtime.errors import Stopped, UserError, one_line
from bench.stats import sets
from bench.stats import summary as statistics
from protocols import files, interruption
from protocols.errors import BenchError, PluginError
from protocols.names import safe_name
from reports.run import console as tables
from reports.run import html
from reports.schema.manifest import Begun, Complete, Manifest, ModelEntry, Placement, Prepared, Timing, Unfinished
from reports.schema.summary import Summary

__all__ = ["RunSettings", "redraw", "run"]

COMPLETE = "{} is complete already; its report is drawn again"  # the run's folder
SAVED = "stopped; finished batches were saved in {}; re-run the same command to resume"
NO_VIDEOS = "the run was made without videos; --force measures again and saves them"
DAMAGED = "files of this run are damaged; --force measures again"


def run(settings: RunSettings, console: Console) -> tuple[RunDirectory, int]:
    """Start or resume a run; return its folder and the number of failed pairs.

    Raises UserError, DataError or ModelError for what the user can fix; all checks come before the first prediction.
    """
    allocate_blas_buffer()
    executor = executors.choose(settings)
    with prepare(executor.settings_here) as setup:
        for notice in setup.resolved.notices:
            console.print(notice, style="bold yellow", markup=False, soft_wrap=True)
        plan = setup.plan()
        for notice in seen_videos.notices(plan, setup.resolved):
            plan = plan.noticed(notice)
            console.print(notice, style="bold yellow", markup=False, soft_wrap=True)
        fingerprint = manifests.fingerprint(plan)
        name = settings.name or f"{setup.resolved.protocol.name}-{fingerprint[:8]}"
        directory = RunDirectory(settings.out / safe_name(name))
        announce(plan, setup.measurer.choice.messages, console)
        with directory.locked():
            if settings.force:
                _start_over(directory, setup)
            before = _earlier_run(directory, plan, fingerprint)
            samples = directory.samples(before) if isinstance(before, Complete) else None
            if isinstance(before, Complete) and samples is not None:
                _report_complete(directory, setup, console)
                manifest = before
            else:
                created = before.created if before else manifests.now()
                named = {"name": name, "fingerprint": fingerprint, "command": settings.command, "created": created}
                begun = plan.then(Begun, **named)
                if other := None if settings.name else earlier.since(settings.out, plan):
                    begun = begun.noticed(other)
                    console.print(other, style="bold yellow", markup=False, soft_wrap=True)
                for model in setup.models:
                    if line := outside.not_covered(model):
                        line = f"{outside.CODE}{model.label}: {line}; edits there are not noticed"
                        console.print(one_line(line), style="yellow", markup=False, soft_wrap=True)
                with _resumable(directory, console):
                    manifest, samples = _work(executor, setup, directory, begun, console)
            with _resumable(directory, console):
                manifest, summary = _summarize(directory, manifest, samples)
                failed = _failed(samples)
                del samples  # the report reads what it needs
                interruption.check()
                _report(directory, manifest, summary, console)
            for label, rows in failed.groupby("model", sort=False):
                for pairs, error in by_reason(zip(rows["pair"], rows["error"])):
                    part = "failed, or some of their frames" if manifest.clips else "failed"
                    line = f"{label}: {len(pairs)} of {manifest.pairs.n} {manifest.unit}s {part}: {error}"
                    console.print(one_line(line), style="red", markup=False, soft_wrap=True)
            console.print(f"report: {directory.path / 'report.html'}", markup=False, soft_wrap=True)
            return directory, len(failed)


def _failed(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of pairs without a frame, and of clips with a failed frame."""
    failed = samples["status"] == "failed"
    if "frames_failed" in samples:
        failed |= samples["frames_failed"] > 0
    return samples[failed].copy()


def _earlier_run(directory: RunDirectory, plan: Prepared, fingerprint: str) -> Manifest | None:
    """Return this run's manifest in the folder, if any. Raises UserError if the folder contains another run."""
    before = directory.manifest()
    if before and before.fingerprint != fingerprint:
        what = "; ".join(earlier.differences(before, plan))
        raise UserError(
            f"{directory.path} contains another run ({shlex.join(before.command)}); it differs in: {what}; "
            "choose another --name, or --force to discard it and start over",
            code="other-run",
        )
    return before


def _report_complete(directory: RunDirectory, setup: Setup, console: Console) -> None:
    console.print(COMPLETE.format(directory.path), markup=False, soft_wrap=True)
    for line in outside.covered(setup.models):
        console.print(line, markup=False, soft_wrap=True)
    if setup.settings.save_frames and not (directory.path / "frames").is_dir():
        console.print("the run was made without frames; --force measures again and saves them", style="yellow")
    shown = setup.measurer.definitions or setup.measurer.clip_definitions  # by which clips are chosen
    if setup.sounds is not None and setup.settings.media and shown and not (directory.path / "media").is_dir():
        console.print(NO_VIDEOS, style="yellow")


def redraw(path: Path, single_file: bool = False) -> Path:
    """Write the report of a finished run again. Raises UserError if the folder contains none.

    single_file: include small versions of its videos.
    """
    directory = RunDirectory(path)
    with readable(path):
        manifest, _ = directory.finished()
        directory.summary(manifest)
        kept_pictures.check(path, manifest)
        return html.write(path, single_file)


@contextmanager
def _resumable(directory: RunDirectory, console: Console) -> Iterator[None]:
    """Print that the run can be resumed when the block fails, unless foreign code or files must be fixed first."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, BenchError) and error.code in ("bad-frames", PluginError.code):
            raise
        if isinstance(error, UserError) and error.code in ("changed-file", "unreadable-file"):
            console.print(DAMAGED, markup=False, soft_wrap=True)
            raise
        console.print(SAVED.format(directory.path), markup=False, soft_wrap=True)
        raise


def _work(
    executor: Executor, setup: Setup, directory: RunDirectory, begun: Begun, console: Console
) -> tuple[Complete, pd.DataFrame]:
    """Evaluate every model; on any failure the manifest says that the run is unfinished and can be resumed."""
    resolved = setup.resolved
    if resolved.clips is None:
        resolved.pair_list.write(directory.path / "pairs.csv")
    else:
        resolved.clips.write(directory.path / "clips.csv")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    samples: list[pd.DataFrame] = []
    timings: dict[str, Timing] = {}
    notices: list[str] = []
    place: Place | None = None
    measurer = setup.measurer
    lengths = {one.kind: one.window for one in measurer.set_definitions}
    features_sha256: dict[str, str] = {}

    def notify(line: str) -> None:
        notices.append(line)
        console.print(line, style="yellow", markup=False, soft_wrap=True)

    def known() -> Placement:
        return place.placement() if place else Placement()

    try:
        with (
            executor.begin(setup, begun, notify) as place,
            Progress(*columns, TimeRemainingColumn(), console=console) as progress,
        ):
            directory.write_manifest(begun.noticed(*notices).then(Unfinished, state="running", **known().content()))
            release_freed_memory()
            size = known().batch_size or setup.batch_size(setup.device)
            for model in setup.models:
                task = progress.add_task(model.label, total=len(resolved.pair_list.pairs))
                start = time.perf_counter()
                with _unchanged(model, begun.model(model.label), directory):
                    rows, busy = evaluate(
                        model,
                        resolved.pair_list.pairs,
                        place.work,
                        directory,
                        batch_size=size,
                        progress=partial(progress.advance, task),
                        keep_frames=setup.settings.save_frames,
                        videos=setup.sounds is not None and setup.settings.media,
                    )
                rows, found = split(rows, {kind: measurer.choice[kind].shape[0] for kind in lengths})
                for kind, own in found.items():
                    features_sha256 |= directory.write_features(kind, model.label, own)
                samples.append(rows)
                made = rows if resolved.clips is None else rows[rows[UNIT] != CLIP]
                timings[model.label] = _timing(made, busy, time.perf_counter() - start)
            for kind, length in lengths.items():
                arguments = resolved.pair_list.pairs, measurer.real, resolved.load
                real, lines = real_features.measured(kind, measurer.choice[kind], length, *arguments)
                features_sha256 |= directory.write_features(kind, REAL, real)
                for line in lines:
                    notify(line)
    except BaseException:
        with suppress(OSError, Stopped):  # such as a full disk: the first error is the one to report
            directory.write_manifest(begun.noticed(*notices).then(Unfinished, state="interrupted", **known().content()))
        raise
    table = pd.concat(samples, ignore_index=True)
    samples.clear()
    hashes: dict[str, Any] = {"features_sha256": features_sha256} if features_sha256 else {}
    pictured = table.loc[table["status"] == "ok" if resolved.clips is None else table[KEPT], ["model", "pair"]]
    kept = {str(label): set(rows["pair"]) for label, rows in pictured.groupby("model")}
    if resolved.clips is not None:
        table, frames = _units(table)
        hashes["frames_sha256"] = directory.write_frame_values(frames)
    # Times differ between runs; they have a file of their own, so that equal runs have equal samples.
    write_parquet(directory.path / "seconds.parquet", table[["pair", "model", "seconds"]])
    table = table.drop(columns="seconds")
    sha256 = directory.write_samples(table)
    done = {**known().content(), "state": "complete", "timings": timings, "samples_sha256": sha256, **hashes}
    complete = begun.noticed(*notices).then(Complete, **done)
    pictures.keep(directory, complete, table, resolved, kept, setup.settings.save_frames)
    if sealed := kept_pictures.seal(directory):
        complete = complete.but(pictures_sha256=sealed)
    if setup.sounds is not None and setup.settings.media:
        media.keep(directory, complete, table, resolved, setup.sounds)
    return complete, table


def _units(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows of clips from rows of frames, each with its own columns."""
    of_clips = table[UNIT] == CLIP
    of_frames = [name for name in table.columns if table.loc[~of_clips, name].notna().any()]
    clips = table[of_clips].drop(columns=[UNIT, KEPT, VIDEO, "clip", "time"]).reset_index(drop=True)
    counts = [name for name in clips.columns if name.rpartition(".")[2] in COUNTS]
    clips = clips.astype(dict.fromkeys(counts, "int64"))  # they were floats, since rows of frames have none
    frames = (
        table.loc[~of_clips, of_frames].drop(columns=[UNIT, KEPT, "seconds"], errors="ignore").reset_index(drop=True)
    )
    return clips, frames


def _timing(rows: pd.DataFrame, busy: Mapping[str, float], wall: float) -> Timing:
    seconds = rows["seconds"].sum()
    return Timing(
        pairs_per_second=round(len(rows) / seconds, 3) if seconds else None,
        wall_seconds=round(wall, 2),
        busy={stage: round(busy[stage] / wall, 3) for stage in STAGES if stage in busy},
    )


@contextmanager
def _unchanged(model: Model, entry: ModelEntry, directory: RunDirectory) -> Iterator[None]:
    """Raise Stopped if a program or a folder of frames was edited in the block; discard its results."""

    def changed() -> str | None:
        if what := outside.changed_meanwhile(model, entry):
            directory.discard_model(model.label)  # unknown which pairs the edit affects
        return what

    try:
        yield
    except BaseException:
        changed()
        raise
    if what := changed():
        raise Stopped(
            f"{what} changed during the run; re-run the command to measure its pairs again", code="changed-file"
        )


def _start_over(directory: RunDirectory, setup: Setup) -> None:
    """Empty the run's folder, unless a model's frames are in it."""
    for model in setup.models:
        folder = model.predictor.describe().get("folder")
        if folder and Path(folder).resolve().is_relative_to(directory.path.resolve()):
            raise UserError(
                f"--force would discard {folder}, the frames of {model.label}; choose another --name",
                code="unwritable-folder",
            )
    directory.discard()


def _summarize(directory: RunDirectory, manifest: Complete, samples: pd.DataFrame) -> tuple[Complete, Summary]:
    """Write summary and manifest."""
    release_freed_memory()
    summary = statistics.summarize(samples, manifest.metrics, seed=manifest.seeds.run)
    summary = sets.added(summary, manifest.metrics, lambda kind, name: directory.features(manifest, kind, name))
    manifest = manifest.but(summary_sha256=directory.write_json("summary.json", summary))
    directory.write_manifest(manifest)
    return manifest, summary


def _report(directory: RunDirectory, manifest: Complete, summary: Summary, console: Console) -> None:
    """Write the report and print the table."""
    release_freed_memory()
    with files.named(directory.path / "report.html"):
        html.write(directory.path)
    directory.clear_work()
    console.print(tables.table(summary, manifest))
