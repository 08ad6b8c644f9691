"""Two runs brought together: the pairs that both asked, the metrics that may be subtracted, and what else differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import finished
from bench.errors import UserError
from bench.metrics.signature import difference
from bench.pair_keys import pair_keys
from reports.caveats import weights_mark

QUESTION = ("reference", "transform", "frame_size")  # parts of a protocol without which two pairs are not one
MACHINE = ("cpu", "gpu", "threads", "os")


@dataclass(frozen=True)
class Run:
    """A finished run. samples: rows of ``samples.parquet`` with a column ``key``, what the pair asks."""

    name: str
    manifest: Mapping[str, Any]
    samples: pd.DataFrame

    @property
    def labels(self) -> list[str]:
        return [model["name"] for model in self.manifest["models"]]

    @property
    def metrics(self) -> dict[str, Mapping[str, Any]]:
        return {metric["name"]: metric for metric in self.manifest["metrics"] if metric.get("applies", True)}


def load(folder: Path) -> Run:
    """Raises UserError where the folder holds no finished run."""
    with finished.readable(folder):
        manifest, samples = finished.read(folder)
        return Run(manifest.get("name", folder.name), manifest, samples.assign(key=pair_keys(samples)))


def check_question(a: Run, b: Run) -> None:
    """Raise UserError unless both runs ask the same of a pair."""
    for part in QUESTION:
        ours, theirs = (run.manifest["protocol"].get(part) for run in (a, b))
        if ours != theirs and None not in (ours, theirs):  # runs of earlier releases have no frame_size
            raise UserError(f"the runs ask other questions and cannot be compared: {part} {ours} and {theirs}")


def comparable(a: Run, b: Run) -> tuple[list[Mapping[str, Any]], list[dict[str, str]]]:
    """Metrics that both runs measured with one signature, and the others with the reason why they are not compared."""
    found, refused = [], []
    for name in {**a.metrics, **b.metrics}:
        if name not in a.metrics or name not in b.metrics:
            refused.append({"metric": name, "why": f"measured in {(a if name in a.metrics else b).name} only"})
        elif why := difference(a.metrics[name]["signature"], b.metrics[name]["signature"]):
            refused.append({"metric": name, "why": f"other signature: {why}"})
        else:
            found.append(a.metrics[name])
    if not found:
        reasons = "; ".join(f"{entry['metric']}: {entry['why']}" for entry in refused)
        raise UserError(f"no metric of the two runs may be subtracted: {reasons}")
    return found, refused


def common_keys(a: Run, b: Run) -> pd.Index:
    """Keys of the pairs that both runs asked, sorted. Raises UserError where there are none."""
    keys = pd.Index(a.samples["key"].unique()).intersection(b.samples["key"].unique()).sort_values()
    if not len(keys):
        raise UserError(f"{a.name} and {b.name} have no pair in common")
    return keys


def changes(a: Run, b: Run) -> list[str]:
    """What else is not the same in the two runs and may be behind a difference, a line each."""
    ours, theirs = a.manifest, b.manifest
    found = _changed("protocol", ours["protocol"], theirs["protocol"], ("name", "version"))
    for field in ("versions", "machine"):
        names = MACHINE if field == "machine" else tuple({**ours[field], **theirs[field]})
        found += _changed(field, ours[field], theirs[field], names)
    found += _changed("run", ours, theirs, ("device", "batch_size", "sample_data", "arithmetic"))
    same_list = ours["pairs"]["sha256"] == theirs["pairs"]["sha256"]
    if same_list and ours.get("data_sha256") != theirs.get("data_sha256"):  # else the hashes are of different files
        found.append("data: the files of the frames, under the same names")
    found += _changed("seed", ours["seeds"], theirs["seeds"], ("run",))
    return found


def model_changes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What differs between two entries of a manifest's models: everything for two versions of one, else the mode."""
    if ours["name"] != theirs["name"]:
        return _changed("model", ours, theirs, ("mode",))
    return _changed("model", ours, theirs, [key for key in {**ours, **theirs} if key != "name"])


def weights_notes(a: Run, b: Run, duels: Sequence[tuple[str, str]]) -> list[str]:
    """What must be said of the weights of the models that are compared, a line each."""
    found = []
    for run, label in ((run, label) for duel in duels for run, label in zip((a, b), duel)):
        entry = next(model for model in run.manifest["models"] if model["name"] == label)
        if mark := weights_mark(entry):
            note = f": {entry['weights_note']}" if entry.get("weights_note") else ""
            found.append(f"{label} in {run.name}: {mark}{note}")
    return list(dict.fromkeys(found))


def _changed(of: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        one, other = ours.get(name), theirs.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _changed(f"{of} {name}", one, other, tuple({**one, **other}))
        elif one != other:
            found.append(f"{of} {name}: {one} and {other}")
    return found
