"""MemFace's attention to its two memories for a clip of the sound set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.facemesh.canonical import mouth
from baselines.levels import array_from_levels
from baselines.memface.predictor import MemFacePredictor
from baselines.memface.renderer import ExplicitMemory
from baselines.memface.speaker import HeardSpeaker
from baselines.talking import Talk
from bench.runtime.errors import UserError
from protocols import sound, sound_set
from protocols.images import read_rgb
from protocols.sound import Sound
from protocols.template import back_and_forth
from reports.inspection.memories import MemoriesSeen

UPPER, LOWER = 13, 14  # inner lips in the middle
RATE = 25.0


def of_sound_set(cache: Path) -> Talk:
    """Return the test seconds of the sound set, with the preceding seconds of the same clip as the template."""
    built = sound_set.SoundSet(sound_set.ensure(cache))
    uses = {use: (clip, start, end) for clip, start, end, use in sound_set.recipe()["adaptation"]}
    clip, start, end = uses["test"]
    folder = built.folder(clip)
    heard = sound.read(folder.with_suffix(".wav"))
    assert heard is not None  # the set's own
    count = round((end - start) * RATE)
    names = built.frames(clip)
    files = [folder / f"{names[number]}.png" for number in back_and_forth(round(start * RATE), count)]
    spoken = Sound(heard.cut(start, round(count / RATE * heard.rate)), heard.rate)
    times = tuple(number / RATE for number in range(count))
    return Talk(clip, spoken, times, RATE, lambda: map(_frame, files), built.identity(clip), 0, start)


def _frame(file: Path) -> Tensor:
    return torch.from_numpy(array_from_levels(read_rgb(file))).permute(2, 0, 1).contiguous()


def record(predictor: MemFacePredictor, talk: Talk, frame: int | None) -> MemoriesSeen:
    """Make a clip and record the inputs of the predictor's networks. frame: to show; None: the middle one.

    Raises UserError for a missing frame, or one without a face.
    """
    frame = len(talk.times) // 2 if frame is None else frame
    if frame >= len(talk.times):
        raise UserError(f"--frame {frame}: there are {len(talk.times)} frames, from 0", code="unknown-frame")
    shares: list[Tensor] = []
    calls: list[tuple[Tensor, ...]] = []
    handles = [predictor.renderer.register_forward_pre_hook(lambda _, given: calls.append(given))]
    network: Any = predictor.speaker.network if isinstance(predictor.speaker, HeardSpeaker) else None
    if network is not None and network.memory is not None:
        handles.append(
            network.memory.register_forward_pre_hook(
                lambda memory, given: shares.append(memory.similarity(given[0])[0])
            )
        )
    try:
        made = list(predictor.talk(talk))
    finally:
        for handle in handles:
            handle.remove()
    if not bool(made[frame].isfinite().all()):
        raise UserError(f"--frame {frame}: no face found in the template", code="no-face")
    at = sum(bool(one.isfinite().all()) for one in made[:frame])  # among the rendered frames
    drawn = torch.cat([given[0] for given in calls])[at]
    template = list(talk.template())[frame]
    facts: dict[str, Any] = dict.fromkeys(("explicit", "stored", "opening", "retrieved", "weights"))
    memory = predictor.renderer.memory
    if isinstance(memory, ExplicitMemory):
        with torch.inference_mode():
            weights = torch.cat([memory.attend(given[3]) for given in calls])
            retrieved = memory.read(weights[at : at + 1])[0]
        facts = {
            "explicit": weights.cpu().numpy(),
            "weights": weights[at].cpu().numpy(),
            "retrieved": _picture(retrieved),
            "stored": memory.patches.permute(0, 2, 3, 1).cpu().numpy() / 255,
            "opening": _opening(memory.keys),
        }
    return MemoriesSeen(
        model=predictor.name,
        mode="absolute",
        frame=frame,
        implicit=_in_order(shares, len(talk.times)),
        template=_picture(template),
        drawn=_picture(drawn),
        result=_picture(made[frame]),
        **facts,
    )


def _in_order(windows: list[Tensor], count: int) -> np.ndarray | None:
    """Return the attention ``(T, M)`` of all frames: the second half of each window, since windows overlap by half."""
    if not windows:
        return None
    half = windows[0].shape[0] // 2
    return torch.cat([window[half:] for window in windows])[:count].cpu().numpy()


def _opening(keys: Tensor) -> np.ndarray:
    """Return the distance of the inner lips in cm, of mouths ``(N, 69, 3)``."""
    upper, lower = (int(np.flatnonzero(mouth() == point)[0]) for point in (UPPER, LOWER))
    return (keys[:, lower] - keys[:, upper]).norm(dim=1).cpu().numpy()


def _picture(image: Tensor) -> np.ndarray:
    return image.detach().float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
