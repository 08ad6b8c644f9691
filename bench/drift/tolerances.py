"""By how much a metric may move before `bench check` calls it drift, unless the reference file says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# (family, unit): a single pair in exact mode, the mean in statistical mode. The exact ones stand several times above
# what rounding alone moved (docs/drift.md); landmarks jump where a pixel's last bit tips a tree, so theirs are wide.
DEFAULTS = {
    ("ssim", ""): (3e-5, 2e-3),
    ("psnr", "dB"): (2e-3, 0.05),
    ("l1", ""): (3e-6, 5e-4),
    ("lpips", ""): (5e-5, 2e-3),
    ("akd", "px"): (0.2, 0.1),
    ("akd", "eyes"): (4e-3, 2e-3),  # some 60 px between the eyes
    ("mkr", "share"): (0.0, 0.01),
    ("mkr-body", "share"): (0.0, 0.01),  # as of faces; the others of bodies were never measured
    ("aed", ""): (0.01, 5e-3),
    ("csim", ""): (5e-3, 2.5e-3),
    ("aucon", "share"): (0.21, 0.02),  # one unit of five may tip
    ("aucon-units", "share"): (1.0, 0.05),  # a pair has 0 or 1
    ("prmse", "deg"): (2.0, 0.1),
    ("prmse", "rad"): (0.035, 2e-3),
    ("prmse-angles", "deg"): (3.5, 0.15),
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
