"""Failures of a run, grouped by reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

NO_FRAME = "no frame"
NO_REASON = "no reason given"


@dataclass(frozen=True)
class Failure:
    """Pairs of one model that failed for one reason. what: `NO_FRAME`, or the metrics without a value."""

    model: str
    what: tuple[str, ...]
    reason: str
    pairs: tuple[str, ...]
    total: int


def grouped(samples: pd.DataFrame, metrics: Sequence[str]) -> list[Failure]:
    """Return all failures, by model in the order of the run, most frequent first. samples: rows of ``samples.parquet``.

    A pair without a frame is one failure, not one per metric. Metrics that fail on the same pairs for the same reason
    are one entry, since several metrics share a detector.
    """
    failures = []
    for model, rows in samples.groupby("model", sort=False):
        lost = rows["status"] != "ok"
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for reason, group in rows[lost].groupby(rows["error"].fillna(NO_REASON)):
            found[reason, tuple(group["pair"])] = ["no frame"]
        measured = rows[~lost]
        for metric in metrics:
            if metric not in measured:
                continue
            missing = measured[measured[metric].isna()]
            if missing.empty:
                continue
            reasons = missing.get(f"{metric}.reason", pd.Series(None, missing.index, dtype="str"))
            for reason, group in missing.groupby(reasons.fillna(NO_REASON)):
                found.setdefault((reason, tuple(group["pair"])), []).append(metric)
        entries = [
            Failure(str(model), tuple(what), str(reason), pairs, len(rows)) for (reason, pairs), what in found.items()
        ]
        failures += sorted(entries, key=lambda failure: -len(failure.pairs))
    return failures
