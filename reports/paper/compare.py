"""Printed numbers beside measured ones: the difference where the two answer one question, else why they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protocols import catalogue, files
from protocols.published import known_lists
from reports.paper import seeds
from reports.paper.measured import Cell, Line, Measured, Regenerated
from reports.paper.opinions import ScoredStudy, study_lines
from reports.paper.printed import BLOCKING, Column, Row, Table, TableError
from reports.paper.seeds import Spread
from reports.run.caveats import unverified, weights_mark
from reports.schema.base import Damaged
from reports.schema.manifest import Manifest, MetricEntry, ModelEntry, parse_manifest
from reports.schema.summary import Row as SummaryRow
from reports.schema.summary import parse_summary

ROUNDED = "frames rounded to 8 bits; the authors' scripts truncate, and so does `bench run --as-published`"


@dataclass(frozen=True)
class Run:
    """What is read of a run's folder."""

    name: str
    manifest: Manifest
    rows: Mapping[tuple[str, str], SummaryRow]

    @property
    def protocol(self) -> str:
        return self.manifest.protocol.name


def read_run(folder: Path) -> Run:
    """Manifest and summary of a finished run. Raises TableError where there is none."""
    try:
        manifest = parse_manifest(files.content(folder / "manifest.json"))
        summary = parse_summary(files.content(folder / "summary.json"))
    except OSError as error:
        name = Path(error.filename or folder).name
        raise TableError(f"{folder}: no finished run ({name}: {error.strerror})", code="no-finished-run") from None
    except Damaged as error:
        raise TableError(f"{folder}: manifest.json or summary.json is damaged ({error})", code="bad-manifest") from None
    return Run(manifest.name, manifest, summary.by_model())


def regenerate(table: Table, runs: Sequence[Path], studies: Sequence[ScoredStudy] = ()) -> Regenerated:
    """A table beside the runs whose protocol it prints, and studies with its opinions; others are left out.

    A model of a run stands beside every row that has its name as `model`; models that no row has come last.
    """
    read = [run for run in map(read_run, runs) if run.protocol in table.protocols]
    beside = [
        _line(table, row, model, run, read)
        for row in table.rows
        for run in read
        for model in run.manifest.models
        if row.model == model.name and any(table.protocol_of(row, column) == run.protocol for column in table.columns)
    ]
    taken = {(line.model, line.run) for line in beside}
    stands = [(run, model) for run in read for model in run.manifest.models if (model.name, run.name) in taken]
    others = [
        _line(table, None, model, run, read)
        for run in read
        for model in run.manifest.models
        if (model.name, run.name) not in taken and not _in_spread(model, run, stands)
    ]
    notices = [f"{run.name}: {notice}" for run in read for notice in run.manifest.notices]
    notices += [f"{run.name}: {ROUNDED}" for run in read if not _truncated(run)]
    notices += [f"{run.name}: UNVERIFIED WEIGHTS ({weights})" for run in read if (weights := unverified(run.manifest))]
    for study in studies:
        lines = study_lines(table, study)
        beside += [line for line in lines if line.row]
        others += [line for line in lines if not line.row]
        notices += [f"{study.name}: {notice}" for notice in study.score.notices if lines]
    return Regenerated(table, tuple(beside + others), tuple(notices))


def _truncated(run: Run) -> bool:
    return any("rounding:uint8-truncated" in metric.signature for metric in run.manifest.metrics)


def _line(table: Table, row: Row | None, model: ModelEntry, run: Run, runs: Sequence[Run]) -> Line:
    cells: list[Cell | None] = []
    of_run = _causes_of_run(run, model)
    base = _base(table, row, run, runs)
    for position, column in enumerate(table.columns):
        if not _fed(table, row, column, run):
            cells.append(None)
            continue
        printed = row.printed[position] if row else None
        if column.counts:
            cells.append(_counted(column, printed, model, of_run))
            continue
        metric = _metric(column, model.name, run)
        measured = _measured(metric, column, run.rows[model.name, metric.name]) if metric else None
        causes = list(of_run) + (["not printed"] if printed is None else [])
        if row and printed is not None:
            causes += [BLOCKING[note.kind] for note in table.notes_of(row, column) if note.kind in BLOCKING]
        if printed is not None and (cause := _definition(column, metric)):
            causes.append(cause)
        spreads = _spreads(metric, column, model, base, run, runs) if row and metric else (None, None)
        cells.append(Cell(printed, measured, tuple(dict.fromkeys(causes)), *spreads))
    trained = seeds.unlike(model, base[1]) if base else None
    return Line(row, model.name, run.name, tuple(of_run), tuple(cells), trained, weights_mark(model))


def _base(table: Table, row: Row | None, run: Run, runs: Sequence[Run]) -> tuple[Run, ModelEntry] | None:
    """The model of the row that a row is set against, in the same run or else in another one of the same pairs."""
    name = next((other.model for other in table.rows if row and other.key == row.against), None)
    alike = [other for other in runs if seeds.same_pairs(other.manifest, run.manifest)]
    found = ((one, model) for one in (run, *alike) for model in one.manifest.models if model.name == name)
    return next(found, None)


