"""`python -m bench figure`: figures of runs for papers, with a caption that names the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.comparison.load import load
from bench.figure import choose, compare, curve, frames, pictures
from bench.figure.again import Again
from bench.figure.choose import Picked
from bench.figure.pictures import Pictures
from bench.rundir import kept_pictures
from bench.rundir.directory import RunDirectory, readable
from bench.runtime.errors import UserError
from protocols.names import BOUNDS, PERFECT
from reports.figure import curves, grid, memory, published, style
from reports.figure.grid import Box
from reports.figure.style import Origin
from reports.run import caveats
from reports.schema.manifest import Complete

Begin = Callable[[Complete, Sequence[str]], AbstractContextManager[Again]]
MEMORIES = ("meta", "conditioned")
BINS = 6


@dataclass(frozen=True)
class FigureOptions:
    """The options of the command; its help has the meaning of each.

    begin: loads the run's models again, if something must be computed.
    """

    out: Path
    format: style.Format
    command: str
    begin: Begin
    inches: float = style.WIDTHS["text"]
    points: float = 8.0
    models: Sequence[str] = ()
    pairs: Sequence[str] = ()
    pick: str | None = None
    count: int | None = None
    metrics: Sequence[str] = ()
    seed: int = 0
    names: dict[str, str] = field(default_factory=dict)
    frames: frames.FrameSelection = frames.FrameSelection()


def draw_grid(
    run: Path, options: FigureOptions, layout: str, columns: Sequence[str], zooms: Sequence[Box], full: float
) -> Path:
    """Write a comparison grid; return the caption's file. Raises UserError, DataError, ModelError or OSError."""
    with readable(run):
        manifest, samples = RunDirectory(run).finished()
        kept_pictures.check(run, manifest)
        labels = choose.models(manifest, options.models)
        requested = pictures.parse(columns or compare.COLUMNS[layout].split(","), labels)
        titles = _titles(manifest, labels, options)
        picked = _picked(manifest, samples, labels, options)
        metric = (
            choose.metric(manifest, samples, options.metrics[0] if options.metrics else None)
            if _ranked(manifest)
            else None
        )
        table = frames.values(RunDirectory(run), manifest, options.frames)
        shots = [] if table is None else frames.chosen(table, picked.pairs, labels, options.frames)
        name = metric.name if metric else None
        with (
            Pictures(
                RunDirectory(run), manifest, samples, lambda: options.begin(manifest, labels), full, shots, table
            ) as source,
            matplotlib.rc_context(style.settings(options.points)),
        ):
            made = compare.assemble(source, picked, labels, requested, layout, zooms, titles, shots)
            lines = compare.caption(source, picked, labels, requested, samples, name, titles, shots)
            figure = grid.draw(made, options.inches, options.points)
            heads = ", ".join(" ".join(head.split()) for head in made.columns)
            row = {"pairs": "frame of a clip" if shots else manifest.unit, "models": "model"}.get(
                layout, "picture over time"
            )
            lines = [f"Columns: {heads}. A row is a {row}.", *lines]
            title = f"Comparison, {compare.frames_shown(shots)}" if shots else "Comparison"
            return _save(figure, options, [manifest], title, lines)


def draw_memory(run: Path, options: FigureOptions, kind: str, channels: int | None) -> Path:
    """Write the channels of the memories of a run's models; return the caption's file. Raises like `draw_grid`.

    kind: ``meta``, the trained memory, or ``conditioned``, the memory of each level for one source.
    channels: number of those with the largest variance; None: all, in their order.
    """
    with readable(run):
        manifest, samples = RunDirectory(run).finished()
        labels = choose.models(manifest, options.models)
        titles = _titles(manifest, labels, options)
        pair = _picked(manifest, samples, labels, replace(options, count=1)).pairs[0]
        with Pictures(RunDirectory(run), manifest, samples, lambda: options.begin(manifest, labels), 1.0) as source:
            memories = {label: found for label in labels if (found := source.memory(label, pair))}
        lacking = [label for label in labels if label not in memories]
        if lacking and (options.models or not memories):
            raise UserError(f"no memory in {', '.join(lacking)}", code="no-picture")
        banks: dict[str, np.ndarray] = {}
        for label, (meta, levels) in memories.items():
            name = titles[label] if len(memories) > 1 else ""
            if kind == "meta":
                banks[name] = meta
            for bank, side in levels if kind == "conditioned" else ():
                banks[f"{name} level {side}×{side}".strip()] = bank
        sizes = [
            f"{titles[label]}: {'x'.join(map(str, m[0].shape))} channels and cells." for label, m in memories.items()
        ]
        if len({len(bank) for bank in banks.values()}) > 1:
            raise UserError(
                "the memories have different numbers of channels: name one model with --models", code="not-comparable"
            )
        first = next(iter(banks.values()))
        order = np.arange(len(first))
        if channels is not None:
            if channels > len(first):
                raise UserError(f"--channels {channels}: the memory has {len(first)}", code="bad-value")
            order = np.argsort(-first.std((1, 2)), kind="stable")[:channels]
        which = (
            f"all {len(first)} channels, in their order"
            if channels is None
            else (f"the {channels} of {len(first)} channels that vary most")
        )
        lines = [f"{kind.capitalize()} memory: {which}, each stretched to its own range.", *sizes]
        if kind == "conditioned":
            lines.append(f"Conditioned on the source of {manifest.unit} {pair}.")
        with matplotlib.rc_context(style.settings(options.points)):
            figure = memory.draw(banks, list(order), memory.columns_for(len(order)), options.inches, options.points)
            return _save(figure, options, [manifest], "Memory", lines)


