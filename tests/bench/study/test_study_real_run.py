"""Opinions compared with a run that `bench score` made."""

from __future__ import annotations

import pandas as pd
import pytest
from support import finished_videos as made
from support import score_bench

from bench.study.scoring import sources
from reports.schema.study_score import parse_study_score


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    return score_bench.make(tmp_path, monkeypatch, capsys)


def test_the_metrics_of_a_real_run_are_read_and_held(bench):
    bench.folder("good", lambda pictures: made.blurred(pictures, 0.4))
    bench.folder("bad", lambda pictures: made.blurred(pictures, 3.0))
    assert bench.score("truth", "good", "bad")[0] == 0
    run = bench.root / "runs" / "r"
    found = sources.measures(run)
    rows = bench.rows()
    assert found.values.loc[("good", "anna"), "psnr"] == rows.loc[("good", "anna"), "psnr"]
    opinions = [(clip, model, grade) for model, grade in (("good", 4.0), ("bad", 1.5)) for clip in ("anna", "ben")]
    table = pd.DataFrame(opinions, columns=["clip", "model", "opinion"])
    table["opinion"] += [0.1, 0.0, 0.2, 0.0]
    table.to_csv(bench.root / "mos.csv", index=False)
    ended = bench("study", "score", "--opinions", bench.root / "mos.csv", "--run", run, "--out", bench.root / "held")
    assert ended[0] == 0, ended[1]
    score = parse_study_score((bench.root / "held" / "score.json").read_bytes())
    psnr = next(one for one in score.metrics if one.metric == "psnr" and one.level == "clip")
    assert psnr.n == 4 and psnr.spearman.value > 0.5
    assert {one.metric for one in score.metrics} >= {"psnr", "sharpness", "flicker"}
