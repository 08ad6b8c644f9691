"""Evaluate clips: pass the frames of each through an `Evaluator`, then measure the clip itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

import pandas as pd

from baselines.talking import TalkingPredictor
from bench.features.base import Feature
from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.sets.base import frame_positions
from bench.run.batches import Evaluator, failed_rows, typed
from bench.run.clip_rows import clip_row
from bench.run.clip_sound import Sounds
from bench.run.clip_video import ClipVideo
from bench.run.engine import Batch, Model, Part, Pictures
from bench.run.pictures import shown_frames
from bench.run.set_features import Windows
from bench.run.talking import Source, begin
from bench.run.tracks import Needs, TrackRecorder
from bench.rundir.directory import CLIP, FRAME, KEPT, UNIT, VIDEO
from bench.rundir.whole import video_hash
from bench.runtime.allocator import release_freed_memory
from protocols.clips import EARLY, Clip
from protocols.errors import DataError
from protocols.names import PERFECT
from protocols.pairs import Pair
from protocols.sound import Sound


class ClipEvaluator:
    """Run models on clips and measure the results; as `Evaluator`, with one clip instead of each batch.

    clips: by id. definitions: the clip metrics of the run; features: what they read besides detectors, by name.
    size: frames at a time; no number depends on it. keep_frames: store the pictures of all frames, not of one per clip.
    videos: store each clip as a video. source: decodes a pair's source alone, for models driven by sound.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        clips: Mapping[str, Clip],
        definitions: Sequence[ClipDefinition],
        features: Mapping[str, Feature],
        sounds: Sounds,
        size: int,
        keep_frames: bool = False,
        videos: bool = False,
        source: Source | None = None,
    ) -> None:
        self._evaluator, self._clips, self._definitions = evaluator, clips, definitions
        self._features, self._sounds, self._size, self._keep = features, sounds, size, keep_frames
        self._videos = videos
        self._source = source or (lambda pair: evaluator.load(pair).source)
        self._needs = Needs.of(definitions)

    def __call__(self, model: Model, clips: Sequence[Sequence[Pair]]) -> Iterator[Part]:
        """Yield the clips in order: pictures, then the clip's row and one per frame. Raises as `Evaluator` does."""
        for pairs in clips:
            yield from self._clip(model, self._clips[pairs[0].clip], pairs)

    def _clip(self, model: Model, clip: Clip, pairs: Sequence[Pair]) -> Iterator[Part]:
        end, middle = model.predictor.clip_end(clip.id), shown_frames(pairs)[clip.id]
        requested = [pair for pair in pairs if end is None or pair.time < end.seconds - EARLY]
        cut = None
        if end is not None and len(requested) < len(pairs):
            cut = f"{len(pairs) - len(requested)} of {len(pairs)} frames are not compared: {end.why}"
        times = [pair.time for pair in requested]
        why = (cut or "no frame") if not requested else None
        if requested and isinstance(model.predictor, TalkingPredictor):
            more = self._sounds, self._source, self._evaluator.seed
            why = begin(model.predictor, clip, requested, mean_rate(times), *more)
        if why is not None:
            rows = failed_rows(model, pairs, why, self._evaluator.measurer)
            yield self._finished(clip, middle, rows, set(), {}, self._no_values(why), cut)
            return
        sound, target_sound, silence = self._sounds_of(model, clip)
        measurer = self._evaluator.measurer
        windows = Windows(measurer.choice, measurer.window_lengths, len(pairs))
        known = self._needs, measurer.choice, self._features
        recorder = TrackRecorder(times, *known, sound, target_sound, windows)
        featured = {pairs[k].id for k in frame_positions(len(pairs))}
        parts: list[pd.DataFrame] = []
        kept: set[str] = set()
        seconds: dict[str, float] = {}
        batches = [requested[start : start + self._size] for start in range(0, len(requested), self._size)]
        positions = {pair.id: position for position, pair in enumerate(requested)}
        wanted = self._videos and model.label != PERFECT  # the report shows the truth itself
        video = ClipVideo(positions) if wanted else None
        pictured = None if self._keep else {middle.id}
        with self._evaluator.recording(recorder, positions, pictured, featured, video):
            for batch in self._evaluator(model, batches):
                parts.append(batch.rows)
                seconds = {stage: seconds.get(stage, 0.0) + spent for stage, spent in batch.seconds.items()}
                frames = batch.frames
                if middle.id in frames:
                    frames[clip.id] = frames[middle.id] if self._keep else frames.pop(middle.id)
                if frames:
                    kept.update(frames)
                    yield Pictures(frames)
                release_freed_memory()  # a clip may be long
        rows = pd.concat(parts, ignore_index=True)
        if (rows["status"] == "failed").all():
            values = self._no_values(str(rows["error"].iloc[0]))
        else:
            tracks = recorder.finish(mean_rate(times))
            values = [(one, _value(one, tracks, silence)) for one in self._definitions]
        yield self._finished(clip, middle, rows, kept, seconds, values, cut, windows.finish(), video)

    def _sounds_of(self, model: Model, clip: Clip) -> tuple[Sound | None, Sound | None, str]:
        """Return the generated clip's sound, the reference's, and the reason if the former is missing.

        Nothing is read unless a metric needs it; a damaged file does not stop the run.
        """
        if not any(one.needs_sound for one in self._definitions):
            return None, None, "no sound"
        try:
            return self._sounds.generated(model, clip), self._sounds.target(clip), "no sound"
        except DataError as error:
            return None, None, str(error)

    def _finished(
        self,
        clip: Clip,
        middle: Pair,
        rows: pd.DataFrame,
        kept: Set[str],
        seconds: Mapping[str, float],
        values: Sequence[tuple[ClipDefinition, ClipValue]],
        cut: str | None,
        windows: Mapping[str, bytes | None] | None = None,
        video: ClipVideo | None = None,
    ) -> Batch:
        definitions = self._evaluator.measurer.definitions
        row = clip_row(clip, rows, definitions, values, cut, middle.time)
        filmed = None
        if self._videos:
            filmed = b"" if video is None else video.finish()
        row |= {VIDEO: None if filmed is None else video_hash(filmed)} | dict(windows or {})
        parts = [pd.DataFrame([row]).assign(**{UNIT: CLIP}), rows.assign(**{UNIT: FRAME})]
        table = typed(pd.concat(parts, ignore_index=True))
        return Batch(table.assign(**{KEPT: table["pair"].isin(kept)}), {}, seconds, filmed)

    def _no_values(self, why: str) -> list[tuple[ClipDefinition, ClipValue]]:
        return [(one, ClipValue.none(why)) for one in self._definitions]


def _value(definition: ClipDefinition, tracks: Tracks, silence: str) -> ClipValue:
    """Compute a metric of a clip. silence: the reason if there is no sound."""
    if definition.needs_sound and tracks.sound is None:
        return ClipValue.none(silence, len(tracks.times))
    return definition.compute(tracks)


def mean_rate(times: Sequence[float]) -> float:
    """Return the average frames per second; 25 for a single frame, where it is unknown."""
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 25.0
