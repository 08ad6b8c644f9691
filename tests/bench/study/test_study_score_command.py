"""`bench study score` and `study power` through the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support import scored_study
from support.command_line import call_unwrapped

from bench.study.scoring import power, sources
from bench.study.scoring.simulate import Spread, compared_grades, comparisons, grades
from reports.schema.study_score import parse_study_score
from reports.study.view import trusted

HEAD = "clip,model,opinion"
QUALITY = {"a": 4.1, "b": 3.0, "c <i>": 2.0, "truth": 4.6}


@pytest.fixture
def ask(monkeypatch, capsys):
    return lambda *words: call_unwrapped(monkeypatch, capsys, "study", *words)


@pytest.fixture(scope="module")
def votes() -> pd.DataFrame:
    made = grades(QUALITY, 10, 6, np.random.default_rng(0), careless=1, checks=3)
    made.loc[(made["rater"] == "r0009") & (made["kind"] == "attention"), "grade"] = 5
    return made


def test_a_study_is_scored_with_page_latex_figure_and_the_metric_to_trust(ask, votes, tmp_path):
    run = scored_study.run(tmp_path / "r", scored_study.agreeing(votes), {"good": True, "error": False, "noise": True})
    folder = scored_study.study(tmp_path / "s", votes, run=sources.seal(run))
    ended = ask("score", folder, "--run", run, "--resamples", 200)
    assert ended[0] == 0, ended[1]
    found = parse_study_score((folder / "score" / "score.json").read_bytes())
    (best,) = trusted(found)
    assert best.split(" (")[0] in " ".join(ended[1].split()) and "good" in best
    assert not any(run.name in notice for notice in found.notices)
    assert [opinion.model for opinion in found.opinions] == list(QUALITY)
    assert found.screening.left_out[0].rater == "r0009" and found.seed == 3
    assert {one.metric for one in found.metrics[:2]} == {"good", "error"} and found.metrics[2].metric == "noise"
    page = (folder / "score" / "score.html").read_text("utf-8")
    assert "c &lt;i&gt;" in page and "c <i>" not in page and "src=" not in page
    latex = (folder / "score" / "score.tex").read_text("utf-8")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") >= 5
    assert (folder / "score" / "metrics.svg").read_text("utf-8").rstrip().endswith("</svg>")


def test_the_same_votes_give_the_same_file_anywhere(ask, votes, tmp_path):
    one = scored_study.study(tmp_path / "one", votes)
    other = scored_study.study(tmp_path / "two", votes.sample(frac=1, random_state=1))
    for folder in (one, other):
        assert ask("score", folder, "--resamples", 200)[0] == 0
    texts = [json.loads((folder / "score" / "score.json").read_bytes()) for folder in (one, other)]
    assert texts[0]["votes_sha256"] == texts[1]["votes_sha256"]
    means = [[opinion["mean"]["value"] for opinion in text["opinions"]] for text in texts]
    assert means[0] == pytest.approx(means[1])


def test_comparisons_and_an_unknown_run(ask, tmp_path):
    made = comparisons({"ours": 1.0, "b": 0.0, "c": 0.2}, 10, 5, np.random.default_rng(1), ties=0.3)
    run = scored_study.run(tmp_path / "r", scored_study.agreeing(made), {"good": True})
    folder = scored_study.study(tmp_path / "s", made, "preference", run="0" * 64)
    ended = ask("score", folder, "--against", "ours", "--run", run, "--resamples", 200, "--out", tmp_path / "o")
    assert ended[0] == 0, ended[1]
    found = parse_study_score((tmp_path / "o" / "score.json").read_bytes())
    assert found.against == "ours" and [o.other for o in found.opinions] == ["c", "ours", "ours"]
    assert len(found.preferences[0].strengths) == 3
    assert sum(note.startswith(f"{run.name}: ") for note in found.notices) == 1


def test_where_nobody_is_left_it_says_so(ask, votes, tmp_path):
    bad = votes.copy()
    bad.loc[bad["kind"] == "attention", "grade"] = 5
    run = scored_study.run(tmp_path / "r", scored_study.agreeing(votes), {"good": True})
    ended = ask("score", scored_study.study(tmp_path / "s", bad), "--run", run)
    assert ended[0] == 0
    found = parse_study_score((tmp_path / "s" / "score" / "score.json").read_bytes())
    assert found.notices and all(" ".join(note.split()) in " ".join(ended[1].split()) for note in found.notices[:1])
    assert found.counted == 0 and not found.opinions and not found.metrics and len(found.screening.left_out) == 10


def test_opinions_out_of_a_file(ask, votes, tmp_path):
    rated = votes[(votes["kind"] == "rating") & (votes["model"] != "truth")]
    table = rated.groupby(["clip", "model"])["grade"].agg(["mean", "size"]).reset_index()
    table.columns = ["clip", "model", "opinion", "n"]
    table.assign(interval=0.3).to_csv(tmp_path / "mos.csv", index=False)
    run = scored_study.run(tmp_path / "r", scored_study.agreeing(votes), {"good": True, "noise": True})
    ended = ask("score", "--opinions", tmp_path / "mos.csv", "--run", run, "--out", tmp_path / "o")
    assert ended[0] == 0, ended[1]
    found = parse_study_score((tmp_path / "o" / "score.json").read_bytes())
    assert found.kind == "opinions" and found.metrics[0].metric == "good" and found.votes == len(rated)
    assert found.metrics[0].spearman.low > 0.5


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfclip,model,opinion,n\nNA,a,3.5,4\nc 2,a,2,\n",
        b"Clip , MODEL, Opinion ,N\r\n NA, a ,3.5 , 4\r\nc 2 ,a, 2,  \r\n",
        b'clip,model,opinion,n,note\n"NA","a","3.5",4,x\nc 2,a,2,,"y, z"\n',
    ],
)
def test_files_of_opinions_as_spreadsheets_write_them(tmp_path, content):
    (tmp_path / "o.csv").write_bytes(content)
    table = sources.opinions(tmp_path / "o.csv")
    assert list(table["clip"]) == ["NA", "c 2"] and list(table["model"]) == ["a", "a"]
    assert list(table["opinion"]) == [3.5, 2.0] and list(table["n"].fillna(-1)) == [4.0, -1.0]


@pytest.mark.parametrize(
    ("head", "rows", "code", "values"),
    [
        (HEAD.replace(",", ";"), ["c;a;3,5"], "not-csv", []),
        (f"Clip,{HEAD}", ["c,d,a,3"], "duplicate-column", ["clip"]),
        (HEAD, ["c,a,3", " ,a,3"], "missing-value", ["line 3:", "clip"]),
        (f"{HEAD},n", ["c,a,nan,1"], "bad-number", ["line 2:", "'nan'", "opinion"]),
        ("", [], "not-csv", []),
        ("clip,model", ["c,a"], "missing-column", ["opinion"]),
        (HEAD, ["c,a,good"], "bad-number", ["line 2:", "'good'", "opinion"]),
        (HEAD, ["c,a,1", "c,a,2"], "duplicate-name", ["line 3:", "a on c"]),
        (HEAD, [], "bad-votes", []),
        (f"{HEAD},interval", ["c,a,1,-1"], "bad-number", ["'-1'", "interval"]),
        (f"{HEAD},n", ["c,a,1,-5"], "bad-number", ["'-5'"]),
        (f"{HEAD},n", ["c,a,1,2.5"], "bad-number", ["'2.5'"]),
        (HEAD, ["c,a,1,7"], "bad-row", []),
    ],
)
def test_files_of_opinions_that_cannot_be_used(ask, tmp_path, votes, head, rows, code, values):
    (tmp_path / "o.csv").write_text("".join(f"{line}\n" for line in (head, *rows) if line), encoding="utf-8")
    run = scored_study.run(tmp_path / "r", scored_study.agreeing(votes), {"good": True})
    ended = ask("score", "--opinions", tmp_path / "o.csv", "--run", run, "--out", tmp_path / "o")
    assert (ended[0], ended.error) == (2, code), ended[1]
    assert all(value in " ".join(ended[1].split()) for value in ("o.csv", *values)), ended[1]


def test_of_one_opinion_there_is_a_page_and_no_figure_of_earlier_ones(ask, tmp_path, votes):
    values = scored_study.agreeing(votes)
    run, (model, clip) = scored_study.run(tmp_path / "r", values, {"good": True}), values.index[0]
    (tmp_path / "o.csv").write_text(f"clip,model,opinion\n{clip},{model},3\n", encoding="utf-8")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "metrics.svg").write_text("old")
    ended = ask("score", "--opinions", tmp_path / "o.csv", "--run", run, "--out", tmp_path / "o")
    assert ended[0] == 0, ended[1]
    found = parse_study_score((tmp_path / "o" / "score.json").read_bytes())
    assert found.metrics and all(one.spearman is None and one.why for one in found.metrics)
    assert not (tmp_path / "o" / "metrics.svg").exists() and (tmp_path / "o" / "score.html").exists()


def test_what_is_refused(ask, votes, tmp_path):
    folder = scored_study.study(tmp_path / "s", votes)
    pairs = scored_study.run(tmp_path / "pairs", scored_study.agreeing(votes), {"good": True}, unit="pair")
    others = scored_study.agreeing(votes).rename(index=lambda name: f"x{name}")
    run = scored_study.run(tmp_path / "r", others, {"good": True})
    for words, code in [
        (("score",), "missing-option"),
        (("score", folder, "--opinions", folder / "votes.csv"), "missing-option"),
        (("score", folder, "--screening", "mine"), "unknown-choice"),
        (("score", folder, "--against", "a"), "unknown-choice"),
        (("score", folder, "--run", pairs), "wrong-protocol"),
        (("score", folder, "--run", run), "wrong-protocol"),
        (("score", tmp_path / "none"), "no-study"),
        (("power", "--raters", "one"), "bad-value"),
        (("power", "--kind", "preference", "--like", folder), "unused-option"),
        (("power", "--kind", "acr", "--grades", "p800"), "unused-option"),
        (("power", "--kind", "ccr", "--grades", "p910"), "unknown-choice"),
        (("power", "--kind", "ccr", "--like", folder), "unreadable-file"),
        (("power", "--like", tmp_path), "unreadable-file"),
    ]:
        ended = ask(*words)
        assert (ended[0], ended.error) == (2, code), words


@pytest.mark.parametrize("scale", [(3, 2, 1, 0, -1, -2, -3), (2, 1, -1, -2)])
def test_made_up_comparisons_have_the_mean_grade_of_the_normal_distribution(scale):
    spread = Spread(rater_model=0.3, clip_model=0.2, noise=0.8)
    votes = compared_grades(
        {"a": 0.9, "b": 0.0}, 300, 200, np.random.default_rng(0), scale=scale, spread=spread, each=60
    )
    values = np.array(sorted(scale), float)
    total = (2 * 0.3**2 + 2 * 0.2**2 + 0.8**2) ** 0.5
    below = stats.norm.cdf((values[1:] + values[:-1]) / 2, 0.9, total)
    expected = values @ np.diff([0, *below, 1])
    turned = np.where(votes["model"] == "a", votes["grade"], -votes["grade"])
    assert turned.mean() == pytest.approx(expected, abs=0.06) and set(votes["grade"]) == set(values)


def test_power_of_graded_comparisons_plants_what_a_scored_study_found(ask, tmp_path):
    made = compared_grades({"a": 0.5, "b": 0.0, "c": -0.5}, 12, 6, np.random.default_rng(2), scale=range(-3, 4))
    folder = scored_study.study(tmp_path / "s", made, "ccr")
    assert ask("score", folder, "--resamples", 100)[0] == 0
    variances = parse_study_score((folder / "score" / "score.json").read_bytes()).components[0].variances
    planted = power.spread_of(folder, "ccr")
    assert planted.noise**2 == pytest.approx(variances["rest"])
    of_clip = variances.get("clip", 0) + variances.get("clip:group", 0)
    assert 2 * planted.clip_model**2 == pytest.approx(of_clip)
    found = power.comparisons([8, 32], clips=10, models=2, difference=0.4, scale=(2, 1, -1, -2), studies=12)
    assert found[0].half > found[1].half and found[0].votes == 80
    ended = ask("power", "--kind", "ccr", "--grades", "memface", "--raters", "6", "--clips", 4, "--like", folder)
    assert ended[0] == 0 and "CMOS ±" in ended[1] and "difference ±" not in ended[1]


def test_more_raters_give_narrower_intervals(ask, votes, tmp_path):
    found = power.ratings([8, 32], clips=10, models=2, difference=0.4, studies=12)
    assert found[0].half > found[1].half and found[0].half_difference > found[1].half_difference
    assert found[0].votes == 160 and 0 <= found[0].found <= 1
    compared = power.preferences([8, 32], clips=10, models=3, share=0.65, studies=12)
    assert compared[0].half_difference > compared[1].half_difference
    folder = scored_study.study(tmp_path / "s", votes)
    assert ask("score", folder, "--resamples", 100)[0] == 0
    ended = ask("power", "--raters", "6", "--clips", 4, "--like", folder)
    assert ended[0] == 0 and "mean ±" in ended[1]
