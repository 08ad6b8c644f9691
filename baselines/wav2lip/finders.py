"""Face detectors for Wav2Lip's crops."""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.arithmetic import exact
from baselines.errors import ModelError
from baselines.facemesh import blazeface, litert
from baselines.unpickling import read_safely
from protocols.errors import first_line
from protocols.files import short_hash

S3FD_FILE = "s3fd-619a316812.pth"
NAMES = ("blazeface", "s3fd")
CACHED = 1 << 16  # frames; frames of a template recur


@dataclass(frozen=True)
class Finder:
    """A face detector. name: for the manifest. find: returns the first face's x1, y1, x2, y2 in pixels, or None."""

    name: str
    find: Callable[[np.ndarray], np.ndarray | None]


class CachedFinder:
    """A finder that caches the boxes of equal frames."""

    def __init__(self, finder: Finder) -> None:
        self._finder, self._boxes = finder, dict[bytes, np.ndarray | None]()

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        """Return the box ``(4,)`` of uint8 RGB ``(H, W, 3)``, or None."""
        key = hashlib.blake2b(frame.tobytes(), digest_size=16).digest()
        if key not in self._boxes:
            if len(self._boxes) >= CACHED:
                self._boxes.clear()
            self._boxes[key] = self._finder.find(frame)
        return self._boxes[key]


def choose(options: Mapping[str, str], weights: Path | None, device: torch.device) -> Finder:
    """Return the detector of the option ``finder``. weights: the weights folder. Raises ModelError if it is missing."""
    name = options.get("finder", NAMES[0])
    if name not in NAMES:
        raise ModelError(f"wav2lip: finder is {' or '.join(NAMES)}, not {name}", code="bad-value")
    return _s3fd(weights, device) if name == "s3fd" else _blazeface()


def _blazeface() -> Finder:
    release = litert.release()  # raises ModelError if it is missing

    def find(frame: np.ndarray) -> np.ndarray | None:
        (faces,) = blazeface.faces(frame[None])
        return faces[0, :4] if len(faces) else None

    return Finder(f"blazeface, not s3fd ({blazeface.settings()};{release})", find)


def _s3fd(weights: Path | None, device: torch.device) -> Finder:
    """Return S3FD of the package face-alignment: network and weights of the published Wav2Lip."""
    file = next((one for one in _places(weights) if one.is_file()), None)
    if file is None:
        raise ModelError(
            f"wav2lip?finder=s3fd needs {S3FD_FILE} in the weights folder (--weights)", code="missing-file"
        )
    if importlib.util.find_spec("face_alignment") is None:
        raise ModelError("wav2lip?finder=s3fd needs the package face-alignment", code="missing-package")
    read_safely(file)  # checked first, since the package would execute code in it
    from face_alignment.detection.sfd.sfd_detector import SFDDetector

    try:
        detector: Any = SFDDetector(str(device), path_to_detector=str(file))
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ModelError(f"{file} cannot be read: {first_line(error)}", code="unreadable-checkpoint") from None
    finally:
        exact()  # the package turns on kernel selection by timing

    def find(frame: np.ndarray) -> np.ndarray | None:
        faces = detector.detect_from_image(np.ascontiguousarray(frame))
        return np.asarray(faces[0][:4], dtype=np.float64) if len(faces) else None

    return Finder(f"s3fd of face-alignment {metadata.version('face-alignment')}, weights:{short_hash(file)}", find)


def _places(weights: Path | None) -> list[Path]:
    return [] if weights is None else [weights / S3FD_FILE, weights / "wav2lip" / S3FD_FILE]
