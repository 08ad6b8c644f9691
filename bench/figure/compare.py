"""Build a comparison grid: a row per pair and a column per model, or a row per model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from baselines.registry import MODELS
from bench.figure.choose import Picked
from bench.figure.frames import Shot
from bench.figure.pictures import OF_MODELS, SHARED, Column, Pictures
from bench.runtime.errors import UserError
from reports.figure.grid import Box, Grid, Tile, magnification
from reports.run.caveats import size, weights_mark
from reports.schema.manifest import Complete

LAYOUTS = ("pairs", "models", "time")
COLUMNS = {
    "pairs": "source,driving,models,truth",
    "models": "source,driving,prediction,truth",
    "time": "driving,models",
}
EXPLAINED = {
    "anchor": "anchor: the driving frame that relative motion starts from",
    "rectified": "rectified: the driving frame in the source's scale, as the network rescales it",
    "keypoints": "keypoints: driving positions after motion transfer, on the model's frame; one color per keypoint",
    "source-keypoints": "source keypoints: as detected in the source",
    "flow": "flow: color is the direction that content moves in, full color a movement of 15 % of the side; arrows are "
    "true to scale",
    "warped": "warped: the source moved by the flow alone",
    "occlusion": "occlusion: the finest map, black where the network does not use the source",
    "depth": "disparity of the source, light is near, stretched to its own range",
    "memory": "memory: the 16 channels that vary most, conditioned on the source at the finest level, each stretched "
    "to its own range",
}


@dataclass(frozen=True)
class Cell:
    """Pair and model of a cell in the grid."""

    kind: str
    label: str | None
    pair: str


def assemble(
    pictures: Pictures,
    picked: Picked,
    labels: Sequence[str],
    columns: Sequence[Column],
    layout: str,
    zooms: Sequence[Box],
    titles: Mapping[str, str],
    shots: Sequence[Shot] = (),
) -> Grid:
    """Return every picture of the grid. layout: what a row shows: ``pairs``, ``models``, or one picture over ``time``.

    titles: of the models, by label. shots: the frames of the clips to show; none: the middle one.
    Raises UserError for a column that no model of the figure can fill, and for boxes that do not fit.
    """
    _check(pictures, columns, labels)
    shown = [shot.id for shot in shots] or list(picked.pairs)
    if layout in ("pairs", "time"):
        heads = [(column.kind, label) for column in columns for label in _labels(column, labels)]
        cells = [[Cell(kind, label, pair) for kind, label in heads] for pair in shown]
        names, starts = [f"{shot.time:.2f} s" for shot in shots] or [""] * len(cells), _starts_of_clips(shots)
    else:
        cells = [[_cell(column, label, pair) for column in columns] for pair in shown for label in labels]
        heads = [(column.kind, column.label) for column in columns]
        names = [titles[label] for _ in shown for label in labels]
        starts = [k for k in range(len(cells)) if k % len(labels) == 0 and len(labels) > 1]
    tiles = [[pictures.tile(cell.kind, cell.label, cell.pair) for cell in row] for row in cells]
    empty = [all(row[k] is None for row in tiles) for k in range(len(heads))]
    for column in columns:
        if column.kind in SHARED:
            continue
        places = [k for k, (kind, label) in enumerate(heads) if kind == column.kind and column.label in (None, label)]
        if all(empty[k] for k in places):
            whose = column.label or ", ".join(labels)
            raise UserError(f"--columns {column.kind}: {whose} computes none", code="no-picture")
    if layout != "models":  # the column is left out for a model without this picture, if another has it
        heads, tiles = _without(heads, tiles, empty)
    side = max(max(tile.image.shape[:2]) for row in tiles for tile in row if tile)
    frames = [tile.image.shape for row in tiles for tile in row if tile and tile.zoomed]
    for box in zooms:
        _fits(box, frames)
    several = {kind for kind, _ in heads if sum(other == kind for other, _ in heads) > 1}
    headings = [_heading(kind, label, titles, layout, kind in several) for kind, label in heads]
    if layout == "time":
        headings, names, tiles, starts = _over_time(headings, tiles, shots)
    return Grid(
        columns=headings,
        rows=names,
        tiles=tiles,
        starts=starts,
        zooms=zooms,
        error_range=pictures.full if any(column.kind == "error" for column in columns) else None,
        side=side,
    )


def _starts_of_clips(shots: Sequence[Shot]) -> list[int]:
    """Return the rows at which a clip begins, to leave more space before them; none with one frame per clip."""
    starts = [k for k, shot in enumerate(shots) if k == 0 or shots[k - 1].clip != shot.clip]
    return starts if len(starts) < len(shots) else []


def _over_time(
    headings: Sequence[str], tiles: Sequence[Sequence[Tile | None]], shots: Sequence[Shot]
) -> tuple[list[str], list[str], list[list[Tile | None]], list[int]]:
    """Turn rows of frames into columns, one clip below the other: headings, row labels, tiles, first rows of clips.

    A column's heading is its time, or its position where the clips differ in length.
    """
    clips = list(dict.fromkeys(shot.clip for shot in shots))
    count = len(shots) // len(clips)
    rows = [list(row) for k in range(len(clips)) for row in zip(*tiles[k * count : (k + 1) * count])]
    times = [{f"{shot.time:.2f} s" for shot in shots[k::count]} for k in range(count)]
    columns = (
        [one.pop() for one in times] if all(len(one) == 1 for one in times) else [str(k + 1) for k in range(count)]
    )
    names = [" ".join(heading.split()) for heading in headings]
    return columns, names * len(clips), rows, [k * len(names) for k in range(len(clips))]


def title(manifest: Complete, label: str) -> str:
    """Return a model's name in a figure: its network's title, or the user's label in the run."""
    entry = manifest.model(label)
    return entry.model if entry.model and label in MODELS else label


