"""What is read from outside for a score: runs with their metrics, and files of opinions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.rundir.directory import CLIP, UNIT, RunDirectory
from bench.runtime.errors import UserError
from bench.study.scoring.metrics import Measures
from protocols import files
from protocols.errors import DataError, first_line

NEEDED = ("clip", "model", "opinion")


def measures(folder: Path) -> Measures:
    """Read the metrics of a finished run of whole clips. Raises UserError."""
    directory = RunDirectory(folder)
    manifest, samples = directory.finished()
    if manifest.unit != "clip":
        raise UserError(
            f"{folder}: a run of pairs of frames; opinions are on clips, so runs of clips are needed",
            code="wrong-protocol",
        )
    rows = samples[samples[UNIT] == CLIP] if UNIT in samples else samples
    metrics = {metric.name: metric for metric in manifest.measured}
    own = [name for name, metric in metrics.items() if metric.shape != "set" and name in rows]
    values = rows.set_index(["model", "pair"])[own].astype(float)
    values.index = values.index.set_names(["model", "clip"])
    values = values.where(np.isfinite(values))
    summary = directory.summary(manifest).by_model()
    of_sets = [name for name, metric in metrics.items() if metric.shape == "set"]
    models = list(manifest.labels)
    of_models = pd.DataFrame(
        {
            name: [row.mean if (row := summary.get((model, name))) is not None else np.nan for model in models]
            for name in of_sets
        },
        index=models,
        dtype=float,
    )
    return Measures(manifest.name, {name: metrics[name] for name in (*own, *of_sets)}, values, of_models)


def seal(folder: Path) -> str | None:
    """The hash that stands in a run's manifest."""
    manifest = RunDirectory(folder).complete()
    found = manifest.content().get("sha256")
    return found if isinstance(found, str) else None


def opinions(file: Path) -> pd.DataFrame:
    """Read a CSV of opinions: columns clip, model, opinion, and if known n and interval. Raises DataError."""
    try:
        table = pd.read_csv(io.BytesIO(files.content(file)), dtype={"clip": str, "model": str}, skipinitialspace=True)
    except OSError as error:
        raise DataError(f"--opinions {file}: cannot be read ({error.strerror or error})", code="bad-votes") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"--opinions {file}: no table ({first_line(error)})", code="bad-votes") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first cells for names of lines then
        raise DataError(f"--opinions {file}: lines have more cells than there are columns", code="bad-votes")
    if missing := [name for name in NEEDED if name not in table]:
        raise DataError(f"--opinions {file}: no column {missing[0]}", code="bad-votes")
    for name in ("opinion", *(name for name in ("n", "interval") if name in table)):
        numbers = pd.to_numeric(table[name], errors="coerce")
        bad = ~np.isfinite(numbers) & (table[name].notna() | (name == "opinion"))
        if name != "opinion":
            bad |= numbers < 0
        if name == "n":
            bad |= numbers.notna() & (numbers % 1 != 0)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"--opinions {file}, line {place + 2}: {table[name].iloc[place]!r} is no {name}", code="bad-votes"
            )
        table[name] = numbers
    if table[["clip", "model"]].isna().any(axis=None):
        raise DataError(f"--opinions {file}: a line without clip or model", code="bad-votes")
    if table.duplicated(["clip", "model"]).any():
        twice = table[table.duplicated(["clip", "model"])].iloc[0]
        raise DataError(f"--opinions {file}: {twice['model']} on {twice['clip']} stands twice", code="bad-votes")
    if table.empty:
        raise DataError(f"--opinions {file}: no opinions", code="bad-votes")
    return table


def check_shared(found: Measures, folder: Path, models: Sequence[str], clips: Sequence[str]) -> list[str]:
    """What opinions and a run do not share, in words. Raises UserError where they share no model or no clip."""
    run_models, run_clips = (set(found.values.index.get_level_values(level)) for level in (0, 1))
    notices = []
    for what, asked, there in (("model", models, run_models), ("clip", clips, run_clips)):
        shared = [name for name in asked if name in there]
        if not shared:
            some = ", ".join(sorted(there)[:3])
            raise UserError(
                f"{folder}: none of its {what}s has an opinion (it has {some}; opinions are on {asked[0]})",
                code="wrong-protocol",
            )
        if missing := [name for name in asked if name not in there and name != "truth"]:
            notices.append(f"{found.run} lacks {len(missing)} of {len(asked)} {what}s: {', '.join(missing[:5])}")
    return notices
