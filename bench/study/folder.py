"""A study's folder: its files, and reading its plan."""

from __future__ import annotations

from pathlib import Path

from bench.runtime.errors import UserError
from protocols import files
from reports.schema.base import Damaged
from reports.schema.study import TRUTH, Study, parse_study

PLAN = "study.json"
VOTES = "votes.csv"  # of a study that was exported
MANIFEST = "manifest.json"  # of a study that was exported: hashes of its files
DATABASE = "votes.sqlite"
INVITATIONS = "invitations.json"  # secrets; never leaves the folder
MEDIA = "media"


def load(folder: Path) -> Study:
    """Read the plan of a study. Raises UserError if it is missing or inconsistent."""
    file = folder / PLAN
    try:
        study = parse_study(files.content(file))
    except OSError as error:
        raise UserError(f"{folder} has no study ({error.strerror or error})", code="no-study") from None
    except Damaged as error:
        raise UserError(f"{file} is not a plan of a study ({error})", code="bad-study") from None
    if wrong := _contradiction(study):
        raise UserError(f"{file} is inconsistent: {wrong}", code="bad-study")
    return study


def _contradiction(study: Study) -> str | None:
    """Return what is inconsistent; None if nothing is."""
    by_id = study.by_id()
    clips = {clip.id for clip in study.clips}
    trials = [trial for rater in study.raters for trial in rater.trials]
    if len(by_id) < len(study.stimuli) or len({trial.id for trial in trials}) < len(trials):
        return "duplicate id"
    if [rater.slot for rater in study.raters] != list(range(len(study.raters))):
        return "raters' slots are not numbered from 0"
    for stimulus in study.stimuli:
        if stimulus.file != f"{MEDIA}/{stimulus.id}.mp4":
            return f"the video of {stimulus.id} is outside the study's folder"
        if stimulus.clip not in clips:
            return f"the video {stimulus.id} is of an unknown clip"
        if stimulus.model not in (*study.models, TRUTH):
            return f"the video {stimulus.id} is of an unknown model"
    if wrong := _ambiguous(study):
        return wrong
    sides = 1 if study.kind == "acr" else 2
    for rater in study.raters:
        own = {trial.id for trial in rater.trials}
        for trial in rater.trials:
            if len(trial.stimuli) != sides or any(one not in by_id for one in trial.stimuli):
                return f"the videos of trial {trial.id}"
            if any(by_id[one].clip != trial.clip for one in trial.stimuli):
                return f"trial {trial.id} shows a different clip than it states"
            if trial.repeats is not None and trial.repeats not in own:
                return f"trial {trial.id} repeats another rater's"
    return None


def _ambiguous(study: Study) -> str | None:
    """Return a duplicate name or an unanswerable question; None if there is none."""
    named = {
        "question": [question.name for question in study.questions],
        "model": list(study.models),
        "clip": [clip.id for clip in study.clips],
    }
    for what, names in named.items():
        if len(set(names)) < len(names):
            return f"a {what} twice"
    for question in study.questions:
        if len({grade.value for grade in question.grades}) < max(2, len(question.grades)):
            return f"the question {question.name} needs two grades or more, of different values"
    return None