def _in_spread(model: ModelEntry, run: Run, stands: Sequence[tuple[Run, ModelEntry]]) -> bool:
    """Whether a model is another training of one that stands beside a row, and so in its spread over seeds."""
    alike = [other for one, other in stands if seeds.same_pairs(one.manifest, run.manifest)]
    return seeds.is_other_seed(model, alike)


def _spreads(
    metric: MetricEntry,
    column: Column,
    model: ModelEntry,
    base: tuple[Run, ModelEntry] | None,
    run: Run,
    runs: Sequence[Run],
) -> tuple[Spread | None, Spread | None]:
    """Over trainings with several seeds: of the mean, and of its difference to the row that it is set against."""
    others = [(other.manifest, other.rows) for other in runs]
    values = seeds.values(model, (run.manifest, run.rows), metric, run.manifest, others)
    less = None
    if base:
        other = (base[0].manifest, base[0].rows)
        less = seeds.spread_less(values, seeds.values(base[1], other, metric, run.manifest, others))
    found = (seeds.spread(values), less)
    return found[0] and found[0].scaled(column.scale), found[1] and found[1].scaled(column.scale)


def _counted(column: Column, printed: str | None, model: ModelEntry, of_run: Sequence[str]) -> Cell:
    """The parameters of a part of a model, which no data move; those of another feature or basis have other widths."""
    count = model.parts.get(column.counts)
    causes = [*(["not printed"] if printed is None else []), *(["not counted"] if count is None else of_run)]
    if count is None:
        return Cell(printed, None, tuple(causes))
    return Cell(printed, Measured("parameters", "", "a count", count, None, None, 1, 1), tuple(causes))


def _fed(table: Table, row: Row | None, column: Column, run: Run) -> bool:
    """Whether the run is of the protocol of a cell; a model without a row takes any row's."""
    rows = (row,) if row else table.rows
    return any(table.protocol_of(one, column) == run.protocol for one in rows)


def _metric(column: Column, model: str, run: Run) -> MetricEntry | None:
    """The measured metric that comes nearest to a column: its own definition, then its family, proxies last."""
    found = [
        metric
        for metric in run.manifest.measured
        if metric.family == column.family
        and (row := run.rows.get((model, metric.name))) is not None
        and row.mean is not None
    ]
    own = {name: place for place, name in enumerate(column.definitions)}
    found.sort(key=lambda metric: (own.get(metric.name, len(own)), metric.proxy))
    return found[0] if found else None


def _measured(metric: MetricEntry, column: Column, row: SummaryRow) -> Measured | None:
    """A row of the summary on the printed scale, None where it has no mean."""
    if row.mean is None:
        return None
    low, high = (None if number is None else number * column.scale for number in (row.ci_low, row.ci_high))
    short = metric.short or metric.name
    return Measured(metric.name, metric.signature, short, row.mean * column.scale, low, high, row.n, row.n_total)


def _definition(column: Column, metric: MetricEntry | None) -> str | None:
    """Why the measured metric is not the printed one, if so."""
    if metric is None:
        return column.unfilled or "not measured"
    name = metric.name
    if not column.definitions:
        return "no definition here computes the printed column"
    if name not in column.definitions:
        kind = "other detectors" if metric.proxy and metric.detector else "other definition"
        return f"{kind}: {name}, printed {' or '.join(column.definitions)}"
    if len(column.definitions) > 1:
        return f"not known which of {' and '.join(column.definitions)} is printed"
    return None


def _causes_of_run(run: Run, model: ModelEntry) -> list[str]:
    """Why nothing that a run measured of a model may be compared with print."""
    manifest = run.manifest
    causes = []
    if manifest.sample_data:
        causes.append("sample data")
    elif cause := _pairs(manifest):
        causes.append(cause)
    if model.sample_weights:
        causes.append("sample weights")
    if model.untrained:
        causes.append("untrained weights")
    if model.weights_status == "unverified" and (model.training or not model.published_size):
        causes.append("weights that are not the published ones")
    mode, asked = model.mode, manifest.protocol.mode
    if mode and mode != asked:
        causes.append(f"motion mode {mode}, not {asked}")
    current = catalogue.get(run.protocol).version
    if manifest.protocol.version != current:
        causes.append(f"version {manifest.protocol.version} of the protocol, now {current}")
    return causes


def _pairs(manifest: Manifest) -> str | None:
    """Why the pairs are not those of the paper, if so: fewer, or of another list than the published ones."""
    protocol, pairs = catalogue.get(manifest.protocol.name), manifest.pairs
    stretched = protocol.transform != "none"
    lists = {
        entry["name"]: entry["pairs"] * (2 if stretched and entry["name"] in protocol.published else 1)
        for entry in known_lists()
        if entry["name"] in protocol.published
        or (stretched and entry["name"].startswith(tuple(f"{name}-diffscale" for name in protocol.published)))
    }
    known = pairs.provenance.published
    if protocol.shape == "clip":
        return f"another clip list: {pairs.name} (none is published)"
    whole = lists.get(known or "", protocol.n * (2 if stretched else 1))
    if pairs.n < whole:
        return f"fewer pairs: {pairs.n} of {whole}"
    if known not in lists:
        return f"another pair list: {pairs.name}" + ("" if lists else " (none is published)")
    return None
