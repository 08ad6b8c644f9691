"""A page of many pairs of every model, as the supplements of papers have it: pictures beside it, loaded when seen."""

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
    """What a model made of a pair. file: in the run's folder; None where it failed, with the reason.

    value: of the metric that pictures are chosen by; None without one.
    """

    model: str
    file: str | None
    error: str | None
    value: float | None


@dataclass(frozen=True)
class Shown:
    """One pair, or clip. people: source's and driving identity, once where they are one. inputs: files by role."""

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
    """Write ``gallery.html`` of a run; returns its path. titles: of the models, by label. how: the pairs were drawn."""
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
