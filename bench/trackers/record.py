"""What every tracker receives of a finished run: numbers, facts and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from bench.rundir.directory import RunDirectory, readable
from protocols.names import safe_name
from reports.run import caveats, export
from reports.schema.manifest import Complete
from reports.schema.summary import Row, Summary

NUMBERS = ("mean", "ci_low", "ci_high", "std", "median", "n", "n_total", "failed", "n_infinite")
FACTS = (
    *("name", "fingerprint", "created", "command", "device", "batch_size", "sample_data", "data_sha256"),
    *("protocol", "pairs", "seeds", "versions", "machine", "executor", "arithmetic", "determinism", "detectors"),
)
FILES = ("report.html", "manifest.json", "summary.json", "samples.parquet")


@dataclass(frozen=True)
class Record:
    """A finished run. config: facts of its manifest. rows: one per model and metric. files: those that exist."""

    folder: Path
    name: str
    config: dict[str, JsonValue]
    rows: tuple[Row, ...]
    signatures: dict[str, str]
    caveats: tuple[str, ...]
    table: str
    files: tuple[Path, ...]

    def numbers(self, row: Row) -> dict[str, float]:
        """Return the defined numbers of a row, by name: ``mean``, ``std``, ..."""
        values = ((name, getattr(row, name)) for name in NUMBERS)
        return {name: float(value) for name, value in values if value is not None}

    def scalars(self) -> dict[str, float]:
        """Return all numbers, named ``model/metric/mean`` and so on in letters that every tracker accepts."""
        return {
            f"{safe_name(row.model)}/{safe_name(row.metric)}/{name}": value
            for row in self.rows
            for name, value in self.numbers(row).items()
        }

    def flat(self) -> dict[str, str]:
        """Return the facts one by one, with names such as ``versions.torch``."""
        return dict(_flat(self.config, ""))


def of_run(folder: Path) -> Record:
    """Read a finished run. Raises UserError if there is none or it is damaged."""
    directory = RunDirectory(folder)
    with readable(folder):
        manifest, _ = directory.finished()
        return _record(folder, manifest, directory.summary(manifest))


def _record(folder: Path, manifest: Complete, summary: Summary) -> Record:
    content = manifest.content()
    signatures = {metric.name: metric.signature for metric in manifest.measured}
    config: dict[str, JsonValue] = {name: content[name] for name in FACTS if name in content}
    config["models"] = {model.name: model.content() for model in manifest.models}
    config["signatures"] = {**signatures}
    config["caveats"] = [*caveats.lines(manifest)]
    return Record(
        folder=folder,
        name=manifest.name,
        config=config,
        rows=summary.rows,
        signatures=signatures,
        caveats=tuple(caveats.lines(manifest)),
        table=export.markdown(summary, manifest),
        files=tuple(file for name in FILES if (file := folder / name).is_file()),
    )


def _flat(value: JsonValue, at: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [one for key, inner in value.items() for one in _flat(inner, f"{at}.{key}" if at else key)]
    if isinstance(value, list):
        return [(at, ", ".join(map(str, value)))]
    return [(at, str(value))]
