"""Several trainings of one network, which differ in their seed: the spread of a mean over them.

The trainings are models of runs; their checkpoints state recipe and seed. Trainings whose weights are not kept have
recorded numbers in ``data/seeds.csv``, which ``tools/seeds.py`` writes from runs.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from protocols import files
from reports.schema.manifest import Manifest, MetricEntry, ModelEntry
from reports.schema.summary import Row as SummaryRow

RECORD = Path(__file__).parent / "data" / "seeds.csv"
# training: `recipe_of`. weights_sha256: of the file that was measured. signature: short form. n: pairs with a value.
FIELDS = (
    *("model", "seed", "training", "started_from", "weights_sha256", "command", "protocol", "version", "pairs_sha256"),
    *("data_sha256", "metric", "signature", "n", "mean"),
)
_MEASUREMENT = ("protocol", "version", "pairs_sha256", "data_sha256", "metric", "signature")
_RECIPE = ("steps", "learning_rate", "stages", "data_sha256")  # what trainings of one network must share


@dataclass(frozen=True)
class Spread:
    """Mean over trainings with different seeds and its sample standard deviation (n - 1), of two and more.

    recorded: the seeds whose number is from the record, not from a run. starts: if the trainings began from different
    checkpoints, each checkpoint in words with its seeds.
    """

    mean: float
    sd: float
    seeds: tuple[int, ...]
    recorded: tuple[int, ...] = ()
    starts: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def scaled(self, factor: float) -> Spread:
        return replace(self, mean=self.mean * factor, sd=self.sd * abs(factor))


@dataclass(frozen=True)
class Value:
    """A training's mean of a metric. start: the sample checkpoint it began from, in words; None: from none."""

    mean: float
    recorded: bool
    start: str | None


@dataclass(frozen=True)
class TrainingGap:
    """How a model's training differs from that of model `base`.

    differences: settings to their two values, the model's first. continued: how many steps the model was trained from
    the base's own checkpoint; then nothing else is compared.
    """

    base: str
    differences: tuple[tuple[str, tuple[str, str]], ...] = ()
    continued: str | None = None

    @property
    def text(self) -> str:
        """Return the difference in words."""
        if self.continued is not None:
            return f"{self.base}'s own checkpoint, trained for {self.continued} more steps"
        parts = (f"{key.replace('_', ' ')} {own}, not {other}" for key, (own, other) in self.differences)
        return f"not trained like {self.base}: {'; '.join(parts)}"


Run = tuple[Manifest, Mapping[tuple[str, str], SummaryRow]]


def spread(values: Mapping[int, Value]) -> Spread | None:
    """Return the spread of the means; None for fewer than two seeds."""
    return _spread({seed: value.mean for seed, value in values.items()}, [values])


def spread_less(values: Mapping[int, Value], base: Mapping[int, Value]) -> Spread | None:
    """Return the spread of the differences to another network, over the seeds that both were trained with."""
    return _spread({seed: values[seed].mean - base[seed].mean for seed in values.keys() & base.keys()}, [values, base])


def _spread(numbers: Mapping[int, float], of: Sequence[Mapping[int, Value]]) -> Spread | None:
    seeds = tuple(sorted(numbers))
    if len(seeds) < 2:
        return None
    mean = math.fsum(numbers.values()) / len(seeds)
    sd = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers.values()) / (len(seeds) - 1))
    recorded = tuple(seed for seed in seeds if any(values[seed].recorded for values in of))
    return Spread(
        mean, sd, seeds, recorded, tuple(dict.fromkeys(line for values in of for line in _starts(values, seeds)))
    )


