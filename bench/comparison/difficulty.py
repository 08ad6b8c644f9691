"""Groups of pairs: by identity, and by how hard they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.comparison.load import Run
from protocols.names import STILL
from reports.schema.manifest import MetricEntry

LEVELS = ("low", "middle", "high")
ASPECT, SIZE = "change of aspect |log2 α/β|", "change of size |log2 αβ| / 2"
BY_ERROR = {"prmse": "head turn", "akd": "motion of landmarks", "l1": "change of pixels"}  # of `copy-source`, by family


def measures(run: Run, keys: pd.Index) -> dict[str, pd.Series]:
    """Return the measures of difficulty that the run knows and that vary: name → one number per pair (index: `keys`).

    The errors of the bound ``copy-source`` measure the change of head pose, landmarks and pixels.
    """
    rows = run.samples.drop_duplicates("key").set_index("key").reindex(keys)
    alpha, beta = (pd.Series(np.log2(rows[factor].to_numpy(float)), keys) for factor in ("alpha", "beta"))
    found = {
        ASPECT: (alpha - beta).abs().round(9),
        SIZE: ((alpha + beta) / 2).abs().round(9),
    }
    for family in BY_ERROR:
        if still := of_still(run, keys, family):
            metric, values = still
            found[measure_name(metric)] = values
    return {name: series for name, series in found.items() if series.dropna().nunique() >= len(LEVELS)}


def measure_name(metric: MetricEntry) -> str:
    """Return the name of the measure given by a metric's error of ``copy-source``."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{BY_ERROR[metric.family]} ({STILL}: {metric.name}{unit})"


def of_still(run: Run, keys: pd.Index, family: str) -> tuple[MetricEntry, pd.Series] | None:
    """Return a metric of this family and its errors of ``copy-source``; None where the run has no value of it."""
    rows = run.samples[run.samples["model"] == STILL].set_index("key").reindex(keys)
    for metric in run.metrics.values():
        if metric.family == family and metric.name in rows and rows[metric.name].notna().any():
            return metric, rows[metric.name]
    return None


def levels(measure: pd.Series) -> pd.Series:
    """Return the third that each pair is in, as ``low (up to 1.2)``; pairs without the measure have none."""
    known = measure.dropna()
    cut = np.quantile(known, [1 / 3, 2 / 3])
    level = np.searchsorted(cut, known, side="left")
    names = (
        f"{LEVELS[0]} (up to {cut[0]:.3g})",
        f"{LEVELS[1]} ({cut[0]:.3g} to {cut[1]:.3g})",
        f"{LEVELS[2]} (over {cut[1]:.3g})",
    )
    return pd.Series([names[position] for position in level], known.index).reindex(measure.index)


def groupings(rows: pd.DataFrame, measured: Mapping[str, pd.Series]) -> dict[str, pd.Series]:
    """Return the groupings: name → group of each pair (index: key). rows: one per pair, with its identities."""
    source, driving = rows["source_identity"], rows["driving_identity"]
    if source.equals(driving.rename("source_identity")):
        found = {"identity": source}
    else:
        found = {"source identity": source, "driving identity": driving}
    return found | {name: levels(measure) for name, measure in measured.items()}
