"""The papers' head pose and action units: py-feat (Cheong et al., Affective Science 2023), its `Detectorv1`.

The papers used older releases with other networks; the signature has the release and the weights.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import types
import warnings
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
from bench.detectors import compat
from bench.detectors.base import NO_FACE, DerivedDetector, Detection, Detector
from bench.detectors.blocks import BLOCK
from bench.detectors.weights import package_folder
from bench.runtime.device_errors import OomBackoff, is_of_device
from bench.runtime.errors import UserError
from protocols.errors import first_line
from protocols.files import short_hash

# Weight files: hub repository, file, and an older file name that py-feat also accepts.
FILES = (
    ("py-feat/retinaface_r34", "model.safetensors", "retinaface_r34.safetensors"),
    ("py-feat/mobilefacenet", "mobilefacenet_model_best.pth.tar", None),
    ("py-feat/xgb_au", "xgb_au_classifier_v2.skops", "xgb_au_classifier.skops"),
    ("py-feat/pose_mlp_v2", "pose_mlp_v2.safetensors", None),
    ("py-feat/pose_mlp_v2", "pose_mlp_v2.json", None),
)
ANGLES = ("Pitch", "Yaw", "Roll")
# In the order of py-feat's columns.
UNITS = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU11", "AU12"),
    *("AU14", "AU15", "AU17", "AU20", "AU23", "AU24", "AU25", "AU26", "AU28", "AU43"),
)
# Types allowed in the classifier file, in addition to those that skops trusts (numpy, scikit-learn).
TYPES = {
    "feat.au_detectors.StatLearning.SL_test.XGBClassifier",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
}
SCORE = 0.5  # py-feat's own threshold for a face
log = logging.getLogger(__name__)


class PyFeat(Detector):
    """The base of the two detectors below: pitch, yaw, roll in degrees, then 20 action units, of the largest face."""

    kind, name, proxy, shape = "pyfeat", "py-feat", False, (len(ANGLES) + len(UNITS),)

    def __init__(self, device: str = "cpu") -> None:
        if reasons := missing():
            raise UserError(f"{self.name}: {'; '.join(reasons)}", code="missing-weights")
        self.device = device
        size = 1 if device == "cpu" else BLOCK
        self._backoff = OomBackoff(self.name, log.warning, size=size, unit="frame")

    @property
    def signature(self) -> str:
        files = ",".join(short_hash(file) for file in weight_files() if file)
        parts = f"face:{FACE_RULE};finder:retinaface;pose:landmark-mlp;units:xgb;angles:deg"
        return f"{self.name};v:3;weights:{files};{parts};library:{metadata.version('py-feat')}"

    @cached_property
    def _detector(self) -> Any:
        feat = load_package()
        for file in weight_files():
            if file and file.suffix == ".skops":
                check_types(file)
        with warnings.catch_warnings():  # it warns that the pose is from landmarks, which is in the signature
            warnings.simplefilter("ignore")
            detector = feat.Detectorv1(emotion_model=None, identity_model=None, gaze_model=None, device=self.device)
        exact()
        return detector

    def detect(self, frames: np.ndarray) -> list[Detection]:
        images = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
        return [one for part in self._backoff(images, self._portion) for one in part]

    def _portion(self, images: Tensor) -> list[Detection]:
        """Find the faces of all frames ``(N, 3, H, W)`` at once, then analyze the largest of each frame at once.

        These are the two halves of the package's ``detect``, which would fail if one frame has no face.
        """
        count, rest = len(images), (self._backoff.size or len(images)) - len(images)
        images = torch.cat((images, images[-1:].expand(rest, *images.shape[1:])))  # kernels depend on the size
        with torch.inference_mode():
            found = [_largest(one) for one in self._detector.detect_faces(images, face_detection_threshold=SCORE)]
            faces = {k: one for k, one in enumerate(found) if one is not None}
            analyzed = self._analyze(list(faces.values()), images.shape[2:]) if faces else []
        detections = dict(zip(faces, analyzed, strict=True))
        return [detections.get(k, Detection(None, NO_FACE)) for k in range(count)]

    def _analyze(self, faces: list[dict[str, Any]], size: Sequence[int]) -> list[Detection]:
        """Return a `Detection` per face. size: of the frames. A batch that fails is retried face by face."""
        count, filled = len(faces), max(len(faces), self._backoff.size or 0)
        nothing = torch.zeros(filled)
        frames = {
            "Image": torch.empty(filled, 3, *size, device="meta"),  # only its shape is used
            "Padding": dict.fromkeys(("Left", "Top", "Right", "Bottom"), nothing),
            "Scale": torch.ones(filled),
        }
        try:
            table = self._detector.forward([*faces, *faces[-1:] * (filled - count)], frames)[:count]
        except (RuntimeError, ValueError) as error:  # for example a box without area
            if is_of_device(error):
                raise
            if count == 1:
                return [Detection(None, f"py-feat failed: {first_line(error)}")]
            return [one for face in faces for one in self._analyze([face], size)]
        angles = np.degrees(table[list(ANGLES)].to_numpy(dtype=np.float64))
        values = np.concatenate((angles, table[list(UNITS)].to_numpy(dtype=np.float64)), axis=1)
        odd = Detection(None, "py-feat gave no finite values")
        return [Detection(one) if np.isfinite(one).all() else odd for one in values]


def _largest(faces: dict[str, Any]) -> dict[str, Any] | None:
    """Return the largest of py-feat's faces in a frame, or None."""
    if faces["boxes"].isnan().any():  # its row for a frame without a face
        return None
    k = largest_face(faces["new_boxes"].cpu().numpy())
    return {name: faces[name][k : k + 1] for name in ("faces", "boxes", "new_boxes", "poses", "scores")}