def _starts(values: Mapping[int, Value], seeds: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    found: dict[str, list[int]] = {}
    for seed in seeds:
        found.setdefault(values[seed].start or "random numbers", []).append(seed)
    return [(start, tuple(which)) for start, which in found.items()] if len(found) > 1 else []


def values(model: ModelEntry, own: Run, metric: MetricEntry, at: Manifest, runs: Sequence[Run]) -> dict[int, Value]:
    """Return, by seed, the mean of a metric for every training with a model's recipe; empty without a training.

    own: the run of the model. metric, at: what is measured, and in which run. Of `own` and the other runs only those
    with the same pairs and the same signature count. Seeds without a run take their recorded number.
    """
    if _seed(model) is None or not model.sample_weights:
        return {}
    found: dict[int, Value] = {}
    candidates = [(own, model), *((run, other) for run in (own, *runs) for other in run[0].models)]
    for (manifest, rows), other in candidates:
        seed, row = _seed(other), rows.get((other.name, metric.name))
        same = other.sample_weights and recipe_of(other) == recipe_of(model) and _alike(manifest, at, metric)
        if same and seed is not None and row is not None and row.mean is not None:
            found.setdefault(seed, Value(row.mean, False, other.started_from))
    for seed, value in _record(RECORD).get((recipe_of(model), *measurement(at, metric)), {}).items():
        found.setdefault(seed, value)
    return found


def measurement(manifest: Manifest, metric: MetricEntry) -> tuple[str, ...]:
    """Return the fields of the record that must agree for two numbers to be comparable."""
    protocol, pairs = manifest.protocol, manifest.pairs
    short = metric.short or metric.name
    return (protocol.name, str(protocol.version), pairs.sha256, manifest.data_sha256 or "", metric.name, short)


def is_other_seed(model: ModelEntry, others: Sequence[ModelEntry]) -> bool:
    """Return whether a model is a training of one of the others with another seed."""
    seed, recipe = _seed(model), recipe_of(model)
    return any(
        seed is not None and model.sample_weights and other.sample_weights
        and recipe_of(other) == recipe and _seed(other) not in (None, seed)
        for other in others
    )  # fmt: skip


def recipe_of(model: ModelEntry) -> str:
    """Return a short hash of the network and its training settings, without seed and start."""
    facts = _facts(model)
    told = [facts.get("model"), *(facts.get(key) for key in _RECIPE)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def training_gap(model: ModelEntry, base: ModelEntry) -> TrainingGap | None:
    """Return how the training of an ablation's model differs from its base row's; None if it does not."""
    own, other = _facts(model), _facts(base)
    if not own or not other:
        return None
    start = own.get("init_from")
    if start and start in (base.weights_sha256, other.get("converted_from_sha256")):
        return TrainingGap(base.name, continued=str(own.get("steps")))
    keys = [key for key in (*_RECIPE, "seed") if own.get(key) != other.get(key)]
    differences = {key: (_short(own.get(key)), _short(other.get(key))) for key in keys}
    if start != other.get("init_from"):
        differences["start"] = (_start(model), _start(base))
    return TrainingGap(base.name, tuple(differences.items())) if differences else None


def _start(model: ModelEntry) -> str:
    return model.started_from or str(_facts(model).get("init_from") or "random numbers")[:14]


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text


def _facts(model: ModelEntry) -> dict[str, Any]:
    return model.training if isinstance(model.training, dict) else {}


def _seed(model: ModelEntry) -> int | None:
    seed = _facts(model).get("seed")
    return seed if isinstance(seed, int) else None


def same_pairs(one: Manifest, other: Manifest) -> bool:
    """Return whether two runs have the same frames of the same pairs and the same protocol."""
    return (
        (one.protocol.name, one.protocol.version) == (other.protocol.name, other.protocol.version)
        and one.pairs.sha256 == other.pairs.sha256
        and one.data_sha256 == other.data_sha256
    )


def _alike(one: Manifest, other: Manifest, metric: MetricEntry) -> bool:
    return same_pairs(one, other) and any(measured.signature == metric.signature for measured in one.measured)


@cache
def _record(file: Path) -> dict[tuple[str, ...], dict[int, Value]]:
    """Return the recorded numbers by training, protocol, protocol version, pairs, metric and signature."""
    found: dict[tuple[str, ...], dict[int, Value]] = {}
    if not file.is_file():
        return found
    for line in csv.DictReader(files.text(file).splitlines()):
        key = tuple(line[name] for name in ("training", *_MEASUREMENT))
        found.setdefault(key, {})[int(line["seed"])] = Value(float(line["mean"]), True, line["started_from"] or None)
    return found
