"""The server: whose link may do what, which answers are taken, and that nothing else gets out or in."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import studies
from support.raters import Served, served

from bench.study import votes
from bench.study.store import Store
from bench.study.votes import read_votes

VIDEO = bytes(range(256)) * 8


@pytest.fixture
def study(tmp_path) -> Served:
    return served(tmp_path / "s", studies.planned(tmp_path / "s", video=VIDEO, asked=("age",)))


def test_a_rater_answers_everything_and_it_is_stored(study):
    rater = study.rater(1)
    assert rater.state()["trial"] is None
    count = rater.all(grade=3)
    planned = study.study.raters[1].trials
    assert count == len(planned) and rater.state()["finished"]
    table = read_votes(study.folder)
    assert list(table.columns) == list(votes.COLUMNS)
    assert list(table["trial"].drop_duplicates()) == [trial.id for trial in planned]
    assert len(table) == 2 * len(planned) and set(table["grade"]) == {3}
    assert set(table["rater"]) == {study.invited.raters[1].rater}
    by_id = study.study.by_id()
    for row in table.itertuples():
        trial = next(trial for trial in planned if trial.id == row.trial)
        shown = by_id[trial.stimuli[0]]
        assert (row.stimulus, row.model, row.clip, row.kind) == (shown.id, shown.model, shown.clip, trial.kind)
        assert row.identity == f"person{row.clip[-1]}" and row.time.endswith("+00:00")
        assert (row.expected == "max=2") == (trial.kind == "attention")


def test_a_rater_is_told_neither_models_nor_clips_nor_checks(study):
    rater = study.rater()
    rater.consent()
    told = ""
    while (state := rater.state())["trial"]:
        told += json.dumps(state) + study.client.get(rater.link).text + study.client.get(rater.link + "texts").text
        rater.vote(state["trial"]["id"])
    for word in ("alpha", "beta", "truth", "clip0", "clip1", "person", "attention", "repeat", "expected", "degraded"):
        assert word not in told


@pytest.mark.parametrize("name", ["", "state", "texts", "media/0000000000000001.mp4"])
def test_nobody_gets_in_without_a_token(study, name):
    organizer, token = study.invited.organizer, study.invited.raters[0].token
    for wrong in ("x", token[:-1], token + "A", token.swapcase(), organizer, "%C3%A4", "0"):
        assert study.client.get(f"/r/{wrong}/{name}").status_code == 404
    for wrong in ("x", organizer[:-1], token):
        assert study.client.get(f"/o/{wrong}/").status_code == 404
        assert study.client.get(f"/o/{wrong}/votes.csv").status_code == 404


def test_nothing_is_stored_before_consent(study):
    rater = study.rater()
    trial = study.study.raters[0].trials[0].id
    assert rater.vote(trial).json()["reason"] == "no-consent"
    refused = study.client.post(rater.link + "consent", json={"agreed": False, "facts": {}})
    assert refused.status_code == 422 and not rater.state()["consented"]
    assert read_votes(study.folder).empty


def test_a_vote_is_taken_once_and_a_changed_one_is_refused(study):
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]["id"]
    first, again, changed = rater.vote(trial, 4), rater.vote(trial, 4), rater.vote(trial, 5)
    assert (first.status_code, again.status_code) == (200, 200) and first.json() == again.json()
    assert changed.status_code == 409 and changed.json()["reason"] == "changed"
    part = rater.vote(trial, grades={"overall": 4})
    assert part.json()["reason"] == "bad-grade"
    assert list(read_votes(study.folder)["grade"]) == [4, 4]


def test_trials_come_in_their_order_and_those_of_others_never(study):
    rater, other = study.rater(0), study.rater(1)
    rater.consent(), other.consent()
    later, foreign = study.study.raters[0].trials[1].id, other.state()["trial"]["id"]
    assert rater.vote(later).json()["reason"] == "not-yet"
    refused = rater.vote(foreign)
    assert (refused.status_code, refused.json()["reason"]) == (404, "unknown-trial")
    assert other.vote(foreign, 2).status_code == 200
    assert rater.vote(foreign, 2).status_code == 404  # also where it would change nothing


def test_a_vote_before_the_video_can_have_ended_is_refused(study):
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]["id"]
    early = rater.vote(trial, wait=1.7)
    assert (early.status_code, early.json()["reason"]) == (425, "too-early")
    assert rater.vote(trial, wait=0.2).status_code == 200
    following = study.study.raters[0].trials[1].id
    assert rater.vote(following, wait=0.5).json()["reason"] == "too-early"


@pytest.mark.parametrize(
    "more",
    [
        {"grades": {}},
        {"grades": {"lip-sync": 3}},
        {"grades": {"lip-sync": 3, "overall": 6}},
        {"grades": {"lip-sync": 3, "overall": 0}},
        {"grades": {"lip-sync": 3, "overall": True}},
        {"grades": {"lip-sync": 3, "overall": "3"}},
        {"grades": {"lip-sync": 3, "overall": 3.0}},
        {"grades": {"lip-sync": 3, "overall": None}},
        {"grades": {"lip-sync": 3, "overall": 3, "other": 3}},
        {"grades": [3, 3]},
        {"seconds": -1.0},
        {"seconds": 1e9},
        {"seconds": "3"},
        {"trial": "../../etc/passwd"},
        {"trial": 7},
        {"slot": 2},
    ],
)
def test_what_is_no_answer_is_refused(study, more):
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]["id"]
    refused = rater.vote(trial, **more)
    assert refused.status_code == 422 and read_votes(study.folder).empty
    assert rater.state()["trial"]["id"] == trial


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"[" * 9000, "application/json", 422),
        (b'{"trial": NaN}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b" " * 20000, "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
    ],
)
def test_broken_bodies_are_refused(study, content, kind, code):
    for name in ("vote", "consent"):
        sent = study.client.post(study.rater().link + name, content=content, headers={"content-type": kind})
        assert sent.status_code == code and "error" in sent.json()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=9,
    ),
    st.sampled_from(["vote", "consent"]),
)
def test_no_body_breaks_the_server(study, sent, name):
    content = json.dumps(sent).encode()
    answer = study.client.post(study.rater().link + name, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_a_rater_gets_own_videos_only_and_in_parts(study):
    rater = study.rater(0)
    own = {one for trial in study.study.raters[0].trials for one in trial.stimuli}
    foreign = set(study.study.by_id()) - own
    for one in own:
        assert study.client.get(f"{rater.link}media/{one}.mp4").content == VIDEO
    assert foreign  # this rater is not shown every video
    for one in foreign:
        assert study.client.get(f"{rater.link}media/{one}.mp4").status_code == 404
    part = study.client.get(f"{rater.link}media/{min(own)}.mp4", headers={"range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == VIDEO[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(VIDEO)}"
    assert part.headers["content-type"] == "video/mp4"
    beyond = study.client.get(f"{rater.link}media/{min(own)}.mp4", headers={"range": "bytes=99999-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "media/../study.json",
        "media/..%2fstudy.json",
        "media/%2e%2e/study.json",
        "media/..%2f..%2finvitations.json",
        "media/%2fetc%2fpasswd",
        "media/0000000000000001.mp4%00.html",
        "media/votes.sqlite",
        "media/",
        "study.json",
        "votes.csv",
    ],
)
def test_paths_lead_nowhere_else(study, path):
    rater = study.rater()
    assert study.client.get(rater.link + path).status_code == 404
    for front in ("/static/", "/"):
        assert study.client.get(front + path).status_code == 404


def test_every_answer_keeps_to_one_policy(study):
    rater = study.rater()
    for path in (rater.link, rater.link + "state", "/static/study.js", f"/o/{study.invited.organizer}/", "/none", "/"):
        answer = study.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers


def test_pages_take_nothing_from_elsewhere():
    web = Path(votes.__file__).parent / "web"
    for file in web.iterdir():
        text = file.read_text("utf-8")
        assert "http://" not in text and "https://" not in text and "//cdn" not in text, file
        assert "innerHTML" not in text and "| safe" not in text and "eval(" not in text


def test_names_are_escaped(study):
    name = study.study.name
    for path in (study.rater().link, f"/o/{study.invited.organizer}/"):
        page = study.client.get(path).text
        assert html.escape(name) in page and name not in page


def test_what_the_organizer_asks_is_stored_and_nothing_else(study):
    refused = study.rater(0).consent(email="x@y")
    assert (refused.status_code, refused.json()["reason"]) == (422, "bad-answer")
    assert study.rater(0).consent(age="a" * 201).status_code == 422
    assert study.rater(0).consent(age="30\n31").status_code == 422
    assert study.rater(0).consent(age="30").status_code == 200
    study.rater(0).consent(age="31")
    store = Store(study.folder)
    with store.reading() as reader:
        assert reader.sitting(0).facts == {"age": "30"}
    store.close()


def test_the_organizer_sees_who_is_done_and_gets_the_votes(study):
    count = study.rater(2).all()
    study.rater(3).consent()
    state = study.client.get(f"/o/{study.invited.organizer}/state").json()
    assert (state["finished"], state["begun"], state["trials"], state["closed"]) == (1, 2, count, None)
    assert [one["state"] for one in state["raters"]] == ["new", "new", "done", "started"]
    page = study.client.get(f"/o/{study.invited.organizer}/").text
    assert all(one.token in page for one in study.invited.raters)
    sent = study.client.get(f"/o/{study.invited.organizer}/votes.csv")
    assert votes.of_csv(sent.content, Path("votes.csv")).equals(read_votes(study.folder))


def test_a_closed_study_takes_no_more_but_tells_what_it_took(study):
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]["id"]
    rater.vote(trial, 4)
    store = Store(study.folder)  # as another process does
    with store.writing() as writer:
        writer.close_study("2026-11-30T10:00:00+00:00")
    store.close()
    following = study.study.raters[0].trials[1].id
    refused = rater.vote(following)
    assert (refused.status_code, refused.json()["reason"]) == (403, "closed")
    assert rater.vote(trial, 4).status_code == 200
    assert rater.state()["trial"] is None and rater.state()["closed"]
    assert study.rater(1).consent().status_code == 403
    assert len(read_votes(study.folder)) == 2


def test_a_rater_goes_on_after_the_server_was_stopped(study):
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]["id"]
    rater.vote(trial)
    before = rater.state()
    again = served(study.folder, study.study)
    again.clock.now = study.clock.now
    assert again.rater().state() == before
    assert again.rater().vote(before["trial"]["id"]).status_code == 200


def test_comparisons_are_stored_as_they_were_shown(tmp_path):
    study = served(tmp_path / "s", studies.planned(tmp_path / "s", "ccr"))
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]
    assert len(trial["videos"]) == 2
    assert rater.vote(trial["id"], -3).status_code == 200
    planned = study.study.raters[0].trials[0]
    row = read_votes(study.folder).iloc[0]
    assert (row["stimulus"], row["other"], row["grade"]) == (*planned.stimuli, -3)
