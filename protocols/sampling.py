"""The authors' strategies for drawing pairs, seeded, on a local copy of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from protocols.datasets import Dataset
from protocols.draw import Draws
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair, PairList
from protocols.words import counted

SEEN_VIDEOS = 500  # MCNet, identity preservation

Drawn = tuple[FrameRef, FrameRef, str, str]  # source, driving frame, their identities


def make_pairs(
    dataset: Dataset,
    strategy: str,
    n: int,
    seed: int = 0,
    *,
    split: str | None = "test",
    videos: int | None = None,
    name: str | None = None,
    fewer: bool = False,
) -> PairList:
    """Draw `n` different pairs. The same data, strategy and seed give the same list on every machine.

    strategy: one of `STRATEGIES`. split: the clips to draw from; layouts without splits use all.
    videos: first choose this number of clips at random (the published lists of VoxCeleb1 and TED-talks have 100
    videos). fewer: return fewer pairs if the data do not have `n`; else that raises DataError.
    """
    if strategy not in STRATEGIES:
        raise DataError(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}", code="unknown-strategy")
    if n < 1:
        raise DataError(f"at least one pair is needed, not {n}", code="no-pairs")
    draws = Draws(seed, strategy)
    clips = dataset.clips(split)
    if not clips:
        raise DataError(
            f"data set {dataset.name}: no clips of the split {split!r} in {dataset.root}", code="too-few-clips"
        )
    if videos is not None and videos < len(clips):
        clips = sorted(draws.some(clips, videos))
    draw = STRATEGIES[strategy](_Clips(dataset, clips), draws)
    drawn: dict[Drawn, None] = {}
    misses = 0  # one after the other: of N possible pairs the last one takes about N
    for _ in range(100 * n):
        before = len(drawn)
        drawn.setdefault(draw())
        misses = misses + 1 if len(drawn) == before else 0
        if len(drawn) == n or misses > 1000 + 30 * len(drawn):
            break
    if not drawn or (len(drawn) < n and not fewer):
        raise DataError(
            f"{dataset.name}: only {len(drawn)} different pairs ({strategy}) could be drawn, not {n}",
            code="too-few-pairs",
        )
    width = max(4, len(str(n - 1)))
    pairs = tuple(pair_of(f"{number:0{width}d}", *found) for number, found in enumerate(drawn))
    origin = {"strategy": strategy, "seed": seed, "split": split, "videos": videos, "dataset": dataset.name}
    return PairList(name or f"{dataset.name}-{strategy}", 1, pairs, {"sampled": origin})


def pair_of(
    identifier: str,
    source: FrameRef,
    driving: FrameRef,
    source_identity: str,
    driving_identity: str,
    anchor: FrameRef | None = None,
) -> Pair:
    """Return a pair; its target is the driving frame if both frames are of one clip, else None."""
    target = driving if (source.dataset, source.clip) == (driving.dataset, driving.clip) else None
    return Pair(identifier, source, driving, target, anchor, source_identity, driving_identity)


class _Clips:
    """Clips of a data set with their frames, listed on first use."""

    def __init__(self, dataset: Dataset, clips: Sequence[str]):
        self.dataset = dataset
        self.names = list(clips)
        self._frames: dict[str, list[str]] = {}

    def frames(self, clip: str) -> list[str]:
        if clip not in self._frames:
            self._frames[clip] = self.dataset.frames(clip)
        return self._frames[clip]

    def ref(self, clip: str, frame: str) -> FrameRef:
        return FrameRef(self.dataset.name, clip, frame)

    def one(self, draws: Draws, clips: list[str], least: int = 1) -> str:
        """Return one of `clips` with at least `least` frames; shorter ones that are drawn are removed from the list."""
        while clips:
            clip = draws.one(clips)
            if len(self.frames(clip)) >= least:
                return clip
            clips.remove(clip)
        raise DataError(
            f"data set {self.dataset.name}: no clip of at least {least} frames in {self.dataset.root}",
            code="too-few-clips",
        )

    def by_identity(self, clips: Sequence[str], least: int) -> dict[str, list[str]]:
        people: dict[str, list[str]] = {}
        for clip in clips:
            people.setdefault(self.dataset.identity(clip), []).append(clip)
        if len(people) < least:
            raise DataError(
                f"data set {self.dataset.name}: {counted(len(people), 'identity', 'identities')}, "
                f"at least {least} are needed",
                code="too-few-identities",
            )
        return people


def _same_identity(clips: _Clips, draws: Draws) -> Callable[[], Drawn]:
    """Draw a random video, and two different random frames of it (DaGAN)."""
    pool = list(clips.names)

    def draw() -> Drawn:
        clip = clips.one(draws, pool, least=2)
        source, driving = draws.some(clips.frames(clip), 2)
        identity = clips.dataset.identity(clip)
        return clips.ref(clip, source), clips.ref(clip, driving), identity, identity

    return draw


def _cross_identity(clips: _Clips, draws: Draws) -> Callable[[], Drawn]:
    """Draw two different identities, a random video of each, and a random frame of each (DaGAN).

    Identities are drawn first, since in the published lists all are about equally frequent, with few or many videos.
    """
    people = clips.by_identity(clips.names, least=2)
    names = sorted(people)

    def draw() -> Drawn:
        first, second = draws.some(names, 2)
        chosen = [clips.one(draws, people[identity]) for identity in (first, second)]
        source, driving = (clips.ref(clip, draws.one(clips.frames(clip))) for clip in chosen)
        return source, driving, first, second

    return draw


def _video_driven(clips: _Clips, draws: Draws) -> Callable[[], Drawn]:
    """Draw two different identities: any clip of one, also a picture, as source, and a video of the other as driving.

    A clip of one frame cannot drive: relative motion would be zero.
    """
    people = clips.by_identity([clip for clip in clips.names if clips.frames(clip)], least=2)
    videos = {name: [clip for clip in of_one if len(clips.frames(clip)) > 1] for name, of_one in people.items()}
    drivers = [name for name in sorted(people) if videos[name]]
    if not drivers:
        lacking = "no video or clip of more than one frame"
        raise DataError(
            "; ".join([f"data set {clips.dataset.name}: {lacking} in {clips.dataset.root}", *clips.dataset.left_out()]),
            code="too-few-clips",
        )

    def draw() -> Drawn:
        driving_identity = draws.one(drivers)
        identity = draws.one([name for name in sorted(people) if name != driving_identity])
        chosen = draws.one(people[identity]), draws.one(videos[driving_identity])
        source, driving = (clips.ref(clip, draws.one(clips.frames(clip))) for clip in chosen)
        return source, driving, identity, driving_identity

    return draw


def _portraits(clips: _Clips, draws: Draws) -> Callable[[], Drawn]:
    """Draw a picture (a clip of one frame) as source, and a random frame of another identity's video as driving."""
    lengths = {clip: len(clips.frames(clip)) for clip in clips.names}
    pictures = [clip for clip, length in lengths.items() if length == 1]
    people = clips.by_identity([clip for clip, length in lengths.items() if length > 1], least=1)
    if not pictures:
        raise DataError(f"data set {clips.dataset.name}: no pictures in {clips.dataset.root}", code="no-pictures")

    def draw() -> Drawn:
        picture = draws.one(pictures)
        identity = clips.dataset.identity(picture)
        others = [name for name in sorted(people) if name != identity]
        if not others:
            raise DataError(
                f"data set {clips.dataset.name}: only one identity with videos, {identity}", code="too-few-identities"
            )
        driving_identity = draws.one(others)
        clip = draws.one(people[driving_identity])
        source = clips.ref(picture, clips.frames(picture)[0])
        return source, clips.ref(clip, draws.one(clips.frames(clip))), identity, driving_identity

    return draw


def _seen_identity(clips: _Clips, draws: Draws) -> Callable[[], Drawn]:
    """Draw same-identity pairs from videos whose identities have further videos (MCNet, identity preservation).

    Uses `SEEN_VIDEOS` videos, chosen so that every identity keeps at least one other video.
    """
    people = {name: list(videos) for name, videos in clips.by_identity(clips.names, least=1).items()}
    candidates = []
    for name in sorted(people):
        kept = draws.one(people[name])
        candidates += [clip for clip in people[name] if clip != kept]
    if not candidates:
        raise DataError(
            f"data set {clips.dataset.name}: no identity with more than one video", code="too-few-identities"
        )
    clips.names = sorted(draws.some(candidates, min(SEEN_VIDEOS, len(candidates))))
    return _same_identity(clips, draws)


STRATEGIES: dict[str, Callable[[_Clips, Draws], Callable[[], Drawn]]] = {
    "same-identity": _same_identity,
    "cross-identity": _cross_identity,
    "video-driven": _video_driven,
    "portraits": _portraits,
    "seen-identity": _seen_identity,
}