class PyFeatHeadPose(DerivedDetector):
    """Pitch (positive: up), yaw (positive: to the subject's right) and roll in degrees."""

    kind, name, proxy, shape = "headpose", "py-feat", False, (len(ANGLES),)

    @property
    def signature(self) -> str:
        return f"headpose-of:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values[: len(ANGLES)])


class PyFeatActionUnits(DerivedDetector):
    """The 20 action units of py-feat, in its order, as probabilities."""

    kind, name, proxy, shape = "action_units", "py-feat", False, (len(UNITS),)

    @property
    def signature(self) -> str:
        return f"action-units-of:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values[len(ANGLES) :])


def load_package() -> types.ModuleType:
    """Import py-feat with the needed patches, and without network access."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    compat.repair()
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError):
        # It needs FFmpeg's libraries; py-feat imports it for videos, which are not used here.
        for name in [name for name in sys.modules if name.split(".")[0] == "torchcodec"]:
            del sys.modules[name]
        decoders = types.ModuleType("torchcodec.decoders")
        vars(decoders)["VideoDecoder"] = None
        sys.modules |= {"torchcodec": types.ModuleType("torchcodec"), "torchcodec.decoders": decoders}
    return importlib.import_module("feat")


def check_types(file: Path) -> None:
    """Raise UserError unless a skops file has only known types.

    py-feat itself trusts all types in the file, and would run code in it.
    """
    from skops.io import get_untrusted_types

    try:
        odd = sorted(set(get_untrusted_types(file=file)) - TYPES)
    except Exception as error:  # skops raises many kinds of errors for other files
        raise UserError(f"{file} cannot be read: {first_line(error)}", code="unreadable-checkpoint") from None
    if odd:
        raise UserError(f"{file} refused: loading it would run code ({odd[0]})", code="unsafe-file")


def weight_files() -> list[Path | None]:
    """Return the path of each of `FILES`, or None.

    py-feat reads them only from its own package, in the layout of the hub's cache.
    """
    return [
        _cached(repository, name) or (_cached(repository, older) if older else None)
        for repository, name, older in FILES
    ]


def resources() -> Path | None:
    """Return py-feat's folder for weights, or None if the package is not installed."""
    folder = package_folder("feat")
    return folder / "resources" if folder else None


def missing() -> list[str]:
    """Return what is missing for this detector, as text."""
    if importlib.util.find_spec("feat") is None:
        return ["the package py-feat is not installed"]
    absent = [f"{repository}/{name}" for (repository, name, _), file in zip(FILES, weight_files()) if file is None]
    return [f"{', '.join(absent)} not in {resources()}"] if absent else []


def _cached(repository: str, name: str) -> Path | None:
    """Return path of a file in the hub's cache, in the snapshot of ``refs/main``."""
    folder = resources()
    base = folder / f"models--{repository.replace('/', '--')}" if folder else None
    if base is None or not (base / "refs" / "main").is_file():
        return None
    file = base / "snapshots" / (base / "refs" / "main").read_text(encoding="utf-8").strip() / name
    return file if file.is_file() else None
