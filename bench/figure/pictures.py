"""The pictures of a comparison grid's columns, from the run's folder or recomputed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from baselines.network_predictor import NetworkPredictor
from bench.figure.again import EXACT, Again, check_measured, kept
from bench.figure.frames import Shot, measured
from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from protocols.images import read_rgb
from protocols.names import safe_name
from reports.figure.grid import Tile, error_map
from reports.inspection.figures import Inspection, color_wheel
from reports.schema.manifest import Complete

SHARED = {"source": "Source", "driving": "Driving", "anchor": "Anchor", "truth": "Ground truth"}
ROLES = {"source": "_source", "driving": "_driving", "truth": "_target"}  # folders of a run's pictures
OF_MODELS = {
    "prediction": "{}",
    "error": "{}, error",
    "rectified": "Rectified",
    "keypoints": "{}, keypoints",
    "source-keypoints": "Source keypoints",
    "flow": "{}, flow",
    "warped": "{}, warped",
    "occlusion": "{}, occlusion",
    "depth": "Disparity",
    "memory": "Memory",
}
ALIASES = {"models": "prediction", "target": "truth"}
COLUMNS = (*SHARED, *OF_MODELS)
PROBES = {"rectified": "rectify", "depth": "depth", "memory": "memory"}  # needed in a model's card
TILED = 4  # memory channels in a row of a tile


class Column(NamedTuple):
    """A requested column. label: of one model; None: of every model."""

    kind: str
    label: str | None


def parse(words: Sequence[str], labels: Sequence[str]) -> list[Column]:
    """Parse ``source,rectified:ostnet,models``. Raises UserError for an unknown column or model."""
    found = []
    for word in words:
        kind, _, label = word.partition(":")
        kind = ALIASES.get(kind, kind)
        if kind not in COLUMNS:
            raise UserError(f"--columns {word}: choose one of {', '.join((*COLUMNS, 'models'))}", code="unknown-column")
        if label and (kind in SHARED or label not in labels):
            raise UserError(
                f"--columns {word}: "
                + (
                    f"{kind} does not belong to a model"
                    if kind in SHARED
                    else f"the figure's models are {', '.join(labels)}"
                ),
                code="unknown-model",
            )
        found.append(Column(kind, label or None))
    return found


class Pictures:
    """The pictures of a run's pairs. Missing ones are recomputed; `begin` loads the models for that.

    full: difference (of 1) at the end of the error maps' range. shots: frames of clips to show instead of the middle
        one; frames: the run's table of frames. With shots, a pair is such a frame.
    """

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Complete,
        samples: pd.DataFrame,
        begin: Callable[[], AbstractContextManager[Again]],
        full: float,
        shots: Sequence[Shot] = (),
        frames: pd.DataFrame | None = None,
    ) -> None:
        self.path, self.manifest, self.full = directory.path, manifest, full
        self._kept_as = {shot.id: shot.clip for shot in shots if shot.middle}
        self.computed: dict[str, None] = {}  # which models were recomputed, each once
        self._measured: dict[tuple[str, str], float] = {}
        if "l1" in samples and manifest.unit == "pair":
            rows = samples.dropna(subset="l1")
            self._measured = dict(zip(zip(rows["model"], rows["pair"]), rows["l1"].astype(float)))
        elif frames is not None:
            self._measured = measured(frames)
        self._begin, self._stack = begin, ExitStack()
        self._again: Again | None = None
        self._seen: dict[tuple[str, str], Inspection] = {}

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def again(self) -> Again:
        """Load the run's models and frames at the first use."""
        if self._again is None:
            self._again = self._stack.enter_context(self._begin())
        return self._again

    def frame(self, kind: str, pair: str) -> np.ndarray:
        """Return the source, driving frame, anchor or target. Raises UserError where the pair has none."""
        if kind in ROLES and (file := self._kept(ROLES[kind], pair)):
            return read_rgb(file)
        loaded = self.again.load(pair)
        frame = loaded.target if kind == "truth" else getattr(loaded, kind)
        if frame is None:
            raise UserError(f"{pair} has no {kind} frame", code="no-picture")
        return frame

    def prediction(self, label: str, pair: str) -> np.ndarray:
        """Return a model's frame."""
        l1 = self._measured.get((label, pair))
        if file := self._kept(safe_name(label), pair):
            frame = read_rgb(file)
            if l1 is not None and (target := self._kept(ROLES["truth"], pair)):
                check_measured(frame, read_rgb(target), l1, EXACT, f"{file}: the frame, or the target next to it,")
            return frame
        self.computed[f"frames of {label}"] = None
        return self.again.frame(label, pair, l1)

    def _kept(self, folder: str, pair: str) -> Path | None:
        """Return the file of a saved frame; a clip's middle frame is also saved under the clip's name."""
        found = kept(self.path, folder, pair)
        return found or (kept(self.path, folder, self._kept_as[pair]) if pair in self._kept_as else None)

    def tile(self, kind: str, label: str | None, pair: str) -> Tile | None:
        """Return one picture; None if the model does not compute it."""
        if label is None:
            return Tile(self.frame(kind, pair), zoomed=kind == "truth")
        if kind == "prediction":
            return Tile(self.prediction(label, pair), zoomed=True)
        if kind == "error":
            output, target = self.prediction(label, pair), self.frame("truth", pair)
            return Tile(error_map(output, target, self.full), zoomed=True)
        if not self._computes(kind, label):
            return None
        return _of_network(kind, self.inspection(label, pair))

    def _computes(self, kind: str, label: str) -> bool:
        """Return whether a network has this picture, from its card, without computing anything."""
        predictor = self.again.models[label].predictor
        return not isinstance(predictor, NetworkPredictor) or PROBES.get(kind, "motion") in (
            *predictor.card.probes,
            "motion",
        )

    def inspection(self, label: str, pair: str) -> Inspection:
        """Return the network's intermediate results for a pair, cached."""
        if (label, pair) not in self._seen:
            self._seen[label, pair] = self.again.inspection(label, pair)
            self.computed[f"what {label} computes"] = None
        return self._seen[label, pair]

    def memory(self, label: str, pair: str) -> tuple[np.ndarray, list[tuple[np.ndarray, int]]] | None:
        """Return a network's memory ``(M, S, S)``, and the memories conditioned on a pair's source by feature size.

        None if it has no memory, or is not a network.
        """
        predictor = self.again.models[label].predictor
        if not isinstance(predictor, NetworkPredictor) or "memory" not in predictor.card.probes:
            return None
        seen = self.inspection(label, pair)
        if seen.meta_memory is None:
            return None
        return seen.meta_memory, [(level.conditioned, level.side) for level in seen.memory_levels]


