"""Manifests and summaries for tests, made by the program's own models."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from reports.schema.base import Facts
from reports.schema.manifest import (
    Complete,
    Machine,
    MetricEntry,
    ModelEntry,
    PairListEntry,
    ProtocolEntry,
    Provenance,
    Seeds,
    parse_manifest,
)
from reports.schema.summary import Clusters, Row, Side, Summary, parse_summary

PROTOCOL = ProtocolEntry(
    name="vox1-diffscale",
    version=1,
    dataset="vox1",
    reference="same-identity",
    transform="expression-preserving",
    mode="relative",
    summary="Same person, driving frame stretched and squeezed; the original is the target.",
    tables=("OSTNet table 2",),
)
PAIRS = PairListEntry(name="sample-diffscale", sha256="ab" * 32, n=90, provenance=Provenance(pairs_from="sample"))


def metric(name: str = "l1", **facts: object) -> MetricEntry:
    """An entry of a metric, in a family of its own name where nothing else is said; lower is better."""
    known = {
        "family": name,
        "version": 1,
        "higher_is_better": False,
        "unit": "",
        "against": "target",
        "detector": None,
        "proxy": False,
        "signature": f"{name}|v:1|range:1|window:7x7 uniform|quantized:uint8|failures:counted|{'0f' * 32}",
        "short": f"{name}|v:1|#{zlib.crc32(name.encode()):08x}",
        "summary": f"What {name} is, in a line that may be as long as this one or even somewhat longer.",
        "applies": True,
    }
    return MetricEntry(**{"name": name, **known, **facts})


def complete(models: Sequence[str | ModelEntry], metrics: Sequence[MetricEntry], **facts: object) -> Complete:
    """The manifest of a finished run; `facts` stand in place of what it says by default."""
    entries = [ModelEntry(name=model, mode="relative") if isinstance(model, str) else model for model in models]
    known = {
        "schema": 1,
        "protocol": PROTOCOL,
        "pairs": PAIRS,
        "sample_data": False,
        "models": entries,
        "metrics": metrics,
        "detectors": [],
        "seeds": Seeds(run=0),
        "versions": {"python": "3.11.9", "torch": "2.13.0", "numpy": "2.4.6"},
        "machine": Machine(cpu="A processor @ 2.60GHz", cores=2, gpu=None, os="Linux 6"),
        "notices": [],
        "name": "run",
        "fingerprint": "fe" * 32,
        "command": ["python", "-m", "bench", "run"],
        "created": "2026-11-21T07:00:00+00:00",
        "device": "cpu",
        "state": "complete",
    }
    return Complete.model_validate({**known, **facts})


def summary(models: Sequence[str], rows: Sequence[Row]) -> Summary:
    """A summary with these rows, nothing ranked or compared."""
    side = Side(identities=30, effective_identities=30.0, videos=60)
    return Summary(
        schema_=1,
        seed=0,
        n_resamples=500,
        confidence=0.95,
        models=models,
        bounds=[],
        clusters=Clusters(crossed=False, pairs=90, source=side, driving=side),
        notices=[],
        rows=rows,
        ranking={},
        comparisons=[],
    )


def write(folder: Path, *files: Facts) -> None:
    """Write manifest (not sealed) and summary into a run's folder, whichever are given."""
    folder.mkdir(parents=True, exist_ok=True)
    for facts in files:
        name = "summary.json" if isinstance(facts, Summary) else "manifest.json"
        (folder / name).write_text(json.dumps(facts.content(), allow_nan=False), encoding="utf-8")


def manifest_of(run: Path) -> Complete:
    """The manifest of a finished run."""
    manifest = parse_manifest((run / "manifest.json").read_bytes())
    assert isinstance(manifest, Complete)
    return manifest


def summary_of(run: Path) -> Summary:
    """The summary of a finished run."""
    return parse_summary((run / "summary.json").read_bytes())


def edit(run: Path, change: Callable[[Complete], Complete]) -> None:
    """Put another manifest in place of a run's, without a seal."""
    edited = change(manifest_of(run)).content()
    edited.pop("sha256", None)
    (run / "manifest.json").write_text(json.dumps(edited), encoding="utf-8")
