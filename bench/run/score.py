"""`python -m bench score`: score finished videos against the true ones, or alone, without a list of clips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.spec import ModelSpec
from bench.run.setup import RunSettings
from bench.runtime.errors import UserError
from protocols.clip_sampling import ids_of
from protocols.clips import Clip, ClipList
from protocols.custom_dataset import open_dataset
from protocols.datasets import Dataset
from protocols.folder import is_picture, is_video, some
from protocols.matching import match
from protocols.pairs import WHOLE_CLIP, FrameRef
from protocols.protocol import CROSS, CUSTOM, EVERY, SAME, SIZES, Protocol, Reference
from protocols.words import counted

TRUTH, SOURCES, DRIVING = "truth", "sources", "driving"  # names of the data sets
METRICS = (
    *("ssim", "psnr", "lpips", "l1", "akd", "mkr", "aed", "csim", "aucon", "prmse"),
    *("lip-sync", "sync-d", "av-offset", "lip-labial-auc", "lip-lag-corr", "lip-lag", "lmd"),
    *("id-source", "id-consecutive", "id-drift", "pose-distance", "landmark-velocity", "jitter", "dynamic-degree"),
    *("blink-rate", "blink-duration", "blinks", "lid-error", "gaze-error"),
    *("sharpness", "flicker", "warping-error", "fid", "fvd"),
)


@dataclass(frozen=True)
class Scored:
    """What is scored: folders of videos or of frame folders, or single videos.

    truth: the true clips; None for metrics without a reference. finished: of each model. labels: of the models; empty
    for the folders' names. sources: photographs. driving: the driving clips.
    """

    truth: Path | None
    finished: Sequence[Path]
    labels: Sequence[str] = ()
    sources: Path | None = None
    driving: Path | None = None


def settings_of(scored: Scored, settings: RunSettings, size: str) -> RunSettings:
    """Return the settings of the run that scores these videos.

    settings: all other options. size: one of `SIZES`. Raises UserError for what cannot be scored, DataError for names
    that match twice.
    """
    if not scored.finished:
        raise UserError("score: give the true videos, then at least one folder of finished ones", code="missing-option")
    reference: Reference = SAME
    name, roles = "score", {"target", "driving"}
    if scored.truth is None and scored.driving is not None:
        reference, name, roles = CROSS, "score-driven", {"driving"}
    places = {TRUTH: scored.truth, SOURCES: scored.sources, DRIVING: scored.driving}
    if scored.truth is None and scored.driving is None:
        name, roles = "score-alone", set()
        places[DRIVING] = scored.finished[0]  # whose times are those of all
    if scored.truth is not None and scored.driving is not None:
        raise UserError(
            "--driving is for cross-identity videos, which have no true ones: add --no-truth and drop the first folder",
            code="conflicting-options",
        )
    if scored.sources is not None:
        roles |= {"source"}
    roots = {data: place.expanduser() for data, place in places.items() if place is not None}
    for place in [*roots.values(), *scored.finished]:
        if not place.expanduser().exists():
            raise UserError(f"{place}: no such folder or file", code="missing-folder")
    datasets = {data: open_dataset(data, root, settings.config.follow_links) for data, root in roots.items()}
    whole = datasets.get(TRUTH) or datasets[DRIVING]
    names, skipped = _videos(whole)
    clips = _clips(whole, names, datasets.get(SOURCES), scored.truth is not None)
    protocol = Protocol(
        name=name,
        version=1,
        summary="finished videos, matched by name; frames are compared at the reference's times.",
        dataset=CUSTOM,
        strategy="reconstruction",
        reference=reference,
        metrics=METRICS,
        custom=True,
        split=None,
        n=EVERY,
        frame_size=SIZES[size],
        headed=f"finished videos {_beside(scored)}",
        roles=frozenset(roles) if scored.truth is None or scored.sources is not None else None,
    )
    return replace(
        settings,
        models=[str(spec) for spec in _specs(scored)],
        protocol=protocol,
        config=replace(settings.config, data=roots, asked=tuple(roots), sample=False),
        clips=clips,
        notices=skipped,
        bounds=settings.bounds and scored.truth is not None,
    )


def _beside(scored: Scored) -> str:
    """Return, in words, what finished videos are compared with."""
    if scored.truth is not None:
        return "against the true ones"
    return "on their own" if scored.driving is None else "against the driving ones"


def _specs(scored: Scored) -> list[ModelSpec]:
    """Return the models, labeled by what distinguishes their folders."""
    labels = list(scored.labels) or _labels([place.expanduser().resolve() for place in scored.finished])
    if len(labels) != len(scored.finished):
        raise UserError(
            f"--labels names {len(labels)}, and there are {len(scored.finished)} folders to score", code="bad-value"
        )
    return [ModelSpec("videos", str(place), label=label) for label, place in zip(labels, scored.finished)]


def _labels(places: Sequence[Path]) -> list[str]:
    """Return names of folders or files, with as many parents as make them different."""
    for depth in range(1, 5):
        names = ["-".join(place.parts[-depth:]) for place in places]
        safe = [re.sub(r"[^\w+-]+", "_", Path(name).stem).strip("_") or "videos" for name in names]
        if len(set(safe)) == len(safe):
            return safe
    return [f"{label}{number}" for number, label in enumerate(safe)]


def _videos(whole: Dataset) -> tuple[list[str], list[str]]:
    """Return the names of the videos, and a line on skipped pictures. Raises UserError if there is no video."""
    names = [name for name in whole.clips() if not is_picture(name) or is_video(whole.root / name)]
    if not names:
        raise UserError(f"{whole.root}: no videos in it", code="missing-videos")
    pictures = [name for name in whole.clips() if name not in set(names)]
    skipped = f"{whole.name}: not scored are {counted(len(pictures), 'picture')} in {whole.root}: {some(pictures)}"
    return names, [skipped] if pictures else []


def _clips(whole: Dataset, names: Sequence[str], sources: Dataset | None, truth: bool) -> ClipList:
    """Return one clip for each video; its source is the photograph of the same name, or its own first frame."""
    ids = ids_of(names)
    photos: dict[str, str] = {}
    if sources is not None:
        listed = sources.clips()
        matched = match({one: [one, name] for one, name in zip(ids, names)}, listed)
        photos = dict(matched.found)
        if len(listed) == 1:  # one photograph for all
            photos = dict.fromkeys(ids, listed[0])
        lacking = [one for one in ids if one not in photos]
        if lacking:
            raise UserError(
                f"--sources: no photograph for {len(lacking)} of {len(ids)} clips: {some(lacking)}", code="no-source"
            )
    clips = []
    for identifier, name in zip(ids, names):
        ref = FrameRef(whole.name, name, WHOLE_CLIP)
        source = FrameRef(sources.name, photos[identifier], WHOLE_CLIP) if sources is not None else ref
        identity = whole.identity(name)
        source_identity = sources.identity(photos[identifier]) if sources is not None and not truth else identity
        clips.append(Clip(identifier, source, ref, ref if truth else None, None, source_identity, identity))
    return ClipList("score", 1, tuple(clips))
