"""Pass the sound and template of clips to models driven by sound, and check which protocols have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from baselines.errors import ModelError
from baselines.levels import array_from_levels
from baselines.talking import Talk, TalkingPredictor
from bench.run.clip_sound import Sounds
from bench.run.engine import Model, pair_seed
from protocols.clips import Clip, ClipList
from protocols.errors import DataError
from protocols.names import BOUNDS, PERFECT, STILL, TEMPLATE, WRONG
from protocols.pairs import Pair
from protocols.resolve import Resolved
from protocols.sound import Sound

Source = Callable[[Pair], np.ndarray]  # decodes a pair's template frame, uint8 (H, W, 3)

NOT_ALIKE = "NOT ALIKE: "  # how the notice begins


def of_sound(clips: ClipList | None) -> bool:
    """Return whether a run's clips are driven by sound, all of them."""
    return clips is not None and all(clip.driven_by == "sound" for clip in clips.clips)


def bounds(resolved: Resolved) -> tuple[str, ...]:
    """Return the names of a run's bounds.

    If the template is the truth itself, a model that copies its frames is perfect and no lower bound.
    """
    if not of_sound(resolved.clips):
        return (STILL, PERFECT)
    own = any(pair.source == pair.target for pair in resolved.pair_list.pairs)
    return (PERFECT,) if own else (TEMPLATE, PERFECT, WRONG)


def check(models: Sequence[Model], resolved: Resolved) -> list[str]:
    """Return a notice if sound drives some models and the true frames drive others.

    Raises ModelError for a model driven by sound if not every clip is, and for a bound that the protocol lacks.
    """
    name, known = resolved.protocol.name, bounds(resolved)
    for bound in (model.spec.unlabeled for model in models if model.spec):
        if bound in BOUNDS and bound not in known:
            raise ModelError(f"{bound} is not a bound of {name}; it has: {', '.join(known)}", code="wrong-protocol")
    if not of_sound(resolved.clips):
        if wrong := next((model for model in models if model.predictor.driven_by == "sound"), None):
            raise ModelError(
                f"{wrong.label} is driven by sound; {name} gives driving frames: choose a protocol driven by "
                "sound, such as hdtf-adapt15",
                code="wrong-protocol",
            )
        return []
    if not (seeing := [model.label for model in models if model.predictor.driven_by == "frames"]):
        return []
    heard = [model.label for model in models if model.predictor.driven_by == "sound"]
    instead = f", {', '.join(heard)} only the sound" if heard else ""
    receives = "receives" if len(seeing) == 1 else "receive"
    return [
        f"{NOT_ALIKE}{', '.join(seeing)} {receives} the true frames as driving frames{instead}; "
        "do not compare their rows"
    ]


def begin(
    predictor: TalkingPredictor,
    clip: Clip,
    pairs: Sequence[Pair],
    rate: float,
    sounds: Sounds,
    source: Source,
    seed: int,
) -> str | None:
    """Pass a clip to a model before its frames are requested; return why that is impossible, None if it is possible.

    pairs: the requested frames. rate: frames per second on average. seed: the run's.
    The sound is cut to the requested seconds, with silence where the file has none.
    """
    try:
        sound = sounds.target(clip)
    except DataError as error:
        return str(error)
    if sound is None:
        return "the clip has no sound, which drives the model"
    times = tuple(pair.time for pair in pairs)
    count = round((times[-1] + 1 / rate) * sound.rate)
    if not sound.available() or sound.start * sound.rate >= count:
        return "the clip has no sound in the requested seconds"
    heard = Sound(sound.cut(0.0, count), sound.rate, 0.0, sound.source_rate, sound.facts)
    template = partial(_frames, tuple(pairs), source)
    talk = Talk(clip.id, heard, times, rate, template, clip.source_identity, pair_seed(seed, clip.id), clip.start)
    predictor.begin(talk, [pair.id for pair in pairs])
    return None


def _frames(pairs: Sequence[Pair], source: Source) -> Iterator[Tensor]:
    """Yield the template's frames in order, decoded one by one.

    An unreadable frame, whose pair fails, is replaced by the one before it, else by the next readable one.
    """
    last: Tensor | None = None
    waiting = 0
    for pair in pairs:
        waiting += 1
        try:
            frame = source(pair)
        except DataError:
            if last is None:
                continue
        else:
            last = torch.from_numpy(array_from_levels(frame)).permute(2, 0, 1).contiguous()
        for _ in range(waiting):
            yield last.clone()
        waiting = 0
