"""``summary.json``: a run's means, rankings and comparisons; `bench.stats.summary` defines them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, TypeAdapter

from reports.schema.base import Facts, parse

CONFIDENCE = 0.95  # of all intervals


class Side(Facts):
    """The people of the source or the driving frames. effective_identities: number of equally frequent identities."""

    identities: int
    effective_identities: float
    videos: int


class Clusters(Facts):
    """The people in the pairs. crossed: whether the two frames of a pair show two people."""

    crossed: bool
    pairs: int
    source: Side
    driving: Side


class Row(Facts):
    """A model on a metric: n of n_total pairs have a value. Undefined numbers are None.

    mean, std: of finite values. ci: interval clustered by identity; ci_pair: as if pairs were independent.
    mean_penalised: failed pairs count as the worst value of the run. mean_common: over the pairs with a value of every
    model.
    """

    model: str
    metric: str
    n: int
    n_total: int
    failed: int
    failure_rate: float
    n_infinite: int
    mean: float | None
    median: float | None
    std: float | None
    ci_low: float | None
    ci_high: float | None
    ci_pair_low: float | None
    ci_pair_high: float | None
    mean_penalised: float | None
    mean_common: float | None
    n_common: int


class Ranking(Facts):
    """The models on a metric, best first. best, second: models with equal means share a place.

    stable: whether the best models are the same however failures count. otherwise: the order by ``mean_common`` or
    ``mean_penalised``, if it differs.
    """

    order: tuple[str, ...]
    best: tuple[str, ...]
    second: tuple[str, ...]
    stable: bool
    otherwise: dict[str, tuple[str, ...]] = {}


class Comparison(Facts):
    """Two models on a metric, a minus b, on the n pairs where both have a value.

    better: name of the better one. win_rate: share of pairs where a is better; a tie counts half. effect_size: mean
    divided by standard deviation of the differences. p: of the randomization test that flips the signs of whole
    identities; p_smallest: its smallest possible value; p_pair: as if pairs were independent; p_holm: p adjusted over
    `family` comparisons.
    """

    metric: str
    a: str
    b: str
    n: int
    n_infinite: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    ci_pair_low: float | None
    ci_pair_high: float | None
    better: str | None
    win_rate: float | None
    effect_size: float | None
    p: float
    p_smallest: float
    p_pair: float
    p_holm: float
    family: int = 0


class SetComparison(Facts):
    """Two models on a set metric, a minus b; resamples draw an identity for both models or for neither.

    better: name of the better one. The interval is clustered by identity; there is no p-value.
    """

    metric: str
    a: str
    b: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    better: str | None


class Floor(Facts):
    """A set metric between two halves of the real videos; no video is in both.

    n: features of the smaller half. Both halves are smaller than the models' sets, and the Fréchet distance of small
    sets is biased upward.
    """

    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


class Summary(Facts):
    """All numbers of a run's table. bounds: models that are not ranked. rows: one per model and metric.

    set_comparisons, floors: of set metrics.
    """

    schema_: Literal[1] = Field(alias="schema")
    seed: int
    n_resamples: int
    confidence: float
    models: tuple[str, ...]
    bounds: tuple[str, ...]
    clusters: Clusters
    notices: tuple[str, ...]
    rows: tuple[Row, ...]
    ranking: dict[str, Ranking]
    comparisons: tuple[Comparison, ...]
    set_comparisons: tuple[SetComparison, ...] = ()
    floors: tuple[Floor, ...] = ()

    def by_model(self) -> dict[tuple[str, str], Row]:
        """Return the rows by model and metric."""
        return {(row.model, row.metric): row for row in self.rows}


SUMMARY: TypeAdapter[Summary] = TypeAdapter(Summary)


def parse_summary(content: bytes) -> Summary:
    """Read the bytes of ``summary.json``. Raises Damaged."""
    return parse(SUMMARY, content)
