"""A study of three models driven by sound over the sound set: made, served, rated in browsers, closed, scored."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import browser_raters
from support.browsers import needed

from bench.study import load
from bench.study.votes import read_votes
from reports.schema.study_score import parse_study_score

pytestmark = [pytest.mark.slow, needed]
MODELS = "memface,memface-no-explicit,copy-template"
LEVELS = {"truth": 4.8, "memface": 3.9, "memface-no-explicit": 3.1, "copy-template": 1.9}
RATERS = 6
SIZES = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})


@pytest.fixture
def served(tmp_path):
    """`study serve` as a process of its own; gives the organizer's link, which has all others."""
    words = [sys.executable, "-m", "bench", "study", "serve", str(tmp_path / "study"), "--port", "0"]
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[str, str]:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        started.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        links = re.findall(r"http://\S+", "".join(lines))
        assert len(links) == 2, lines
        return links[0], links[1]

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
        assert "Traceback" not in rest and "ERROR" not in rest, rest


def test_a_study_of_models_driven_by_sound_from_run_to_score(bench, served, tmp_path, sound_set_folder):
    from bench.study import invitations

    said = bench(
        *("run", "--models", MODELS, "--protocol", "obama-selfdriven", "--data", "sample", "--metrics", "l1,sharpness"),
        *("--out", tmp_path / "runs", "--name", "A"),
    )
    assert said[0] == 0, said[1]
    run, folder = tmp_path / "runs" / "A", tmp_path / "study"
    said = bench(
        *("study", "make", run, "--models", MODELS, "--kind", "acr", "--questions", "lip-sync,overall"),
        *("--raters", RATERS, "--minutes", 4, "--out", folder),
    )
    assert said[0] == 0, said[1]
    study = load(folder)
    assert set(study.models) == set(LEVELS)

    base = served()[0].partition("/o/")[0]
    links = [f"{base}/r/{one.token}/" for one in invitations.read(folder).raters]
    assert browser_raters.rate(links, study, LEVELS, SIZES) == []

    assert bench("study", "close", folder)[0] == 0
    assert bench("study", "export", folder, "--out", tmp_path / "published")[0] == 0
    votes = read_votes(tmp_path / "published")
    assert len(votes) == 2 * sum(len(rater.trials) for rater in study.raters) and votes.equals(read_votes(folder))
    shortest = min(clip.seconds for clip in study.clips)
    assert votes["seconds"].min() > 0.95 * shortest

    said = bench("study", "score", tmp_path / "published", "--run", run)
    assert said[0] == 0, said[1]
    found = parse_study_score((tmp_path / "published" / "score" / "score.json").read_bytes())
    assert found.screening is not None and not found.screening.left_out and found.screening.failed == 0
    assert found.screening.checks == 2 * RATERS == 2 * found.raters
    for question in ("lip-sync", "overall"):
        means = {one.model: one.mean.value for one in found.opinions if one.question == question}
        assert means["truth"] > means["memface"] > means["copy-template"] and set(means) == set(LEVELS)
    assert found.clips == 1 and any("one clip" in note for note in found.notices)
    assert Path(tmp_path / "published" / "score" / "score.html").stat().st_size > 10_000
