"""Default tolerances of `bench check`, unless the reference file sets others."""

from __future__ import annotations

import numpy as np

from bench.metrics.families import tolerance
from reports.schema.manifest import MetricEntry

RELATIVE = (1e-3, 1e-2)  # of the mean absolute value, if the effect of rounding was not measured


def default_tolerance(metric: MetricEntry, values: np.ndarray) -> tuple[float, float]:
    """Return the tolerance of a pair (exact mode) and of the mean (statistical mode), in the metric's unit.

    values: the measured values, for metrics without a known tolerance.
    """
    known = metric.tolerance or tolerance(metric.family, metric.unit)  # manifests of earlier releases have none
    if known is None:
        finite = np.abs(values[np.isfinite(values)])
        scale = float(finite.mean()) if len(finite) else 0.0
        exact, statistical = (float(f"{share * scale:.2g}") for share in RELATIVE)
        return exact, statistical
    return known
