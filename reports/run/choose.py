"""The pairs that a report shows as pictures: the best, median and worst of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from protocols.names import BOUNDS
from reports.run.view import columns_of
from reports.schema.manifest import MetricEntry, Prepared

ROLES = ("best", "median", "worst")
PLAYED = 12  # clips with a video
# with a target: pixel metrics; else metrics that compare with the driving frame or the source
PREFERRED = {"same-identity": ("l1", "lpips", "ssim"), "cross-identity": ("prmse", "aed", "aucon")}


def picture_pairs(samples: pd.DataFrame, manifest: Prepared, k: int = 2) -> list[str]:
    """Return the ids of the pairs whose pictures a run must keep, each once. samples: rows of ``samples.parquet``."""
    roles = picture_roles(samples, manifest, k)
    return list(dict.fromkeys(pair for role in ROLES for chosen in roles.values() for pair in chosen[role]))


def picture_roles(samples: pd.DataFrame, manifest: Prepared, k: int = 2) -> dict[str, dict[str, list[str]]]:
    """Return model → role (``best``, ``median``, ``worst``) → up to `k` pairs; ``worst`` has the worst one first.

    Bounds are left out; if a run has only bounds, the first is used. Pairs without a value of the metric are left out.
    """
    metric = picture_metric(manifest)
    models = list(dict.fromkeys(samples["model"]))
    models = [model for model in models if model not in BOUNDS] or models[:1]
    if metric is None or metric.name not in samples:
        return {model: {role: [] for role in ROLES} for model in models}
    roles = {}
    for model in models:
        values = samples.loc[samples["model"] == model].set_index("pair")[metric.name].dropna().sort_index()
        values = values.sort_values(ascending=not metric.higher_is_better, kind="stable")
        roles[model] = _three(list(values.index), k)
    return roles


def played(roles: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Return the clips that have a video in the report, at most `PLAYED`.

    roles: see `picture_roles`. First the best, median and worst clip of each model, then the second ones.
    """
    most = max((len(chosen) for of_model in roles.values() for chosen in of_model.values()), default=0)
    ranked = [
        clip for k in range(most) for of_model in roles.values() for role in ROLES for clip in of_model[role][k : k + 1]
    ]
    return list(dict.fromkeys(ranked))[:PLAYED]


def picture_metric(manifest: Prepared) -> MetricEntry | None:
    """Return the metric that chooses pictures: L1 if there is a target, else pose or identity; None without any."""
    metrics = [column.metric for column in columns_of(manifest)]
    for family in PREFERRED.get(manifest.protocol.reference, ()):
        for metric in metrics:
            if metric.family == family:
                return metric
    return metrics[0] if metrics else None


def _three(pairs: Sequence[str], k: int) -> dict[str, list[str]]:
    """Return best, median and worst pairs of a list in order of quality; no pair is in two of them."""
    k = max(1, min(k, len(pairs) // 3))
    best, worst = pairs[:k], pairs[k:][-k:][::-1]
    between = pairs[k : len(pairs) - k]
    start = max(0, (len(between) - k) // 2)
    return {"best": list(best), "median": list(between[start : start + k]), "worst": list(worst)}
