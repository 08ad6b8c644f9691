"""Static pages, files of answers, closing and exporting: what comes back is checked, what goes out gives the same."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from support import studies
from support.raters import served

from bench.runtime.errors import UserError
from bench.study import export, invitations, load, page
from bench.study.collect import collect
from bench.study.votes import read_votes
from reports.schema.study import Study

ORIGIN = "https://example.org/study"
BEGAN = datetime.datetime(2026, 11, 30, 9, tzinfo=datetime.UTC)


@pytest.fixture
def planned(tmp_path) -> tuple[Path, Study]:
    return tmp_path / "s", studies.planned(tmp_path / "s", asked=("age",))


def payload(folder: Path, study: Study, slot: int = 0, count: int | None = None) -> dict[str, Any]:
    """What a browser keeps of a rater who answers 2 everywhere, a trial every three seconds."""
    grades = {question.name: 2 for question in study.questions}
    votes = [
        {"trial": trial.id, "grades": grades, "seconds": 2.5, "time": at(3 * (number + 1))}
        for number, trial in enumerate(study.raters[slot].trials[:count])
    ]
    return {"study": page.digest(folder), "slot": slot, "consented": at(0), "facts": {"age": "30"}, "votes": votes}


def at(seconds: float) -> str:
    return (BEGAN + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def answers(file: Path, folder: Path, content: dict[str, Any], slot: int | None = None) -> Path:
    """A signed file, with the token of a slot."""
    text = json.dumps(content)
    token = invitations.read(folder).raters[content["slot"] if slot is None else slot].token
    signature = hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()
    file.write_text(json.dumps({"format": page.ANSWERS, "payload": text, "signature": signature}))
    return file


def test_files_of_answers_are_read_and_read_again(planned, tmp_path):
    folder, study = planned
    part = answers(tmp_path / "part.json", folder, payload(folder, study, count=3))
    whole = answers(tmp_path / "whole.json", folder, payload(folder, study))
    total = len(study.raters[0].trials)
    rater = invitations.read(folder).raters[0].rater
    assert collect(folder, [part, whole, whole]) == [(rater, 3, 3), (rater, total - 3, total), (rater, 0, total)]
    table = read_votes(folder)
    assert len(table) == 2 * total and set(table["grade"]) == {2} and set(table["seconds"]) == {2.5}
    assert table["time"].iloc[0] == "2026-11-30T09:00:03.000+00:00"


def test_the_same_votes_served_and_collected_are_one_table(planned, tmp_path):
    folder, study = planned
    study_served = served(folder, study)
    study_served.rater(0).all(2)
    before = read_votes(folder)
    collect(folder, [answers(tmp_path / "again.json", folder, payload(folder, study))])
    assert read_votes(folder).equals(before)


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent["votes"][2]["grades"].update(overall=9),
        lambda sent: sent["votes"][2].update(time=sent["votes"][1]["time"]),
        lambda sent: sent["votes"][2].update(time="yesterday"),
        lambda sent: sent["votes"][2].update(time="2026-11-30T09:00:09"),
        lambda sent: sent["votes"][2].update(seconds=-1.0),
        lambda sent: sent["votes"][2].update(trial="0" * 16),
        lambda sent: sent["votes"].pop(0),
        lambda sent: sent["votes"].append(sent["votes"][0] | {"grades": {"lip-sync": 1, "overall": 1}}),
        lambda sent: sent.update(consented=None),
        lambda sent: sent.update(study="0" * 64),
        lambda sent: sent.update(facts={"name": "x"}),
        lambda sent: sent.update(more=1),
    ],
)
def test_answers_that_cannot_be_are_refused_as_a_whole(planned, tmp_path, change):
    folder, study = planned
    content = payload(folder, study)
    change(content)
    with pytest.raises(UserError) as refused:
        collect(folder, [answers(tmp_path / "a.json", folder, content)])
    assert refused.value.code == "bad-answers"
    assert read_votes(folder).empty


def test_a_changed_or_foreign_file_is_refused(planned, tmp_path):
    folder, study = planned
    content = payload(folder, study)
    file = answers(tmp_path / "a.json", folder, content, slot=1)  # signed by another rater
    changed = answers(tmp_path / "b.json", folder, content)
    changed.write_text(changed.read_text().replace('\\"overall\\": 2', '\\"overall\\": 5', 1))
    outside = tmp_path / "c.json"
    outside.write_text(
        json.dumps({"format": page.ANSWERS, "payload": json.dumps(content | {"slot": 99}), "signature": ""})
    )
    broken = tmp_path / "d.json"
    broken.write_text("{")
    for one in (file, changed, outside, broken):
        with pytest.raises(UserError) as refused:
            collect(folder, [one])
        assert refused.value.code == "bad-answers"
    with pytest.raises(UserError) as refused:
        collect(folder, [tmp_path / "none.json"])
    assert refused.value.code == "unreadable-file"


def test_a_static_page_says_no_more_than_the_server(planned, tmp_path):
    folder, study = planned
    out = tmp_path / "page"
    assert page.write(folder, out, ORIGIN + "/") == len(study.raters)
    invited = invitations.read(folder)
    assert sorted(file.name for file in (out / "raters").iterdir()) == sorted(
        f"{one.public}.json" for one in invited.raters
    )
    told = "".join(file.read_text("utf-8") for file in out.rglob("*") if file.suffix in (".json", ".html"))
    secrets = [one.token for one in invited.raters] + [one.rater for one in invited.raters] + [invited.organizer]
    for word in ("alpha", "beta", "truth", "clip0", "person", "attention", "repeat", "expected", "degraded", *secrets):
        assert word not in told
    plan = json.loads((out / "raters" / f"{invited.raters[2].public}.json").read_text())
    assert [trial["id"] for trial in plan["trials"]] == [trial.id for trial in study.raters[2].trials]
    for trial in plan["trials"]:
        assert all((out / video).is_file() for video in trial["videos"])
    links = (folder / page.LINKS).read_text().splitlines()
    assert links[1] == f"{invited.raters[0].rater},{ORIGIN}/index.html#{invited.raters[0].token}"
    assert stat.S_IMODE((folder / page.LINKS).stat().st_mode) == 0o600


@pytest.mark.parametrize(("url", "code"), [("study", "bad-value"), ("javascript:x", "bad-value")])
def test_a_page_needs_an_address(planned, tmp_path, url, code):
    with pytest.raises(UserError) as refused:
        page.write(planned[0], tmp_path / "page", url)
    assert refused.value.code == code


def test_an_export_gives_the_same_votes_anywhere(planned, tmp_path):
    folder, study = planned
    one = served(folder, study)
    one.rater(0).consent(age="30")
    one.rater(0).all(4)
    one.rater(1).all(1)
    when, count = export.close(folder)
    assert export.close(folder) == (when, count)  # the first time counts
    facts = export.export(folder, tmp_path / "out")
    assert (facts.closed, facts.votes) == (when, count) and count == len(read_votes(folder))
    assert read_votes(tmp_path / "out").equals(read_votes(folder)) and load(tmp_path / "out") == study
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("manifest.json", "raters.csv", "study.json", "votes.csv")
    ]
    rows = (tmp_path / "out" / "raters.csv").read_text().splitlines()
    assert (
        rows[0].split(",") == ["rater", "slot", "consented", "finished", "age"]
        and rows[1].endswith(",30")
        and len(rows) == 3
    )
    invited = invitations.read(folder)
    whole = "".join(file.read_text() for file in (tmp_path / "out").iterdir())
    assert not any(token in whole for token in (invited.organizer, *(rater.token for rater in invited.raters)))


def test_a_changed_export_is_refused(planned, tmp_path):
    folder, study = planned
    served(folder, study).rater(0).all(4)
    export.export(folder, tmp_path / "out")
    file = tmp_path / "out" / "votes.csv"
    file.write_text(file.read_text().replace(",4,", ",5,", 1))
    with pytest.raises(UserError) as refused:
        read_votes(tmp_path / "out")
    assert refused.value.code == "changed-file"


def test_a_closed_study_collects_nothing(planned, tmp_path):
    folder, study = planned
    file = answers(tmp_path / "a.json", folder, payload(folder, study))
    export.close(folder)
    with pytest.raises(UserError) as refused:
        collect(folder, [file])
    assert refused.value.code == "study-closed"


def test_without_votes_there_is_nothing_to_read(planned, tmp_path):
    for work in (lambda: read_votes(planned[0]), lambda: export.export(planned[0], tmp_path / "out")):
        with pytest.raises(UserError) as refused:
            work()
        assert refused.value.code == "no-votes"


@pytest.mark.parametrize(
    "named", [lambda one: one.rater, lambda one: f"https://x.org/r/{one.token}/", lambda one: f"y/#{one.token}"]
)
def test_a_rater_can_withdraw_all_answers(planned, named):
    folder, study = planned
    one = served(folder, study)
    one.rater(0).all(2)
    count = len(read_votes(folder))
    one.rater(1).all(2)
    invitation = invitations.read(folder).raters[0]
    assert export.withdraw(folder, named(invitation)) == (invitation.rater, count)
    assert set(read_votes(folder)["slot"]) == {1}
    state = one.rater(0).state()
    assert not state["consented"] and state["done"] == 0


def test_nobody_else_is_withdrawn(planned):
    for who in ("", "r", "/", "x#"):
        with pytest.raises(UserError) as refused:
            export.withdraw(planned[0], who)
        assert refused.value.code == "unknown-choice"
