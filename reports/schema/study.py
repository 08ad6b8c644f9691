"""``study.json``: the questions to raters about the clips of runs, the videos, and each rater's trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from reports.schema.base import Facts, parse

FORMAT: Final = "talking-head-bench study 1"
EXPORT_FORMAT: Final = "talking-head-bench study export 1"
TRUTH: Final = "truth"  # the model of the hidden reference

Kind = Literal["acr", "ccr", "preference"]
TrialKind = Literal["training", "rating", "attention", "repeat"]
StimulusRole = Literal["model", "reference", "attention", "training"]
Id = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Word = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,40}$")]


class Grade(Facts):
    """One answer. value: in comparisons positive where the video that is shown first (left) is the better one."""

    value: int
    label: str


class Question(Facts):
    """A question of every trial. name: of columns and tables. grades: best first."""

    name: Word
    text: str
    grades: tuple[Grade, ...]


class Asked(Facts):
    """A question to a rater at the beginning; free text, at most 200 characters."""

    name: Word
    text: str


class StudyRun(Facts):
    """A run with videos in the study. sha256: the seal of its manifest."""

    name: str
    sha256: str | None = None
    protocol: str


class StudyClip(Facts):
    """A clip. seconds: duration of its videos. identity: of the person in it; empty if unknown."""

    id: str
    seconds: float
    identity: str = ""
    sound: bool = False


class Stimulus(Facts):
    """One video. file: path in the study's folder. degraded: its degradation in words; None for all but checks."""

    id: Id
    file: str
    model: str
    clip: str
    role: StimulusRole
    degraded: str | None = None


class Expected(Facts):
    """The expected answer to every question of a check; the bounds are included."""

    max: int | None = None
    min: int | None = None
    equals: int | None = None

    def text(self) -> str:
        """Return it as in ``votes.csv``: ``max=2``."""
        return next((f"{name}={value}" for name, value in self.content().items() if value is not None), "")


class Trial(Facts):
    """One trial: one video, or two side by side, the first one on the left.

    expected: of an attention check. repeats: the id of the same rater's trial that this one repeats.
    """

    id: Id
    kind: TrialKind
    stimuli: tuple[Id, ...] = Field(min_length=1, max_length=2)
    clip: str
    expected: Expected | None = None
    repeats: Id | None = None


class Rater(Facts):
    """The trials of one rater, in order. slot: from 0; the rater with its invitation fills it."""

    slot: int
    trials: tuple[Trial, ...]


class LeftOut(Facts):
    """A video that could not be shown, and why."""

    model: str
    clip: str
    why: str


class Study(Facts):
    """A planned study. left_out: what the runs' clips lack. training_clip: a clip that is never rated.

    consent, instructions: paragraphs that raters read.
    """

    format: Literal["talking-head-bench study 1"]
    name: str
    kind: Kind
    seed: int
    created: str
    runs: tuple[StudyRun, ...]
    questions: tuple[Question, ...] = Field(min_length=1)
    models: tuple[str, ...]
    clips: tuple[StudyClip, ...]
    stimuli: tuple[Stimulus, ...]
    raters: tuple[Rater, ...]
    left_out: tuple[LeftOut, ...] = ()
    training_clip: str | None = None
    consent: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()

    def by_id(self) -> Mapping[str, Stimulus]:
        """Return the videos by id."""
        return {stimulus.id: stimulus for stimulus in self.stimuli}


class Export(Facts):
    """``manifest.json`` of an exported study. closed: time of closing; None if votes may have come since.

    votes: rows of ``votes.csv``. files: SHA-256 of each file in the same folder.
    """

    format: Literal["talking-head-bench study export 1"]
    study: str
    created: str
    closed: str | None
    votes: int
    files: dict[str, str]


STUDY: TypeAdapter[Study] = TypeAdapter(Study)
EXPORT: TypeAdapter[Export] = TypeAdapter(Export)


def parse_study(content: bytes) -> Study:
    """Read the bytes of ``study.json``. Raises Damaged."""
    return parse(STUDY, content)


def parse_export(content: bytes) -> Export:
    """Read the bytes of an exported study's ``manifest.json``. Raises Damaged."""
    return parse(EXPORT, content)
