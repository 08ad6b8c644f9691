"""Printed numbers next to measured ones: their difference, or why they are not comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protocols import catalogue, files
from protocols.published import known_lists
from reports.paper import seeds
from reports.paper.causes import Cause, cause
from reports.paper.measured import Cell, Line, Measured, Regenerated
from reports.paper.opinions import ScoredStudy, study_lines
from reports.paper.printed import BLOCKING, Column, Row, Table, TableError
from reports.paper.seeds import Spread
from reports.run.caveats import unverified, weights_mark
from reports.schema.base import Damaged
from reports.schema.manifest import Manifest, MetricEntry, ModelEntry, parse_manifest
from reports.schema.summary import Row as SummaryRow
from reports.schema.summary import parse_summary

ROUNDED = "frames are rounded to 8 bits; the authors' scripts truncate, like `bench run --as-published`"


@dataclass(frozen=True)
class Run:
    """Manifest and summary of a run."""

    name: str
    manifest: Manifest
    rows: Mapping[tuple[str, str], SummaryRow]

    @property
    def protocol(self) -> str:
        return self.manifest.protocol.name


def read_run(folder: Path) -> Run:
    """Return manifest and summary of a finished run. Raises TableError if the folder has none."""
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
    """Return a table next to the runs of its protocols and the studies of its questions; others are ignored.

    A model of a run is next to every row with its name as `model`; models without a row come last.
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
        causes = list(of_run) + ([cause("not-printed")] if printed is None else [])
        if row and printed is not None:
            causes += [cause(note.kind) for note in table.notes_of(row, column) if note.kind in BLOCKING]
        if printed is not None and (other := _definition(column, metric)):
            causes.append(other)
        spreads = _spreads(metric, column, model, base, run, runs) if row and metric else (None, None)
        cells.append(Cell(printed, measured, tuple(dict.fromkeys(causes)), *spreads))
    trained = seeds.training_gap(model, base[1]) if base else None
    return Line(row, model.name, run.name, tuple(of_run), tuple(cells), trained, weights_mark(model))


def _base(table: Table, row: Row | None, run: Run, runs: Sequence[Run]) -> tuple[Run, ModelEntry] | None:
    """Return the model of an ablation's base row (`Row.against`): of the same run, else of one on the same pairs."""
    name = next((other.model for other in table.rows if row and other.key == row.against), None)
    alike = [other for other in runs if seeds.same_pairs(other.manifest, run.manifest)]
    found = ((one, model) for one in (run, *alike) for model in one.manifest.models if model.name == name)
    return next(found, None)


def _in_spread(model: ModelEntry, run: Run, stands: Sequence[tuple[Run, ModelEntry]]) -> bool:
    """Return whether a model is another training of a model next to a row, included in its spread over seeds."""
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
    """Return the spread over seeds of the mean, and of its difference to the base row."""
    others = [(other.manifest, other.rows) for other in runs]
    values = seeds.values(model, (run.manifest, run.rows), metric, run.manifest, others)
    less = None
    if base:
        other = (base[0].manifest, base[0].rows)
        less = seeds.spread_less(values, seeds.values(base[1], other, metric, run.manifest, others))
    found = (seeds.spread(values), less)
    return found[0] and found[0].scaled(column.scale), found[1] and found[1].scaled(column.scale)


def _counted(column: Column, printed: str | None, model: ModelEntry, of_run: Sequence[Cause]) -> Cell:
    """Return the number of parameters of a part of a model. It depends on the feature and the basis, not on data."""
    count = model.parts.get(column.counts)
    causes = [cause("not-printed")] if printed is None else []
    causes += [cause("not-counted")] if count is None else of_run
    if count is None:
        return Cell(printed, None, tuple(causes))
    return Cell(printed, Measured("parameters", "", "a count", count, None, None, 1, 1), tuple(causes))


def _fed(table: Table, row: Row | None, column: Column, run: Run) -> bool:
    """Return whether the run has the protocol of a cell; a model without a row matches the protocol of any row."""
    rows = (row,) if row else table.rows
    return any(table.protocol_of(one, column) == run.protocol for one in rows)


def _metric(column: Column, model: str, run: Run) -> MetricEntry | None:
    """Return the measured metric closest to a column: its own definition, then its family, proxies last."""
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
    """Return a row of the summary on the printed scale; None if it has no mean."""
    if row.mean is None:
        return None
    low, high = (None if number is None else number * column.scale for number in (row.ci_low, row.ci_high))
    short = metric.short or metric.name
    return Measured(metric.name, metric.signature, short, row.mean * column.scale, low, high, row.n, row.n_total)


def _definition(column: Column, metric: MetricEntry | None) -> Cause | None:
    """Return why the measured metric is not the printed one; None if it is."""
    if metric is None:
        return cause("unfilled", column.unfilled) if column.unfilled else cause("not-measured")
    name = metric.name
    if not column.definitions:
        return cause("no-definition")
    if name not in column.definitions:
        kind = "other-detectors" if metric.proxy and metric.detector else "other-definition"
        return cause(kind, name, " or ".join(column.definitions))
    if len(column.definitions) > 1:
        return cause("unknown-definition", " and ".join(column.definitions))
    return None


def _causes_of_run(run: Run, model: ModelEntry) -> list[Cause]:
    """Return why no measurement of a model in this run is comparable with print."""
    manifest = run.manifest
    causes = []
    if manifest.sample_data:
        causes.append(cause("sample-data"))
    elif other := _pairs(manifest):
        causes.append(other)
    if model.sample_weights:
        causes.append(cause("sample-weights"))
    if model.untrained:
        causes.append(cause("untrained-weights"))
    if model.weights_status == "unverified" and (model.training or not model.published_size):
        causes.append(cause("other-weights"))
    mode, required = model.mode, manifest.protocol.mode
    if mode and mode != required:
        causes.append(cause("motion-mode", mode, required))
    current = catalogue.get(run.protocol).version
    if manifest.protocol.version != current:
        causes.append(cause("protocol-version", manifest.protocol.version, current))
    return causes


def _pairs(manifest: Manifest) -> Cause | None:
    """Return why the pairs are not those of the paper: fewer, or of a list that is not published; None if they are."""
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
        return cause("own-clips", pairs.name)
    whole = lists.get(known or "", protocol.n * (2 if stretched else 1))
    if pairs.n < whole:
        return cause("fewer-pairs", pairs.n, whole)
    if known not in lists:
        return cause("other-pairs" if lists else "own-pairs", pairs.name)
    return None
