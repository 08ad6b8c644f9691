"""Five action units of the Facial Action Coding System, measured by the geometry of 68 landmarks.

Measured upright (roll removed) in units of the distance between the outer eye corners. The thresholds are in the gaps
between faces with and without a unit, on the sample set's clips and portraits.
"""

from __future__ import annotations

import numpy as np

from bench.detectors.base import DerivedDetector, Detection

# Unit: (threshold, scale). A measure at the threshold gives 0.5; one scale beyond it 0.73. A negative scale: active
# when the measure is small.
UNITS = {
    "AU04": (0.245, -0.015),  # brow lowerer: distance of the inner brow ends
    "AU12": (0.70, 0.03),  # lip corner puller: width of the mouth plus half the corners' rise over the lip line
    "AU25": (0.05, 0.01),  # lips part: gap of the inner lips
    "AU26": (0.20, 0.02),  # jaw drop: the same gap, larger
    "AU43": (0.17, -0.02),  # eyes closed: eye aspect ratio
}


class GeometricActionUnits(DerivedDetector):
    """Activations of `UNITS` in [0, 1]; above 0.5 is active."""

    kind, name, proxy, shape = "action_units", "geometric-aus", True, (len(UNITS),)

    @property
    def signature(self) -> str:
        units = ",".join(f"{unit}@{threshold}" for unit, (threshold, _) in UNITS.items())
        return f"{self.name};v:1;units:{units};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        thresholds, scales = np.array(list(UNITS.values())).T
        return Detection(1 / (1 + np.exp(-(measures(values) - thresholds) / scales)))


def measures(landmarks: np.ndarray) -> np.ndarray:
    """Return the five measures, in the order of `UNITS`, of landmarks ``(68, 2)``."""
    right, left = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    across = (left - right) / np.linalg.norm(left - right)
    upright = landmarks @ np.array([across, (-across[1], across[0])]).T
    points = upright / np.linalg.norm(upright[45] - upright[36])

    def distance(first: int, second: int) -> float:
        return float(np.linalg.norm(points[first] - points[second]))

    def aspect(a: int) -> float:
        return (distance(a + 1, a + 5) + distance(a + 2, a + 4)) / (2 * distance(a, a + 3))

    gap = np.mean([distance(61, 67), distance(62, 66), distance(63, 65)])
    rise = points[[62, 66], 1].mean() - points[[48, 54], 1].mean()
    smile = distance(48, 54) + 0.5 * rise
    return np.array([distance(21, 22), smile, gap, gap, (aspect(36) + aspect(42)) / 2])
