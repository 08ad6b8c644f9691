"""By how much a metric may move before `bench check` calls it drift, unless the reference file says otherwise."""

from __future__ import annotations

import numpy as np

from bench.metrics.families import tolerance
from reports.schema.manifest import MetricEntry

RELATIVE = (1e-3, 1e-2)  # of the mean absolute value, where nobody measured what rounding alone moves


def default_tolerance(metric: MetricEntry, values: np.ndarray) -> tuple[float, float]:
    """For a single pair in exact mode, and for the mean in statistical mode, in the metric's unit.

    values: what was measured, for metrics without an entry of their own.
    """
    known = metric.tolerance or tolerance(metric.family, metric.unit)  # manifests of earlier releases tell none
    if known is None:
        finite = np.abs(values[np.isfinite(values)])
        scale = float(finite.mean()) if len(finite) else 0.0
        exact, statistical = (float(f"{share * scale:.2g}") for share in RELATIVE)
        return exact, statistical
    return known
