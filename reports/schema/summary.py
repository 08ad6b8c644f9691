"""``summary.json``: a run's means, rankings and comparisons; `bench.stats.summary` has the rules they follow."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, TypeAdapter

from reports.schema.base import Facts, parse

CONFIDENCE = 0.95  # of all intervals


class Side(Facts):
    """The people of the source or of the driving frames. effective_identities: as many equally frequent ones."""

    identities: int
    effective_identities: float
    videos: int


class Clusters(Facts):
    """Whose frames the pairs are of. crossed: the two frames of a pair show two people."""

    crossed: bool
    pairs: int
    source: Side
    driving: Side


class Row(Facts):
    """A model on a metric: n pairs with a value of n_total. Numbers that are not defined are None.

    mean, std: of finite values. ci: interval over people; ci_pair: as if pairs were independent. mean_penalised: failed
    pairs count as the worst value of the run. mean_common: of the pairs that every model has.
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
    """The models on a metric, best first. best, second: those with one mean share a place.

    stable: the same are best however failures count. otherwise: by ``mean_common`` or ``mean_penalised``, the order
    where it is another one.
    """

    order: tuple[str, ...]
    best: tuple[str, ...]
    second: tuple[str, ...]
    stable: bool
    otherwise: dict[str, tuple[str, ...]] = {}


class Comparison(Facts):
    """Two models on a metric, a minus b, on the n pairs where both have a value.

    better: name of the better one. win_rate: share of pairs where a is better, ties half. effect_size: difference in
    standard deviations of the differences. p: sign flips of whole identities; p_smallest: the least that this test can
    give; p_pair: as if pairs were independent; p_holm: p adjusted over `family` comparisons.
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
    """Two models on a metric of sets, a minus b; a person is drawn for both or for neither.

    better: name of the better one. The interval is over people; there is no p-value.
    """

    metric: str
    a: str
    b: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    better: str | None


class Floor(Facts):
    """A metric of sets between two halves of what is real, no video in both.

    n: features of the smaller half. Both halves are smaller than the sets that models are measured on, and a Fréchet
    distance of small sets is too large.
    """

    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


class Summary(Facts):
    """All numbers of a run's table. bounds: models that are not ranked. rows: one a model and metric.

    set_comparisons, floors: of metrics of sets.
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
