"""Which pair `inspect` shows: a photograph and a frame of a video, or two frames of the sample set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from baselines import registry
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import ModelError, PairBatch
from bench.animate_frames import as_tensor
from bench.animate_input import fit, open_driving, read_source
from bench.config import cache_folder
from bench.errors import UserError
from bench.inspect import inspect
from protocols import sample_set
from protocols.augment import augment
from protocols.images import centre_square
from protocols.pairs import FrameRef
from protocols.sample_set import NAME
from reports import inspect as page


@dataclass(frozen=True)
class Chosen:
    """What was asked on the command line; without `source` and `driving` a clip of the sample set is taken.

    squeeze: factors for height and width of the driving frame, as in OSTNet's protocol of another scale.
    """

    source: Path | None = None
    driving: Path | None = None
    clip: str | None = None
    frame: int | None = None
    squeeze: tuple[float, float] | None = None
    mode: str | None = None
    seed: int = 0


def inspect_models(
    models: Sequence[str], chosen: Chosen, weights: Path | None, device: torch.device, out: Path
) -> Path:
    """Look into each model and write the page; returns its path. Raises UserError, DataError or ModelError."""
    if not models:
        raise UserError("--model: give at least one name")
    source, target, anchor = _frames(chosen)
    driving = augment(centre_square(target), *chosen.squeeze) if chosen.squeeze else target
    seen, notes = [], []
    for name in models:
        with closing(registry.load(name, weights=weights, device=device)) as predictor:
            if not isinstance(predictor, NetworkPredictor):
                raise UserError(f"{name} has no network to look into; `list models` says which have")
            mode = chosen.mode or predictor.motion_modes[0]
            if mode not in predictor.motion_modes:
                raise ModelError(f"{name} has no motion mode {mode}; it has: {', '.join(predictor.motion_modes)}")
            given = (("--source", source), ("--driving", driving), ("--driving", anchor), ("--driving", target))
            sized = [as_tensor([fit(image, "center", predictor.frame_size, what)], device) for what, image in given]
            batch = PairBatch(("pair",), sized[0], sized[1], sized[3], sized[2], (chosen.seed,))
            seen.append(inspect(predictor, batch, mode))
            facts = predictor.describe()
            kind = {(True, False): "sample weights", (False, True): "untrained weights"}
            told = kind.get((facts["sample_weights"], facts["untrained"]))
            notes += [f"{name}: {told}; the pictures say nothing about the published model"] if told else []
    return page.write(seen, out, notes)


def _frames(chosen: Chosen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, driving frame (not squeezed yet) and first driving frame, RGB uint8."""
    if chosen.source is not None and chosen.driving is not None:
        photograph, driving = read_source(chosen.source)[0], open_driving(chosen.driving, Fraction(25))
        count = len(driving.times)
        return photograph, driving.frame(_number(chosen, count)), driving.frame(0)
    samples = sample_set.open(cache_folder())
    clip = chosen.clip or samples.clips("test")[0]
    names = samples.frames(clip)
    if not names:
        raise UserError(f"--clip {clip}: no clip of the sample set; it has: {', '.join(samples.clips())}")
    shown = [samples.frame(FrameRef(NAME, clip, names[i])) for i in (0, _number(chosen, len(names)))]
    return shown[0], shown[1], shown[0]


def _number(chosen: Chosen, count: int) -> int:
    number = count // 2 if chosen.frame is None else chosen.frame
    if number >= count:
        raise UserError(f"--frame {number}: there are {count} driving frames, the first is 0")
    return number
