"""A server that is sent anything, has a twin, or whose files go: never a 500, never a wrong vote, never silence."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import studies
from support.live_study import live
from support.raters import served

from bench.runtime.errors import UserError
from bench.study import invitations
from bench.study.folder import DATABASE, MEDIA
from bench.study.votes import read_votes
from reports.schema.study import Study

SECONDS = 0.01  # of the videos
BASIC = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(BASIC, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))


@dataclass
class Live:
    """A study that is served over HTTP."""

    folder: Path
    study: Study
    address: str
    invited: invitations.Invitations

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Send what is given as it is; returns status and content."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in ({"content-length": str(len(body))} if body is not None else {}).items():
                connection.putheader(name, value)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (ConnectionError, http.client.HTTPException):
            return 0, b""  # closed in our face, which is an answer, too
        finally:
            connection.close()

    def post(self, slot: int, name: str, sent: Any) -> tuple[int, dict[str, Any]]:
        link, body = f"/r/{self.invited.raters[slot].token}/{name}", json.dumps(sent).encode()
        status, content = self.ask("POST", link, body, content_type="application/json")
        return status, json.loads(content)

    def alive(self) -> bool:
        return self.ask("GET", "/")[0] == 200


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live") / "s"
    study = studies.planned(folder, seconds=SECONDS, asked=("age",), raters=6)
    with live(folder) as address:
        yield Live(folder, study, address, invitations.read(folder))


def check_votes(folder: Path, study: Study) -> int:
    """Every vote is of the plan (`read_votes` sees to it), whole, and in turn; returns how many trials have one."""
    table = read_votes(folder)
    for slot, own in table.groupby("slot"):
        planned = [trial.id for trial in study.raters[slot].trials]
        answered = list(dict.fromkeys(own["trial"]))
        assert answered == planned[: len(answered)]
        assert len(own) == len(answered) * len(study.questions)
    return table["trial"].nunique()


@st.composite
def votes(draw: st.DrawFn, study: Study, slot: int) -> dict[str, Any]:
    """A rater's vote that is right, or wrong in some things."""
    trials = [trial.id for trial in study.raters[slot].trials]
    sent: dict[str, Any] = {
        "trial": draw(st.sampled_from(trials[:4])),
        "grades": {one.name: draw(st.integers(1, 5)) for one in study.questions},
        "seconds": draw(st.floats(0, 9)),
    }
    others = [trial.id for rater in study.raters for trial in rater.trials if rater.slot != slot]
    wrong = {
        "trial": st.sampled_from(others) | st.text(max_size=16) | JSON,
        "grades": st.fixed_dictionaries({one.name: st.integers(-1, 7) | BASIC for one in study.questions}) | JSON,
        "seconds": st.floats() | BASIC,
        "slot": BASIC,
    }
    for name in draw(st.sets(st.sampled_from(sorted(wrong)), max_size=2)):
        sent[name] = draw(wrong[name])
    return sent


def paths(live: Live) -> st.SearchStrategy[str]:
    """Paths with tokens of raters, of the organizer and of nobody, and names that lead out of the folder."""
    tokens = [one.token for one in live.invited.raters[:3]] + [
        live.invited.organizer,
        "x",
        "%00",
        "..",
        "%ff",
        "a" * 4000,
    ]
    ids = [stimulus.id for stimulus in live.study.stimuli[:2]]
    names = ["", "state", "texts", "vote", "consent", "votes.csv", "media/", *(f"media/{one}.mp4" for one in ids)]
    names += ["media/../study.json", "media/..%2f..%2finvitations.json", "media/%2e%2e/votes.sqlite", "media/%00"]
    names += ["media//etc/passwd", "media/..\\study.json", "media/" + "%2e%2e%2f" * 40 + "etc/passwd", "study.js"]
    of_people = st.builds("/{}/{}/{}".format, st.sampled_from("ro"), st.sampled_from(tokens), st.sampled_from(names))
    return (
        of_people
        | st.sampled_from(names).map("/static/{}".format)
        | st.sampled_from(["*", "/", "//", "/r", "/?" + "q" * 9000])
    )


