"""The papers' landmarks: 2D-FAN (Bulat and Tzimiropoulos, ICCV 2017) through the package face-alignment."""

from __future__ import annotations

import importlib.util
import pickle
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.arithmetic import exact
from bench.detectors.base import FACE_RULE, NO_FACE, Detection, Detector, largest_face
from bench.detectors.dlib68 import WIDTH
from bench.detectors.weights import find_file, load, short_hash
from bench.runtime.errors import UserError
from protocols.errors import first_line

NETWORK, FINDER = "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth"


class FaceAlignment2D(Detector):
    """68 landmarks of the largest face (pose-evaluation takes the first that the package lists); no test-time flip."""

    kind, name, proxy, shape = "landmarks", "face-alignment", False, (68, 2)

    def __init__(self, weights: Path | None, device: str = "cpu") -> None:
        if reasons := missing(weights):
            raise UserError(f"{self.name}: {'; '.join(reasons)}", code="missing-weights")
        self.device = device
        self._files = {name: file for name in (NETWORK, FINDER) if (file := find_file(name, weights))}

    @property
    def signature(self) -> str:
        files = ",".join(short_hash(file) for file in self._files.values())
        version = metadata.version("face-alignment")
        settings = f"finder:s3fd;flip:no;face:{FACE_RULE};scale:width-{WIDTH}"
        return f"{self.name};v:2;weights:{files};{settings};library:{version}"

    @cached_property
    def _aligner(self) -> Any:
        import face_alignment
        from face_alignment import api

        # The package would fetch its network; it receives the file instead. Compiling would write to the home folder.
        files = {name: str(file) for name, file in self._files.items()}
        original, api.load_file_from_url = api.load_file_from_url, lambda *_, **__: files[NETWORK]
        try:
            return face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D,
                device=self.device,
                flip_input=False,
                compile=False,
                face_detector_kwargs={"path_to_detector": files[FINDER]},
            )
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            for file in files.values():
                load(Path(file))  # says which file, and whether it would have had to run code
            raise UserError(
                f"{self.name}: its weights cannot be read: {first_line(error)}", code="unreadable-checkpoint"
            ) from None
        finally:
            api.load_file_from_url = original
            exact()  # the package lets kernels be chosen by trial

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Detection:
        with torch.inference_mode():
            boxes = self._aligner.face_detector.detect_from_image(frame.copy())
            if len(boxes) == 0:
                return Detection(None, NO_FACE)
            points = self._aligner.get_landmarks_from_image(frame, detected_faces=[boxes[largest_face(boxes)]])[0]
        return Detection(np.asarray(points, dtype=np.float64)[:, :2] * (WIDTH / frame.shape[1]))


def missing(weights: Path | None) -> list[str]:
    """What keeps this detector from working, in words."""
    reasons = [] if importlib.util.find_spec("face_alignment") else ["the package face-alignment is not installed"]
    return reasons + [f"{name} is not on this machine" for name in (NETWORK, FINDER) if not find_file(name, weights)]
