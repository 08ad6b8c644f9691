"""The reference file of `bench check`: a run's values, small, sorted, rounded, one line for each model and pair."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.drift.tolerances import default_tolerance
from bench.run.manifest import DECIDING
from bench.rundir.directory import RunDirectory, readable
from bench.rundir.whole import replace
from bench.runtime.errors import UserError
from bench.stats.pair_keys import RANGE
from protocols import files
from reports.schema.manifest import Complete, MetricEntry

DIGITS = 6  # significant digits; both sides of a comparison are rounded
FRAMES = "frames"  # of whole clips: number of frames in a clip's means, checked like a metric
FORMAT: Final = "talking-head-bench drift reference 1"


class Strict(BaseModel):
    """An immutable object of a reference file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tolerance(Strict):
    """Allowed change of a metric, in its unit: `exact` of a pair, `statistical` of the mean."""

    exact: float = Field(ge=0)
    statistical: float = Field(ge=0)


NONE = Tolerance(exact=0, statistical=0)


class Metric(Strict):
    """What identifies a metric's numbers, and their tolerance."""

    signature: str
    higher_is_better: bool
    tolerance: Tolerance


class Model(Strict):
    """A model's motion mode and the hash of its weights; None if unknown."""

    mode: str | None
    weights_sha256: str | None


class PairListFacts(Strict):
    """The pair list of the run, and its number of pairs."""

    name: str
    sha256: str
    n: int


class Record(Strict):
    """One reference file, or a run in the same form.

    sample_set: hash of the sample set's pixels, if the frames are from it. pairs: pair id to its frames. values: model,
    then pair id, to one number for each metric in the sorted order of `metrics`; None for no value.
    """

    format: Literal["talking-head-bench drift reference 1"] = FORMAT
    protocol: dict[str, str | int]
    pair_list: PairListFacts
    sample_set: str | None
    seed: int
    metrics: dict[str, Metric]
    models: dict[str, Model]
    pairs: dict[str, str]
    values: dict[str, dict[str, list[float | None]]]

    def table(self, model: str) -> pd.DataFrame:
        """Return the table pairs × metrics, float64, NaN for no value."""
        rows = self.values[model]
        return pd.DataFrame(list(rows.values()), list(rows), sorted(self.metrics), dtype=float)

    def with_tolerances_of(self, other: Record) -> Record:
        """Return a copy with the tolerances of another record."""
        metrics = {
            name: metric.model_copy(update={"tolerance": other.metrics[name].tolerance})
            if name in other.metrics
            else metric
            for name, metric in self.metrics.items()
        }
        return self.model_copy(update={"metrics": metrics})

    def write(self, file: Path) -> None:
        """Write the file atomically. Raises UserError if it cannot be written."""
        try:
            replace(file, _text(self).encode())
        except OSError as error:
            raise UserError(f"{file}: cannot be written ({error.strerror or error})", code="unwritable-file") from None

    @classmethod
    def read(cls, file: Path) -> Record:
        """Read a reference file. Raises UserError if it is not one."""
        try:
            record = cls.model_validate_json(files.text(file))
        except OSError as error:
            raise UserError(f"{file}: {error.strerror or error}", code="unreadable-file") from None
        except UnicodeDecodeError:
            raise UserError(f"{file} is not a drift reference: not a text file", code="not-a-drift-reference") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"{file} is not a drift reference: {place + ': ' if place else ''}{first['msg']}",
                code="not-a-drift-reference",
            ) from None
        if wrong := record._inconsistency():
            raise UserError(f"{file} is not a drift reference: {wrong}", code="not-a-drift-reference")
        return record

    def _inconsistency(self) -> str | None:
        if set(self.values) != set(self.models):
            return "models and values name different models"
        for model, rows in self.values.items():
            for pair, values in rows.items():
                if pair not in self.pairs:
                    return f"{model} has values of the unknown pair {pair}"
                if len(values) != len(self.metrics):
                    return f"{model}, pair {pair}: {len(values)} values for {len(self.metrics)} metrics"
        return None


@dataclass(frozen=True)
class RunRecord:
    """A run as a `Record`, with more facts.

    pairs: by pair id, ``source_identity``, ``driving_identity``, ``source`` and ``driving`` (frames by name).
    reasons: rows by (model, pair), columns by metric: why there is no value. of_sets: metrics with one number for each
    model, which the check, pair by pair, skips.
    """

    record: Record
    pairs: pd.DataFrame
    reasons: pd.DataFrame
    of_sets: tuple[str, ...] = ()