def draw_curve(run: Path, options: FigureOptions, kind: str, bins: int) -> Path:
    """Write curves of metrics over the difficulty of pairs; return the caption's file. Raises UserError or OSError."""
    found = load(run)
    manifest, samples = found.manifest, found.samples
    labels = choose.models(manifest, options.models)
    metrics = [choose.metric(manifest, samples, name) for name in options.metrics or (None,)]
    titles = _titles(manifest, labels, options)
    axis, hard = curve.difficulty(found, kind)
    panels, lines = curve.panels(found, hard, labels, metrics, bins, titles)
    lines = [f"Means of {', '.join(metric.name for metric in metrics)} over {axis}, 95 % intervals.", *lines]
    with matplotlib.rc_context(style.settings(options.points)):
        bounds = [titles[label] for label in labels if label in BOUNDS]
        figure = curves.draw(panels, axis, bounds, options.inches, options.points)
        return _save(figure, options, [manifest], "Curve", lines)


def draw_published(runs: Sequence[Path], options: FigureOptions, families: Sequence[str]) -> Path:
    """Write printed PSNR or SSIM against printed L1, with the pairs of runs; return the caption's file."""
    manifests, tables = [], []
    for run in runs:
        with readable(run):
            manifest, samples = RunDirectory(run).finished()
        needed = ["l1", *(name for family in families for name in published.NAMES[family])]
        if missing := [name for name in needed if name not in samples]:
            raise UserError(f"{run}: it did not measure {', '.join(missing)}", code="unknown-metric")
        manifests.append(manifest)
        tables.append(samples.loc[(samples["model"] != PERFECT) & samples["l1"].notna(), needed])
    pairs = pd.concat(tables, ignore_index=True) if tables else None
    with matplotlib.rc_context(style.settings(options.points)):
        figure = published.draw(pairs, families, options.inches, options.points)
        lines = published.caption(pairs, families)
        return _save(figure, options, manifests, "Printed numbers", lines)


def _titles(manifest: Complete, labels: Sequence[str], options: FigureOptions) -> dict[str, str]:
    """Return each model's name in the figure. Raises UserError if two of `labels` have the same."""
    if unknown := [name for name in options.names if name not in manifest.labels]:
        raise UserError(
            f"--label {unknown[0]}: is not in this run; it has {', '.join(manifest.labels)}", code="unknown-model"
        )
    titles = {label: compare.title(manifest, label) for label in manifest.labels}
    usual = Counter(titles[label] for label in labels)
    titles = {label: title if usual[title] == 1 else label for label, title in titles.items()} | options.names
    shown = Counter(titles[label] for label in labels)
    if twins := [label for label in labels if shown[titles[label]] > 1]:
        raise UserError(
            f"{' and '.join(twins)} have the same name ({titles[twins[0]]}): change one with --label",
            code="duplicate-name",
        )
    return titles


def _ranked(manifest: Complete) -> bool:
    return any(metric.shape != "set" for metric in manifest.measured)


def _picked(manifest: Complete, samples: pd.DataFrame, labels: Sequence[str], options: FigureOptions) -> Picked:
    if options.pairs:
        return choose.named(samples, labels, options.pairs, manifest.unit)
    by = choose.metric(manifest, samples, options.metrics[0] if options.metrics else None)
    return choose.picked(samples, labels, by, options.pick or "spread", options.count, options.seed, manifest.unit)


def _save(
    figure: Figure, options: FigureOptions, manifests: Sequence[Complete], title: str, lines: Sequence[str]
) -> Path:
    about = []
    for manifest in manifests:
        about.append(f"Run {manifest.name}, fingerprint {manifest.fingerprint}: {manifest.protocol.summary}")
        if manifest.sample_data:
            about.append("SAMPLE DATA: not comparable with a paper.")
        if subset := caveats.subset(manifest):
            about.append(f"SUBSET: {subset}.")
    heading = f"{title}: {', '.join(manifest.name for manifest in manifests)}" if manifests else title
    runs = {manifest.name: manifest.fingerprint for manifest in manifests}
    origin = Origin(heading, runs, options.command, "\n".join([heading, *about, *lines]))
    return style.save(figure, options.out, options.format, origin)
