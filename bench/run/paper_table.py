"""Select metrics and models for a table of a paper: `report` and `compare` with ``--format``."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.card import MODELS, card
from bench.runtime.errors import UserError
from bench.stats.rows import ranking
from reports.schema.manifest import MetricEntry, ModelEntry, Prepared
from reports.schema.summary import Summary


def only(
    summary: Summary, manifest: Prepared, metrics: Sequence[str] = (), models: Sequence[str] = ()
) -> tuple[Summary, Prepared]:
    """Keep only these metrics and models; best and second are among them. Empty: all.

    metrics: names or families. models: labels; bounds only if named. Raises UserError for unknown names.
    """
    chosen = chosen_metrics(manifest.measured, metrics)
    if unknown := [name for name in models if name not in summary.models]:
        raise UserError(f"--models {','.join(unknown)}: the run has {', '.join(summary.models)}", code="unknown-model")
    shown = [name for name in summary.models if name in models] if models else list(summary.models)
    kept = {metric.name for metric in chosen}
    rows = tuple(row for row in summary.rows if row.metric in kept and row.model in shown)
    ranked = [name for name in shown if name not in summary.bounds]
    summary = summary.but(
        models=tuple(shown),
        bounds=tuple(name for name in summary.bounds if name in shown),
        rows=rows,
        ranking={metric.name: ranking(rows, metric, ranked) for metric in chosen},
        comparisons=tuple(one for one in summary.comparisons if one.metric in kept and {one.a, one.b} <= set(shown)),
        set_comparisons=tuple(
            one for one in summary.set_comparisons if one.metric in kept and {one.a, one.b} <= set(shown)
        ),
        floors=tuple(floor for floor in summary.floors if floor.metric in kept),
    )
    entries = tuple(model for model in manifest.models if model.name in shown)
    measured = tuple(metric for metric in manifest.metrics if metric.name in kept)
    return summary, manifest.but(metrics=measured, models=entries)


def chosen_metrics(measured: Sequence[MetricEntry], names: Sequence[str]) -> list[MetricEntry]:
    """Return the metrics of these names or families; all for none. Raises UserError for an unknown name."""
    if unknown := [name for name in names if not any(name in (one.name, one.family) for one in measured)]:
        raise UserError(
            f"--metrics {','.join(unknown)}: the run has {', '.join(one.name for one in measured)}",
            code="unknown-metric",
        )
    return [one for one in measured if not names or {one.name, one.family} & set(names)]


def titles(models: Sequence[ModelEntry]) -> dict[str, str]:
    """Return the papers' titles of models, by label, for labels that mean the same model in every run."""
    own = {one.name: card(one.name).title for one in models if one.name in MODELS}
    others = {one.name for one in models if one.model != own.get(one.name) or one.untrained}
    return {label: title for label, title in own.items() if label not in others}
