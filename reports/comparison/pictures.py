"""Pairs of a comparison in pictures: where A is better by most, where B is, and one between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from protocols.names import safe_name
from reports.run.pictures import Output, PictureRow, data_uri, difference, read_picture
from reports.run.view import Column
from reports.schema.comparison import Duel

ASKED = ("source", "driving", "target", "alpha", "beta", "start", "end", "rate")  # what makes two pairs one
MOST = 2  # pairs in favor of each side
SIDE, QUALITY = 192, 78  # of a picture, pixels; WebP


@dataclass(frozen=True)
class Shown:
    """One pair. row: inputs, then A and B. better: ``a``, ``b`` or neither; values: of A and of B."""

    row: PictureRow
    better: str
    values: tuple[float, float]


def shown(a: Path, b: Path, duel: Duel, column: Column) -> list[Shown]:
    """Pairs of which both runs kept pictures, most in favor of A first; none where there are none.

    a, b: folders of the runs. column: the metric that says who is better.
    """
    ours, theirs = (_rows(folder, model, column.name) for folder, model in ((a, duel.a), (b, duel.b)))
    on = ["pair"] if a == b else [name for name in ASKED if name in ours and name in theirs]
    both = ours.merge(theirs, on=on, suffixes=("_a", "_b")) if len(ours) and len(theirs) else pd.DataFrame()
    if both.empty:
        return []
    if a == b:
        both = both.assign(pair_a=both["pair"], pair_b=both["pair"])
    names = [f"{column.name}_{side}" for side in "ab"]
    both = both.dropna(subset=names).drop_duplicates("pair_a")
    gain = (both[names[0]] - both[names[1]]) * (1 if column.metric.higher_is_better else -1)
    both = both.assign(gain=gain).sort_values(["gain", "pair_a"], ascending=[False, True], kind="stable")
    places = dict.fromkeys([*range(MOST), len(both) // 2, *range(len(both) - MOST, len(both))])
    made = []
    for row in (both.iloc[place] for place in places if 0 <= place < len(both)):
        better = "a" if row["gain"] > 0 else "b" if row["gain"] < 0 else ""
        picture = _picture(a, b, duel, str(row["pair_a"]), str(row["pair_b"]))
        made.append(Shown(picture, better, (float(row[names[0]]), float(row[names[1]]))))
    return made


def _rows(folder: Path, model: str, metric: str) -> pd.DataFrame:
    """Rows of a model whose pictures are kept."""
    samples = pd.read_parquet(folder / "samples.parquet")
    if metric not in samples:
        return samples.iloc[:0]
    kept = {file.stem for file in (folder / "pictures" / safe_name(model)).glob("*.png")}
    own = samples[(samples["model"] == model) & samples["pair"].isin(kept)]
    return own[["pair", *(name for name in ASKED if name in own), metric]]


def _picture(a: Path, b: Path, duel: Duel, pair_a: str, pair_b: str) -> PictureRow:
    roles = {role: read_picture(a / "pictures" / f"_{role}" / f"{pair_a}.png") for role in ASKED[:3]}
    target, outputs = roles["target"], []
    for label, folder, model, pair in ((duel.label_a, a, duel.a, pair_a), (duel.label_b, b, duel.b, pair_b)):
        frame = read_picture(folder / "pictures" / safe_name(model) / f"{pair}.png")
        image = None if frame is None else data_uri(frame, SIDE, QUALITY)
        apart = None
        if frame is not None and target is not None and frame.shape == target.shape:
            apart = data_uri(difference(frame, target), SIDE, QUALITY)
        outputs.append(Output(label, image, apart))
    inputs = {role: data_uri(frame, SIDE, QUALITY) for role, frame in roles.items() if frame is not None}
    return PictureRow(pair_a, "", (), inputs, tuple(outputs))
