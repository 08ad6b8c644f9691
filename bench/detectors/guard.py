"""Run a detector so that an error on one frame affects only that frame."""

from __future__ import annotations

import logging

import numpy as np

from bench.detectors.base import Detection, Detector
from bench.runtime.device_errors import is_of_device
from bench.runtime.errors import Stopped, UserError
from protocols.errors import typed_line

log = logging.getLogger(__name__)


def detect(detector: Detector, frames: np.ndarray) -> list[Detection]:
    """Return ``detector.detect(frames)``; if it raises, run frame by frame, and errors become the frames' reasons.

    Raises errors not caused by a frame: UserError (unreadable weights), Stopped, OSError, errors of the device.
    """
    try:
        found = detector.detect(frames)
        if len(found) != len(frames):
            raise ValueError(f"{len(found)} results for {len(frames)} frames")
        return found
    except (UserError, Stopped, OSError):
        raise
    except Exception as error:  # a plug-in's detector may raise anything
        if is_of_device(error):
            raise
        log.debug("%s", detector.name, exc_info=error)
        if len(frames) == 1:
            reason = typed_line(error)
            return [Detection(None, f"{detector.name} failed ({reason})")]
    return [one for frame in frames for one in detect(detector, frame[None])]