def caption(
    pictures: Pictures,
    picked: Picked,
    labels: Sequence[str],
    columns: Sequence[Column],
    samples: pd.DataFrame,
    metric: str | None,
    titles: Mapping[str, str],
    shots: Sequence[Shot] = (),
) -> list[str]:
    """Return the caption, one string per line. metric: its values are printed with the pairs; for clips, means."""
    manifest = pictures.manifest
    lines = [f"{manifest.unit.capitalize()}s: {picked.how}."]
    for pair in picked.pairs:
        rows = samples[samples["pair"] == pair].set_index("model")
        facts: dict[Any, Any] = rows.iloc[0].to_dict()
        line = f"- {pair}: {facts['source']} -> {facts['driving']}"
        if (facts.get("alpha", 1), facts.get("beta", 1)) != (1, 1):
            line += f", stretched by {facts['alpha']:.3f} and {facts['beta']:.3f}"
        if own := [shot for shot in shots if shot.clip == pair]:
            line += f"; {_numbered(own)} of {own[0].of}, counted from 0"
            line += f" (at {_listed(f'{shot.time:.2f}' for shot in own)} s)"
        if metric is not None:
            values: dict[Any, float] = rows[metric].to_dict()
            line += f"; {metric}{' of the whole clip' if own else ''}: " + ", ".join(
                f"{titles[label]} {values[label]:.4g}" for label in labels
            )
        lines.append(line)
    for label in labels:
        entry = manifest.model(label)
        mark = weights_mark(entry)
        said = [f"{titles[label]} is {label}, motion {entry.mode}", *([mark.upper()] if mark else [])]
        lines.append(", ".join([*said, *([sizes] if (sizes := size(entry)) else [])]) + ".")
    kinds = dict.fromkeys(column.kind for column in columns)
    lines += [f"{EXPLAINED[kind].capitalize()}." for kind in kinds if kind in EXPLAINED]
    if "error" in kinds:
        lines.append(
            f"Error maps: absolute difference to the truth, mean over colors, from 0 to {pictures.full:g} of 1."
        )
    if manifest.unit == "clip" and not shots:
        lines.append("Of each clip its middle frame is shown.")
    if pictures.computed:
        lines.append(f"Computed again, with the run's weights: {', '.join(pictures.computed)}.")
    return lines


def frames_shown(shots: Sequence[Shot]) -> str:
    """Return the frames in a few words, for a figure's title: ``frames 0, 34, 67 of w_tilt``."""
    clips = dict.fromkeys(shot.clip for shot in shots)
    return "; ".join(f"{_numbered([shot for shot in shots if shot.clip == clip])} of {clip}" for clip in clips)


def _numbered(shots: Sequence[Shot]) -> str:
    """Return ``frame 34``, or ``frames 0, 34``."""
    return f"{'frame' if len(shots) == 1 else 'frames'} {_listed(shot.number for shot in shots)}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _labels(column: Column, labels: Sequence[str]) -> Sequence[str | None]:
    if column.kind in SHARED:
        return [None]
    return [column.label] if column.label else labels


def _cell(column: Column, label: str, pair: str) -> Cell:
    return Cell(column.kind, None if column.kind in SHARED else column.label or label, pair)


def _heading(kind: str, label: str | None, titles: Mapping[str, str], layout: str, several: bool) -> str:
    if kind in SHARED:
        return SHARED[kind]
    words = OF_MODELS[kind]
    if layout == "models":
        plain = {"prediction": "Result"}.get(kind, words.removeprefix("{}, ").capitalize())
        return f"{plain}\n({titles[label]})" if label else plain
    name = titles[label or ""]
    if "{}" in words:
        return words.format(name).replace(", ", "\n", 1)
    return f"{words}\n({name})" if several else words


def _without(
    heads: list[tuple[str, str | None]], tiles: list[list[Tile | None]], empty: Sequence[bool]
) -> tuple[list[tuple[str, str | None]], list[list[Tile | None]]]:
    heads = [head for head, lacks in zip(heads, empty) if not lacks]
    return heads, [[tile for tile, lacks in zip(row, empty) if not lacks] for row in tiles]


def _check(pictures: Pictures, columns: Sequence[Column], labels: Sequence[str]) -> None:
    """Raise UserError for columns without pictures, before anything is computed."""
    kinds = {column.kind for column in columns}
    manifest = pictures.manifest
    modes = {label: manifest.model(label).mode or "absolute" for label in labels}
    if "anchor" in kinds and not any(mode.startswith("relative") for mode in modes.values()):
        said = ", ".join(f"{label} {mode}" for label, mode in modes.items())
        raise UserError(f"--columns anchor: no model here has an anchor frame (motion: {said})", code="no-picture")
    wanted = sorted(kinds & {"truth", "error"})
    if wanted and manifest.protocol.reference != "same-identity":
        raise UserError(
            f"--columns {', '.join(wanted)}: {manifest.protocol.name} has no true frames", code="no-picture"
        )


def _fits(box: Box, frames: Sequence[tuple[int, ...]]) -> None:
    if not frames:
        raise UserError("--zoom needs a column of results, errors or truth", code="unused-option")
    for height, width, _ in frames:
        if box.x + box.width > width or box.y + box.height > height:
            said = ",".join(map(str, box))
            raise UserError(f"--zoom {said}: is not inside the frames of {width}x{height}", code="box-outside")
        if magnification(box, min(height, width)) < 2:
            raise UserError(
                f"--zoom {','.join(map(str, box))}: too large to magnify; at most "
                f"{int(0.23 * min(height, width))} pixels wide and high",
                code="bad-value",
            )
