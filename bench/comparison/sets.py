"""Compare set metrics between two runs, or two models of one run, from the stored features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.comparison.load import Run
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.metrics.sets.estimates import FEWEST
from bench.rundir.directory import REAL, RunDirectory
from bench.stats import sets
from reports.schema.comparison import SetsCompared
from reports.schema.manifest import MetricEntry


def compared(
    a: Run, b: Run, duel: tuple[str, str], keys: pd.Index, metrics: Sequence[MetricEntry], seed: int
) -> tuple[list[SetsCompared], list[str]]:
    """Return the comparisons of two models, and notices.

    keys: of the common pairs or clips; only their features count. Raises UserError if a run's features are missing or
    changed.
    """
    found, notices = [], []
    for metric in metrics:
        assert metric.detector is not None  # of every set metric
        ours, theirs = (_own(run, metric.detector, model, keys) for run, model in zip((a, b), duel))
        real, other = (_own(run, metric.detector, REAL, keys) for run in (a, b))
        if a is not b and not _same_features(real, other):
            notices.append(f"{metric.name}: the real features differ between the runs; those of {a.name} are used")
        definition = SET_DEFINITIONS[metric.name]
        if len(ours) != len(theirs) and min(len(ours), len(theirs)) >= FEWEST and definition.family != "kid":
            notices.append(
                f"{metric.name}: {duel[0]} has {len(ours)} features and {duel[1]} {len(theirs)}; fewer features make "
                "it larger, which biases the difference"
            )
        sides = [sets.features(rows) for rows in (ours, theirs)]
        one, two = definition.distance(sides, sets.features(real), sets.RESAMPLES, seed)
        base = sets.comparison(metric, "a", "b", one, two).but(a=duel[0], b=duel[1])
        better = {"a": duel[0], "b": duel[1]}.get(base.better or "")
        found.append(
            base.but(better=better).then(
                SetsCompared,
                value_a=sets.finite_or_none(one.value),
                value_b=sets.finite_or_none(two.value),
                n_a=len(ours),
                n_b=len(theirs),
            )
        )
    return found, notices


def _own(run: Run, kind: str, name: str, keys: pd.Index) -> pd.DataFrame:
    """Return the features of these pairs of a run, sorted by key. In a run of whole clips, a video is a clip."""
    rows = RunDirectory(run.folder).features(run.manifest, kind, name)
    by_pair = run.samples.drop_duplicates("pair").set_index("pair")["key"]
    key = rows["video" if run.manifest.clips else "pair"].map(by_pair)
    rows = rows.assign(key=key)
    return rows[rows["key"].isin(keys)].sort_values("key", kind="stable", ignore_index=True)


def _same_features(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    if list(a["key"]) != list(b["key"]):
        return False
    ours, theirs = (sets.features(rows).values for rows in (a, b))
    return np.allclose(ours, theirs, atol=1e-5, rtol=1e-3)
