"""Load two runs for a comparison: their common pairs, the metrics that may be subtracted, and what else differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from pydantic import JsonValue

from bench.comparison.videos import UNKNOWN, other_sound
from bench.metrics.signature import difference
from bench.run.same_frames import clip_of, contents, cuts
from bench.rundir.directory import RunDirectory, readable
from bench.runtime.errors import UserError
from bench.stats.pair_keys import pair_keys
from protocols.folder import some
from protocols.words import counted
from reports.run.caveats import weights_mark
from reports.schema.comparison import Refusal
from reports.schema.manifest import Complete, MetricEntry, ModelEntry

SAME_TASK = ("reference", "transform", "frame_size")  # parts of a protocol that must be equal to compare pairs
MACHINE = ("cpu", "gpu", "threads", "os")
ROLES = ("source", "driving", "target", "anchor")  # columns of `samples.parquet`; earlier releases had no anchor


@dataclass(frozen=True)
class Run:
    """A finished run. samples: rows of ``samples.parquet`` with a column ``key``, its frames."""

    folder: Path
    name: str
    manifest: Complete
    samples: pd.DataFrame

    @property
    def metrics(self) -> dict[str, MetricEntry]:
        return {metric.name: metric for metric in self.manifest.measured}


def load(folder: Path) -> Run:
    """Load a finished run. Raises UserError for a folder without one."""
    with readable(folder):
        manifest, samples = RunDirectory(folder).finished()
        return Run(folder, manifest.name, manifest, samples.assign(key=pair_keys(samples)))


def anchored(a: Run, b: Run) -> tuple[Run, Run]:
    """Return the runs; if both use relative motion and name anchors, pairs are keyed by their anchor, too."""
    if not (_relative(a) and _relative(b) and all("anchor" in run.samples for run in (a, b))):
        return a, b
    a, b = (replace(run, samples=run.samples.assign(key=pair_keys(run.samples, anchors=True))) for run in (a, b))
    return a, b


def check_question(a: Run, b: Run) -> None:
    """Raise UserError unless both runs evaluate the same task."""
    for part in SAME_TASK:
        ours, theirs = (getattr(run.manifest.protocol, part) for run in (a, b))
        if ours != theirs and None not in (ours, theirs):  # runs of earlier releases have no frame_size
            raise UserError(
                f"the protocols differ, so the runs cannot be compared: {part} {ours} and {theirs}",
                code="not-comparable",
            )


def comparable(a: Run, b: Run) -> tuple[list[MetricEntry], list[Refusal]]:
    """Return the metrics that both runs measured with the same signature, and the others with the reason."""
    found, refused = [], []
    for name in {**a.metrics, **b.metrics}:
        if name not in a.metrics or name not in b.metrics:
            refused.append(Refusal(metric=name, why=f"measured in {(a if name in a.metrics else b).name} only"))
        elif why := difference(a.metrics[name].signature, b.metrics[name].signature):
            refused.append(Refusal(metric=name, why=f"signatures differ: {why}"))
        else:
            found.append(a.metrics[name])
    if not found:
        reasons = "; ".join(f"{entry.metric}: {entry.why}" for entry in refused)
        raise UserError(f"no metric of the two runs may be subtracted: {reasons}", code="not-comparable")
    return found, refused


def common_keys(a: Run, b: Run) -> pd.Index:
    """Return the sorted keys of the pairs that both runs have. Raises UserError if there are none."""
    keys = pd.Index(a.samples["key"].unique()).intersection(b.samples["key"].unique()).sort_values()
    if not len(keys):
        raise UserError(f"{a.name} and {b.name} have no pair in common", code="not-comparable")
    return keys


def check_cuts(a: Run, b: Run, keys: pd.Index) -> None:
    """Raise UserError if a clip of the common pairs was cropped differently."""
    other, _ = cuts(a.manifest.crop, b.manifest.crop, _frames(a, keys))
    if other:
        raise UserError(
            f"{a.name} and {b.name} crop clips differently and cannot be compared: {some(other)}", code="not-comparable"
        )


def changes(a: Run, b: Run, keys: pd.Index) -> list[str]:
    """Return a line for everything else that differs between the runs and may explain a difference."""
    ours, theirs = a.manifest, b.manifest
    found = _changed("protocol", ours.protocol.content(), theirs.protocol.content(), ("name", "version"))
    found += _changed("versions", ours.versions, theirs.versions, tuple({**ours.versions, **theirs.versions}))
    found += _changed("machine", ours.machine.content(), theirs.machine.content(), MACHINE)
    found += _changed("run", ours.content(), theirs.content(), ("device", "batch_size", "sample_data", "arithmetic"))
    found += _other_frames(a, b, keys)
    found += other_sound(ours, theirs)
    found += _changed("seed", ours.seeds.content(), theirs.seeds.content(), ("run",))
    return found


def _other_frames(a: Run, b: Run, keys: pd.Index) -> list[str]:
    """Return lines where the frames of the common pairs differ, or where that is unknown."""
    ours, theirs = a.manifest, b.manifest
    frames = _frames(a, keys)
    found = []
    _, unknown = cuts(ours.crop, theirs.crop, frames)
    if unknown:
        found.append(
            f"crop: {UNKNOWN} {counted(len(unknown), 'clip was', 'clips were')} cut the same way: {some(unknown)}"
        )
    same_list = ours.pairs.sha256 == theirs.pairs.sha256
    if not same_list and _relative(a) and _relative(b) and not all("anchor" in run.samples for run in (a, b)):
        found.append(f"anchor: {UNKNOWN} relative motion starts from the same frames, since the lists differ")
    if ours.data_sha256 == theirs.data_sha256:
        return found
    read, read_there = _frames(a), _frames(b)
    both = {clip: (read[clip], read_there.get(clip, ())) for clip in frames}
    other, unknown = contents(ours.clips_sha256, theirs.clips_sha256, both)
    if other:
        found.append(f"data: the files of the frames, under the same names, DIFFER in clips: {some(other)}")
    if unknown and not same_list:
        found.append(
            f"data: {UNKNOWN} the frames of {counted(len(unknown), 'clip')} are the same, since the lists differ: "
            f"{some(unknown)}"
        )
    elif unknown and not other:  # a run of an earlier release
        found.append("data: the files of the frames, under the same names")
    return found


def _relative(run: Run) -> bool:
    return any((model.mode or "").startswith("relative") for model in run.manifest.models)


def _frames(run: Run, keys: pd.Index | None = None) -> dict[str, set[str]]:
    """Return the names of the frames that a run read, by clip. keys: only of these pairs."""
    rows = run.samples if keys is None else run.samples[run.samples["key"].isin(keys)]
    found: dict[str, set[str]] = {}
    for role in (role for role in ROLES if role in rows):
        for frame in rows[role].dropna().unique():
            found.setdefault(clip_of(frame), set()).add(frame)
    return found


def model_changes(one: ModelEntry, other: ModelEntry) -> list[str]:
    """Return what differs between two models' manifest entries: everything for versions of one model, else the mode."""
    ours, theirs = one.content(), other.content()
    if one.name != other.name:
        return _changed("model", ours, theirs, ("mode",))
    return _changed("model", ours, theirs, [key for key in {**ours, **theirs} if key != "name"])


def weights_notes(a: Run, b: Run, duels: Sequence[tuple[str, str]]) -> list[str]:
    """Return a line for each compared model whose weights need a note."""
    found = []
    for run, label in ((run, label) for duel in duels for run, label in zip((a, b), duel)):
        entry = run.manifest.model(label)
        if mark := weights_mark(entry):
            note = f": {entry.weights_note}" if entry.weights_note else ""
            found.append(f"{label} in {run.name}: {mark}{note}")
    return list(dict.fromkeys(found))


def _changed(
    of: str, ours: Mapping[str, JsonValue], theirs: Mapping[str, JsonValue], names: Sequence[str]
) -> list[str]:
    found = []
    for name in names:
        one, other = ours.get(name), theirs.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _changed(f"{of} {name}", one, other, tuple({**one, **other}))
        elif one != other:
            found.append(f"{name if name == of else f'{of} {name}'}: {one} and {other}")
    return found
