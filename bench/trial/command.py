"""`python -m bench try`: run a model on two pairs and check all that a run would refuse."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from baselines import registry
from baselines.levels import to_levels
from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor, TimeLimit
from baselines.spec import ModelSpec
from bench.run import outside
from bench.run.engine import Decoded, Model, pair_batch
from bench.run.generated import as_uint8, generate, made_shape
from bench.run.setup import tell_size
from bench.rundir.encoding import to_png
from bench.rundir.whole import write_png
from bench.runtime.config import Config
from bench.runtime.device_errors import is_of_device
from bench.trial.talking import beginning
from protocols import catalogue
from protocols.errors import BenchError, PluginError, typed_line
from protocols.names import safe_name
from protocols.plugins import FAILURES
from protocols.resolve import Resolved, resolve

PAIRS = 2
ROUNDS = 3
GRAY = 128  # of a missing frame
DEPENDS = 2 / 255  # larger than rounding differences between batch sizes
Answer = TypeVar("Answer")
PROTOCOLS = {"frames": ("vox1-sameid", "own-sameid"), "sound": ("hdtf-adapt15", "own-talking")}  # sample, custom data


@dataclass(frozen=True)
class Trial:
    """The options of the command. protocol: None: chosen by the data. out: picture to write, or None."""

    model: str
    config: Config
    device: torch.device
    protocol: str | None = None
    mode: MotionMode | None = None
    out: Path | None = None


def attempt(trial: Trial, console: Console) -> int:
    """Run the model on two pairs, print its output, write a picture; return the number of missing frames.

    Raises ModelError if the model violates the interface of `baselines.predictor`.
    """

    def notify(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True, highlight=False)

    spec = ModelSpec.parse(trial.model)
    with closing(registry.load(spec, weights=trial.config.weights, device=trial.device)) as predictor:
        resolved = _resolved(trial, predictor)
        if trial.mode:
            predictor.known_mode(trial.mode, spec.name)
        requested = trial.mode or resolved.protocol.mode
        mode = predictor.nearest_mode(requested)
        model = Model(spec.name, predictor, mode, spec)
        tell_size([model], resolved.shapes)
        pairs = resolved.pair_list.pairs[:PAIRS]  # a clip has more
        start = beginning(model, resolved, pairs)
        predictor.expect([pair.id for pair in pairs])
        outside.describe(model)
        batch = pair_batch(Decoded.of([(pair, resolved.load(pair)) for pair in pairs], trial.device), trial.device, 0)
        notify(
            f"{model.label}: {resolved.protocol.name}, {len(batch)} pairs, motion mode {model.mode}, on {trial.device}"
        )
        notify(f"input: {_described(batch.source)}")
        if trial.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(trial.device)
        output = _predict(model, _copy(batch), start)
        notify(f"output: {_described(output)}")
        if filtered := outside.output_filter(predictor, resolved.shapes):
            notify(f"a run resizes the output to the input's size: {filtered}")
        start()
        made = _guarded(model, lambda: generate(predictor, _copy(batch), model.mode, model.label))
        _check_alone(model, batch, output, start)
        seconds = [_seconds(model, batch, start) for _ in range(ROUNDS)]
        notify(f"speed: {1000 * statistics.median(seconds) / len(batch):.1f} ms per frame, {len(batch)} at a time")
        notify(f"peak memory: {_peak(trial.device)}")
        out = trial.out or Path(f"try-{safe_name(model.label)[:80]}.png")
        write_png(out, to_png(_picture(batch, made)))
        shown = "template, true frame" if predictor.driven_by == "sound" else "source, driving frame"
        notify(f"picture ({shown}, generated): {out}")
    failed = {pair.id: one for pair, one in zip(pairs, made) if isinstance(one, str)}
    for pair, reason in failed.items():
        console.print(f"pair {pair} has no frame: {reason}", style="red", markup=False, soft_wrap=True)
    return len(failed)


def _resolved(trial: Trial, predictor: Predictor) -> Resolved:
    config, modes = trial.config, predictor.motion_modes
    of_sample, custom = PROTOCOLS[predictor.driven_by or "frames"]
    name = trial.protocol or (custom if config.asked else of_sample)
    protocol = catalogue.get(name)
    mode = trial.mode or (protocol.mode if protocol.mode in modes else modes[0])
    return resolve(
        protocol,
        config.data,
        config.cache,
        asked=config.asked,
        follow_links=config.follow_links,
        sample=config.sample or not (trial.protocol or config.asked),
        limit=1 if protocol.shape == "clip" else PAIRS,
        mode=mode,
    )


def _guarded(model: Model, ask: Callable[[], Answer]) -> Answer:
    """Raise ModelError for any error of the model that is not the device's."""
    try:
        with torch.inference_mode():
            return ask()
    except BenchError:
        raise
    except TimeLimit as error:
        raise ModelError(f"{model.label}: {error}", code="timed-out") from error
    except FAILURES as error:  # foreign code may fail in any way
        if is_of_device(error):
            raise
        raise ModelError(f"{model.label}: predict failed: {typed_line(error)}", code=PluginError.code) from error


