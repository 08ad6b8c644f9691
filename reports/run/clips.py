"""The clip section of a report of whole clips: each clip's frames, worst second and curves."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from protocols.names import BOUNDS
from reports.run import plots
from reports.run.view import Column, SummaryTable

MAIN = 3  # metrics with curves and a worst second
FAMILIES = ("l1", "lpips", "akd", "ssim", "psnr", "csim", "prmse")  # candidates for these, in order of preference
MOST = 40  # clips in the table
POINTS = 300  # per curve; longer clips are averaged over this number of segments


@dataclass(frozen=True)
class Worst:
    """The worst second of a metric: its mean, and the time at which it begins, in seconds."""

    value: float | None
    begin: float | None


@dataclass(frozen=True)
class ClipRow:
    """One clip of one model.

    cut: why later frames were left out, or None. error: why frames failed, or None. worst: one per column of
    `Clips.columns`; extra: one per column of `Clips.extra`.
    """

    clip: str
    model: str
    frames: int
    failed: int
    length: float
    cut: str | None
    error: str | None
    worst: tuple[Worst, ...]
    extra: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Curves:
    """A plot of a main metric over a clip. begin, end: seconds at the ends of its axis."""

    column: Column
    svg: Markup
    begin: float
    end: float


@dataclass(frozen=True)
class Clips:
    """The clips of a run.

    columns: the main metrics. extra: metrics whose rows have more than a value (`MetricEntry.extra`). rows: by clip, in
    the order of the list; `shown` of `total` clips, chosen with those first that have failures or were cut. curves:
    clip → plots.
    """

    columns: tuple[Column, ...]
    extra: tuple[Column, ...]
    rows: tuple[ClipRow, ...]
    total: int
    shown: int
    curves: Mapping[str, Sequence[Curves]]


def of_run(
    run: Path,
    samples: pd.DataFrame,
    table: SummaryTable,
    pictured: Collection[str],
    models: Sequence[str],
    colors: Mapping[str, str],
) -> Clips:
    """Return the clips of a run.

    samples: rows of ``samples.parquet``. pictured: clips that get curves. models: in rows and curves, with their
    `colors`.
    """
    columns = _main(table, samples)
    extra = tuple(column for column in table.columns if _known(column, samples))
    ours = samples[samples["model"].isin(models)]
    telling = set(ours.loc[(ours["frames_failed"] > 0) | ours["cut"].notna(), "pair"])
    clips = list(dict.fromkeys(samples["pair"]))
    first = sorted(range(len(clips)), key=lambda k: (clips[k] not in telling, clips[k] not in pictured, k))[:MOST]
    chosen = [clips[k] for k in sorted(first)]
    by_clip = dict(tuple(ours[ours["pair"].isin(chosen)].groupby("pair", sort=False)))
    rows = tuple(_row(row, columns, extra) for clip in chosen for row in by_clip[clip].to_dict("records"))
    curves = _curves(run, columns, pictured, models, colors, _worst(ours, columns))
    return Clips(columns, extra, rows, len(clips), len(chosen), curves)


def _main(table: SummaryTable, samples: pd.DataFrame) -> tuple[Column, ...]:
    """Return one definition per family, of metrics with a value per frame."""
    found: dict[str, Column] = {}
    for column in table.columns:
        if column.metric.shape == "pair" and f"{column.name}.worst" in samples:
            found.setdefault(column.metric.family, column)
    order = [family for family in FAMILIES if family in found]
    order += [family for family in found if family not in FAMILIES]
    return tuple(found[family] for family in order[:MAIN])


def _known(column: Column, samples: pd.DataFrame) -> bool:
    """Return whether any clip has the extra columns of a metric."""
    names = [f"{column.name}.{name}" for name in column.metric.extra]
    return bool(names) and set(names) <= set(samples) and bool(samples[names].notna().any(axis=None))


def _row(row: Mapping[Hashable, Any], columns: Sequence[Column], extra: Sequence[Column]) -> ClipRow:
    def text(name: str) -> str | None:
        return None if pd.isna(row[name]) else str(row[name])

    def number(name: str) -> float | None:
        return None if pd.isna(row[name]) else float(row[name])

    return ClipRow(
        clip=str(row["pair"]),
        model=str(row["model"]),
        frames=int(row["frames"]),
        failed=int(row["frames_failed"]),
        length=float(row["length"]),
        cut=text("cut"),
        error=text("error"),
        worst=tuple(Worst(number(f"{column.name}.worst"), number(f"{column.name}.worst_second")) for column in columns),
        extra=tuple(tuple(number(f"{column.name}.{name}") for name in column.metric.extra) for column in extra),
    )


def _worst(samples: pd.DataFrame, columns: Sequence[Column]) -> dict[tuple[str, str], dict[str, float]]:
    """Return (clip, metric) → model → begin of its worst second; without bounds."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for column in columns:
        rows = samples[["pair", "model", f"{column.name}.worst_second"]].itertuples(index=False, name=None)
        for clip, model, begin in rows:
            if model not in BOUNDS and pd.notna(begin):
                found.setdefault((clip, column.name), {})[model] = float(begin)
    return found


def _curves(
    run: Path,
    columns: Sequence[Column],
    clips: Collection[str],
    models: Sequence[str],
    colors: Mapping[str, str],
    worst: Mapping[tuple[str, str], Mapping[str, float]],
) -> dict[str, list[Curves]]:
    """Return clip → one plot per metric that has values in it."""
    file = run / "frames.parquet"
    if not columns or not clips or not file.is_file():
        return {}
    wanted = ["clip", "model", "time", *(column.name for column in columns)]
    frames = pd.read_parquet(file, columns=wanted, filters=[("clip", "in", list(clips))])
    drawn: dict[str, list[Curves]] = {}
    for clip, rows in frames.groupby("clip", sort=False):
        by_model = dict(tuple(rows.groupby("model", sort=False)))
        begin, end = float(rows["time"].min()), float(rows["time"].max())
        end = end if end > begin else begin + 1
        for column in columns:
            lines = {
                model: _shortened(by_model[model]["time"].to_numpy(float), by_model[model][column.name].to_numpy(float))
                for model in models
                if model in by_model
            }
            of_clip = worst.get((str(clip), column.name), {})
            long = end - begin > 1  # else the worst second is the whole clip
            marks = {model: of_clip[model] for model in lines if model in of_clip} if long else {}
            if svg := plots.curves(lines, colors, (begin, end), marks):
                drawn.setdefault(str(clip), []).append(Curves(column, Markup(svg), begin, end))
    return drawn


def _shortened(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve of at most `POINTS` points, each the mean of its segment; values that are not finite are NaN."""
    values = np.where(np.isfinite(values), values, np.nan)
    if len(times) <= POINTS:
        return times, values
    bounds = np.linspace(0, len(times), POINTS + 1).round().astype(int)
    known = np.add.reduceat(np.isfinite(values), bounds[:-1])
    sums = np.add.reduceat(np.nan_to_num(values), bounds[:-1])
    means = np.divide(sums, known, out=np.full(POINTS, np.nan), where=known > 0)
    return np.add.reduceat(times, bounds[:-1]) / np.diff(bounds), means
