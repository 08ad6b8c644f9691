"""Studies for tests: one made of a run, and plans without videos."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

from bench.study import design, invitations, plan, questions
from bench.study.folder import MEDIA, PLAN
from reports.schema.study import FORMAT, TRUTH, Asked, Kind, Stimulus, Study, StudyClip, StudyRun


def planned(
    folder: Path,
    kind: Kind = "acr",
    *,
    clips: int = 3,
    models: tuple[str, ...] = ("alpha", "beta"),
    raters: int = 4,
    each: int = 6,
    seconds: float = 2.0,
    asked: tuple[str, ...] = (),
    names: tuple[str, ...] = ("lip-sync", "overall"),
    video: bytes = b"not a video",
) -> Study:
    """Write the folder of a study whose videos are all these bytes."""
    numbers = itertools.count(1)
    rng = random.Random(5)

    def new_id() -> str:
        return f"{next(numbers):016x}"

    of_clips = [StudyClip(id=f"clip{n}", seconds=seconds, identity=f"person{n}", sound=True) for n in range(clips)]
    stimuli: list[Stimulus] = []

    def add(clip: str, model: str, role: str, degraded: str | None = None) -> str:
        id_ = new_id()
        facts = {"id": id_, "file": f"{MEDIA}/{id_}.mp4", "model": model, "clip": clip, "role": role}
        stimuli.append(Stimulus.model_validate({**facts, "degraded": degraded}))
        return id_

    everyone = (*models, TRUTH)
    videos = {
        (clip.id, model): add(clip.id, model, "reference" if model == TRUTH else "model")
        for clip in of_clips
        for model in everyone
    }
    good, bad = add("clip0", TRUTH, "training"), add("clip0", TRUTH, "training", "blurred")
    spoilt = add("clip1", TRUTH, "attention", "blurred")
    pairs = kind != "acr"
    training = [("clip0", (good, bad))] if pairs else [("clip0", (good,)), ("clip0", (bad,))]
    check = ("clip1", (videos["clip1", TRUTH], spoilt), 1) if pairs else ("clip1", (spoilt,), 0)
    cells = design.cells(list(videos), pairs)
    ordered = design.order(design.sides(design.assign(cells, raters, min(each, len(cells)), rng), rng), rng)
    grades = questions.questions(names, kind, None)
    study = Study(
        format=FORMAT,
        name="A <b>study</b> & more",
        kind=kind,
        seed=5,
        created="2026-11-30T09:00:00+00:00",
        runs=(StudyRun(name="r", sha256="ab" * 32, protocol="own-reconstruction"),),
        questions=grades,
        models=everyone,
        clips=tuple(of_clips),
        stimuli=tuple(stimuli),
        raters=plan.raters(ordered, videos, plan.Checks(training, [check]), grades, 1, new_id, rng),
        consent=("Taking part is <i>voluntary</i>.",),
        instructions=("Watch, then answer.",),
        asked=tuple(Asked(name=name, text=f"Your {name}?") for name in asked),
    )
    (folder / MEDIA).mkdir(parents=True)
    for stimulus in stimuli:
        (folder / stimulus.file).write_bytes(video)
    (folder / PLAN).write_text(json.dumps(study.content()), encoding="utf-8")
    invitations.write(folder, invitations.make(raters))
    return study