def test_whatever_is_sent_over_http_is_answered_and_only_valid_votes_are_stored(running, caplog):
    methods = st.sampled_from(
        ["GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW"]
    )
    kinds = st.sampled_from(
        ["application/json"] * 4 + ["text/plain", "application/json; charset=utf-7", "", "x" * 3000]
    )
    bodies = st.one_of(
        votes(running.study, 0).map(lambda sent: json.dumps(sent).encode()),
        st.just(json.dumps({"agreed": True, "facts": {}}).encode()),
        JSON.map(lambda sent: json.dumps(sent).encode()),
        st.binary(max_size=60),
        st.sampled_from([b"[" * 9000, b'{"a":' * 3000, b"1" * 9000, b" " * 200_000, b'{"facts": {"age": "\\ud800"}}']),
    )

    @settings(max_examples=150, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(methods, paths(running), st.none() | bodies, kinds)
    def ask(method, path, body, kind):
        status, content = running.ask(method, path, body, content_type=kind)
        assert status < 500
        assert b'"organizer"' not in content and b"root:" not in content and b'"raters": [' not in content

    ask()
    check_votes(running.folder, running.study)
    assert running.alive() and not [one for one in caplog.records if one.exc_info]


def test_of_right_and_wrong_votes_those_that_are_acknowledged_are_stored(running, caplog):
    slots = [3, 4]
    for slot in slots:
        assert running.post(slot, "consent", {"agreed": True, "facts": {}})[0] == 200
    acknowledged: dict[tuple[int, str], dict[str, int]] = {}

    @settings(max_examples=200, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.sampled_from(slots).flatmap(lambda slot: st.tuples(st.just(slot), votes(running.study, slot))))
    def ask(given):
        slot, sent = given
        status, answer = running.post(slot, "vote", sent)
        assert status == 200 or (400 <= status < 500 and answer["error"])
        if status == 200:
            assert acknowledged.setdefault((slot, sent["trial"]), sent["grades"]) == sent["grades"]

    ask()
    table = read_votes(running.folder)
    stored: dict[tuple[int, str], dict[str, int]] = {}
    for row in table[table["slot"].isin(slots)].to_dict("records"):
        stored.setdefault((row["slot"], row["trial"]), {})[row["question"]] = row["grade"]
    assert stored == acknowledged and check_votes(running.folder, running.study) >= 4
    assert not [one for one in caplog.records if one.exc_info]


def test_what_is_no_http_or_breaks_off_leaves_the_server_as_it_was(running, caplog):
    host, port = urlsplit(running.address).netloc.split(":")
    rng, link = random.Random(0), f"/r/{running.invited.raters[0].token}/vote"
    head = f"POST {link} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    sent = [rng.randbytes(200) for _ in range(5)]
    sent += [b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"]
    sent += [f"{head}Content-Length: {size}\r\n\r\n{{".encode() for size in ("900", "-1", "x", "99999999999")]
    sent += [
        f"{head}Transfer-Encoding: chunked\r\n\r\n{chunk}".encode() for chunk in ("5\r\n{", "zz\r\n", "ffffffff\r\n{")
    ]
    before = check_votes(running.folder, running.study)
    for one in sent:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(one)
            connection.shutdown(socket.SHUT_WR)
            assert not connection.recv(100).startswith(b"HTTP/1.1 5")
    assert running.alive() and check_votes(running.folder, running.study) == before
    assert not [one for one in caplog.records if one.exc_info]


def answer_all(hosts: list[Live], slot: int) -> None:
    """Answer everything, each trial at the next host and at the one after it."""
    hosts[0].post(slot, "consent", {"agreed": True, "facts": {}})
    for number, trial in enumerate(hosts[0].study.raters[slot].trials):
        sent = {"trial": trial.id, "grades": {"lip-sync": 1 + slot % 5, "overall": 2}, "seconds": 1.0}
        first, second = hosts[number % 2], hosts[(number + 1) % 2]
        first.ask("GET", f"/r/{first.invited.raters[slot].token}/state")
        threading.Event().wait(SECONDS)
        assert first.post(slot, "vote", sent)[0] == 200
        changed = sent | {"grades": {"lip-sync": 1 + slot % 5, "overall": 3}}
        assert second.post(slot, "vote", sent)[0] == 200 and second.post(slot, "vote", changed)[0] == 409


def test_two_servers_of_one_folder_keep_one_truth(tmp_path):
    """All that a server decides by is in the database, in one transaction with what it stores."""
    study = studies.planned(tmp_path / "s", seconds=SECONDS, raters=4)
    invited = invitations.read(tmp_path / "s")
    with live(tmp_path / "s") as one, live(tmp_path / "s") as other:
        hosts = [Live(tmp_path / "s", study, address, invited) for address in (one, other)]
        wrong: list[BaseException] = []

        def rater(slot: int) -> None:
            try:
                answer_all(hosts[:: 1 if slot % 2 else -1], slot)
            except BaseException as error:
                wrong.append(error)

        raters = [threading.Thread(target=rater, args=(slot,)) for slot in range(4)]
        for thread in raters:
            thread.start()
        for thread in raters:
            thread.join()
    assert wrong == []
    assert check_votes(tmp_path / "s", study) == sum(len(rater.trials) for rater in study.raters)


FAULTS = {
    "deleted": lambda file: file.unlink(),
    "all of it deleted": lambda file: [one.unlink() for one in file.parent.glob(f"{DATABASE}*")],
    "moved": lambda file: file.rename(file.with_name("elsewhere")),
    "exchanged": lambda file: (file.rename(file.with_name("old")), file.write_bytes(b"")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_goes_under_a_running_server_is_told_and_no_vote_is_acknowledged(fault, tmp_path, caplog):
    study = served(tmp_path / "s", studies.planned(tmp_path / "s"))
    rater = study.rater()
    rater.consent()
    trial = rater.state()["trial"]["id"]
    FAULTS[fault](tmp_path / "s" / DATABASE)
    for answer in (rater.vote(trial), study.client.get(rater.link + "state"), study.rater(1).consent()):
        assert answer.status_code == 503 and answer.json().keys() == {"error"}
    organizer = study.client.get(f"/o/{study.invited.organizer}/votes.csv")
    assert organizer.status_code == 503 and DATABASE in caplog.text


@pytest.mark.parametrize("keep", [0, 100, 4096, 9000])
def test_a_database_that_is_damaged_under_a_running_server_loses_nothing_in_silence(keep, tmp_path):
    """A vote is refused with 503, or it is there afterwards, or reading the votes is refused."""
    study = served(tmp_path / "s", studies.planned(tmp_path / "s"))
    rater, file = study.rater(), tmp_path / "s" / DATABASE
    rater.consent()
    acknowledged = []
    for number in range(4):
        if number == 2:
            content = file.read_bytes()
            with open(file, "r+b") as stream:
                stream.seek(keep)
                stream.write(b"\xaa" * max(0, len(content) - keep))
        state = study.client.get(rater.link + "state")
        if state.status_code != 200:
            break
        answer = rater.vote(state.json()["trial"]["id"])
        assert answer.status_code in (200, 503)
        acknowledged += [state.json()["trial"]["id"]] if answer.status_code == 200 else []
    study.client.app.state.service.store.close()
    try:
        found = list(dict.fromkeys(read_votes(tmp_path / "s")["trial"]))
    except UserError:
        return  # said aloud
    assert found[: len(acknowledged)] == acknowledged


def test_a_video_that_is_gone_is_told(tmp_path, caplog):
    study = served(tmp_path / "s", studies.planned(tmp_path / "s"))
    name = study.study.raters[0].trials[0].stimuli[0]
    (tmp_path / "s" / MEDIA / f"{name}.mp4").unlink()
    assert study.client.get(f"{study.rater().link}media/{name}.mp4").status_code == 503
    assert [f"{name}.mp4" in one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == [True]
