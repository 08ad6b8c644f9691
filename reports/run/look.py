"""How a table for a paper looks: names, caption, marks, and a width that fits a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reports.run import caveats
from reports.run.verdict import CLEAR
from reports.run.view import heading
from reports.schema.manifest import MetricEntry, Prepared
from reports.schema.summary import Comparison, SetComparison, Summary

AUTO = "auto"
MARK = "†"
ACRONYMS = frozenset(
    [
        "ssim",
        "psnr",
        "lpips",
        "st",
        "l1",
        "akd",
        "mkr",
        "aed",
        "aucon",
        "prmse",
        "lmd",
        "rmse",
        "fid",
        "kid",
        "fvd",
        "sync",
        "lse",
        "brisque",
        "niqe",
        "cpbd",
        "id",
    ]
)


@dataclass(frozen=True)
class Look:
    """What is asked of a table.

    titles: models that are called otherwise than their label. paper: metrics are called as papers write them.
    signatures: the short ones stand in the head. caption: a text, or `AUTO`; None: none. width: of a LaTeX ``table`` or
    ``table*``; None: a ``tabular`` alone. A column of a page has no room for intervals. marks: a dagger stands at what
    is not told apart from the best of its column.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    paper: bool = False
    signatures: bool = True
    caption: str | None = None
    width: Literal["column", "text"] | None = None
    marks: bool = False

    @property
    def intervals(self) -> bool:
        return self.width != "column"

    def model(self, label: str) -> str:
        """What a model is called."""
        return self.titles.get(label, label)

    def metric(self, metric: MetricEntry) -> str:
        """What a metric is called: ``akd-dlib``, or ``AKD (dlib)``; no definition loses what tells it from others."""
        name, which = self.parts(metric)
        return f"{name} ({which})" if which else name

    def parts(self, metric: MetricEntry) -> tuple[str, str]:
        """The same in two parts, ``AKD`` and ``dlib``; the second may be empty."""
        if not self.paper:
            return metric.name, ""
        words = [word.upper() if word in ACRONYMS else word for word in metric.name.split("-")]
        if metric.name.startswith(f"{metric.family}-") and words[0].isupper():
            own = metric.family.count("-") + 1
            return "-".join(words[:own]), " ".join(words[own:])
        return ("-" if words[-1].isupper() else " ").join(words), ""


def undecided(summary: Summary, metric: str) -> set[str]:
    """The models that are not told apart from the best on a metric.

    By p after Holm over the run's comparisons; on metrics of sets by whether the interval of the difference has zero.
    """
    ranking = summary.ranking.get(metric)
    if ranking is None or len(ranking.best) != 1:
        return set()
    found: set[str] = set()
    entries: list[Comparison | SetComparison] = [*summary.comparisons, *summary.set_comparisons]
    for entry in entries:
        if entry.metric == metric and ranking.best[0] in (entry.a, entry.b) and not _told(entry):
            found |= {entry.a, entry.b}
    return found - {ranking.best[0], *summary.bounds}


def _told(entry: Comparison | SetComparison) -> bool:
    if isinstance(entry, Comparison):
        return entry.p_holm < CLEAR
    low, high = entry.ci_low, entry.ci_high
    return low is not None and high is not None and (low > 0 or high < 0)


def marks_note(summary: Summary) -> str:
    """What the dagger means, and where the test of the run could not have told anything apart."""
    note = f"{MARK}: not told apart from the best (p at least {CLEAR:g} after Holm, flipping whole identities)"
    least = min((entry.p_smallest for entry in summary.comparisons), default=0.0)
    if least >= CLEAR:
        note += f"; with {summary.clusters.driving.identities} people no p below {least:.2g} is possible"
    return note


def caption(summary: Summary, manifest: Prepared, look: Look, bold: bool = True) -> str | None:
    """The caption: as given, or what a reader must know of these numbers."""
    if look.caption != AUTO:
        return look.caption
    metrics = [metric for metric in manifest.measured if metric.unit not in ("", "share")]
    units = dict.fromkeys(f"{look.metric(metric)} in {metric.unit}" for metric in metrics)
    said = [
        f"{heading(manifest)}: means over {summary.clusters.pairs} {manifest.unit}s of "
        f"{summary.clusters.driving.identities} people ({manifest.protocol.mode} motion).",
        "Best in bold, second underlined." if bold else "",
        f"Below each mean its {100 * summary.confidence:g} % interval." if look.intervals else "",
        f"{', '.join(units)}." if units else "",
        f"{marks_note(summary)}." if look.marks else "",
        f"*: not all {manifest.unit}s." if any(row.failed for row in summary.rows) else "",
        *(f"{line}." for line in caveats.lines(manifest)),
    ]
    return " ".join(filter(None, said))
