"""The inputs of `inspect`: a photograph and a video's frame, two frames of the sample set, or pairs of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines import registry
from baselines.memface.predictor import MemFacePredictor
from baselines.memface.variants import VARIANTS as MEMFACE
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import PairBatch
from baselines.spec import ModelSpec
from bench.animate.crop import cropped, settle
from bench.animate.frames import as_tensor
from bench.animate.input import fit, open_driving, read_source
from bench.detectors.face_box import FaceBox
from bench.inspection import memories
from bench.inspection.inspect import inspect
from bench.rundir import kept_pictures
from bench.rundir.directory import RunDirectory
from bench.runtime.config import cache_folder
from bench.runtime.errors import UserError
from protocols import sample_set
from protocols.augment import augment
from protocols.crop import center_square
from protocols.images import read_rgb
from protocols.pairs import FrameRef
from protocols.sample_set import NAME
from reports.inspection import page as page
from reports.inspection.figures import Inspection
from reports.inspection.memories import MemoriesSeen
from reports.schema.manifest import Complete, Manifest, ModelEntry


@dataclass(frozen=True)
class InspectSettings:
    """The options of the command. Without `source` and `driving`, a clip of the sample set is used.

    Source and driving video are cropped as in `animate` by default.
    squeeze: factors for height and width of the driving frame, as in OSTNet's protocol for different scales.
    """

    source: Path | None = None
    driving: Path | None = None
    clip: str | None = None
    frame: int | None = None
    squeeze: tuple[float, float] | None = None
    mode: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class PairToDraw:
    """One pair to draw, RGB uint8. name: "" for the only one. anchor: None if there is no relative motion.

    source_from, driving_from: names of the frames.
    """

    name: str
    source: np.ndarray
    driving: np.ndarray
    target: np.ndarray
    anchor: np.ndarray | None
    source_from: str
    driving_from: str


def inspect_models(
    models: Sequence[str], chosen: InspectSettings, weights: Path | None, device: torch.device, out: Path
) -> Path:
    """Draw each model's computation and write the page; return its path. Raises UserError, DataError or ModelError."""
    if not models:
        raise UserError("--models: give at least one name", code="missing-option")
    heard = [name for name in models if ModelSpec.parse(name).target in MEMFACE]
    seen: list[Inspection | MemoriesSeen] = []
    notes: list[str] = []
    for name in heard:
        found, more = _listen(name, chosen, weights, device)
        seen, notes = [*seen, found], notes + more
    if len(heard) < len(models):
        (source, target, anchor), names, said = _frames(chosen)
        driving = augment(center_square(target), *chosen.squeeze) if chosen.squeeze else target
        squeezed = ", squeezed by {} and {}".format(*chosen.squeeze) if chosen.squeeze else ""
        shown, notes = PairToDraw("", source, driving, target, anchor, names[0], names[1] + squeezed), notes + said
        for name in (name for name in models if name not in heard):
            drawn, more = _inspect(name, [shown], chosen.mode, chosen.seed, weights, device)
            seen, notes = [*seen, *drawn], notes + more
    return page.write(seen, out, notes)


def _listen(
    name: str, chosen: InspectSettings, weights: Path | None, device: torch.device
) -> tuple[MemoriesSeen, list[str]]:
    """Return MemFace's attention to its memories for the sound set's test seconds, and notes about its weights."""
    if chosen.source or chosen.driving or chosen.clip or chosen.squeeze:
        raise UserError(f"{name} is driven by sound: only --frame applies to it", code="unused-option")
    heard = "the sound set's test seconds"
    with closing(registry.load(name, weights=weights, device=device)) as predictor:
        assert isinstance(predictor, MemFacePredictor)
        predictor.known_mode(chosen.mode or "absolute", name)
        seen = memories.record(predictor, memories.of_sound_set(cache_folder()), chosen.frame)
        seen = replace(seen, model=name, source_from=f"frame {seen.frame} of {heard}", driving_from=f"sound of {heard}")
        return seen, _weights_note(name, predictor.describe())


def inspect_run(
    run: Path, models: Sequence[str], count: int, weights: Path | None, device: torch.device, out: Path | None
) -> Path:
    """Draw the networks of a run, or those named, for the first `count` pairs with saved pictures.

    Write the page to `out`, by default ``<run>/inspect``; return its path. Raises UserError or ModelError, for a run
    without a network driven by frames too.
    """
    if (manifest := RunDirectory(run).manifest()) is None:
        raise UserError(f"--run {run}: is not the folder of a run", code="no-finished-run")
    known = {model.name: model for model in manifest.models if model.parameters and model.driven_by != "sound"}
    for name in models or known:
        if name not in known:
            raise UserError(
                f"{name}: is not a network of this run that is driven by frames; it has {', '.join(known) or 'none'}",
                code="unknown-model",
            )
    if not known:
        labels = ", ".join(model.name for model in manifest.models)
        raise UserError(
            f"--run {run}: has no network driven by frames to inspect; its models: {labels}", code="no-network"
        )
    if isinstance(manifest, Complete):
        kept_pictures.check(run, manifest)
    pictures = run / "pictures"
    named = _frame_names(run, manifest)
    shown = []
    for file in sorted((pictures / "_source").glob("*.png"))[:count]:
        source, driving = read_rgb(file), read_rgb(pictures / "_driving" / file.name)
        target = pictures / "_target" / file.name
        truth = read_rgb(target) if target.is_file() else driving
        shown.append(PairToDraw(file.stem, source, driving, truth, None, *named.get(file.stem, ("", ""))))
    if not shown:
        raise UserError(f"--run {run}: has no saved pictures", code="missing-frames")
    seen: list[Inspection] = []
    notes: list[str] = []
    for name in models or known:
        found, more = _inspect(name, shown, known[name].mode, 0, weights, device, known[name])
        seen, notes = seen + found, notes + more
    return page.write(seen, out or run / "inspect", notes, None if out else "../report.html")