def _of_network(kind: str, seen: Inspection) -> Tile | None:
    if kind == "keypoints":
        return None if seen.driving_points is None else Tile(_levels(seen.frame), points=seen.driving_points)
    if kind == "source-keypoints":
        return None if seen.source_points is None else Tile(_levels(seen.source), points=seen.source_points)
    if kind == "flow":
        return None if seen.flow is None else Tile(_levels(color_wheel(seen.flow)), flow=seen.flow)
    if kind == "occlusion":
        return Tile(_levels(_gray(seen.occlusions[-1]))) if seen.occlusions else None
    if kind == "depth":
        return None if seen.depth is None else Tile(_levels(_gray(_stretched(seen.depth))))
    if kind == "memory":
        return Tile(_levels(_gray(_mosaic(seen.memory_levels[-1].conditioned)))) if seen.memory_levels else None
    image = {"rectified": seen.rectified, "warped": seen.warped}[kind]
    return None if image is None else Tile(_levels(image))


def _mosaic(memory: np.ndarray) -> np.ndarray:
    """Return the channels of a memory ``(M, S, S)`` with the largest variance as one square, each scaled."""
    order = np.argsort(-memory.std((1, 2)), kind="stable")[: TILED**2]
    shown = [_stretched(memory[k]) for k in order] + [np.zeros_like(memory[0])] * (TILED**2 - len(order))
    return np.concatenate([np.concatenate(shown[k : k + TILED], axis=1) for k in range(0, TILED**2, TILED)])


def _stretched(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _gray(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(values, 0, 1)[..., None], 3, axis=2)


def _levels(image: np.ndarray) -> np.ndarray:
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
