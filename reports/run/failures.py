"""What failed in a run and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Failure:
    """Pairs of one model that failed for one reason. what: ``no frame``, or the metrics without a value."""

    model: str
    what: tuple[str, ...]
    reason: str
    pairs: tuple[str, ...]
    total: int


def grouped(samples: pd.DataFrame, metrics: Sequence[str]) -> list[Failure]:
    """All failures, models in the order of the run, most frequent first. samples: rows of ``samples.parquet``.

    A pair without a frame is one failure, not one a metric. Metrics that fail on the same pairs for the same reason
    (one detector serves several) are told together.
    """
    failures = []
    for model, rows in samples.groupby("model", sort=False):
        lost = rows["status"] != "ok"
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for reason, group in rows[lost].groupby(rows["error"].fillna("no reason given")):
            found[reason, tuple(group["pair"])] = ["no frame"]
        measured = rows[~lost]
        for metric in metrics:
            if metric not in measured:
                continue
            missing = measured[measured[metric].isna()]
            if missing.empty:
                continue
            reasons = missing.get(f"{metric}.reason", pd.Series(None, missing.index, dtype="str"))
            for reason, group in missing.groupby(reasons.fillna("no reason given")):
                found.setdefault((reason, tuple(group["pair"])), []).append(metric)
        entries = [
            Failure(str(model), tuple(what), str(reason), pairs, len(rows)) for (reason, pairs), what in found.items()
        ]
        failures += sorted(entries, key=lambda failure: -len(failure.pairs))
    return failures
