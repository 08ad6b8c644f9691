"""Pictures of a comparison: pairs where A is better by most, where B is, and one in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from protocols.names import safe_name
from reports.run.pictures import Output, PictureRow, data_uri, difference, read_picture
from reports.run.view import Column
from reports.schema.comparison import Duel

ASKED = ("source", "driving", "target", "alpha", "beta", "start", "end", "rate")  # equal in equal pairs
PLACES = "pictures", "frames"  # folders of a run that have frames of models
MOST = 2  # pairs in favor of each side
SIDE, QUALITY = 192, 78  # of a picture, pixels; WebP


@dataclass(frozen=True)
class Shown:
    """One pair. row: inputs, then A and B. pairs: its ids in A and in B. better: ``a``, ``b`` or neither.

    values: of A and of B.
    """

    row: PictureRow
    pairs: tuple[str, str]
    better: str
    values: tuple[float, float]


def shown(a: Path, b: Path, duel: Duel, column: Column) -> list[Shown]:
    """Return the pairs with a saved frame of both models and saved inputs, those most in favor of A first.

    a, b: folders of the runs. column: the metric that decides who is better. Empty if the runs kept no such pair.
    """
    ours, theirs = (_rows(folder, model, column.name) for folder, model in ((a, duel.a), (b, duel.b)))
    on = ["pair"] if a == b else [name for name in ASKED if name in ours and name in theirs]
    both = ours.merge(theirs, on=on, suffixes=("_a", "_b")) if len(ours) and len(theirs) else pd.DataFrame()
    if both.empty:
        return []
    if a == b:
        both = both.assign(pair_a=both["pair"], pair_b=both["pair"])
    both = both[[_has_inputs((a, str(one)), (b, str(two))) for one, two in zip(both["pair_a"], both["pair_b"])]]
    names = [f"{column.name}_{side}" for side in "ab"]
    both = both.dropna(subset=names).drop_duplicates("pair_a")
    gain = (both[names[0]] - both[names[1]]) * (1 if column.metric.higher_is_better else -1)
    both = both.assign(gain=gain).sort_values(["gain", "pair_a"], ascending=[False, True], kind="stable")
    places = dict.fromkeys([*range(MOST), len(both) // 2, *range(len(both) - MOST, len(both))])
    made = []
    for row in (both.iloc[place] for place in places if 0 <= place < len(both)):
        better = "a" if row["gain"] > 0 else "b" if row["gain"] < 0 else ""
        pairs = str(row["pair_a"]), str(row["pair_b"])
        picture = _picture(a, b, duel, *pairs)
        made.append(Shown(picture, pairs, better, (float(row[names[0]]), float(row[names[1]]))))
    return made


def _rows(folder: Path, model: str, metric: str) -> pd.DataFrame:
    """Return the rows of a model whose frames are saved."""
    samples = pd.read_parquet(folder / "samples.parquet")
    if metric not in samples:
        return samples.iloc[:0]
    kept = {file.stem for place in PLACES for file in (folder / place / safe_name(model)).glob("*.png")}
    own = samples[(samples["model"] == model) & samples["pair"].isin(kept)]
    return own[["pair", *(name for name in ASKED if name in own), metric]]


def _has_inputs(*kept: tuple[Path, str]) -> bool:
    return any((folder / "pictures" / "_driving" / f"{pair}.png").is_file() for folder, pair in kept)


def _read(folder: Path, *names: str) -> np.ndarray | None:
    """Read a picture of a run; None for a truncated one or a link that points outside the run's folder."""
    file = folder.joinpath(*names)
    return read_picture(file) if file.resolve().is_relative_to(folder.resolve()) else None


def _picture(a: Path, b: Path, duel: Duel, pair_a: str, pair_b: str) -> PictureRow:
    roles: dict[str, np.ndarray] = {}
    for role in ASKED[:3]:
        found = (_read(folder, "pictures", f"_{role}", f"{pair}.png") for folder, pair in ((a, pair_a), (b, pair_b)))
        if (frame := next((one for one in found if one is not None), None)) is not None:
            roles[role] = frame
    target, outputs = roles.get("target"), []
    for label, folder, model, pair in ((duel.label_a, a, duel.a, pair_a), (duel.label_b, b, duel.b, pair_b)):
        places = (_read(folder, place, safe_name(model), f"{pair}.png") for place in PLACES)
        frame = next((one for one in places if one is not None), None)
        image = None if frame is None else data_uri(frame, SIDE, QUALITY)
        apart = None
        if frame is not None and target is not None and frame.shape == target.shape:
            apart = data_uri(difference(frame, target), SIDE, QUALITY)
        outputs.append(Output(label, image, apart))
    inputs = {role: data_uri(frame, SIDE, QUALITY) for role, frame in roles.items()}
    return PictureRow(pair_a, "", (), inputs, tuple(outputs))
