"""The report: one self-contained HTML page, made only from a run's folder."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from protocols import files
from protocols.names import PERFECT, SHOWS, STILL, TEMPLATE, WRONG
from reports.run import caveats, choose, clips, failures, page, pictures, players, plots, trainings, verdict, view
from reports.schema.manifest import Complete, Manifest, ModelEntry, parse_manifest
from reports.schema.summary import Comparison, SetComparison, Summary, parse_summary

SECTIONS = ("Results", "Distributions", "Comparisons", "Pictures", "Failures", "Signatures", "Provenance")
QUESTIONS = {
    STILL: "better than the unchanged source?",
    TEMPLATE: "better than the unchanged template?",
    WRONG: "better than the true video with the mouth of other words?",
    PERFECT: "distance to the true frame",
}


@dataclass(frozen=True)
class Duel:
    """Two models compared metric by metric. question: what a comparison with a bound answers; else empty."""

    a: str
    b: str
    question: str
    rows: tuple[tuple[view.Column, Comparison], ...]

    @property
    def against_bound(self) -> bool:
        """Return whether one of them is a bound."""
        return bool(self.question)


def write(run: Path, single_file: bool = False) -> Path:
    """Write ``report.html`` of a run from its ``manifest.json``, ``summary.json``, ``samples.parquet``, ``pictures/``.

    single_file: write ``report-single-file.html`` with small versions of the videos inside; else they stay in
    ``media/``. Return the file's path. Raises Damaged. Names from the run are escaped.
    """
    manifest = parse_manifest((run / "manifest.json").read_bytes())
    summary = parse_summary((run / "summary.json").read_bytes())
    samples = pd.read_parquet(run / "samples.parquet")
    table = view.summary_table(summary, manifest)
    colors = plots.slots([row.model for row in table.rows], summary.bounds)
    roles = choose.picture_roles(samples, manifest)
    metric = choose.picture_metric(manifest)
    pairs = {pair for of_model in roles.values() for chosen in of_model.values() for pair in chosen}
    pictured = samples[samples["pair"].isin(pairs)]  # as dictionaries, the whole table needs kilobytes per pair
    names = [*SECTIONS[:2], *(["Clips"] if manifest.clips else []), *SECTIONS[2:]]
    drawings = _plots(samples, table, summary.bounds)
    drawn = page.draw(
        "report.html.j2",
        sections=[(name.lower(), name) for name in names],
        digest=manifest.sha256 or page.digest_of([manifest.content(), summary.content()]),
        manifest=manifest,
        unit=manifest.unit,
        clips=clips.of_run(run, samples, table, pairs, _shown(table), colors) if manifest.clips else None,
        heading=view.heading(manifest),
        created=datetime.fromisoformat(manifest.created).strftime("%Y-%m-%d %H:%M %Z"),
        summary=summary,
        ranking_notes=view.ranking_notes(summary, manifest.unit),
        table=table,
        colors=colors,
        models={model.name: model for model in manifest.models},
        staged=any(model.parts for model in manifest.models),
        parameters=_parameters,
        sample_models=[model.name for model in manifest.models if model.sample_weights],
        untrained=caveats.untrained_models(manifest),
        unverified=caveats.unverified(manifest),
        weights_mark=caveats.weights_mark,
        subset=caveats.subset(manifest),
        sizes=caveats.other_sizes(manifest),
        jpeg=caveats.jpeg_frames(manifest),
        empty=view.empty_columns(manifest),
        empty_notes=caveats.empty_columns(manifest),
        firsts=_firsts(table),
        standings=verdict.standings(summary, table),
        too_few=verdict.too_few(summary),
        clear=verdict.CLEAR,
        plots=[(column, drawn) for column, drawn in drawings if isinstance(drawn, str)],
        constants=[(column, value) for column, value in drawings if isinstance(value, float)],
        duels=_duels(summary, table),
        set_duels=_set_duels(summary, table),
        bounds_show=SHOWS,
        compared_bounds=[one for one in summary.bounds if any(one in (duel.a, duel.b) for duel in summary.comparisons)],
        source_name="template" if _by_sound(manifest, summary) else "source",
        floor_name=view.FLOOR,
        floor_note=view.FLOOR_NOTE,
        family=max((entry.family for entry in summary.comparisons), default=0),
        pictures=pictures.picture_rows(run, roles, _shown(table)),
        players=players.of_run(run, colors, single_file) if manifest.clips else players.Players({}),
        axis={"left": plots.LEFT, "wide": plots.WIDE},
        picture_metric=view.Column(metric) if metric else None,
        inspected=not single_file and _inspected(run / "inspect"),
        gallery=not single_file and (run / "gallery.html").is_file(),
        values=_values(pictured, metric.name) if metric and metric.name in samples else {},
        facts=pictured.drop_duplicates("pair").set_index("pair").to_dict("index"),
        color_bar=pictures.color_bar(),
        full_scale=pictures.FULL_SCALE,
        failures=failures.grouped(samples, [column.name for column in table.columns]),
        provenance=_provenance(manifest, summary),
        trainings=trainings.of_run(manifest),
        readable=_text,
    )
    report = run / ("report-single-file.html" if single_file else "report.html")
    with files.replacing(report) as temporary:
        temporary.write_text(drawn, encoding="utf-8")
    return report


def _parameters(model: ModelEntry) -> list[tuple[str, int]]:
    """Return the number of parameters of each stage, or of the whole model; empty if it states none."""
    return list(model.parts.items()) or ([("whole model", model.parameters)] if model.parameters else [])


def _inspected(folder: Path) -> bool:
    """Whether the folder has a page of `inspect`, with pictures."""
    return (folder / "inspect.html").is_file() and any(folder.glob("*.png"))


def _shown(table: view.SummaryTable) -> list[str]:
    """Return the models in plots and pictures: all but ``copy-target``, whose point would stretch every axis."""
    return [row.model for row in table.rows if not (row.bound and row.model == PERFECT)]


def _firsts(table: view.SummaryTable) -> list[tuple[str, int]]:
    """Return model → number of columns where it alone has the best mean, most first; empty if nothing is ranked."""
    columns = zip(*([(row.model, cell.rank) for cell in row.cells] for row in table.rows if not row.bound))
    best = [[model for model, rank in column if rank == "best"] for column in columns]
    return Counter(models[0] for models in best if len(models) == 1).most_common()


def _plots(
    samples: pd.DataFrame, table: view.SummaryTable, bounds: Sequence[str]
) -> list[tuple[view.Column, Markup | float]]:
    """Return the distribution plot of each metric, or the number that all its values are."""
    by_model = {model: samples[samples["model"] == model] for model in _shown(table)}
    colors = plots.slots([row.model for row in table.rows], bounds)
    drawn: list[tuple[view.Column, Markup | float]] = []
    for column in table.columns:
        if column.name in samples:
            values = {model: rows[column.name] for model, rows in by_model.items()}
            if (value := plots.constant(values, column.decimals)) is not None:
                drawn.append((column, value))
            elif svg := plots.distribution(values, colors, column.decimals):
                drawn.append((column, Markup(svg)))
    return drawn


def _duels(summary: Summary, table: view.SummaryTable) -> list[Duel]:
    """Return the comparisons by pair of models, bounds last."""
    found: dict[tuple[str, str], dict[str, Comparison]] = {}
    for entry in summary.comparisons:
        found.setdefault((entry.a, entry.b), {})[entry.metric] = entry
    duels = [
        Duel(
            a,
            b,
            next((QUESTIONS.get(bound, "one is a bound") for bound in (a, b) if bound in summary.bounds), ""),
            tuple((column, entries[column.name]) for column in table.columns if column.name in entries),
        )
        for (a, b), entries in found.items()
    ]
    return sorted(duels, key=lambda duel: duel.against_bound)


def _by_sound(manifest: Manifest, summary: Summary) -> bool:
    """Return whether sound drives the clips, so that the source is a template, as a model states or a bound needs."""
    return any(model.driven_by for model in manifest.models) or bool({TEMPLATE, WRONG} & set(summary.bounds))


def _set_duels(summary: Summary, table: view.SummaryTable) -> list[tuple[view.Column, SetComparison]]:
    """Return the comparisons by set metrics, metric by metric."""
    columns = {column.name: column for column in table.columns}
    return [(columns[entry.metric], entry) for entry in summary.set_comparisons]


def _values(samples: pd.DataFrame, metric: str) -> dict[str, dict[str, float | None]]:
    """Return pair → model → value; None for a missing value."""
    rows = samples[["pair", "model", metric]].itertuples(index=False, name=None)
    values: dict[str, dict[str, float | None]] = {}
    for pair, model, value in rows:
        values.setdefault(pair, {})[model] = None if pd.isna(value) else value
    return values


def _provenance(manifest: Manifest, summary: Summary) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return titled lists of names and values: everything in the manifest that can change a number."""
    pairs = manifest.pairs
    run = {
        "state": manifest.state,
        "created": manifest.created,
        "command": shlex.join(manifest.command),
        "device": manifest.device,
        "seeds": manifest.seeds.content(),
        "intervals": f"{summary.n_resamples} resamples of identities, videos and {manifest.unit}s, "
        f"seed {summary.seed}; width from the spread between identities",
    }
    pair_list = {
        "name": pairs.name,
        f"{manifest.unit}s": pairs.n,
        "SHA-256": pairs.sha256,
        **pairs.provenance.content(),
    }
    groups: dict[str, Mapping[str, Any]] = {
        "Run": run,
        f"{manifest.unit.capitalize()} list": pair_list,
        "Protocol": manifest.protocol.content(),
    }
    groups |= {
        f"Model {model.name}": {
            key: value for key, value in model.content().items() if key != "training" or not trainings.of_model(model)
        }
        for model in manifest.models
    }
    if manifest.clips:
        groups["Clips"] = manifest.clips.content()
    for label, code in manifest.code.items():
        groups[f"Code of {label}"] = {"files": list(code.files), "not covered": code.not_covered}
    timings = manifest.timings if isinstance(manifest, Complete) else {}
    groups["Speed"] = {label: timing.content() for label, timing in timings.items()}
    groups |= {"Versions": manifest.versions, "Machine": manifest.machine.content()}
    return [(title, [(key, _text(value)) for key, value in facts.items()]) for title, facts in groups.items() if facts]


def _text(value: Any) -> str:
    """Return a manifest value as readable text."""
    if value is None or value in ([], (), {}):
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(entry)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        inner = (f"({_text(one)})" if isinstance(one, (list, tuple)) and one else _text(one) for one in value)
        return ", ".join(inner)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
