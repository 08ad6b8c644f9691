"""External inputs of a score: runs with their metrics, and files of opinions."""

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
NUMBERS = ("n", "interval")  # optional columns of opinions


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
    """Return the hash in a run's manifest."""
    manifest = RunDirectory(folder).complete()
    found = manifest.content().get("sha256")
    return found if isinstance(found, str) else None


def opinions(file: Path) -> pd.DataFrame:
    """Read a CSV of opinions: columns clip, model, opinion, and optionally n and interval.

    A byte order mark, column names in capitals, and spaces around cells are accepted. Raises DataError.
    """

    def bad(what: str, code: str = "bad-votes") -> DataError:
        return DataError(f"--opinions {file}{what}", code=code)

    try:
        text = files.content(file).decode("utf-8-sig")
        head = text.partition("\n")[0]
        if "," not in head and (";" in head or "\t" in head):
            raise bad(": columns must be separated by commas", code="not-csv")
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except OSError as error:
        raise bad(f": cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise bad(": is not in UTF-8") from None
    except ValueError as error:
        raise bad(f": not a table ({first_line(error)})", code="not-csv") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas would use the first cells as row names
        raise bad(": lines have more cells than the header", code="bad-row")
    table.columns = [name.strip().lower() for name in table.columns]
    table = table.apply(lambda column: column.str.strip())
    if missing := [name for name in NEEDED if name not in table]:
        raise bad(f": no column {missing[0]}", code="missing-column")
    if twice := [name for name in (*NEEDED, *NUMBERS) if (table.columns == name).sum() > 1]:
        raise bad(f": duplicate column {twice[0]}", code="duplicate-column")
    if table.empty:
        raise bad(": no opinions")
    for name in ("opinion", *(name for name in NUMBERS if name in table)):
        given, numbers = table[name], pd.to_numeric(table[name], errors="coerce")
        wrong = ~np.isfinite(numbers) & ((given != "") | (name == "opinion"))
        if name != "opinion":
            wrong |= numbers < 0
        if name == "n":
            wrong |= numbers.notna() & (numbers % 1 != 0)
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise bad(f", line {place + 2}: {given.iloc[place]!r} is not a valid {name}", code="bad-number")
        table[name] = numbers
    for name in ("clip", "model"):
        if (empty := np.flatnonzero(table[name] == "")).size:
            raise bad(f", line {empty[0] + 2}: no {name}", code="missing-value")
    if len(again := np.flatnonzero(table.duplicated(["clip", "model"]))):
        row = table.iloc[again[0]]
        raise bad(f", line {again[0] + 2}: {row['model']} on {row['clip']} occurs twice", code="duplicate-name")
    return table


def check_shared(found: Measures, folder: Path, models: Sequence[str], clips: Sequence[str]) -> list[str]:
    """Return in words which models and clips a run lacks. Raises UserError if it shares no model or no clip."""
    run_models, run_clips = (set(found.values.index.get_level_values(level)) for level in (0, 1))
    notices = []
    for what, rated, there in (("model", models, run_models), ("clip", clips, run_clips)):
        shared = [name for name in rated if name in there]
        if not shared:
            some = ", ".join(sorted(there)[:3])
            raise UserError(
                f"{folder}: none of its {what}s has an opinion (it has {some}; opinions are on {rated[0]})",
                code="wrong-protocol",
            )
        if missing := [name for name in rated if name not in there and name != "truth"]:
            notices.append(f"{found.run} lacks {len(missing)} of {len(rated)} {what}s: {', '.join(missing[:5])}")
    return notices
