"""The seconds of videos that train, adapt and test a model driven by sound: a rule, so that everyone uses the same.

The papers name neither people nor seconds, so the rule is this project's. Each choice is the candidate with the lowest
hash (`rendezvous.ranked`). On the sound set the seconds are those of its recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from protocols import built_set
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.protocol import TALK, Protocol
from protocols.rendezvous import ranked

Use = Literal["train", "adapt", "test"]

SHARE, SHORTEST, LONGEST = 0.1, 1.0, 60.0  # the last tenth of a long video is for testing, from 1 to 60 seconds
GAP = 1.0  # seconds between training and test
ADAPTED = 60.0  # seconds before every test of an adaptation, also if it adapts to fewer
TESTED = 15.0  # seconds of an adaptation's test
TRAINED_CLIPS, TESTED_CLIPS = 240, 5  # per speaker of a corpus of sentences


@dataclass(frozen=True)
class Stretch:
    """A segment of a clip, from `start` up to `end`, in seconds on the clip's clock; its speaker and its use."""

    clip: str
    start: float
    end: float
    identity: str
    use: Use

    @property
    def seconds(self) -> float:
        """Return the duration in seconds."""
        return self.end - self.start


def stretches(protocol: Protocol, dataset: Dataset, training: bool = True) -> list[Stretch]:
    """Return the stretches of a protocol driven by sound, person by person; stretches of different use do not overlap.

    dataset: the opened data, or the sound set (`sound_set.open`). training: False for tests and their templates only,
    which opens few videos of a corpus. Uses of a person: ``adapt`` and ``test`` if adapted to, else ``train`` and
    ``test``, or only ``train``.
    Raises DataError for a protocol not driven by sound, and if no video is long enough.
    """
    if protocol.driven_by != "sound":
        raise DataError(f"{protocol.name} is not driven by sound, so it has no stretches", code="wrong-protocol")
    if dataset.name == TALK:
        return _of_sound_set(protocol)
    found = list(_RULES[protocol.strategy](protocol, dataset, training))
    if not any(one.use == "test" for one in found):
        raise DataError(
            f"data set {dataset.name}: no video in {dataset.root} is long enough for {protocol.name}",
            code="too-few-clips",
        )
    return found


def template_of(test: Stretch, listed: Iterable[Stretch]) -> Stretch:
    """Return the template of a test: of the same person, the stretch to adapt to, else the first for training.

    Raises DataError if there is none.
    """
    own = [one for one in listed if one.identity == test.identity and one.use != "test"]
    for one in sorted(own, key=lambda one: one.use != "adapt"):
        return one
    raise DataError(f"{test.clip}: no other video of {test.identity} for the template", code="too-few-clips")


def _of_sound_set(protocol: Protocol) -> list[Stretch]:
    recipe = built_set.recipe("sound_set")
    identities = {clip["id"]: clip["identity"] for clip in recipe["clips"]}
    return [Stretch(clip, start, end, identities[clip], use) for clip, start, end, use in recipe[protocol.strategy]]


def _long_video(protocol: Protocol, dataset: Dataset, training: bool) -> Iterable[Stretch]:
    """Yield per person the longest video: its last tenth for testing, the rest, minus one second, for training."""
    for identity, clips in _people(protocol, dataset):
        ends = {clip: _end(dataset, clip) for clip in clips}
        clip = max(clips, key=lambda one: ends[one])
        end = ends[clip]
        tested = min(SHARE * end, LONGEST)
        if tested < SHORTEST:
            continue
        begin = _rounded(end - tested)
        yield Stretch(clip, 0.0, _rounded(begin - GAP), identity, "train")
        yield Stretch(clip, begin, end, identity, "test")


def _adaptation(protocol: Protocol, dataset: Dataset, training: bool) -> Iterable[Stretch]:
    """Yield per person one video: its first seconds to adapt to, and 15 s for testing, from 61 s or later."""
    found = 0
    adapt = protocol.adapt or ADAPTED
    begin = max(adapt, ADAPTED) + GAP
    for identity, clips in _people(protocol, dataset, every=True):
        if found == protocol.people:
            return
        for clip in clips:
            if _end(dataset, clip) >= begin + TESTED:
                yield Stretch(clip, 0.0, adapt, identity, "adapt")
                yield Stretch(clip, begin, begin + TESTED, identity, "test")
                found += 1
                break


def _corpus(protocol: Protocol, dataset: Dataset, training: bool) -> Iterable[Stretch]:
    """Yield per speaker of many short clips: 5 whole clips for testing, the next 240 for training."""
    for identity, clips in _people(protocol, dataset):
        usable = (clip for clip in clips if _end(dataset, clip) > 0)
        wanted = list(islice(usable, TESTED_CLIPS + (TRAINED_CLIPS if training else 1)))
        if len(wanted) < 2:
            continue
        tested = min(TESTED_CLIPS, len(wanted) - 1)
        for position, clip in enumerate(wanted):
            use: Use = "test" if position < tested else "train"
            yield Stretch(clip, 0.0, _end(dataset, clip), identity, use)


_RULES: dict[str, Callable[[Protocol, Dataset, bool], Iterable[Stretch]]] = {
    "long-video": _long_video,
    "adaptation": _adaptation,
    "talking-corpus": _corpus,
}


def _people(protocol: Protocol, dataset: Dataset, every: bool = False) -> list[tuple[str, list[str]]]:
    """Return the people and their clips, both sorted by hash. every: all people, since some clips may be short."""
    clips: dict[str, list[str]] = {}
    for clip in dataset.clips(protocol.split):
        clips.setdefault(dataset.identity(clip), []).append(clip)
    rule = f"{protocol.strategy}-1"  # without the length of adaptation, so that all lengths have the same people
    people = ranked(rule, clips, "person")
    chosen = people if every or protocol.people is None else people[: protocol.people]
    return [(identity, ranked(rule, clips[identity], "clip")) for identity in chosen]


def _end(dataset: Dataset, clip: str) -> float:
    """Return the end of a clip in seconds; 0 for a picture."""
    return _rounded(dataset.end(clip)) if len(dataset.frames(clip)) > 1 else 0.0


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
