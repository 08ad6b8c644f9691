"""Record measurements of trainings with other seeds, whose weights are not kept. From the repository's root.

    python tools/seeds.py RUN [RUN …]

Reads every model of the runs that is a training of a recipe on record (``baselines/samples.toml``) with a seed other
than the sample checkpoints'. Writes ``reports/paper/data/seeds.csv``, a line per training and metric, from which `bench
tables` and `run --table` read the spread over seeds, and next to it ``seeds_pairs.csv.gz``, the values of every pair.
Existing lines of other trainings and measurements are kept.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from baselines import samples
from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from reports import table
from reports.paper import seeds
from reports.schema.manifest import Complete, ModelEntry

PAIRS = seeds.RECORD.with_name("seeds_pairs.csv.gz")
KEY = ["model", "seed", "protocol", "version", "pairs_sha256", "data_sha256", "metric", "signature"]


def main(runs: list[Path]) -> None:
    lines, values = {}, [pd.read_csv(PAIRS, dtype={"pair": str})] if PAIRS.is_file() else []
    if seeds.RECORD.is_file():
        with seeds.RECORD.open(newline="", encoding="utf-8") as stream:
            lines = {tuple(line[key] for key in KEY): line for line in csv.DictReader(stream)}
    for folder in runs:
        run = RunDirectory(folder)
        manifest = run.complete()
        rows = run.summary(manifest).by_model()
        table_of = run.samples(manifest)
        if table_of is None:
            raise UserError(f"{folder}: samples.parquet is missing or was changed after the run", code="changed-file")
        for model in filter(_other_seed, manifest.models):
            for line in _lines(manifest, model, rows):
                lines[tuple(str(line[key]) for key in KEY)] = line
            values.append(_pairs(manifest, model, table_of))
    kept = sorted(lines.values(), key=lambda line: tuple(str(line[key]) for key in KEY))
    seeds.RECORD.write_text(table.csv_text(seeds.FIELDS, kept), "utf-8")
    every = pd.concat(values).drop_duplicates(["model", "seed", "protocol", "pair"], keep="last")
    every.sort_values(["protocol", "model", "seed", "pair"]).to_csv(
        PAIRS, index=False, float_format="%.9g", compression={"method": "gzip", "mtime": 0}
    )
    print(f"{seeds.RECORD}: {len(kept)} lines; {PAIRS}: {len(every)} lines, {PAIRS.stat().st_size / 1e3:.0f} kB")


def _other_seed(model: ModelEntry) -> bool:
    facts = model.training
    if not (isinstance(facts, dict) and model.sample_weights and facts.get("model") in samples.recipes()):
        return False
    return facts.get("seed") != samples.SEED and facts.get("steps") == samples.recipe(str(facts["model"])).steps


def _lines(manifest: Complete, model: ModelEntry, rows: Any) -> list[dict[str, Any]]:
    facts = model.training
    assert isinstance(facts, dict)
    name, seed = str(facts["model"]), int(str(facts["seed"]))
    recipe = samples.recipe(name)
    start = f"baselines/{recipe.start}/sample.safetensors" if recipe.start else None
    known = {"model": name, "seed": seed, "training": seeds.recipe_of(model), "started_from": model.started_from}
    known |= {"weights_sha256": model.weights_sha256, "command": recipe.command(start, seed)}
    found = []
    for metric in manifest.measured:
        row = rows.get((model.name, metric.name))
        if metric.shape == "pair" and row is not None and row.mean is not None:
            protocol, version, pairs, data, metric_name, signature = seeds.measurement(manifest, metric)
            found.append(
                {**known, "protocol": protocol, "version": version, "pairs_sha256": pairs, "data_sha256": data}
                | {"metric": metric_name, "signature": signature, "n": row.n, "mean": repr(row.mean)}
            )
    return found


def _pairs(manifest: Complete, model: ModelEntry, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the values of every pair of a training, a column per metric."""
    facts = model.training
    assert isinstance(facts, dict)
    own = rows[rows["model"] == model.name]
    columns = [metric.name for metric in manifest.measured if metric.shape == "pair" and metric.name in own]
    known = {"model": facts["model"], "seed": facts["seed"], "protocol": manifest.protocol.name, "pair": own["pair"]}
    return pd.DataFrame({**known, **{name: own[name] for name in columns}})


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:]])
