"""Run the models of a finished run again, with the same weights and frames, for pictures that it did not save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from baselines.network_predictor import NetworkPredictor
from bench.inspection.inspect import inspect
from bench.run.batches import decoded
from bench.run.engine import Decoded, Model, pair_batch, predict
from bench.run.manifest import DECIDING
from bench.run.pictures import shown_frames
from bench.run.setup import RunSettings, Setup, prepare
from bench.runtime.errors import UserError
from protocols.pairs import Pair
from protocols.resolve import LoadedPair
from reports.inspection.figures import Inspection
from reports.schema.manifest import Complete, Prepared

SAME = (
    *("model", "mode", "weights_sha256", "weights_beside", "code_sha256", "frames_sha256", "command"),
    *("frame_size", "output_frame_size", "output_filter", "conventions"),
)
CLOSE = 2e-3  # the L1 to the target may differ by this between the run and now: above rounding on another device
EXACT = 1e-5  # the same for frames that the run saved: above rounding of float32


@dataclass(frozen=True)
class Again:
    """Runs the models of a run on single pairs. models: by label. pairs: by id; for clips, the frame in pictures."""

    setup: Setup
    models: dict[str, Model]
    pairs: dict[str, Pair]
    truncate: bool

    def load(self, pair: str) -> LoadedPair:
        """Return the frames of a pair."""
        return decoded(self.setup.resolved.load, self.pairs[pair])

    def frame(self, label: str, pair: str, l1: float | None) -> np.ndarray:
        """Return a model's frame for a pair, uint8 ``(H, W, 3)``. l1: the run's value, if it has one.

        Raises UserError if there is no frame, or not the one that the run measured.
        """
        model = self._model(label)
        (made,) = predict(model, self._batch(pair), self.setup.device, self.setup.settings.seed, self.truncate)
        if made.frame is None:
            raise UserError(f"{pair}: {label} failed ({made.error}), but not in the run", code="failed-pair")
        target = self.load(pair).target
        if l1 is not None and target is not None:
            check_measured(made.frame, target, l1, CLOSE, f"{pair}: the recomputed frame of {label}")
        return made.frame

    def inspection(self, label: str, pair: str) -> Inspection:
        """Return what a network computes for its frame. Raises UserError for a model without a network."""
        model = self._model(label)
        predictor = model.predictor
        if not isinstance(predictor, NetworkPredictor):
            raise UserError(f"{label} has no network to inspect", code="no-network")
        side = self.load(pair).driving.shape[0]
        if predictor.frame_size != side:
            raise UserError(
                f"{label} resizes frames of {side} pixels: what it computes cannot be shown on them", code="frame-size"
            )
        return inspect(
            predictor, pair_batch(self._batch(pair), self.setup.device, self.setup.settings.seed), model.mode
        )

    def _model(self, label: str) -> Model:
        model = self.models[label]
        if model.predictor.driven_by == "sound":
            raise UserError(
                f"{label} is driven by sound and makes whole clips: only saved frames can be shown "
                "(--save-frames saves all)",
                code="missing-frames",
            )
        return model

    def _batch(self, pair: str) -> Decoded:
        return Decoded.of([(self.pairs[pair], self.load(pair))], self.setup.device)


@contextmanager
def begin(manifest: Complete, settings: RunSettings, labels: Sequence[str]) -> Iterator[Again]:
    """Load the models and open the frames of a run. settings: of its command, with these models only.

    Raises UserError if weights, frames or pairs are not those of the run.
    """
    names = ["l1"] if manifest.protocol.reference == "same-identity" else None
    few = replace(settings, bounds=False, metrics=names, workers=0, as_published=False, seed=manifest.seeds.run)
    with prepare(few) as setup:
        _check(manifest, setup.plan(), labels)
        pairs = setup.resolved.pair_list.pairs
        shown = {pair.id: pair for pair in pairs} | shown_frames(pairs)
        yield Again(setup, {model.label: model for model in setup.models}, shown, settings.as_published)


def _check(manifest: Complete, plan: Prepared, labels: Sequence[str]) -> None:
    """Raise UserError if anything that determines a frame differs from the run."""
    for label in labels:
        ours, ran = plan.model(label).content(), manifest.model(label).content()
        if any(ours.get(key) != ran.get(key) for key in ("weights_sha256", "weights_beside")):
            raise UserError(
                f"{label}: these are not the run's weights; give --weights as in the run", code="wrong-weights"
            )
        if other := [key for key in SAME if ours.get(key) != ran.get(key)]:
            raise UserError(f"{label} differs from the run: {', '.join(other)}", code="other-run")
    now, then = plan.protocol, manifest.protocol
    differs = [f"protocol's {key}" for key in DECIDING if getattr(now, key) != getattr(then, key)]
    differs += ["pair list"] if plan.pairs.sha256 != manifest.pairs.sha256 else []
    differs += ["frames' files"] if plan.data_sha256 != manifest.data_sha256 else []
    differs += ["crop"] if plan.crop != manifest.crop else []
    if plan.pairs.provenance.best_anchors != manifest.pairs.provenance.best_anchors:
        differs.append("anchors")
    if differs:
        raise UserError(
            f"frames cannot be recomputed: {', '.join(differs)} differ from the run; give --data as in the run",
            code="other-run",
        )


def check_measured(frame: np.ndarray, target: np.ndarray, l1: float, tolerance: float, what: str) -> None:
    """Raise UserError if a frame is not the measured one, by its L1 to the target."""
    alike = frame.shape == target.shape
    now = np.abs(frame.astype(float) - target).mean() / 255 if alike else np.nan
    if not abs(now - l1) <= tolerance:
        raise UserError(f"{what} is not the measured one (L1 {now:.5g}, in the run {l1:.5g})", code="other-run")


def kept(run: Path, folder: str, pair: str) -> Path | None:
    """Return the file of a saved frame of a role (``_source``) or a model, or None."""
    places = (run / "pictures" / folder / f"{pair}.png", run / "frames" / folder / f"{pair}.png")
    return next((file for file in places if file.is_file()), None)
