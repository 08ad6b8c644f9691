"""The output of ``bench compare --json``: two runs, or two models of one run, pair by pair."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, TypeAdapter

from reports.schema.base import Facts
from reports.schema.manifest import MetricEntry
from reports.schema.summary import Comparison, SetComparison


class Compared(Comparison):
    """A comparison with both means on the common pairs, and the number of failures of each side."""

    mean_a: float | None
    mean_b: float | None
    failed_a: int
    failed_b: int


class SetsCompared(SetComparison):
    """A comparison on a set metric, with both values and their numbers of features."""

    value_a: float | None
    value_b: float | None
    n_a: int
    n_b: int


class Group(Facts):
    """A metric on a group of pairs. grouping: the name of the division into groups."""

    grouping: str
    group: str
    metric: str
    n: int
    difference: float
    win_rate: float
    ci_low: float | None
    ci_high: float | None


class Trend(Facts):
    """Spearman's rank correlation of the difficulty of pairs with the difference on a metric."""

    measure: str
    metric: str
    rho: float
    n: int


class Duel(Facts):
    """A model of run A and one of run B. differences: by metric, one per pair, None if it is undefined.

    sets: the comparisons on set metrics.
    """

    a: str
    b: str
    label_a: str
    label_b: str
    changes: tuple[str, ...]
    comparisons: tuple[Compared, ...]
    groups: tuple[Group, ...]
    trends: tuple[Trend, ...]
    differences: dict[str, tuple[float | None, ...]]
    sets: tuple[SetsCompared, ...] = ()


class Refusal(Facts):
    """A metric that is not compared, and why."""

    metric: str
    why: str


class Pairs(Facts):
    """Number of common pairs and of the pairs of each run. subset: whether one run has more."""

    common: int
    a: int
    b: int
    subset: bool


class RunComparison(Facts):
    """A comparison of run `a` and run `b`.

    unit: ``pair`` or ``clip``; in runs of whole clips, all fields named after pairs are about clips.
    family: the comparisons over which p is Holm-adjusted.
    """

    schema_: Literal[1] = Field(alias="schema")
    a: str
    b: str
    protocol: str
    title: str
    unit: Literal["pair", "clip"] = "pair"
    pairs: Pairs
    metrics: tuple[MetricEntry, ...]
    refused: tuple[Refusal, ...]
    changes: tuple[str, ...]
    notices: tuple[str, ...]
    seed: int
    n_resamples: int
    family: Literal["run", "these"]
    duels: tuple[Duel, ...]


COMPARISON: TypeAdapter[RunComparison] = TypeAdapter(RunComparison)