def _frame_names(run: Path, manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Return the names of each pair's source and driving frame; empty for an unfinished run."""
    samples = RunDirectory(run).samples(manifest) if isinstance(manifest, Complete) else None
    if samples is None:
        return {}
    rows = samples.drop_duplicates("pair")[["pair", "source", "driving"]].itertuples(index=False, name=None)
    return {pair: (source, driving) for pair, source, driving in rows}


def _inspect(
    name: str,
    pairs: Sequence[PairToDraw],
    mode: str | None,
    seed: int,
    weights: Path | None,
    device: torch.device,
    ran: ModelEntry | None = None,
) -> tuple[list[Inspection], list[str]]:
    """Return what one model computes for each pair, and a note about its weights. ran: its manifest entry."""
    with closing(registry.load(name, weights=weights, device=device)) as predictor:
        if not isinstance(predictor, NetworkPredictor):
            raise UserError(f"{name} has no network to inspect; see `list models`", code="no-network")
        if not predictor.card.probes:
            raise UserError(f"{name}: its model.json has no `probes`, so nothing can be drawn", code="no-network")
        mode = predictor.known_mode(mode or predictor.motion_modes[0], name)
        if mode.startswith("relative") and pairs[0].anchor is None:
            raise UserError(
                f"{name}: relative motion needs an anchor frame, which a run does not save", code="missing-anchor"
            )
        if ran is not None and ran.frame_size is not None:
            predictor.work_at(ran.frame_size)
        facts = predictor.describe()
        if ran is not None and facts["weights_sha256"] != ran.weights_sha256:
            raise UserError(
                f"{name}: these are not the run's weights; give --weights as in the run", code="wrong-weights"
            )
        seen = []
        for pair in pairs:
            given = {"--source": pair.source, "--driving": pair.driving}
            given |= {} if pair.anchor is None else {"anchor": pair.anchor}
            given["target"] = pair.target
            images = {
                what: as_tensor([fit(image, "center", predictor.frame_size, what)], device)
                for what, image in given.items()
            }
            source, driving, target = (images[what] for what in ("--source", "--driving", "target"))
            batch = PairBatch(("pair",), source, driving, target, images.get("anchor"), (seed,))
            found = inspect(predictor, batch, mode)
            seen.append(replace(found, pair=pair.name, source_from=pair.source_from, driving_from=pair.driving_from))
    return seen, _weights_note(name, facts)


def _weights_note(name: str, facts: Mapping[str, Any]) -> list[str]:
    """Return the note about a model's weights."""
    status = facts.get("weights_status", "official")
    nothing = "the pictures do not show the published model"
    ends = {"sample": nothing, "untrained": nothing, "unverified": facts.get("weights_note")}
    return [f"{name}: {status} weights; {ends[status]}"] if status in ends else []


def _frames(chosen: InspectSettings) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[str, str], list[str]]:
    """Return the source, the driving frame (not squeezed) and the first driving frame, RGB uint8.

    Then the names of source and driving frame, and notes about their files.
    """
    if chosen.source is not None and chosen.driving is not None:
        photograph, notes = read_source(chosen.source)
        driving = open_driving(chosen.driving, None)
        count = len(driving.times)
        source, _ = settle(None, lambda _: photograph, 1, finder := FaceBox())
        moving, _ = settle(None, driving.frame, count, finder)
        shown, first = (cropped(driving.frame(number), moving, "--driving") for number in (_number(chosen, count), 0))
        names = chosen.source.name, f"{chosen.driving.name}, frame {_number(chosen, count)} of {count}"
        return (cropped(photograph, source, "--source"), shown, first), names, [*notes, *driving.notices]
    samples = sample_set.open(cache_folder())
    clip = chosen.clip or samples.clips("test")[0]
    frames = samples.frames(clip)
    if not frames:
        raise UserError(
            f"--clip {clip}: is not a clip of the sample set; it has {', '.join(samples.clips())}", code="unknown-clip"
        )
    first_ref, ref = (FrameRef(NAME, clip, frames[k]) for k in (0, _number(chosen, len(frames))))
    first, shown = samples.frame(first_ref), samples.frame(ref)
    return (first, shown, first), (str(first_ref), str(ref)), []


def _number(chosen: InspectSettings, count: int) -> int:
    number = count // 2 if chosen.frame is None else chosen.frame
    if number >= count:
        raise UserError(f"--frame {number}: there are {count} driving frames, from 0", code="unknown-frame")
    return number
