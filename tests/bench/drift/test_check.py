"""The drift check on made-up runs: what fails, what does not, what is refused, what is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from support import manifests
from support.command_line import call as call_bench
from support.manifests import metric

from bench.drift.check import check
from bench.drift.reference import Record, read_run
from bench.drift.tolerances import default_tolerance
from reports.schema.manifest import ModelEntry, PairListEntry, Provenance, Seeds, Unfinished

N = 40
DIFFERENT = "not-comparable"
L1 = metric("l1", signature="l1|v:1|range:0..1")
PSNR = metric("psnr", unit="dB", higher_is_better=True, signature="psnr|v:1|cap:100dB")
PROTOCOL = manifests.PROTOCOL.but(name="p", transform="none")
PAIRS = PairListEntry(name="list", sha256="ab" * 32, n=40, provenance=Provenance(sample_set="cd" * 32))


@pytest.fixture
def bench(monkeypatch, capsys):
    def call(*arguments: object) -> tuple[int, str]:
        return call_bench(monkeypatch, capsys, "check", *arguments)

    return call


def base(n: int = N) -> dict[str, dict[str, np.ndarray]]:
    """Values by model and metric."""
    rng = np.random.default_rng(0)
    return {model: {"l1": rng.uniform(0.03, 0.06, n), "psnr": rng.uniform(20, 28, n)} for model in ("one", "two")}


def write(folder: Path, values=None, metrics=(L1, PSNR), identities=None, running=False, **facts) -> Path:
    """A run directory with these values; every pair has its own identity, where nothing else is said."""
    values = values or base()
    n = len(next(iter(next(iter(values.values())).values())))
    models = facts.pop(
        "models", [ModelEntry(name=model, mode="absolute", weights_sha256="ef" * 32) for model in values]
    )
    known = {"protocol": PROTOCOL, "pairs": PAIRS.but(n=n), "sample_data": True}
    manifest = manifests.complete(models, metrics, **{**known, **facts})
    manifests.write(folder, manifest.then(Unfinished, state="running") if running else manifest)
    identities = identities or [f"id{i}" for i in range(n)]
    rows = [
        pd.DataFrame(
            {
                "pair": [f"{i:04d}" for i in range(n)],
                "model": model,
                "source_identity": identities,
                "driving_identity": identities,
                "source": [f"set/{identity}/0" for identity in identities],
                "driving": [f"set/{identities[i]}/{i}" for i in range(n)],
                "alpha": 1.0,
                "beta": 1.0,
            }
            | {metric.name: columns[metric.name] for metric in metrics}
            | {
                f"{metric.name}.reason": ["no face" if gone else None for gone in np.isnan(columns[metric.name])]
                for metric in metrics
            }
        )
        for model, columns in values.items()
    ]
    pd.concat(rows).to_parquet(folder / "samples.parquet")
    return folder


def changed(model: str, metric: str, change, n: int = N) -> dict[str, dict[str, np.ndarray]]:
    """`base` with one column changed; the function gets a copy and may change it in place."""
    values = base(n)
    column = values[model][metric].copy()
    result = change(column)
    values[model][metric] = column if result is None else result
    return values


@pytest.fixture
def reference(tmp_path, bench) -> Path:
    file = tmp_path / "reference.json"
    assert bench(write(tmp_path / "before"), "--update", file)[0] == 0
    return file


def verdicts(result, only=None) -> dict[tuple[str, str], str]:
    return {(row.model, row.metric): row.verdict for row in result.rows if row.verdict != "same"}


def judged(reference: Path, run: Path, mode="statistical", **options):
    return check(Record.read(reference), read_run(run), mode, **options)


@pytest.mark.parametrize("mode", ["exact", "statistical"])
def test_the_same_run_passes(bench, reference, tmp_path, mode):
    code, text = bench(tmp_path / "before", "--against", reference, "--mode", mode)
    assert code == 0 and text.splitlines()[-1] == "passed: 4 same"


def test_the_reference_is_small_sorted_and_written_the_same_again(bench, reference, tmp_path):
    text = reference.read_text()
    lines = text.splitlines()
    assert len(lines) == 5 + 2 * (N + 2) + (N + 2) + 4 + 4 + 2 + 2
    assert len(text) < 100 * len(lines)
    assert max(len(repr(number)) for number in json.loads(text)["values"]["one"]["0000"]) <= 9
    bench(tmp_path / "before", "--update", tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == text
    record = Record.read(reference)
    assert record.pair_list.sha256 == "ab" * 32 and record.metrics["l1"].signature == L1.signature
    np.testing.assert_allclose(record.table("one")["l1"], base()["one"]["l1"], rtol=5e-6)


def test_update_keeps_tolerances_that_were_set_by_hand(bench, reference, tmp_path):
    content = json.loads(reference.read_text())
    content["metrics"]["l1"]["tolerance"]["exact"] = 0.25
    reference.write_text(json.dumps(content))
    bench(tmp_path / "before", "--update", reference)
    metrics = Record.read(reference).metrics
    assert metrics["l1"].tolerance.exact == 0.25
    assert (metrics["psnr"].tolerance.exact, metrics["psnr"].tolerance.statistical) == default_tolerance(
        PSNR, np.ones(1)
    )


def test_a_worsened_mean_fails_with_its_worst_pairs(bench, reference, tmp_path):
    def worse(column):
        column += 0.002
        column[[7, 3]] += (0.02, 0.01)

    run = write(tmp_path / "after", changed("two", "l1", worse))
    code, text = bench(run, "--against", reference)
    assert code == 1
    assert [line.split()[1:3] for line in text.splitlines() if line.startswith("WORSE ")] == [["two", "l1:"]]
    assert text.splitlines()[-1] == "FAILED: 1 worse, 3 same"
    assert text.split("worst pairs: ")[1].startswith("0007 0.0")
    assert text.index("0007") < text.index("0003")


def test_direction_of_a_metric_that_is_better_high(reference, tmp_path):
    lower, higher = (write(tmp_path / str(d), changed("one", "psnr", lambda c, d=d: c + d)) for d in (-1, 1))
    assert verdicts(judged(reference, lower)) == {("one", "psnr"): "worse"}
    result = judged(reference, higher)
    assert verdicts(result) == {("one", "psnr"): "better"} and not result.failures
    assert verdicts(judged(reference, higher, "exact")) == {("one", "psnr"): "changed"}


def test_both_tolerance_and_noise_must_be_exceeded(reference, tmp_path):
    rng = np.random.default_rng(1)
    small = write(tmp_path / "small", changed("one", "l1", lambda c: c + 4e-4))
    noisy = write(tmp_path / "noisy", changed("one", "l1", lambda c: c + 1e-3 + rng.normal(0, 0.05, N)))
    assert verdicts(judged(reference, small)) == {}
    assert set(verdicts(judged(reference, noisy)).values()) == {"noise"}
    assert verdicts(judged(reference, small, tolerances={"l1": 1e-4})) == {("one", "l1"): "worse"}


def test_noise_is_that_of_people_not_of_pairs(tmp_path, bench):
    """One of two identities is worse on all of its pairs: as pairs beyond doubt, as people not."""
    identities = ["a"] * (N // 2) + ["b"] * (N // 2)
    bench(write(tmp_path / "before", identities=identities), "--update", tmp_path / "r.json")
    shift = np.repeat([0.01, -0.002], N // 2)
    run = write(tmp_path / "after", changed("one", "l1", lambda c: c + shift), identities=identities)
    assert verdicts(judged(tmp_path / "r.json", run)) == {("one", "l1"): "noise"}
    run = write(tmp_path / "both", changed("one", "l1", lambda c: c + np.abs(shift)), identities=identities)
    assert verdicts(judged(tmp_path / "r.json", run)) == {("one", "l1"): "worse"}


def test_false_alarms_are_rare(reference, tmp_path):
    """Pure noise around zero, tolerance 0: the Holm-corrected gate fails in about 5 % of runs at most."""
    rng = np.random.default_rng(2)
    before, alarms = read_run(write(tmp_path / "before")), 0
    for _ in range(25):
        values = {m: {k: v + rng.normal(0, v.std(), N) for k, v in table.items()} for m, table in base().items()}
        run = read_run(write(tmp_path / "after", values))
        alarms += bool(check(before.record, run, tolerances={"l1": 0, "psnr": 0}).failures)
    assert alarms <= 4  # of 25 at 5 %, more than 4 have a chance of 0.7 %


def test_a_single_pair_fails_in_exact_mode_only(reference, tmp_path):
    run = write(tmp_path / "after", changed("one", "l1", lambda c: c.put(5, c[5] - 0.001)))
    result = judged(reference, run, "exact")
    assert verdicts(result) == {("one", "l1"): "changed"}
    row = result.failures[0]
    assert [moved.pair for moved in row.worst] == ["0005"] and row.beyond == 1
    assert row.ratio == pytest.approx(0.001 / 3e-6, rel=0.01)
    assert not judged(reference, run).failures


def test_a_lost_value_counts_as_the_worst(bench, reference, tmp_path):
    one = write(tmp_path / "one", changed("one", "l1", lambda c: c.put(5, np.nan)))
    code, text = bench(one, "--against", reference, "--mode", "exact")
    assert code == 1 and "0005" in text and "→ none (no face)" in text
    assert not judged(reference, one).failures  # one of forty may be chance
    many = write(tmp_path / "many", changed("one", "l1", lambda c: c.put(range(10), np.nan)))
    result = judged(reference, many)
    assert verdicts(result) == {("one", "l1"): "worse"} and result.failures[0].lost == 10
    assert result.failures[0].worsening > 0
    # lost where the values were the worst: the mean is no worse, the share of failures is
    worst = base()["one"]["l1"] >= np.sort(base()["one"]["l1"])[-10]
    hidden = write(tmp_path / "hidden", changed("one", "l1", lambda c: np.where(worst, np.nan, c)))
    assert verdicts(judged(reference, hidden, tolerances={"l1": 1})) == {("one", "l1"): "worse"}


def test_values_that_come_back_are_an_improvement(tmp_path, bench):
    gone = changed("one", "l1", lambda c: c.put(range(10), np.nan))
    bench(write(tmp_path / "before", gone), "--update", tmp_path / "r.json")
    result = judged(tmp_path / "r.json", write(tmp_path / "after"))
    assert verdicts(result) == {("one", "l1"): "better"} and not result.failures
    assert not judged(tmp_path / "r.json", write(tmp_path / "same", gone), "exact").failures


def test_infinite_values_survive_the_file(tmp_path, bench):
    exact = changed("one", "psnr", lambda c: c.put(3, np.inf))
    bench(write(tmp_path / "before", exact), "--update", tmp_path / "r.json")
    assert not judged(tmp_path / "r.json", tmp_path / "before", "exact").failures
    assert not judged(tmp_path / "r.json", tmp_path / "before").failures
    assert verdicts(judged(tmp_path / "r.json", write(tmp_path / "after"), "exact")) == {("one", "psnr"): "changed"}


def test_missing_fails_and_new_is_reported(bench, reference, tmp_path):
    values = {"one": base()["one"], "three": base()["two"]}
    run = write(tmp_path / "after", values, metrics=(L1,))
    found = verdicts(judged(reference, run))
    assert found == {
        ("one", "psnr"): "missing",
        ("two", "l1"): "missing",
        ("two", "psnr"): "missing",
        ("three", "l1"): "new",
    }
    assert bench(run, "--against", reference)[0] == 1
    more = write(tmp_path / "more", base() | {"three": base()["two"]})
    code, text = bench(more, "--against", reference)
    new = [line.split()[1:3] for line in text.splitlines() if line.startswith("NEW ")]
    assert code == 0 and new == [["three", "l1:"], ["three", "psnr:"]]
    assert not judged(reference, run, models=["one"], tolerances={}).rows[0].failed


def test_common_pairs(reference, tmp_path):
    half = {m: {k: v[: N // 2] for k, v in table.items()} for m, table in base().items()}
    pairs = PAIRS.but(name="half", sha256="12" * 32, n=N // 2)
    result = judged(reference, write(tmp_path / "half", half, pairs=pairs))
    (notice,) = result.notices
    assert result.n == N // 2 and re.findall(r"\d+", notice) == ["20", "40"]


def test_changed_weights_are_said(reference, tmp_path):
    models = [ModelEntry(name="one", mode="absolute", weights_sha256="00"), ModelEntry(name="two", mode="absolute")]
    notices = judged(reference, write(tmp_path / "after", models=models), "exact").notices
    assert len(notices) == 2
    assert notices[0].startswith("one: ") and all(value in notices[0] for value in ("weights", "ef" * 6, "run 00"))
    assert notices[1].startswith("two: ") and notices[1].endswith("none")


OTHER_SIGNATURE = L1.but(signature="l1|v:1|range:0..255")
OTHER_PAIRS = PAIRS.but(name="other", sha256="12" * 32)
PIXELS = PAIRS.but(provenance=Provenance(sample_set="99" * 32))
RELATIVE = [ModelEntry(name=model, mode="relative") for model in ("one", "two")]


@pytest.mark.parametrize(
    ("run", "arguments", "error", "values"),
    [
        ({"metrics": (OTHER_SIGNATURE, PSNR)}, [], DIFFERENT, ["l1:", "range: 0..1 and 0..255"]),
        ({"protocol": PROTOCOL.but(version=2)}, [], DIFFERENT, ["version", "reference 1", "run 2"]),
        ({"models": RELATIVE}, [], DIFFERENT, ["one", "absolute", "relative"]),
        ({"models": [ModelEntry(name="one"), ModelEntry(name="two")]}, [], DIFFERENT, ["one", "absolute", "none"]),
        ({"pairs": OTHER_PAIRS}, ["--mode", "exact"], DIFFERENT, ["reference list", "run other"]),
        ({"pairs": PIXELS}, ["--mode", "exact"], DIFFERENT, ["cdcd", "9999"]),
        ({"seeds": Seeds(run=7)}, ["--mode", "exact"], DIFFERENT, ["seed", "run 7"]),
        ({"identities": [f"other{i}" for i in range(N)]}, [], "no-common-pairs", ["0 pairs"]),
        ({"values": base(1)}, [], "no-common-pairs", ["1 pair"]),
        ({"running": True}, [], "no-finished-run", ["after"]),
        ({}, ["--models", "three"], "unknown-model", ["three", "one, two"]),
        ({}, ["--tolerance", "ssim=1"], "unknown-metric", ["ssim", "l1, psnr"]),
        ({}, ["--tolerance", "l1"], "bad-value", ["METRIC=VALUE"]),
        ({}, ["--tolerance", "l1=-1"], "bad-value", ["METRIC=VALUE"]),
        ({}, ["--tolerance", "l1=nan"], "bad-value", ["METRIC=VALUE"]),
        ({}, ["--mode", "loose"], "unknown-choice", ["statistical, exact"]),
        ({}, ["--update", "x.json"], "missing-option", ["--against", "--update"]),
        ({}, ["--junit", "/nowhere/x.xml"], "unwritable-file", ["--junit", "/nowhere/x.xml"]),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(bench, reference, tmp_path, run, arguments, error, values):
    ended = code, text = bench(write(tmp_path / "after", **run), "--against", reference, *arguments)
    assert code == 2 and ended.error == error, (ended.error, text)
    last = text.strip().splitlines()[-1]
    assert last.startswith("error:") and all(value in last for value in values), last


@pytest.mark.parametrize(
    ("content", "error", "value"),
    [
        (None, "unreadable-file", "reference.json: "),
        (b"\xff\xfe\x00", "not-a-drift-reference", "text"),
        (b"{}", "not-a-drift-reference", "protocol"),
        (b'{"format": "x"}', "not-a-drift-reference", "format"),
        ("values", "not-a-drift-reference", "2 metrics"),
        ("pairs", "not-a-drift-reference", "0000"),
        ("models", "not-a-drift-reference", "models"),
    ],
)
def test_a_file_that_is_no_reference(bench, reference, tmp_path, content, error, value):
    if isinstance(content, bytes):
        reference.write_bytes(content)
    elif content is None:
        reference.unlink()
    else:
        text = json.loads(reference.read_text())
        if content == "values":
            text["values"]["one"]["0003"] = [1.0]
        else:
            del text[content][sorted(text[content])[0]]
        reference.write_text(json.dumps(text))
    ended = code, text = bench(tmp_path / "before", "--against", reference)
    assert code == 2 and ended.error == error and str(reference) in text and value in text, text


def test_neither_or_nothing(bench, tmp_path):
    assert bench(write(tmp_path / "run"))[0] == 2
    ended = bench(tmp_path / "none", "--update", tmp_path / "r.json")
    assert (ended[0], ended.error) == (2, "no-finished-run")


def test_junit_and_markdown_for_ci(bench, reference, tmp_path):
    values = changed("two", "l1", lambda c: c + 0.01) | {"a|b": base()["one"]}
    values["one"] = changed("one", "psnr", lambda c: c + 1)["one"]
    run = write(tmp_path / "after", values)
    junit, page = tmp_path / "junit.xml", tmp_path / "summary.md"
    page.write_text("before\n")
    assert bench(run, "--against", reference, "--junit", junit, "--markdown", page)[0] == 1
    suite = ElementTree.parse(junit).getroot()[0]
    assert {k: suite.get(k) for k in ("tests", "failures", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "skipped": "2",
    }
    (failure,) = suite.iter("failure")
    assert failure.text.startswith("worst pairs: 00") and "worse by 0.01" in failure.get("message")
    assert [case.get("classname") + case.get("name") for case in suite if case.find("failure") is not None] == ["twol1"]
    assert "better" in next(suite.iter("system-out")).text
    text = page.read_text()
    head = text.splitlines()[1]
    assert text.startswith("before\n### ") and " p: FAILED: 1 worse" in head
    assert "| **worse** | two | l1 |" in text and "| better | one | psnr |" in text and "| a\\|b |" in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {6}


def test_tolerance_of_a_metric_without_an_entry_is_relative():
    exact, statistical = default_tolerance(metric("new", unit="s"), np.array([2.0, 4]))
    assert (exact, statistical) == (0.003, 0.03)
    assert default_tolerance(metric("new"), np.array([np.nan])) == (0.0, 0.0)


def test_tolerance_is_the_manifest_s_then_the_family_s():
    assert default_tolerance(metric("psnr", unit="dB", tolerance=(1.0, 2.0)), np.ones(1)) == (1.0, 2.0)
    assert default_tolerance(metric("new", tolerance=(0.0, 2.0)), np.ones(1)) == (0.0, 2.0)
