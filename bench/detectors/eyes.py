"""Lids and irises by Google's iris network (Ablavatski et al., CVPR 2020 workshop; arXiv:2006.11341).

It processes a crop of each eye, located by the corners of the face mesh. The mesh itself does not track lids.
"""

from __future__ import annotations

import numpy as np

from baselines.facemesh.crop import Crop, slope
from baselines.facemesh.litert import Network, release
from baselines.facemesh.mesh import LEFT_EYE, RIGHT_EYE
from bench.detectors.base import DerivedDetector, Detection
from bench.detectors.mesh import WIDTH

SIZE, MARGIN = 64, 2.3
CONTOUR, IRIS = 71, 5
# Contour: 0 outer corner, 1 to 7 lower lid, 8 inner corner, 9 to 15 upper lid; lid points k and k + 8 are above each
# other. Iris: its center, then four points of its rim.
CORNERS, LIDS = (0, 8), np.arange(2, 7)
IRIS_MM, EYEBALL_MM = 11.7, 10.5  # diameter of an iris; distance from the eyeball's center to the plane of the iris


class Eyes(DerivedDetector):
    """Points of the right eye (the picture's left one), then of the left one: 71 of lids and brow, 5 of the iris.

    x and y in pixels of the frame resized to a width of 256; base: `mesh.Mesh`.
    """

    kind, name, proxy, shape = "eyes", "iris-network", True, (2, CONTOUR + IRIS, 2)
    _network = Network("iris_landmark")

    @property
    def signature(self) -> str:
        settings = f"margin:{MARGIN};{release()}"
        return f"{self.name};v:1;{self._network.signature};{settings};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        scale = WIDTH / frame.shape[1]
        points, frame = values[:, :2] / scale, np.ascontiguousarray(frame)
        angle = slope(points[RIGHT_EYE[0]], points[LEFT_EYE[0]])
        found = [
            self._eye(frame, points[list(corners)], angle, mirrored)
            for corners, mirrored in ((RIGHT_EYE, False), (LEFT_EYE, True))
        ]
        return Detection(np.stack(found) * scale)

    def _eye(self, frame: np.ndarray, corners: np.ndarray, angle: float, mirrored: bool) -> np.ndarray:
        """Return one eye's points ``(76, 2)`` in pixels of the frame; left eyes are mirrored for the network."""
        crop = Crop(corners.mean(0), max(float(np.linalg.norm(corners[0] - corners[1])), 1.0) * MARGIN, angle)
        image = crop.cut(frame, SIZE)
        outputs = self._network((image[:, ::-1] if mirrored else image).astype(np.float32) / 255)
        points = np.concatenate([output.reshape(-1, 3)[:, :2] for output in outputs]) - 0.5
        if mirrored:
            points[:, 0] = SIZE - 1 - points[:, 0]
        return crop.back(points, SIZE)


class Lids(DerivedDetector):
    """Openness of the right and left eye: mean distance of the lids divided by that of the corners; base: `Eyes`."""

    kind, name, proxy, shape = "lids", "iris-lids", True, (2,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;lids:{len(LIDS)};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        gaps = np.linalg.norm(values[:, LIDS] - values[:, LIDS + 8], axis=2).mean(1)
        widths = np.linalg.norm(values[:, CORNERS[0]] - values[:, CORNERS[1]], axis=1)
        if widths.min() <= 0:
            return Detection(None, "an eye without width")
        return Detection(gaps / widths)


class Gaze(DerivedDetector):
    """Pitch (positive: down) and yaw (positive: to the picture's left) of the gaze in degrees; base: `Eyes`.

    Mean of both eyes: the offset of the iris from the middle between the corners, along their line and across it, in
    iris diameters, as an angle at the eyeball. Relative to the face, not the camera, without correction for a turned
    head. The zero depends on the person, so only differences are meaningful.
    """

    kind, name, proxy, shape = "iris", "iris-gaze", True, (2,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;iris:{IRIS_MM}mm;eyeball:{EYEBALL_MM}mm;on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        shifts = np.stack([_shift(*eye) for eye in zip(values, (False, True))])
        if not np.isfinite(shifts).all():
            return Detection(None, "an iris without size")
        across, down = shifts.mean(0) * (IRIS_MM / EYEBALL_MM)
        return Detection(np.degrees(np.arcsin(np.clip([down, -across], -1, 1))))


def _shift(points: np.ndarray, left: bool) -> np.ndarray:
    """Return the offset of the iris along the eye's line (to the picture's right) and down, in iris diameters."""
    corners, iris = points[list(CORNERS)], points[CONTOUR:]
    first, second = corners[::-1] if left else corners  # from the picture's left to its right
    line = second - first
    length, size = np.linalg.norm(line), np.mean([np.linalg.norm(iris[1] - iris[3]), np.linalg.norm(iris[2] - iris[4])])
    if min(length, size) <= 0:
        return np.full(2, np.nan)
    line, offset = line / length, iris[0] - corners.mean(0)
    return np.array([offset @ line, offset @ (-line[1], line[0])]) / size