def _predict(model: Model, batch: PairBatch, start: Callable[[], None]) -> Tensor:
    start()
    return _guarded(model, lambda: model.predictor.predict(batch, model.mode))


def _described(frames: object) -> str:
    """Return shape, type and range of a model's output, which may be anything."""
    if not isinstance(frames, Tensor):
        return f"{type(frames).__name__}, not a tensor"
    kind = f"shape {tuple(frames.shape)}, {str(frames.dtype).removeprefix('torch.')}"
    if not frames.numel():
        return kind
    if frames.is_complex() or frames.layout != torch.strided or frames.is_meta:
        return f"{kind}, {frames.layout}, on {frames.device}"
    values = frames.detach().double()
    known = values[values.isfinite()]
    lost = values.numel() - known.numel()
    extent = f"values from {known.min():.4g} to {known.max():.4g}" if known.numel() else "no finite value"
    return f"{kind}, {extent}" + (f", {lost} of {values.numel()} not finite" if lost else "")


def _copy(batch: PairBatch, count: int | None = None) -> PairBatch:
    """Copy the first pairs of a batch, by default all, so that a model cannot change the original."""

    def some(images: Tensor | None) -> Tensor | None:
        return None if images is None else images[:count].clone()

    return PairBatch(
        batch.ids[:count],
        batch.source[:count].clone(),
        batch.driving[:count].clone(),
        some(batch.target),
        some(batch.anchor),
        batch.seeds[:count],
        batch.info[:count],
    )


def _check_alone(model: Model, batch: PairBatch, together: Tensor, start: Callable[[], None]) -> None:
    """Raise ModelError if a pair's frame depends on the rest of its batch, or is random."""
    first = batch.source[:1]
    alone = _predict(model, _copy(batch, 1), start)
    as_uint8(alone, made_shape(model.predictor, first), f"{model.label} with one pair")
    difference = (alone[0].detach().double() - together[0].detach().double()).abs()
    largest = float(difference.nan_to_num().max())
    if largest > DEPENDS:
        raise ModelError(
            f"{model.label}: the frame of pair {batch.ids[0]} alone differs from that in a batch (by up to "
            f"{largest:.3g}): it depends on the rest of the batch, or on random numbers without batch.seeds",
            code="bad-frames",
        )


def _seconds(model: Model, batch: PairBatch, start: Callable[[], None]) -> float:
    model.predictor.forget()
    fresh = _copy(batch)
    began = time.perf_counter()
    _predict(model, fresh, start).cpu()  # waits for an accelerator
    return time.perf_counter() - began


def _peak(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB of the device, by torch"
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f"{peak / 2**20:.0f} MiB of the whole process"


def _picture(batch: PairBatch, made: Sequence[np.ndarray | str]) -> np.ndarray:
    """Return a row per pair with source, driving frame and result."""

    def shown(images: Tensor, k: int) -> np.ndarray:
        return to_levels(images[k]).permute(1, 2, 0).cpu().numpy()

    rows = []
    for k, one in enumerate(made):
        source = shown(batch.source, k)
        result = np.full_like(source, GRAY) if isinstance(one, str) else one
        rows.append(np.concatenate([source, shown(batch.driving, k), result], axis=1))
    return np.concatenate(rows)
