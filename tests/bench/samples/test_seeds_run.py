"""Other seeds from the samples folder to the table: planned, run, drawn; recorded by the program, and drawn again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.tools import tool

from baselines import checkpoints, samples
from baselines.card import card
from bench.runtime.config import Config
from bench.tables.plan import plan
from reports.paper import seeds
from reports.paper.tables import published


@pytest.fixture
def second(monkeypatch, tmp_path) -> Path:
    """A network that says that it is MCNet's sample checkpoint with seed 2, and answers a little otherwise."""
    monkeypatch.setenv(samples.VARIABLE, str(tmp_path / "samples"))
    own = checkpoints.load(card("mcnet").sample)
    states = {part: {key: value.clone() for key, value in state.items()} for part, state in own.states.items()}
    states["generator"]["final.bias"] += 0.1
    file = tmp_path / "samples" / samples.file_name("mcnet", 2)
    checkpoints.save_states(file, "mcnet", states, own.config, {**own.facts, "seed": 2})
    return file


def test_other_seeds_are_planned_and_missing_rows_name_their_command(second, tmp_path, monkeypatch):
    known = {**samples.recipes(), "mcnet-paper": samples.Recipe("mcnet-paper", 1, "fomm")}
    monkeypatch.setattr(samples, "recipes", lambda: known)
    (table,) = published(["mcnet-3"])
    row = table.rows[0].model_copy(update={"model": "mcnet-paper"})
    changed = table.model_copy(update={"rows": (row, table.rows[-1])})
    (job,) = plan([changed], Config(data={}, sample=True, weights=None, cache=tmp_path))
    assert job.models == ("mcnet", f"mcnet-seed2=mcnet?weights={second}")
    assert job.weights == {"mcnet": "SAMPLE WEIGHTS", "mcnet-seed2": "SAMPLE WEIGHTS"}
    assert job.skipped["mcnet-paper"].endswith("python -m bench samples build mcnet-paper")


@pytest.mark.slow
def test_the_spread_is_of_runs_and_then_of_the_record(bench, second, sample_set, tmp_path, monkeypatch):
    models = f"mcnet,mcnet-baseline,mcnet-seed2=mcnet?weights={second}"
    command = ["run", "--table", "mcnet-2", "--data", "sample", "--limit", 2, "--metrics", "l1", "--models"]
    code, text = bench(*command, models, "--name", "both")
    assert code == 0 and "over seeds 1, 2*" in text and "(n = 2)" in text, text
    record = tool("seeds")
    monkeypatch.setattr(seeds, "RECORD", tmp_path / "seeds.csv")
    monkeypatch.setattr(record, "PAIRS", tmp_path / "seeds_pairs.csv.gz")
    for _ in range(2):  # again changes nothing
        record.main([tmp_path / "runs" / "both"])
        lines = pd.read_csv(tmp_path / "seeds.csv")
        pairs = pd.read_csv(tmp_path / "seeds_pairs.csv.gz")
        assert list(lines["seed"]) == [2] and list(lines["metric"]) == ["l1"] and len(pairs) == 2
    assert lines["mean"][0] == pytest.approx(pairs["l1"].mean(), rel=1e-6)
    assert "--model mcnet --data sample --steps 700 --seed 2" in lines["command"][0]
    assert lines["weights_sha256"][0] == checkpoints.load(second).sha256
    code, text = bench(*command, "mcnet,mcnet-baseline", "--name", "alone")
    assert code == 0 and "over seeds 1, 2 (recorded: 2)" in text, text
    code, text = bench(*command, "mcnet,mcnet-baseline", "--name", "three", "--limit", 3)
    assert code == 0 and "over seeds" not in text.partition("| Model")[2].partition("1. SSIM")[0]  # other pairs
