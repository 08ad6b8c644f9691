"""`bench study` from a run to an exported study, on the command line."""

from __future__ import annotations

import json

import pytest
from support import gray_clips, studies
from support.raters import served

from bench.study import invitations, load


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    gray_clips.folders(root, 15)
    return gray_clips.score(root)


def test_make(bench, run, tmp_path):
    ended = bench(
        *("study", "make", run, "--out", tmp_path / "s", "--kind", "preference", "--grades", "ties", "--raters", 3),
        *("--questions", "overall", "--minutes", 4, "--ask", "age=Your age?", "--name", "My study", "--seed", 2),
    )
    assert ended[0] == 0, ended
    study = load(tmp_path / "s")
    assert (study.kind, study.name, study.seed, len(study.raters)) == ("preference", "My study", 2, 3)
    assert [grade.value for grade in study.questions[0].grades] == [1, 0, -1]
    assert [(one.name, one.text) for one in study.asked] == [("age", "Your age?")]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--kind", "mos"), "unknown-choice"),
        (("--grades", "p800"), "unknown-choice"),
        (("--questions", "beauty"), "unknown-choice"),
        (("--ask", "Age"), "bad-value"),
        (("--ask", "a=x", "--ask", "a=y"), "bad-value"),
        (("--models", "nobody"), "unknown-choice"),
        (("--minutes", "1"), "bad-value"),
    ],
)
def test_a_mistake_is_one_line(bench, run, tmp_path, options, code):
    ended = bench("study", "make", run, "--out", tmp_path / "s", *options)
    assert (ended[0], ended.error) == (2, code)
    assert not (tmp_path / "s").exists()


def test_close_withdraw_and_export(bench, tmp_path):
    folder = tmp_path / "s"
    one = served(folder, studies.planned(folder))
    one.rater(0).all()
    one.rater(1).all()
    assert bench("study", "export", folder, "--out", tmp_path / "early")[0] == 0
    assert json.loads((tmp_path / "early" / "manifest.json").read_text())["closed"] is None
    assert bench("study", "close", folder)[0] == 0
    assert bench("study", "withdraw", folder, invitations.read(folder).raters[0].rater)[0] == 0
    assert bench("study", "export", folder, "--out", tmp_path / "out")[0] == 0
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["closed"] and facts["votes"] == 2 * len(one.study.raters[1].trials)
    assert bench("study", "page", folder, "--url", "https://x.org", "--out", tmp_path / "page")[0] == 0
    assert bench("study", "collect", folder, tmp_path / "none.json")[0] == 2


def test_no_study_to_serve(bench, tmp_path):
    ended = bench("study", "serve", tmp_path)
    assert (ended[0], ended.error) == (2, "no-study")
