"""A planned study, answered, closed, exported, and scored by somebody else to the same numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import studies
from support.command_line import call_unwrapped

from bench.study.export import close, export
from bench.study.store import Store, Vote
from reports.schema.study import Study
from reports.schema.study_score import parse_study_score

LEVEL = {"alpha": 3.8, "beta": 2.2, "truth": 4.6}


def answer(folder, study: Study) -> None:
    """All raters answer: by the level of a model, checks as expected, repetitions like the first time."""
    rng = np.random.default_rng(0)
    stimuli, store = study.by_id(), Store(folder)
    grades = [grade.value for grade in study.questions[0].grades]
    with store.writing() as writer:
        for rater in study.raters:
            writer.consent(rater.slot, {}, 1.0)
            given: dict[str, dict[str, int]] = {}
            for trial in rater.trials:
                writer.start(rater.slot, trial.id, 2.0)
                levels = [LEVEL[stimuli[one].model] for one in trial.stimuli]
                mean = levels[0] if study.kind == "acr" else (levels[0] - levels[1]) / 2  # all sometimes lose
                drawn = {
                    question.name: int(
                        np.clip(
                            round(mean + rng.normal(0, 0.5 if study.kind == "acr" else 1.2)), min(grades), max(grades)
                        )
                    )
                    for question in study.questions
                }
                if trial.expected is not None:
                    facts = trial.expected.content()
                    drawn = dict.fromkeys(drawn, next(value for value in facts.values() if value is not None))
                drawn = given.get(trial.repeats or "", drawn)
                given[trial.id] = drawn
                writer.add(Vote(trial.id, rater.slot, drawn, 4.0, 3.0))
            writer.finish(rater.slot, 4.0)
    store.close()


@pytest.mark.parametrize("kind", ["acr", pytest.param("ccr", marks=pytest.mark.slow)])
def test_an_exported_study_has_the_same_numbers(kind, tmp_path, monkeypatch, capsys):
    study = studies.planned(tmp_path / "s", kind, clips=4, raters=8, each=9)
    answer(tmp_path / "s", study)
    close(tmp_path / "s")
    export(tmp_path / "s", tmp_path / "published")
    found = []
    for folder in ("s", "published"):
        ended = call_unwrapped(monkeypatch, capsys, "study", "score", tmp_path / folder, "--resamples", 200)
        assert ended[0] == 0, ended[1]
        found.append(json.loads((tmp_path / folder / "score" / "score.json").read_bytes()))
    assert found[0] == found[1]
    score = parse_study_score(json.dumps(found[0]).encode())
    assert score.screening.left_out == () and score.screening.checks == 8 == score.screening.raters
    assert score.screening.failed == 0 and score.protocols == ("own-reconstruction",)
    if kind == "acr":
        means = {one.model: one.mean.value for one in score.opinions if one.question == "lip-sync"}
        assert means["truth"] > means["alpha"] > means["beta"] and set(means) == set(LEVEL)
    else:
        order = [one.model for one in sorted(score.preferences[0].strengths, key=lambda one: -one.strength.value)]
        assert order == ["truth", "alpha", "beta"]
