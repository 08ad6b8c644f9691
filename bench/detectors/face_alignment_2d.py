"""The papers' landmarks: 2D-FAN (Bulat and Tzimiropoulos, ICCV 2017) through the package face-alignment."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.arithmetic import exact
from baselines.facemesh.boxes import FACE_RULE, largest_face
from bench.detectors.base import NO_FACE, Detection, Detector
from bench.detectors.blocks import Blocks
from bench.detectors.dlib68 import WIDTH
from bench.detectors.weights import find_file, load
from bench.runtime.errors import UserError
from protocols.errors import first_line
from protocols.files import short_hash

MEAN = (104.0, 117.0, 123.0)  # mean of blue, green and red, subtracted for the face detector (S3FD)
NETWORK, FINDER = "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth"


class FaceAlignment2D(Detector):
    """68 landmarks of the largest face (pose-evaluation uses the package's first face); no test-time flip."""

    kind, name, proxy, shape = "landmarks", "face-alignment", False, (68, 2)

    def __init__(self, weights: Path | None, device: str = "cpu") -> None:
        if reasons := missing(weights):
            raise UserError(f"{self.name}: {'; '.join(reasons)}", code="missing-weights")
        self.device = device
        self._blocks = Blocks(self.name)
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

        # Pass the weight file, so that the package does not download it. Compiling would write to the home folder.
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
                load(Path(file))  # its message names the file, and whether it contains code
            raise UserError(
                f"{self.name}: its weights cannot be read: {first_line(error)}", code="unreadable-checkpoint"
            ) from None
        finally:
            api.load_file_from_url = original
            exact()  # the package switches this on

    def detect(self, frames: np.ndarray) -> list[Detection]:
        if not len(frames):
            return []
        found = {k: boxes[largest_face(np.stack(boxes))] for k, boxes in enumerate(self.boxes(frames)) if len(boxes)}
        points = self.points(frames[list(found)], list(found.values())) if found else []
        landmarks = dict(zip(found, points))
        scale = WIDTH / frames.shape[2]
        return [
            Detection(landmarks[k] * scale) if k in landmarks else Detection(None, NO_FACE) for k in range(len(frames))
        ]

    def boxes(self, frames: np.ndarray) -> list[list[np.ndarray]]:
        """Return the faces of each frame of uint8 ``(N, H, W, 3)``: rows of x0, y0, x1, y1 and a score above 0.5.

        Results equal the package's ``detect_from_image``, but several frames run at once. The package's
        ``detect_from_batch`` mixes candidates of different frames.
        """
        from face_alignment.detection.sfd.detect import get_predictions

        finder = self._aligner.face_detector

        def network(images: Tensor) -> list[Tensor]:
            mean = torch.tensor(MEAN, device=images.device)[:, None, None]
            maps = finder.face_detector(images.flip(1).float() - mean)
            return [x.softmax(1) if k % 2 == 0 else x for k, x in enumerate(maps)]  # scores and places, by scale

        images = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).contiguous()
        maps = [x.numpy() for x in self._blocks.outputs(network, images)]
        return [finder._filter_bboxes(get_predictions([x[k : k + 1] for x in maps], 1)[0]) for k in range(len(frames))]

    def points(self, frames: np.ndarray, boxes: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return landmarks ``(68, 2)`` float64 in pixels for each frame of uint8 ``(N, H, W, 3)`` and its face's box.

        Results equal the package's ``get_landmarks_from_image``, but the faces of several frames run at once.
        """
        from face_alignment.utils import CENTER_Y_OFFSET, crop, get_preds_fromhm

        places = []
        for left, top, right, bottom in (box[:4] for box in boxes):
            width, height = right - left, bottom - top
            center = np.array([right - width / 2, bottom - height / 2 - height * CENTER_Y_OFFSET])
            places.append((center, (width + bottom - top) / self._aligner.face_detector.reference_scale))
        faces = np.stack([crop(frame, *place) for frame, place in zip(frames, places)])

        def network(images: Tensor) -> list[Tensor]:
            made = self._aligner.face_alignment_net(images.float() / 255)
            return [made[-1] if isinstance(made, list) else made]

        images = torch.from_numpy(faces).to(self.device).permute(0, 3, 1, 2).contiguous()
        (heat,) = self._blocks.outputs(network, images)
        found = [get_preds_fromhm(heat[k : k + 1].numpy(), *place)[1] for k, place in enumerate(places)]
        return [one.reshape(-1, 2).astype(np.float64) for one in found]


def missing(weights: Path | None) -> list[str]:
    """Return what is missing for this detector, as text."""
    reasons = [] if importlib.util.find_spec("face_alignment") else ["the package face-alignment is not installed"]
    return reasons + [f"{name} is not on this machine" for name in (NETWORK, FINDER) if not find_file(name, weights)]
