"""The models of a finished run once more, with the same weights and frames, for what the run did not keep."""

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
CLOSE = 2e-3  # mean absolute difference to the target, as measured and again: rounding of another device stays below
EXACT = 1e-5  # of frames that the run kept, which are those that it measured: rounding of float32


@dataclass(frozen=True)
class Again:
    """Asks the models of a run for single pairs. models: by label. pairs: by id, of a clip its frame in pictures."""

    setup: Setup
    models: dict[str, Model]
    pairs: dict[str, Pair]
    truncate: bool

    def load(self, pair: str) -> LoadedPair:
        """The frames of a pair."""
        return decoded(self.setup.resolved.load, self.pairs[pair])

    def frame(self, label: str, pair: str, l1: float | None) -> np.ndarray:
        """What a model makes of a pair, uint8 ``(H, W, 3)``. l1: what the run measured of it, where it did.

        Raises UserError where it makes nothing, or another frame than was measured.
        """
        model = self._asked(label)
        (made,) = predict(model, self._batch(pair), self.setup.device, self.setup.settings.seed, self.truncate)
        if made.frame is None:
            raise UserError(f"{pair}: {label} failed ({made.error}), though not in the run", code="failed-pair")
        target = self.load(pair).target
        if l1 is not None and target is not None:
            check_measured(made.frame, target, l1, CLOSE, f"{pair}: the frame of {label} made again")
        return made.frame

    def inspection(self, label: str, pair: str) -> Inspection:
        """What a network computes on the way to its frame. Raises UserError for a model that is no network of ours."""
        model = self._asked(label)
        predictor = model.predictor
        if not isinstance(predictor, NetworkPredictor):
            raise UserError(f"{label} has no network to look into", code="no-network")
        side = self.load(pair).driving.shape[0]
        if predictor.frame_size != side:
            raise UserError(
                f"{label} resizes frames of {side} pixels: what it computes is not shown in them", code="frame-size"
            )
        return inspect(
            predictor, pair_batch(self._batch(pair), self.setup.device, self.setup.settings.seed), model.mode
        )

    def _asked(self, label: str) -> Model:
        model = self.models[label]
        if model.predictor.driven_by == "sound":
            raise UserError(
                f"{label} is driven by sound and makes whole clips: only frames that the run kept can be shown "
                "(--save-frames keeps all)",
                code="missing-frames",
            )
        return model

    def _batch(self, pair: str) -> Decoded:
        return Decoded.of([(self.pairs[pair], self.load(pair))], self.setup.device)


@contextmanager
def begin(manifest: Complete, settings: RunSettings, labels: Sequence[str]) -> Iterator[Again]:
    """Load the models and find the frames of a run. settings: of its command, with these models only.

    Raises UserError where weights, frames or pairs are not those of the run.
    """
    names = ["l1"] if manifest.protocol.reference == "same-identity" else None
    few = replace(settings, bounds=False, metrics=names, workers=0, as_published=False, seed=manifest.seeds.run)
    with prepare(few) as setup:
        _check(manifest, setup.plan(), labels)
        pairs = setup.resolved.pair_list.pairs
        shown = {pair.id: pair for pair in pairs} | shown_frames(pairs)
        yield Again(setup, {model.label: model for model in setup.models}, shown, settings.as_published)


def _check(manifest: Complete, plan: Prepared, labels: Sequence[str]) -> None:
    """Raise UserError where anything that decides a frame is another than in the run."""
    for label in labels:
        ours, ran = plan.model(label).content(), manifest.model(label).content()
        if any(ours.get(key) != ran.get(key) for key in ("weights_sha256", "weights_beside")):
            raise UserError(f"{label}: the run had other weights; give --weights as in the run", code="wrong-weights")
        if other := [key for key in SAME if ours.get(key) != ran.get(key)]:
            raise UserError(f"{label} is not as in the run: its {', '.join(other)} differ", code="other-run")
    now, then = plan.protocol, manifest.protocol
    differs = [f"protocol's {key}" for key in DECIDING if getattr(now, key) != getattr(then, key)]
    differs += ["pair list"] if plan.pairs.sha256 != manifest.pairs.sha256 else []
    differs += ["frames' files"] if plan.data_sha256 != manifest.data_sha256 else []
    differs += ["crop"] if plan.crop != manifest.crop else []
    if plan.pairs.provenance.best_anchors != manifest.pairs.provenance.best_anchors:
        differs.append("anchors")
    if differs:
        raise UserError(
            f"frames cannot be made again: the run's {', '.join(differs)} differ from those here; give --data as in "
            "the run",
            code="other-run",
        )


def check_measured(frame: np.ndarray, target: np.ndarray, l1: float, tolerance: float, what: str) -> None:
    """Raise UserError for a frame that is not the one that was measured, by its L1 to the target."""
    alike = frame.shape == target.shape
    now = np.abs(frame.astype(float) - target).mean() / 255 if alike else np.nan
    if not abs(now - l1) <= tolerance:
        raise UserError(
            f"{what} is not the one that was measured (L1 {now:.5g}, in the run {l1:.5g})", code="other-run"
        )


def kept(run: Path, folder: str, pair: str) -> Path | None:
    """The file of a frame that the run kept, of a role (``_source``) or a model; None where it kept none."""
    places = (run / "pictures" / folder / f"{pair}.png", run / "frames" / folder / f"{pair}.png")
    return next((file for file in places if file.is_file()), None)
