"""The spread of the papers' tables over trainings with several seeds: arithmetic, which trainings count, drawings."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import manifests

from reports.paper import seeds, view
from reports.paper.compare import regenerate
from reports.paper.export import csv_table, html, json_tables, latex, markdown
from reports.paper.measured import Regenerated
from reports.paper.seeds import Value, spread, spread_less
from reports.paper.tables import published
from reports.schema.manifest import ModelEntry
from reports.schema.summary import Row

numbers = st.floats(-1e6, 1e6)
by_seed = st.dictionaries(st.integers(0, 20), numbers, max_size=6)


def values(means: dict[int, float], recorded: tuple[int, ...] = ()) -> dict[int, Value]:
    return {seed: Value(mean, seed in recorded, "fomm") for seed, mean in means.items()}


@given(by_seed)
def test_the_spread_is_mean_and_sample_standard_deviation(means):
    found = spread(values(means))
    if len(means) < 2:
        assert found is None
        return
    assert found.mean == pytest.approx(np.mean(list(means.values())), rel=1e-9, abs=1e-9)
    assert found.sd == pytest.approx(np.std(list(means.values()), ddof=1), rel=1e-9, abs=1e-7)
    assert found.seeds == tuple(sorted(means)) and not found.recorded and not found.starts


@given(by_seed, by_seed)
def test_the_difference_is_taken_seed_by_seed_over_those_that_both_have(own, base):
    shared = sorted(own.keys() & base.keys())
    found = spread_less(values(own), values(base))
    assert (found is None) == (len(shared) < 2)
    if found:
        each = [own[seed] - base[seed] for seed in shared]
        assert found.seeds == tuple(shared)
        assert found.mean == pytest.approx(np.mean(each), rel=1e-9, abs=1e-9)
        assert found.sd == pytest.approx(np.std(each, ddof=1), rel=1e-9, abs=1e-7)


@given(by_seed, numbers)
def test_a_network_that_is_better_by_the_same_with_every_seed_has_no_spread_of_the_difference(means, shift):
    assume(len(means) > 1)
    found = spread_less(values({seed: mean + shift for seed, mean in means.items()}), values(means))
    assert found.mean == pytest.approx(shift, abs=1e-6) and found.sd == pytest.approx(0, abs=1e-6)


@given(by_seed, st.floats(-100, 100))
def test_scaled_is_the_spread_of_scaled_numbers(means, factor):
    assume(len(means) > 1)
    one, other = spread(values(means)).scaled(factor), spread(values({s: factor * m for s, m in means.items()}))
    assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-6)
    assert one.sd == pytest.approx(other.sd, rel=1e-9, abs=1e-6)


def training(model: str, seed: int = 1, **facts: object) -> dict[str, object]:
    known = {"model": model, "seed": seed, "steps": 700, "learning_rate": 0.001, "stages": [[128, 1, 4]]}
    return known | {"data_sha256": "da" * 32, "init_from": "f0" * 32} | facts


def entry(name: str, seed: int = 1, of: str | None = None, **facts: object) -> ModelEntry:
    return ModelEntry(name=name, mode="absolute", sample_weights=True, weights_status="sample",
                      weights_sha256=f"{seed:064x}", training=training(of or name, seed, **facts))  # fmt: skip


def run(folder: Path, means: dict[str, float], entries: list[ModelEntry], **facts: object) -> Path:
    metric = manifests.metric("l1", signature=f"l1|v:1|{'0f' * 32}", short="v:1|#c0ffee01")
    protocol = manifests.PROTOCOL.but(name="vox1-sameid", mode="absolute")
    known = {"name": folder.name, "protocol": protocol, "sample_data": True, "data_sha256": "dd" * 32}
    manifest = manifests.complete(entries, [metric], **known | facts)
    rows = [row(model.name, means[model.name]) for model in entries]
    manifests.write(folder, manifest, manifests.summary([model.name for model in entries], rows))
    return folder


def row(model: str, mean: float) -> Row:
    own = dict.fromkeys(("mean", "median", "ci_low", "ci_high", "ci_pair_low", "ci_pair_high"), mean)
    own |= {"mean_penalised": mean, "mean_common": mean, "std": 0.0}
    counts = {"n": 90, "n_total": 90, "failed": 0, "failure_rate": 0, "n_infinite": 0, "n_common": 90}
    return Row(model=model, metric="l1", **own, **counts)


def beside(table: str, *runs: Path) -> Regenerated:
    return regenerate(published([table])[0], runs)


def l1(shown: Regenerated, model: str):
    place = [column.head for column in shown.table.columns].index("L1")
    (line,) = [line for line in shown.lines if line.model == model]
    return line.cells[place]


@pytest.fixture(autouse=True)
def no_record(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(seeds, "RECORD", tmp_path / "none.csv")
    return tmp_path / "none.csv"


SEVERAL = {"mcnet": 0.04, "mcnet-baseline": 0.05, "mcnet-seed2": 0.06, "other": 0.09, "base2": 0.06, "wrong": 9.0}


def three(folder: Path, **facts: object) -> Path:
    entries = [entry("mcnet"), entry("mcnet-baseline"), entry("mcnet-seed2", 2, "mcnet"), entry("other", 3, "mcnet")]
    entries += [entry("base2", 2, "mcnet-baseline"), entry("wrong", 4, "mcnet", steps=10)]
    return run(folder, SEVERAL, entries, **facts)


def test_trainings_of_one_recipe_are_found_by_what_they_say_of_themselves(tmp_path):
    shown = beside("mcnet-2", three(tmp_path / "run"))
    found = l1(shown, "mcnet")
    assert found.spread.seeds == (1, 2, 3) and found.spread.mean == pytest.approx((0.04 + 0.06 + 0.09) / 3)
    assert found.spread.sd == pytest.approx(np.std([0.04, 0.06, 0.09], ddof=1))
    assert found.spread_less.seeds == (1, 2) and found.spread_less.mean == pytest.approx(-0.005)
    assert found.spread_less.sd == pytest.approx(np.std([-0.01, 0], ddof=1))
    assert l1(shown, "mcnet-baseline").spread_less is None
    # another recipe is another network: it stays a line of its own, the other seeds are in the spread
    assert [line.model for line in shown.lines if line.row is None] == ["wrong"]


def test_a_run_of_other_pairs_or_another_signature_adds_nothing(tmp_path):
    base = run(tmp_path / "a", SEVERAL, [entry("mcnet"), entry("mcnet-baseline")])
    other = run(tmp_path / "b", SEVERAL, [entry("mcnet-seed2", 2, "mcnet")])
    assert l1(beside("mcnet-2", base, other), "mcnet").spread.seeds == (1, 2)
    few = run(tmp_path / "c", SEVERAL, [entry("mcnet-seed2", 2, "mcnet")], pairs=manifests.PAIRS.but(sha256="ee" * 32))
    shown = beside("mcnet-2", base, few)
    assert l1(shown, "mcnet").spread is None
    assert [line.model for line in shown.lines if line.row is None] == ["mcnet-seed2"]
    moved = three(tmp_path / "d", data_sha256="ff" * 32)
    assert l1(beside("mcnet-2", base, moved, few), "mcnet-seed2").spread is None


def test_the_row_that_another_is_set_against_may_be_of_another_run(tmp_path):
    own = run(tmp_path / "a", SEVERAL, [entry("mcnet"), entry("mcnet-seed2", 2, "mcnet")])
    base = run(tmp_path / "b", SEVERAL, [entry("mcnet-baseline"), entry("base2", 2, "mcnet-baseline")])
    assert l1(beside("mcnet-2", own, base), "mcnet").spread_less.mean == pytest.approx(-0.005)


START = "sample checkpoint of fomm"


def record(file: Path, model: ModelEntry, mean: float, **changes: str) -> None:
    facts = model.training
    line = dict.fromkeys(seeds.FIELDS, "x") | {"model": facts["model"], "seed": facts["seed"], "mean": repr(mean)}
    line |= {"training": seeds.recipe_of(model), "started_from": START, "protocol": "vox1-sameid"}
    line |= {"version": "1", "pairs_sha256": "ab" * 32, "data_sha256": "dd" * 32, "metric": "l1"}
    line |= {"signature": "v:1|#c0ffee01"} | changes
    new = not file.is_file()
    with file.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, seeds.FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(line)


def test_recorded_numbers_stand_for_seeds_that_no_run_has_and_are_marked(tmp_path, no_record):
    record(no_record, entry("x", 2, "mcnet"), 0.08)
    record(no_record, entry("x", 3, "mcnet"), 0.5)
    record(no_record, entry("x", 5, "mcnet"), 0.5, signature="v:2|#00000000")
    record(no_record, entry("x", 6, "mcnet"), 0.5, pairs_sha256="00" * 32)
    record(no_record, entry("x", 7, "mcnet", steps=3), 0.5)
    shown = beside("mcnet-2", three(tmp_path / "run"))  # has seeds 1, 2 and 3 itself
    assert l1(shown, "mcnet").spread.recorded == ()
    shown = beside("mcnet-2", run(tmp_path / "one", SEVERAL, [entry("mcnet"), entry("mcnet-baseline")]))
    found = l1(shown, "mcnet").spread
    assert (found.seeds, found.recorded) == ((1, 2, 3), (2, 3)) and found.mean == pytest.approx((0.04 + 0.08 + 0.5) / 3)
    assert len(found.starts) == 2  # seed 1 began from a checkpoint that nobody knows
    assert dict(found.starts)[START] == (2, 3)
    for drawn in (markdown([shown]), html([shown])):
        assert "1, 2, 3 (recorded: 2, 3)" in drawn and all(start in drawn for start, _ in found.starts)


def test_drawings_have_the_spread_and_what_differs_in_training(tmp_path):
    entries = [entry("fomm", steps=1600, init_from=None), entry("fomm+memory", init_from=f"{1:064x}"), entry("tpsm")]
    entries += [entry("tpsm+memory", steps=450, init_from="aa" * 32)]
    both = run(tmp_path / "both", dict.fromkeys(["fomm", "fomm+memory", "tpsm", "tpsm+memory"], 0.05), entries)
    shown = beside("mcnet-2", both, three(tmp_path / "run"))
    more = seeds.TrainingGap("fomm", continued="700")
    assert [line.model for line in shown.lines if line.trained == more] == ["fomm+memory"]
    (other,) = [line.trained for line in shown.lines if line.model == "tpsm+memory"]
    gaps = dict(other.differences)
    assert gaps["steps"] == ("450", "700") and "aaaaaaaa" in gaps["start"][0]
    assert "450, not 700" in other.text and "700" in more.text
    for drawn in (markdown([shown]), html([shown]), latex([shown])):
        assert "0.0633 ± 0.02517 (n = 3)" in drawn.replace(
            "$\\pm$", "±"
        ) and "−0.0050 ± 0.00707 (n = 2)" in drawn.replace("$-$", "−")
        assert more.text in unescape(drawn) and view.ONE in drawn
    lines = [line for line in csv.DictReader(io.StringIO(csv_table([shown]))) if line["column"] == "L1"]
    (mine,) = [line for line in lines if line["model"] == "mcnet"]
    assert float(mine["seeds_mean"]) == pytest.approx(0.19 / 3) and mine["seeds"] == "1 2 3"
    assert float(mine["less_baseline"]) == pytest.approx(-0.005) and mine["less_baseline_seeds"] == "1 2"
    columns = json.loads(json_tables([shown]))["mcnet-2"]["columns"]
    assert columns[-1] == "AED less_baseline_seeds"


def test_every_ablation_says_what_its_rows_are_set_against():
    tables = published(["mcnet-2", "mcnet-3", "mcnet-4", "mcnet-s7", "ostnet-3", "ostnet-4", "ostnet-5"])
    for table in tables:
        named = {row.against for row in table.rows if row.against}
        assert named and named == {row.key for row in table.rows if not row.against}
