"""By how much a metric may move before `bench check` calls it drift, unless the reference file says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# (family, unit): a single pair in exact mode, the mean in statistical mode.
DEFAULTS = {
    ("ssim", ""): (1e-4, 2e-3),
    ("psnr", "dB"): (1e-2, 0.05),
    ("l1", ""): (1e-5, 5e-4),
    ("lpips", ""): (1e-4, 2e-3),
    ("akd", "px"): (0.2, 0.1),
    ("mkr", "share"): (0.0, 0.01),
    ("aed", ""): (0.01, 5e-3),
    ("aucon", "share"): (0.21, 0.02),
    ("prmse", "deg"): (2.0, 0.1),
}
RELATIVE = (1e-3, 1e-2)  # of the mean absolute value, where the table has no entry


def default_tolerance(metric: Mapping[str, Any], values: np.ndarray) -> tuple[float, float]:
    """For a single pair in exact mode, and for the mean in statistical mode, in the metric's unit.

    metric: its entry in the manifest. values: what was measured, for metrics without an entry of their own.
    """
    known = DEFAULTS.get((metric["family"], metric["unit"]))
    if known is None:
        finite = np.abs(values[np.isfinite(values)])
        scale = float(finite.mean()) if len(finite) else 0.0
        known = tuple(float(f"{share * scale:.2g}") for share in RELATIVE)
    return known
