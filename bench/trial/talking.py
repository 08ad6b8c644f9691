"""Start a clip in `bench try` for models driven by sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baselines.talking import TalkingPredictor
from bench.run.clip_sound import Sounds
from bench.run.clip_work import mean_rate
from bench.run.engine import Model
from bench.run.talking import begin, check
from protocols.errors import DataError
from protocols.pairs import Pair
from protocols.resolve import Resolved


def beginning(model: Model, resolved: Resolved, pairs: Sequence[Pair]) -> Callable[[], None]:
    """Return a function that restarts the clip of the pairs; it does nothing for models not driven by sound.

    pairs: of one clip. The function raises DataError for a clip without sound. Raises ModelError if the protocol does
    not fit the model.
    """
    check([model], resolved)
    predictor = model.predictor
    if not isinstance(predictor, TalkingPredictor) or resolved.clips is None:
        return lambda: None
    clip = next(one for one in resolved.clips.clips if one.id == pairs[0].clip)
    rate = mean_rate([pair.time for pair in pairs])
    sounds = Sounds(resolved.clips, resolved.datasets)

    def start() -> None:
        why = begin(predictor, clip, pairs, rate, sounds, lambda pair: resolved.load(pair).source, 0)
        if why is not None:
            raise DataError(f"clip {clip.id}: {why}", code="no-sound")

    return start
