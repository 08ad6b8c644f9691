"""The definition of a protocol: a named, versioned evaluation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from protocols.errors import DataError

SAME: Final = "same-identity"
CROSS: Final = "cross-identity"
Reference = Literal["same-identity", "cross-identity"]
SAMPLE = "sample"  # the sample set's name, in lists and in `--data sample`
TALK = "talk"  # name of the sound set, the sample data for protocols driven by sound
SAMPLES = (SAMPLE, TALK)
CUSTOM = "custom data"  # placeholder for a data set's name that only the run knows

# absolute: the driving keypoints. relative: the source's keypoints plus the driving keypoints' movement since an anchor
# frame. relative-adapt: that movement scaled by the ratio of the two faces' sizes. avd: the driving pose with the
# source's shape, from a separate network.
MotionMode = Literal["absolute", "relative", "relative-adapt", "avd"]
MODES: tuple[MotionMode, ...] = get_args(MotionMode)
EVERY = 1_000_000  # number of clips of a protocol that uses all clips
SOUND_STRATEGIES = ("long-video", "adaptation", "talking-corpus")  # of protocols driven by sound (`stretches`)
OWN_TEMPLATE = "own-template"
TEMPLATES = ("held-out-template", OWN_TEMPLATE)  # readings: the template video that a sound-driven model gets
CLIP_STRATEGIES = ("reconstruction", "cross-identity-video", *SOUND_STRATEGIES)  # of protocols of whole videos
TRANSFORMS = ("none", "expression-preserving")

SIZES = {"256": 256, "512": 512, "native": None}  # of custom data's frames; native: as they are stored


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    dataset: name of its data set. strategy, n, split, videos: how pairs are drawn without a list (see
    `sampling.make_pairs`). transform: one of `TRANSFORMS`. mode: motion mode, for models that have it. metrics:
    families that apply. reference: ``same-identity`` (measured against the target) or ``cross-identity`` (against
    driving frame and source). tables: tables of papers with its numbers: ``mcnet`` is the ICLR submission, ``mcnet-s``
    the ICCV supplement. sample: its form on the sample set (`sample_lists.NAMES`). published: lists that produced
    those tables, or may have. frozen: this project's own list on the real data: a file, or a rule (see
    `protocols.rendezvous`). frame_size: side of the frames in pixels; None: as stored. readings: variants; the first is
    the default. custom: whether it is for custom data; `of` adds their name. title: of reports, after the data's name;
    empty for the field's own protocols. headed: title of reports if the data's name is uninformative.
    seconds: used seconds at the beginning of each video, for whole videos. people: number of people driven by sound;
    None for all. adapt: seconds of each of them that a model adapts to. roles: available references, for finished
    videos; metrics that need another do not apply. With ``source`` among them identity is compared with the source;
    None: `reference` decides.
    """

    name: str
    version: int
    summary: str
    dataset: str
    strategy: str
    reference: Reference
    metrics: tuple[str, ...]
    tables: tuple[str, ...] = ()
    sample: str = ""
    frozen: str = ""
    published: tuple[str, ...] = ()
    transform: str = "none"
    mode: MotionMode = "absolute"
    n: int = 2083
    split: str | None = "test"
    videos: int | None = None
    frame_size: int | None = 256
    readings: tuple[str, ...] = ()
    custom: bool = False
    title: str = ""
    headed: str = ""
    seconds: float | None = None
    people: int | None = None
    adapt: float | None = None
    roles: frozenset[str] | None = None

    @property
    def shape(self) -> Literal["pair", "clip"]:
        """Return whether it is of single frames or whole clips."""
        return "clip" if self.strategy in CLIP_STRATEGIES else "pair"

    @property
    def driven_by(self) -> Literal["frames", "sound"]:
        """Return what drives the motion."""
        return "sound" if self.strategy in SOUND_STRATEGIES else "frames"

    @property
    def sample_set(self) -> str:
        """Return the name of the built-in data that replace its own."""
        return TALK if self.driven_by == "sound" else SAMPLE

    @property
    def heading(self) -> str:
        """Return the title of reports."""
        return self.headed or (f"{self.dataset}: {self.title}" if self.title else self.name)

    def sized(self, size: str | None) -> Protocol:
        """Return this protocol on frames of one of `SIZES`. Raises DataError for a protocol with a fixed size."""
        if size is None:
            return self
        if not self.custom:
            raise DataError(
                f"--size {size}: {self.name} has frames of {self.frame_size} pixels; omit the option",
                code="unused-option",
            )
        if size not in SIZES:
            raise DataError(f"--size {size}: choose one of {', '.join(SIZES)}", code="unknown-choice")
        return replace(self, frame_size=SIZES[size])

    def of(self, datasets: Collection[str], counts: str, size: str) -> Protocol:
        """Return this protocol with the names of its custom data in title and summary; others are unchanged.

        counts: number of pairs, clips and identities, in words. size: of the frames, in words.
        """
        if not self.custom:
            return self
        names = ", ".join(datasets)
        built_in = {SAMPLE: "the sample set", TALK: "the sound set"}
        whose = built_in.get(names, f"{names}, custom data")
        return replace(self, dataset=names, summary=f"{whose} ({counts}, frames of {size}): {self.summary}")
