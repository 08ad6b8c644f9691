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
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.detectors import torchvision_repair
from bench.detectors.base import NO_FACE, Detection, DerivedDetector, Detector
from bench.detectors.weights import package_folder, short_hash
from bench.errors import UserError

# Hub repository and file of each network that is used.
FILES = {
    "py-feat/retinaface_r34": ("model.safetensors",),
    "py-feat/mobilefacenet": ("mobilefacenet_model_best.pth.tar",),
    "py-feat/xgb_au": ("xgb_au_classifier_v2.skops",),
    "py-feat/pose_mlp_v2": ("pose_mlp_v2.safetensors", "pose_mlp_v2.json"),
}
ANGLES = ("Pitch", "Yaw", "Roll")
UNIT_COUNT = 20


class PyFeat(Detector):
    """Pitch, yaw, roll in degrees and then 20 action units of the face with the best score: what the two below share."""

    kind, name, proxy, shape = "pyfeat", "py-feat", False, (len(ANGLES) + UNIT_COUNT,)

    def __init__(self, device: str = "cpu") -> None:
        if reasons := missing():
            raise UserError(f"{self.name}: {'; '.join(reasons)}")
        self.device = device

    @property
    def signature(self) -> str:
        files = ",".join(short_hash(file) for files in weight_files().values() for file in files if file)
        return f"{self.name};v:1;weights:{files};face:best;angles:deg;library:{metadata.version('py-feat')}"

    @cached_property
    def _detector(self) -> Any:
        feat = load_package()
        return feat.Detectorv1(emotion_model=None, identity_model=None, gaze_model=None, device=self.device)

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Detection:
        image = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))[None]
        with torch.inference_mode(), contextlib.redirect_stderr(io.StringIO()):  # it draws a progress bar every time
            table = self._detector.detect(image, data_type="tensor", progress_bar=False)
        table = table[table["FaceScore"].notna()]
        if table.empty:
            return Detection(None, NO_FACE)
        best = table.loc[table["FaceScore"].idxmax()]
        angles = np.degrees(best[list(ANGLES)].to_numpy(dtype=np.float64))
        values = np.concatenate((angles, best[list(table.au_columns)].to_numpy(dtype=np.float64)))
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

    kind, name, proxy, shape = "action_units", "py-feat", False, (UNIT_COUNT,)

    @property
    def signature(self) -> str:
        return f"action-units-of:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values[len(ANGLES) :])


def load_package() -> types.ModuleType:
    """Import py-feat with what it needs repaired, and without its reaching for the network."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torchvision_repair.repair()
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError):
        # It needs FFmpeg's libraries, and py-feat imports it for videos, of which it is given none here.
        for name in [name for name in sys.modules if name.split(".")[0] == "torchcodec"]:
            del sys.modules[name]
        decoders = types.ModuleType("torchcodec.decoders")
        decoders.VideoDecoder = None
        sys.modules |= {"torchcodec": types.ModuleType("torchcodec"), "torchcodec.decoders": decoders}
    return importlib.import_module("feat")


def weight_files() -> dict[str, tuple[Path | None, ...]]:
    """For each hub repository its files where they lie, None where one is missing.

    py-feat keeps them inside its own package, in the hub's cache layout, and looks nowhere else.
    """
    folder = resources()
    return {
        repository: tuple(_cached(folder, repository, name) if folder else None for name in names)
        for repository, names in FILES.items()
    }


def resources() -> Path | None:
    """The folder in which py-feat looks for weights, or None where the package is not installed."""
    folder = package_folder("feat")
    return folder / "resources" if folder else None


def missing() -> list[str]:
    """What keeps this detector from working, in words."""
    if importlib.util.find_spec("feat") is None:
        return ["the package py-feat is not installed"]
    return [
        f"{repository}/{name} is not in {resources()}"
        for repository, files in weight_files().items()
        for name, file in zip(FILES[repository], files)
        if file is None
    ]


def _cached(folder: Path, repository: str, name: str) -> Path | None:
    """A file of the hub's cache: the snapshot that ``refs/main`` names."""
    base = folder / f"models--{repository.replace('/', '--')}"
    reference = base / "refs" / "main"
    if not reference.is_file():
        return None
    file = base / "snapshots" / reference.read_text(encoding="utf-8").strip() / name
    return file if file.is_file() else None
