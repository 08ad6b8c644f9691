"""`python -m bench report --gallery`: a page of many pairs of every model, drawn at random."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench.figure import compare
from bench.figure.again import kept
from bench.figure.command import Begin
from bench.figure.pictures import Pictures
from bench.rundir import kept_pictures
from bench.rundir.directory import RunDirectory, readable
from bench.runtime.errors import UserError
from protocols import files
from protocols.names import BOUNDS, safe_name
from reports.run import gallery
from reports.run.choose import picture_metric
from reports.run.gallery import Picture, Shown
from reports.run.pictures import FULL_SCALE
from reports.schema.manifest import Complete

COUNT = 24
QUALITY = 88  # of WebP
ROLES = {"source": "source", "driving": "driving", "truth": "target"}


def write(run: Path, count: int, begin: Begin, can_compute: bool) -> Path:
    """Write ``gallery.html`` and the pictures in ``gallery/`` of a finished run; return the page's file.

    count: maximum number of pairs, or clips. can_compute: whether missing frames can be recomputed; otherwise only
    pairs with saved frames are drawn, and the page says so.
    Raises UserError, DataError or ModelError like the models, and if there is nothing to show.
    """
    directory = RunDirectory(run)
    with readable(run):
        manifest, samples = directory.finished()
        kept_pictures.check(run, manifest)
        labels = [label for label in manifest.labels if label not in BOUNDS] or manifest.labels
        pairs, how = _drawn(run, manifest, samples, labels, count, can_compute)
        folder = run / "gallery"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        failed = {(row.model, row.pair): row.error for row in samples[samples["status"] == "failed"].itertuples()}
        metric = picture_metric(manifest)
        values: dict[object, float] = {}
        if metric is not None and metric.name in samples:
            values = samples.set_index(["model", "pair"])[metric.name].dropna().to_dict()
        people = samples.drop_duplicates("pair").set_index("pair")
        shown = []
        with Pictures(directory, manifest, samples, lambda: begin(manifest, labels), FULL_SCALE) as source:
            roles = [kind for kind in ROLES if kind != "truth" or manifest.protocol.reference == "same-identity"]
            for pair in pairs:
                inputs = {ROLES[kind]: _file(folder, pair, kind, source.frame(kind, pair)) for kind in roles}
                outputs = []
                for label in labels:
                    if error := failed.get((label, pair)):
                        outputs.append(Picture(label, None, str(error), None))
                        continue
                    file = _file(folder, pair, f"model-{safe_name(label)}", source.prediction(label, pair))
                    outputs.append(Picture(label, file, None, values.get((label, pair))))
                facts = people.loc[pair]
                names = [facts[side] for side in ("source_identity", "driving_identity") if pd.notna(facts[side])]
                who = tuple(dict.fromkeys(map(str, names)))
                shown.append(Shown(pair, who, str(facts["source"]), str(facts["driving"]), inputs, tuple(outputs)))
        titles = {label: compare.title(manifest, label) for label in labels}
        return gallery.write(run, manifest, shown, titles, metric, how)


def _drawn(
    run: Path, manifest: Complete, samples: pd.DataFrame, labels: Sequence[str], count: int, can_compute: bool
) -> tuple[list[str], str]:
    """Draw one pair from each of equal parts of the list; return them, and how they were drawn, as text."""
    every, unit = list(dict.fromkeys(samples["pair"])), manifest.unit
    known = every
    if not can_compute:
        folders = ["_source", "_driving", *map(safe_name, labels)]
        failed = set(samples.loc[samples["status"] == "failed", "pair"])
        known = [pair for pair in every if pair not in failed and all(kept(run, name, pair) for name in folders)]
    if not known:
        raise UserError(f"{run} has no saved pictures, and its frames cannot be recomputed here", code="missing-frames")
    count = min(count, len(known))
    rng = np.random.default_rng(manifest.seeds.run)
    pairs = [known[int(rng.choice(part))] for part in np.array_split(np.arange(len(known)), count)]
    how = (
        f"All {count} {unit}s of the run"
        if count == len(every)
        else (
            f"{count} of {len(every)} {unit}s, one drawn at random from each of {count} equal parts of the list (seed "
            f"{manifest.seeds.run}): not chosen by quality"
        )
    )
    if len(known) < len(every):
        how += f"; drawn from the {len(known)} with saved pictures, the best, median and worst by its metric"
    return pairs, how


def _file(folder: Path, pair: str, name: str, frame: np.ndarray) -> str:
    """Write a picture as WebP in its own size; return its path in the run's folder."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "WEBP", quality=QUALITY, method=4)
    file = folder / f"{safe_name(pair)}.{name}.webp"
    with files.replacing(file) as temporary:
        temporary.write_bytes(stream.getvalue())
    return f"{folder.name}/{file.name}"
