"""Votes that are not those of the plan, plans that contradict themselves, and a damaged database: one line each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from support import studies

from bench.runtime.errors import UserError
from bench.study.export import export
from bench.study.folder import DATABASE, PLAN, VOTES, load
from bench.study.scoring.command import plan_of
from bench.study.scoring.score import score
from bench.study.store import Store, Vote
from bench.study.votes import read_votes
from protocols.errors import DataError


@dataclass
class Made:
    """A study that two raters answered, and its export, whose manifest is gone."""

    folder: Path
    published: Path

    def change(self, rows) -> None:
        """Write the published votes again, changed."""
        table = pd.read_csv(self.published / VOTES, dtype=str, keep_default_na=False)
        rows(table).to_csv(self.published / VOTES, index=False)

    def change_plan(self, folder: Path, facts) -> None:
        """Write the plan again, changed."""
        plan = json.loads((folder / PLAN).read_bytes())
        facts(plan)
        (folder / PLAN).write_text(json.dumps(plan))


@pytest.fixture
def made(tmp_path) -> Made:
    study = studies.planned(tmp_path / "s")
    store = Store(tmp_path / "s")
    with store.writing() as writer:
        for rater in study.raters[:2]:
            for number, trial in enumerate(rater.trials):
                grades = {question.name: number % 5 + 1 for question in study.questions}
                writer.add(Vote(trial.id, rater.slot, grades, 3.0, 1.0))
    store.close()
    export(tmp_path / "s", tmp_path / "p")
    (tmp_path / "p" / "manifest.json").unlink()
    return Made(tmp_path / "s", tmp_path / "p")


def _set(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    table.loc[5, column] = value
    return table


CHANGES = {
    "grade": lambda table: _set(table, "grade", "9"),
    "twice": lambda table: pd.concat([table, table.iloc[[5]]]),
    "model": lambda table: table.replace({"model": {"alpha": "gamma"}}),
    "other model": lambda table: table.replace({"model": {"alpha": "beta"}}),
    "clip": lambda table: _set(table, "clip", "clip2" if table.loc[5, "clip"] != "clip2" else "clip1"),
    "kind": lambda table: table.assign(kind="rating"),
    "question": lambda table: _set(table, "question", "smell"),
    "trial": lambda table: _set(table, "trial", "f" * 16),
    "rater": lambda table: table.assign(rater="r1"),
    "slot": lambda table: table.assign(slot="0"),
}


def test_the_export_is_read_as_it_was_stored(made):
    assert read_votes(made.published).equals(read_votes(made.folder))


@pytest.mark.parametrize("change", CHANGES)
def test_votes_that_are_not_of_the_plan_are_refused(made, change):
    made.change(CHANGES[change])
    with pytest.raises(UserError) as refused:
        read_votes(made.published)
    assert refused.value.code == "bad-votes"


PLANS = {
    "no grades": lambda plan: plan["questions"][0].update(grades=[]),
    "one grade": lambda plan: plan["questions"][0].update(grades=plan["questions"][0]["grades"][:1]),
    "a question twice": lambda plan: plan["questions"].append(plan["questions"][0]),
    "a model twice": lambda plan: plan["models"].append("alpha"),
    "a model less": lambda plan: plan["models"].remove("alpha"),
    "a clip twice": lambda plan: plan["clips"].append(plan["clips"][0]),
    "another clip": lambda plan: plan["raters"][0]["trials"][4].update(clip="nowhere"),
}


@pytest.mark.parametrize("change", PLANS)
def test_a_plan_that_contradicts_itself_is_refused(made, change):
    made.change_plan(made.published, PLANS[change])
    with pytest.raises(UserError) as refused:
        load(made.published)
    assert refused.value.code == "bad-study"


def test_answers_in_the_database_that_the_plan_has_not_are_refused(made):
    made.change_plan(made.folder, lambda plan: plan["raters"][0].update(trials=plan["raters"][0]["trials"][:2]))
    with pytest.raises(UserError) as refused:
        read_votes(made.folder)
    assert refused.value.code == "bad-study"


def test_a_database_that_is_damaged_inside_is_refused(made):
    content = bytearray((made.folder / DATABASE).read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    (made.folder / DATABASE).write_bytes(content)
    with pytest.raises(UserError) as refused:
        read_votes(made.folder)
    assert refused.value.code == "bad-study"


def test_votes_on_a_model_that_the_study_has_not_are_no_votes_on_another(made):
    study, votes = load(made.folder), read_votes(made.folder)
    plan = plan_of(study, votes)
    with pytest.raises(DataError) as refused:
        score(votes.replace({"model": {"alpha": "gamma"}}), plan, n=100)
    assert refused.value.code == "bad-votes"
