"""Asks a detector such that a frame on which it fails costs that frame only."""

from __future__ import annotations

import logging

import numpy as np

from bench.detectors.base import Detection, Detector
from bench.runtime.device_errors import is_of_device
from bench.runtime.errors import Stopped, UserError
from protocols.errors import typed_line

log = logging.getLogger(__name__)


def detect(detector: Detector, frames: np.ndarray) -> list[Detection]:
    """``detector.detect(frames)``; where that raises, frame by frame, and a frame that raises has that as its reason.

    Raises what is no frame's fault: UserError (weights that cannot be read), Stopped, OSError, errors of the device.
    """
    try:
        found = detector.detect(frames)
        if len(found) != len(frames):
            raise ValueError(f"{len(found)} results for {len(frames)} frames")
        return found
    except (UserError, Stopped, OSError):
        raise
    except Exception as error:  # a detector is foreign code and may fail in any way
        if is_of_device(error):
            raise
        log.debug("%s", detector.name, exc_info=error)
        if len(frames) == 1:
            reason = typed_line(error)
            return [Detection(None, f"{detector.name} failed ({reason})")]
    return [one for frame in frames for one in detect(detector, frame[None])]
