"""Options of a table for a paper: names, caption, marks and width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocols.words import counted
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
    """Options of a table.

    titles: model label → name in the table. paper: name metrics as papers write them. signatures: put short ones in
    the head. caption: a text, `AUTO`, or None. width: of a LaTeX ``table`` (``column``, without intervals) or
    ``table*`` (``text``); None: only a ``tabular``. marks: put a dagger at means that do not differ significantly from
    the best of their column.
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
        """Return a model's name in the table."""
        return self.titles.get(label, label)

    def metric(self, metric: MetricEntry) -> str:
        """Return a metric's name in the table: ``akd-dlib``, or ``AKD (dlib)``; two definitions never share a name."""
        name, which = self.parts(metric)
        return f"{name} ({which})" if which else name

    def parts(self, metric: MetricEntry) -> tuple[str, str]:
        """Return a metric's name in two parts, ``AKD`` and ``dlib``; the second may be empty."""
        if not self.paper:
            return metric.name, ""
        words = [word.upper() if word in ACRONYMS else word for word in metric.name.split("-")]
        if metric.name.startswith(f"{metric.family}-") and words[0].isupper():
            own = metric.family.count("-") + 1
            return "-".join(words[:own]), " ".join(words[own:])
        return ("-" if words[-1].isupper() else " ").join(words), ""


def undecided(summary: Summary, metric: str) -> set[str]:
    """Return the models that do not differ significantly from the best on a metric.

    Decided by p, Holm-adjusted over the run's comparisons; for set metrics by whether the difference's interval
    includes zero.
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
    """Return what the dagger means, and whether the run has too few identities for any significant difference."""
    note = f"{MARK}: not significantly different from the best (Holm-adjusted p at least {CLEAR:g}, signs flipped by "
    note += "identity)"
    least = min((entry.p_smallest for entry in summary.comparisons), default=0.0)
    if least >= CLEAR:
        identities = counted(summary.clusters.driving.identities, "identity", "identities")
        note += f"; with {identities} no p below {least:.2g} is possible"
    return note


def caption(summary: Summary, manifest: Prepared, look: Look, bold: bool = True) -> str | None:
    """Return the caption: as given, or the facts that a reader needs about these numbers."""
    if look.caption != AUTO:
        return look.caption
    metrics = [metric for metric in manifest.measured if metric.unit not in ("", "share")]
    units = dict.fromkeys(f"{look.metric(metric)} in {metric.unit}" for metric in metrics)
    said = [
        f"{heading(manifest)}: means over {counted(summary.clusters.pairs, manifest.unit)} of "
        f"{counted(summary.clusters.driving.identities, 'identity', 'identities')} ({manifest.protocol.mode} motion).",
        "Best in bold, second-best underlined." if bold else "",
        f"Below each mean: its {100 * summary.confidence:g} % confidence interval." if look.intervals else "",
        f"{', '.join(units)}." if units else "",
        f"{marks_note(summary)}." if look.marks else "",
        f"*: some {manifest.unit}s failed." if any(row.failed for row in summary.rows) else "",
        *(f"{line}." for line in caveats.lines(manifest)),
    ]
    return " ".join(filter(None, said))
