"""Google's face networks (`baselines/facemesh/mediapipe`), TensorFlow Lite files, run by LiteRT in one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from baselines.errors import ModelError
from protocols.errors import first_line
from protocols.files import short_hash

FOLDER = Path(__file__).with_name("mediapipe")
STDERR = 2
_loading = threading.Lock()
_loaded = threading.local()  # an interpreter serves one thread at a time, and cannot be pickled


class Network:
    """One network, loaded by each thread at its first use; can be pickled at any time."""

    def __init__(self, name: str) -> None:
        """Name the network: a file in `FOLDER`, without suffix."""
        self.file = FOLDER / f"{name}.tflite"

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """Return the outputs, flat float64, in the file's order. image: float32 RGB ``(side, side, 3)``."""
        interpreter, given, outputs = self._interpreter()
        interpreter.set_tensor(given, np.ascontiguousarray(image[None], dtype=np.float32))
        interpreter.invoke()
        return [interpreter.get_tensor(output).ravel().astype(np.float64) for output in outputs]

    def check(self) -> None:
        """Load the network in this thread. Raises ModelError if its file is damaged."""
        self._interpreter()

    @property
    def signature(self) -> str:
        return f"weights:{short_hash(self.file)}"

    def _interpreter(self) -> tuple[Any, int, list[int]]:
        kept = _loaded.__dict__.setdefault("networks", {})
        if self.file not in kept:
            from ai_edge_litert.interpreter import Interpreter

            with _without_notice():
                try:
                    made = Interpreter(model_path=str(self.file), num_threads=1)
                except ValueError as error:
                    what = f"{self.file} is damaged ({first_line(error)}): reinstall this package"
                    raise ModelError(what, code="unreadable-checkpoint") from None
                made.allocate_tensors()
            outputs = [one["index"] for one in made.get_output_details()]
            kept[self.file] = made, made.get_input_details()[0]["index"], outputs
        return kept[self.file]


@contextmanager
def _without_notice() -> Iterator[None]:
    """Keep LiteRT from writing "INFO: Created ... delegate" to the console; it has no setting for that."""
    with _loading, open(os.devnull, "w", encoding="utf-8") as nowhere:
        try:
            kept = os.dup(STDERR)
        except OSError:  # standard error is closed, so there is nothing to hide
            yield
            return
        try:
            os.dup2(nowhere.fileno(), STDERR)
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)


def release() -> str:
    """Return LiteRT's release, for signatures: rounding depends on it. Raises ModelError if it is not installed."""
    try:
        return f"litert:{metadata.version('ai-edge-litert')}"
    except metadata.PackageNotFoundError:
        raise ModelError("LiteRT is missing: pip install ai-edge-litert", code="missing-package") from None


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
