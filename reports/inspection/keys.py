"""Color keys of the pictures: small patches with words."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from reports.inspection.figures import FULL_FLOW, Inspection
from reports.inspection.memories import MemoriesSeen

STEPS = 6  # stops of a color scale


@dataclass(frozen=True)
class Key:
    """A patch and its meaning. background: a CSS ``background``."""

    background: str
    words: str


def keys(seen: Inspection | MemoriesSeen) -> dict[str, list[Key]]:
    """Return picture name → key; pictures without a color code have none."""
    shares = [Key(_ramp("magma"), "attention weight: zero to largest")]
    if isinstance(seen, MemoriesSeen):
        return {"implicit": shares, "explicit": shares}
    motion = [] if seen.source_points is None else [_points(len(seen.source_points))]
    if seen.depth is not None:
        motion.append(Key(_ramp("viridis"), "disparity: far to near"))
    if seen.flow is not None:
        motion.append(Key(_wheel(), _directions()))
    if seen.shares is not None:
        motion.append(Key("#000", "largest share: black for the background's motion, else the keypoint's color"))
    if seen.occlusions:
        motion.append(Key(_ramp("gray"), "occlusion: the source is not used (black) to fully used (white)"))
    gray = [Key(_ramp("gray"), "channel: smallest to largest value")]
    stitched = [] if seen.source_points is None else [_points(len(seen.source_points))]
    return {"motion": motion, "stitching": stitched, "memory": gray, "conditioned": gray, "read": shares}


def _points(count: int) -> Key:
    colors = matplotlib.colormaps["hsv"](np.arange(count) / count)
    parts = (f"{to_hex(color)} {100 * k / count:.1f}% {100 * (k + 1) / count:.1f}%" for k, color in enumerate(colors))
    return Key(f"linear-gradient(to right, {', '.join(parts)})", f"keypoints 0 to {count - 1}")


def _ramp(name: str) -> str:
    colors = map(to_hex, matplotlib.colormaps[name](np.linspace(0, 1, STEPS)))
    return f"linear-gradient(to right, {', '.join(colors)})"


def _wheel() -> str:
    """Return the colors of `color_wheel` around a circle, clockwise from the right, white in the middle."""
    hues = ", ".join(f"hsl({hue} 100% 50%)" for hue in range(0, 361, 60))
    return f"radial-gradient(circle closest-side, #fff, transparent), conic-gradient(from 90deg, {hues})"


def _directions() -> str:
    return (
        "flow, by direction of motion: red right, yellow-green down, cyan left, violet up; white: no motion; "
        f"full color: {100 * FULL_FLOW:.0f} % of the side or more"
    )
