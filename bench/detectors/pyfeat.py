"""The papers' head pose and action units: py-feat (Cheong et al., Affective Science 2023), its `Detectorv1`.

The papers used older releases with other networks; the signature says which release and which weights ran here.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import types
import warnings
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.arithmetic import exact
from bench.detectors import compat
from bench.detectors.base import FACE_RULE, NO_FACE, DerivedDetector, Detection, Detector, largest_face
from bench.detectors.weights import package_folder, short_hash
from bench.runtime.errors import UserError
from protocols.errors import first_line

# The files of the networks that are used: hub repository, file, and the file's older name where py-feat takes it too.
FILES = (
    ("py-feat/retinaface_r34", "model.safetensors", "retinaface_r34.safetensors"),
    ("py-feat/mobilefacenet", "mobilefacenet_model_best.pth.tar", None),
    ("py-feat/xgb_au", "xgb_au_classifier_v2.skops", "xgb_au_classifier.skops"),
    ("py-feat/pose_mlp_v2", "pose_mlp_v2.safetensors", None),
    ("py-feat/pose_mlp_v2", "pose_mlp_v2.json", None),
)
BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
ANGLES = ("Pitch", "Yaw", "Roll")
# In the order of its columns.
UNITS = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU11", "AU12"),
    *("AU14", "AU15", "AU17", "AU20", "AU23", "AU24", "AU25", "AU26", "AU28", "AU43"),
)
# All that its classifier file may be made of, beside what skops trusts by itself (numpy, scikit-learn).
TYPES = {
    "feat.au_detectors.StatLearning.SL_test.XGBClassifier",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
}
SCORE = 0.5  # py-feat's own threshold for a face


class PyFeat(Detector):
    """What the two below share: pitch, yaw, roll in degrees, then 20 action units, of the largest face."""

    kind, name, proxy, shape = "pyfeat", "py-feat", False, (len(ANGLES) + len(UNITS),)

    def __init__(self, device: str = "cpu") -> None:
        if reasons := missing():
            raise UserError(f"{self.name}: {'; '.join(reasons)}", code="missing-weights")
        self.device = device

    @property
    def signature(self) -> str:
        files = ",".join(short_hash(file) for file in weight_files() if file)
        parts = f"face:{FACE_RULE};finder:retinaface;pose:landmark-mlp;units:xgb;angles:deg"
        return f"{self.name};v:2;weights:{files};{parts};library:{metadata.version('py-feat')}"

    @cached_property
    def _detector(self) -> Any:
        feat = load_package()
        for file in weight_files():
            if file and file.suffix == ".skops":
                check_types(file)
        with warnings.catch_warnings():  # it warns that the pose comes from landmarks; the signature says so
            warnings.simplefilter("ignore")
            detector = feat.Detectorv1(emotion_model=None, identity_model=None, gaze_model=None, device=self.device)
        exact()
        return detector

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Detection:
        image = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))[None]
        try:
            with torch.inference_mode(), contextlib.redirect_stderr(io.StringIO()):  # it draws progress bars there
                table = self._detector.detect(
                    image, data_type="tensor", progress_bar=False, face_detection_threshold=SCORE
                )
        except (RuntimeError, ValueError) as error:  # a box without area, for one; release 2.1.5 without any box, too
            empty = not any(box[4] >= SCORE for box in self._detector.facepose_detector(image.float())[0])
            return Detection(None, NO_FACE if empty else f"py-feat failed: {first_line(error)}")
        table = table[table["FaceScore"].notna()]
        if table.empty:
            return Detection(None, NO_FACE)
        left, top, width, height = table[list(BOX)].to_numpy(dtype=np.float64).T
        face = table.iloc[largest_face(np.stack((left, top, left + width, top + height), axis=1))]
        angles = np.degrees(face[list(ANGLES)].to_numpy(dtype=np.float64))
        values = np.concatenate((angles, face[list(UNITS)].to_numpy(dtype=np.float64)))
        return Detection(values) if np.isfinite(values).all() else Detection(None, "py-feat gave no finite values")


class PyFeatHeadPose(DerivedDetector):
    """Pitch (positive: up), yaw (positive: to the subject's right) and roll in degrees."""

    kind, name, proxy, shape = "headpose", "py-feat", False, (len(ANGLES),)

    @property
    def signature(self) -> str:
        return f"headpose-of:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values[: len(ANGLES)])


class PyFeatActionUnits(DerivedDetector):
    """The 20 action units that py-feat tells, in its order, as probabilities."""

    kind, name, proxy, shape = "action_units", "py-feat", False, (len(UNITS),)

    @property
    def signature(self) -> str:
        return f"action-units-of:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values[len(ANGLES) :])


def load_package() -> types.ModuleType:
    """Import py-feat with what it needs repaired, and without its reaching for the network."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    compat.repair()
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError):
        # It needs FFmpeg's libraries, and py-feat imports it for videos, of which it is given none here.
        for name in [name for name in sys.modules if name.split(".")[0] == "torchcodec"]:
            del sys.modules[name]
        decoders = types.ModuleType("torchcodec.decoders")
        vars(decoders)["VideoDecoder"] = None
        sys.modules |= {"torchcodec": types.ModuleType("torchcodec"), "torchcodec.decoders": decoders}
    return importlib.import_module("feat")


def check_types(file: Path) -> None:
    """Raise UserError unless a skops file holds known types only.

    py-feat itself trusts whatever types the file names, and so would run what somebody put into it.
    """
    from skops.io import get_untrusted_types

    try:
        odd = sorted(set(get_untrusted_types(file=file)) - TYPES)
    except Exception as error:  # skops raises many kinds of errors for files that are none of its own
        raise UserError(f"{file} cannot be read: {first_line(error)}", code="unreadable-checkpoint") from None
    if odd:
        raise UserError(f"{file} refused: it would have to run code to load ({odd[0]})", code="unsafe-file")


def weight_files() -> list[Path | None]:
    """For each of `FILES` where it lies, or None.

    py-feat keeps them inside its own package, in the hub's cache layout, and looks nowhere else.
    """
    return [
        _cached(repository, name) or (_cached(repository, older) if older else None)
        for repository, name, older in FILES
    ]


def resources() -> Path | None:
    """The folder in which py-feat looks for weights, or None where the package is not installed."""
    folder = package_folder("feat")
    return folder / "resources" if folder else None


def missing() -> list[str]:
    """What keeps this detector from working, in words."""
    if importlib.util.find_spec("feat") is None:
        return ["the package py-feat is not installed"]
    absent = [f"{repository}/{name}" for (repository, name, _), file in zip(FILES, weight_files()) if file is None]
    return [f"{', '.join(absent)} not in {resources()}"] if absent else []


def _cached(repository: str, name: str) -> Path | None:
    """A file of the hub's cache: the snapshot that ``refs/main`` names."""
    folder = resources()
    base = folder / f"models--{repository.replace('/', '--')}" if folder else None
    if base is None or not (base / "refs" / "main").is_file():
        return None
    file = base / "snapshots" / (base / "refs" / "main").read_text(encoding="utf-8").strip() / name
    return file if file.is_file() else None
