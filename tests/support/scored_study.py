"""Folders of a study with made-up votes, and of a run whose metrics can be compared with them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bench.rundir.seal import sealed
from bench.study.folder import PLAN, VOTES
from bench.study.votes import COLUMNS
from reports.schema.manifest import ClipsEntry, Complete, MetricEntry
from reports.schema.study import FORMAT, Grade, Question, Study, StudyClip, StudyRun
from support import manifests


def study(folder: Path, votes: pd.DataFrame, kind: str = "acr", run: str | None = None) -> Path:
    """A closed study that was exported, as far as a score reads it. run: the seal of the run that it is of."""
    folder.mkdir(parents=True, exist_ok=True)
    top = {"acr": (1, 5), "ccr": (-3, 3), "preference": (-1, 1)}[kind]
    grades = tuple(Grade(value=value, label=str(value)) for value in range(top[1], top[0] - 1, -1))
    names = {*votes["model"], *votes["other_model"]}
    plan = Study(
        format=FORMAT,
        name="A made study",
        kind=kind,
        seed=3,
        created="2026-01-01T00:00:00+00:00",
        runs=(StudyRun(name="run", sha256=run, protocol="own-reconstruction"),),
        questions=tuple(Question(name=name, text=name, grades=grades) for name in dict.fromkeys(votes["question"])),
        models=tuple(name for name in sorted(names) if name not in ("", "truth")),
        clips=tuple(StudyClip(id=clip, seconds=3.0) for clip in sorted(votes["clip"].unique())),
        stimuli=(),
        raters=(),
    )
    (folder / PLAN).write_text(json.dumps(plan.content()), encoding="utf-8")
    table = votes.assign(seconds=4.0, time="2026-01-01T00:00:00+00:00", grade=votes["grade"].astype(int))
    table[list(COLUMNS)].to_csv(folder / VOTES, index=False)
    return folder


def run(folder: Path, values: pd.DataFrame, better: Mapping[str, bool], unit: str = "clip") -> Path:
    """A finished run. values: indexed by model and clip, a column a metric. better: by metric whether high is."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = values.rename_axis(["model", "pair"]).reset_index().assign(unit="clip", status="ok")
    content = io.BytesIO()
    rows.to_parquet(content)
    (folder / "samples.parquet").write_bytes(content.getvalue())
    metrics = [
        MetricEntry(
            name=name,
            family=name,
            shape="clip",
            version=1,
            higher_is_better=up,
            unit="",
            proxy=False,
            signature=name,
            short=name,
            summary=name,
        )
        for name, up in better.items()
    ]
    models = list(dict.fromkeys(rows["model"]))
    summary = json.dumps(manifests.summary(models, []).content()).encode()
    (folder / "summary.json").write_bytes(summary)
    facts: dict = {"clips": ClipsEntry(frames=10, sound="truth")} if unit == "clip" else {}
    manifest: Complete = manifests.complete(
        models,
        metrics,
        samples_sha256=hashlib.sha256(content.getvalue()).hexdigest(),
        summary_sha256=hashlib.sha256(summary).hexdigest(),
        **facts,
    )
    (folder / "manifest.json").write_text(json.dumps(sealed(manifest).content()), encoding="utf-8")
    return folder


def agreeing(votes: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Metrics of a run on the clips of `votes`: ``good`` is the mean opinion and some noise, ``noise`` is noise."""
    rng = np.random.default_rng(seed)
    rated = votes[(votes["kind"] == "rating") & (votes["model"] != "truth")]
    means = rated.groupby(["model", "clip"])["grade"].mean()
    table = pd.DataFrame({"good": means, "error": -means, "noise": 0.0})
    return table + rng.normal(0, 0.3, table.shape)
