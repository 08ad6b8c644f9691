"""`bench study make`: create a study's folder with plan, videos and invitations from finished runs."""

from __future__ import annotations

import datetime
import json
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.runtime.errors import UserError
from bench.study import cutting, design, invitations, material, plan, texts
from bench.study.folder import MEDIA, PLAN
from bench.study.material import Material
from bench.study.whole import new_folder
from protocols import files, interruption
from protocols.words import counted
from reports.schema.study import FORMAT, TRUTH, Asked, Id, Kind, Question, Stimulus, StimulusRole, Study, TrialKind

RESERVED = 5  # least number of clips at which one is used for training only
PAUSE, ANSWER = 2.0, 4.0  # seconds of a trial in addition to the video, and seconds per question
KINDS: dict[TrialKind, str] = {
    "training": "for practice",
    "rating": "to rate",
    "attention": "to check attention",
    "repeat": "repeated",
}
READING = 90.0  # seconds for consent and instructions


@dataclass(frozen=True)
class Wanted:
    """Options of a study. minutes: per rater. against: the model to compare all others with; None: all pairs.

    attention, repeats: number of checks per rater. models, clips: empty for all.
    """

    kind: Kind
    questions: tuple[Question, ...]
    name: str = "study"
    raters: int = 20
    minutes: float = 20.0
    seed: int = 0
    against: str | None = None
    models: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    attention: int = 2
    repeats: int = 1
    asked: tuple[Asked, ...] = ()


def make(runs: Sequence[Path], out: Path, wanted: Wanted) -> Study:
    """Write the folder of a study, completely or not at all. Raises UserError."""
    with new_folder(out) as partial:
        found = material.gather(runs, wanted.models, wanted.clips)
        _check(found, wanted)
        partial.chmod(0o700)  # the plan has facts that raters must not know, and the invitations are secrets
        (partial / MEDIA).mkdir()
        made = _Maker(found, wanted)
        study = made.study()
        made.write_videos(partial)
        _write(partial / PLAN, study)
        invitations.write(partial, invitations.make(len(study.raters)))
    return study


def minutes_of(study: Study) -> float:
    """Return about how many minutes a rater needs, the mean over raters."""
    seconds = {clip.id: clip.seconds for clip in study.clips}
    each = [
        READING + sum(_takes(seconds[trial.clip], len(study.questions)) for trial in rater.trials)
        for rater in study.raters
    ]
    return sum(each) / len(each) / 60


def workload(study: Study) -> str:
    """Return in words how many videos, or pairs of videos, a rater sees, by kind; all raters see equally many."""
    count = Counter(trial.kind for trial in study.raters[0].trials)
    parts = [f"{count[kind]} {word}" for kind, word in KINDS.items() if count[kind]]
    one, many = ("video", "videos") if study.kind == "acr" else ("pair of videos", "pairs of videos")
    what = counted(count.total(), one, many)
    return f"{what} per rater: {', '.join(parts)}"


def _takes(seconds: float, questions: int) -> float:
    return seconds + PAUSE + ANSWER * questions


def _check(found: Material, wanted: Wanted) -> None:
    if wanted.against is not None and wanted.against not in found.models:
        raise UserError(f"--against {wanted.against}: not a model of this study", code="unknown-choice")
    if wanted.against is not None and wanted.kind == "acr":
        raise UserError("--against: --kind acr compares nothing", code="unused-option")
    silent = [clip.id for clip in found.clips if not clip.sound]
    if silent and any(question.name == "lip-sync" for question in wanted.questions):
        raise UserError(f"--questions lip-sync: {silent[0]} has no sound; name others with --clips", code="no-sound")