def read_run(path: Path) -> RunRecord:
    """Read a finished run. Raises UserError if the folder contains none, or it has no metric with a value per pair."""
    with readable(path):
        found = _record(*RunDirectory(path).finished())
    if not found.record.metrics:
        raise UserError(
            f"{path} has only set metrics ({', '.join(found.of_sets)}); the drift check compares pairs",
            code="no-metric",
        )
    return found


def _record(manifest: Complete, samples: pd.DataFrame) -> RunRecord:
    entries = {metric.name: metric for metric in manifest.measured if metric.shape != "set"}
    metrics = {name: _metric(entries[name], samples[name].to_numpy(float)) for name in entries}
    if manifest.clips and entries:  # a mean over fewer frames is a different statistic, even with the same value
        made = samples["frames"] - samples["frames_failed"]
        samples = samples.assign(**{FRAMES: made.astype(float), f"{FRAMES}.reason": None})
        metrics[FRAMES] = Metric(signature=f"{FRAMES}|v:1", higher_is_better=True, tolerance=NONE)
    names = sorted(metrics)
    pairs = samples.drop_duplicates("pair").set_index("pair").sort_index()
    stated, listed = manifest.protocol, manifest.pairs
    record = Record(
        protocol={key: value for key in DECIDING if (value := getattr(stated, key)) is not None},
        pair_list=PairListFacts(name=listed.name, sha256=listed.sha256, n=listed.n),
        sample_set=listed.provenance.sample_set if manifest.sample_data else None,
        seed=manifest.seeds.run,
        metrics=metrics,
        models={model.name: Model(mode=model.mode, weights_sha256=model.weights_sha256) for model in manifest.models},
        pairs={str(pair): _frames(row) for pair, row in pairs.iterrows()},
        values={str(model): _values(rows, names) for model, rows in samples.groupby("model")},
    )
    reasons = samples.set_index(["model", "pair"])[[f"{name}.reason" for name in names]]
    of_sets = tuple(metric.name for metric in manifest.measured if metric.shape == "set")
    return RunRecord(record, pairs, reasons.set_axis(names, axis="columns"), of_sets)


def _metric(entry: MetricEntry, values: np.ndarray) -> Metric:
    exact, statistical = default_tolerance(entry, values)
    return Metric(
        signature=entry.signature,
        higher_is_better=entry.higher_is_better,
        tolerance=Tolerance(exact=exact, statistical=statistical),
    )


def _frames(row: pd.Series) -> str:
    stretched = (row["alpha"], row["beta"]) != (1.0, 1.0)
    text = f"{row['source']} > {row['driving']}" + (f" x {row['alpha']:.6f} {row['beta']:.6f}" if stretched else "")
    cut = [f"{name} {row[name]:.6f}" for name in RANGE if name in row and row[name] > 0]  # of a part of a clip
    return " ".join([text, *cut])


def _values(rows: pd.DataFrame, metrics: list[str]) -> dict[str, list[float | None]]:
    table = rows.set_index("pair").sort_index()[metrics]
    return {str(pair): [_rounded(value) for value in values] for pair, values in zip(table.index, table.to_numpy())}


def _rounded(value: float) -> float | None:
    if np.isnan(value):
        return None
    return float(f"{value:.{DIGITS}g}") + 0.0  # no minus before a zero


def _text(record: Record) -> str:
    """Return JSON with one line for each model and pair, so that a diff shows which pairs changed."""
    lines = ["{"]
    content = record.model_dump()
    for key in ("format", "protocol", "pair_list", "sample_set", "seed"):
        lines.append(f" {json.dumps(key)}: {_json(content[key])},")
    for key in ("metrics", "models", "pairs"):
        lines += [f" {json.dumps(key)}: {{", *_entries(content[key], 2), " },"]
    lines.append(' "values": {')
    models = sorted(content["values"].items())
    for position, (model, rows) in enumerate(models):
        lines += [f"  {json.dumps(model)}: {{", *_entries(rows, 3), "  }" + "," * (position < len(models) - 1)]
    return "\n".join([*lines, " }", "}", ""])


def _entries(table: dict[str, Any], indent: int) -> list[str]:
    lines = [f"{' ' * indent}{json.dumps(key)}: {_json(value)}" for key, value in sorted(table.items())]
    return [line + "," for line in lines[:-1]] + lines[-1:]


def _json(value: Any) -> str:
    if isinstance(value, list):  # JSON has no infinities; the reader accepts them as text
        value = [str(item) if isinstance(item, float) and math.isinf(item) else item for item in value]
    return json.dumps(value, sort_keys=True, allow_nan=False)
