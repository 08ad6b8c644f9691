"""A page with many pairs of every model, like a paper's supplement. Picture files are next to it and load when seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from protocols import files
from reports.run import caveats, page, view
from reports.schema.manifest import Complete, MetricEntry


@dataclass(frozen=True)
class Picture:
    """A model's output for a pair. file: in the run's folder; None for a failure, then `error` is the reason.

    value: of the metric that chooses pictures; None without one.
    """

    model: str
    file: str | None
    error: str | None
    value: float | None


@dataclass(frozen=True)
class Shown:
    """One pair or clip. people: source and driving identity, each once. inputs: files by role."""

    pair: str
    people: tuple[str, ...]
    source: str
    driving: str
    inputs: Mapping[str, str]
    outputs: Sequence[Picture]


def write(
    run: Path,
    manifest: Complete,
    shown: Sequence[Shown],
    titles: Mapping[str, str],
    metric: MetricEntry | None,
    how: str,
) -> Path:
    """Write ``gallery.html`` of a run and return its path. titles: model label → title. how: how pairs were chosen."""
    drawn = page.draw(
        "gallery.html.j2",
        manifest=manifest,
        heading=view.heading(manifest),
        shown=shown,
        titles=titles,
        people=sorted({name for one in shown for name in one.people}),
        column=view.Column(metric) if metric else None,
        how=how,
        unit=manifest.unit,
        sections=[("pairs", f"{manifest.unit.capitalize()}s")],
        up=("report.html", "Report"),
        digest=manifest.sha256 or "",
        quote=quote,
        unverified=caveats.unverified(manifest),
        subset=caveats.subset(manifest),
        untrained=caveats.untrained_models(manifest),
        sample_models=[model.name for model in manifest.models if model.sample_weights],
        size=(manifest.protocol.frame_size or "256x256").split("x"),
    )
    file = run / "gallery.html"
    with files.replacing(file) as temporary:
        temporary.write_text(drawn, encoding="utf-8")
    return file