class _Maker:
    """Plans one study."""

    def __init__(self, found: Material, wanted: Wanted) -> None:
        self._found, self._wanted = found, wanted
        self._rng = random.Random(wanted.seed)
        self._pairs = wanted.kind != "acr"
        ids = [clip.id for clip in found.clips]
        self._training_clip = self._rng.choice(ids) if len(ids) >= RESERVED else None
        self._rated = [clip for clip in ids if clip != self._training_clip]
        self._stimuli: list[tuple[Stimulus, int | None]] = []  # with the seed of its degradation
        self._used: set[str] = set()

    def study(self) -> Study:
        """Return the plan."""
        wanted, found, rng = self._wanted, self._found, self._rng
        cells = self._cells()
        each = self._each(len(cells))
        ordered = design.order(design.sides(design.assign(cells, wanted.raters, each, rng), rng), rng)
        videos = {}
        for clip, model in sorted({(cell.clip, model) for cell in cells for model in cell.models}):
            videos[clip, model] = self._add(clip, model, "reference" if model == TRUTH else "model")
        checks = plan.Checks(self._training(), self._attention(videos))
        raters = plan.raters(ordered, videos, checks, wanted.questions, wanted.repeats, self._new_id, rng)
        return Study(
            format=FORMAT,
            name=wanted.name,
            kind=wanted.kind,
            seed=wanted.seed,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            runs=found.runs,
            questions=wanted.questions,
            models=found.models,
            clips=found.clips,
            stimuli=tuple(stimulus for stimulus, _ in sorted(self._stimuli, key=lambda one: one[0].id)),
            raters=raters,
            left_out=found.left_out,
            training_clip=self._training_clip,
            consent=texts.CONSENT,
            instructions=texts.instructions(wanted.kind),
            asked=wanted.asked,
        )

    def write_videos(self, folder: Path) -> None:
        """Write all videos, under names in random order."""
        for stimulus, seed in sorted(self._stimuli, key=lambda one: one[0].id):
            interruption.check()
            cutting.write(self._found.panels[stimulus.clip, stimulus.model], folder / stimulus.file, seed)

    def _cells(self) -> list[design.Cell]:
        there = [(c, m) for c in self._rated for m in self._found.models if (c, m) in self._found.panels]
        cells = design.cells(there, self._pairs, self._wanted.against)
        if not cells:
            raise UserError(
                "nothing to rate: no two videos of one clip" if self._pairs else "no video to rate",
                code="nothing-to-rate",
            )
        return cells

    def _each(self, cells: int) -> int:
        """Return how many ratings a rater has time for."""
        wanted, known = self._wanted, {clip.id: clip.seconds for clip in self._found.clips}
        takes = _takes(sum(known[clip] for clip in self._rated) / len(self._rated), len(wanted.questions))
        others = 2 + wanted.attention + wanted.repeats
        each = int((wanted.minutes * 60 - READING) / takes) - others
        if each < 1:
            needed = (READING + takes * (others + 1)) / 60
            raise UserError(f"--minutes {wanted.minutes:g}: one rating takes {needed:.1f}", code="bad-value")
        return min(each, cells)

    def _training(self) -> list[tuple[str, tuple[Id, ...]]]:
        """Return two trials that show good and bad quality, together or one after the other."""
        clip = self._training_clip or self._rng.choice(self._rated)
        best = self._best(clip)
        if best is None:
            return []
        good, bad = self._add(clip, best, "training"), self._add(clip, best, "training", degraded=True)
        return [(clip, (good, bad)), (clip, (bad, good))] if self._pairs else [(clip, (good,)), (clip, (bad,))]

    def _attention(self, videos: dict[tuple[str, str], Id]) -> list[tuple[str, tuple[Id, ...], int]]:
        """Return trials of different clips, as long as there are unused ones."""
        clips = self._rng.sample(self._rated, len(self._rated))
        found: list[tuple[str, tuple[Id, ...], int]] = []
        for number in range(self._wanted.attention):
            clip = clips[number % len(clips)]
            best = self._best(clip)
            if best is None:
                continue
            bad = self._add(clip, best, "attention", degraded=True)
            good = videos.get((clip, best)) or self._add(clip, best, "attention")
            found.append((clip, (good, bad), 1) if self._pairs else (clip, (bad,), 0))
        return found

    def _best(self, clip: str) -> str | None:
        """Return the truth if there is one, else a model."""
        there = [model for model in (TRUTH, *self._found.models) if (clip, model) in self._found.panels]
        return there[0] if there else None

    def _add(self, clip: str, model: str, role: StimulusRole, degraded: bool = False) -> Id:
        id_ = self._new_id()
        known = cutting.DEGRADED if degraded else None
        stimulus = Stimulus(id=id_, file=f"{MEDIA}/{id_}.mp4", model=model, clip=clip, role=role, degraded=known)
        self._stimuli.append((stimulus, len(self._stimuli) + self._wanted.seed if degraded else None))
        return id_

    def _new_id(self) -> Id:
        """Return a random id that cannot be guessed, even from the seed."""
        while (id_ := secrets.token_hex(8)) in self._used:
            pass
        self._used.add(id_)
        return id_


def _write(file: Path, study: Study) -> None:
    text = json.dumps(study.content(), indent=1, ensure_ascii=False, allow_nan=False)
    with files.replacing(file, flush=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
