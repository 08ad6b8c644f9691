"""Features of generated frames, for set metrics, computed during the run. `real_features` has the real side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from bench.detectors import DetectorSet, guard
from bench.metrics.sets.base import window_starts

PREFIX = (
    "features"  # of columns of float32 bytes: a frame's feature in its row, those of a clip's windows in the clip's row
)


def column(kind: str) -> str:
    """Return the name of the column with the features of one network."""
    return f"{PREFIX}:{kind}"


def columns_in(rows: pd.DataFrame) -> list[str]:
    """Return the feature columns of a table."""
    return [name for name in rows.columns if name.startswith(f"{PREFIX}:")]


class FrameFeatures:
    """Compute features of single generated frames. kinds: of detectors."""

    def __init__(self, choice: DetectorSet, kinds: Collection[str]) -> None:
        self._choice = choice
        self.columns = {column(kind): kind for kind in kinds}

    def __call__(self, frames: np.ndarray, taken: np.ndarray) -> pd.DataFrame:
        """Return `columns`, a row per frame; None for a frame that is not taken or has no feature.

        frames: uint8 ``(N, H, W, 3)``. taken: ``(N,)`` bool.
        """
        at, found = np.flatnonzero(taken), {}
        for name, kind in self.columns.items():
            packed: list[bytes | None] = [None] * len(taken)
            for k, one in zip(at, guard.detect(self._choice[kind], frames[at]) if len(at) else ()):
                packed[k] = _packed(one.values)
            found[name] = pd.Series(packed, dtype="object")
        return pd.DataFrame(found, index=range(len(taken)))


class Windows:
    """Collect the windows of one generated clip, frame by frame, and compute their features.

    lengths: kind of a detector to the number of frames in its windows. n: frames of the clip. A window with a missing
    frame has no features.
    """

    def __init__(self, choice: DetectorSet, lengths: Mapping[str, int], n: int) -> None:
        self._choice, self._lengths = choice, lengths
        self._starts = {kind: window_starts(n, length) for kind, length in lengths.items()}
        self._held: dict[tuple[str, int], list[np.ndarray]] = {}
        self._found: dict[str, list[bytes]] = {column(kind): [] for kind in lengths}

    def add(self, positions: Sequence[int], frames: np.ndarray) -> None:
        """Add the clip's next generated frames, uint8 ``(n, H, W, 3)``, with their numbers in the clip."""
        for k, kind, start in self._wanted(positions):
            held = self._held.setdefault((kind, start), [])
            held.append(frames[k])
            if len(held) == self._lengths[kind]:
                (one,) = guard.detect(self._choice[kind], np.stack(self._held.pop((kind, start)))[None])
                if (packed := _packed(one.values)) is not None:
                    self._found[column(kind)].append(packed)

    def _wanted(self, positions: Sequence[int]) -> Iterator[tuple[int, str, int]]:
        """Yield the windows that each frame belongs to."""
        for k, position in enumerate(positions):
            for kind, starts in self._starts.items():
                for start in starts:
                    if start <= position < start + self._lengths[kind]:
                        yield k, kind, start

    def finish(self) -> dict[str, bytes | None]:
        """Return the columns of the clip's row."""
        return {name: b"".join(rows) or None for name, rows in self._found.items()}


def split(rows: pd.DataFrame, widths: Mapping[str, int]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return one model's rows without features, and its features by kind.

    Columns ``pair`` (the clip for windows), ``person``, ``video``, ``features``; a row per feature.
    widths: kind of a detector to the length of one feature.
    """
    made = {kind: _made(rows, kind, width) for kind, width in widths.items()}
    return rows.drop(columns=columns_in(rows)), made


def _made(rows: pd.DataFrame, kind: str, width: int) -> pd.DataFrame:
    name = column(kind)
    rows = rows[rows[name].notna()] if name in rows else rows[:0].assign(**{name: None})
    video = rows["clip"].fillna(rows["pair"]) if "clip" in rows else rows["source"].str.rsplit("/", n=1).str[0]
    features = [np.frombuffer(packed, "<f4").reshape(-1, width) for packed in rows[name]]
    table = pd.DataFrame({"pair": rows["pair"], "person": rows["source_identity"], "video": video})
    table = table.reset_index(drop=True)
    table = table.loc[np.repeat(table.index, [len(one) for one in features])].reset_index(drop=True)
    table["features"] = pd.Series([row for one in features for row in one], dtype="object")
    return table


def _packed(values: np.ndarray | None) -> bytes | None:
    return None if values is None else np.asarray(values, "<f4").tobytes()
