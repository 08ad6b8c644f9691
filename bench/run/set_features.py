"""Features for metrics of sets: taken while frames pass by, kept in the run's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.detectors import DetectorSet, guard
from bench.metrics.base import GENERATED
from bench.metrics.sets.base import frame_positions, window_starts
from protocols.pairs import Pair

if TYPE_CHECKING:
    from bench.run.measure import Measurer

PREFIX = "features"  # of columns of bytes, float32: in a frame's row its feature, in a clip's row those of its windows


def column(kind: str, role: str) -> str:
    """The name of the column that holds the features of one network on one side."""
    return f"{PREFIX}:{kind}:{role}"


def columns_in(rows: pd.DataFrame) -> list[str]:
    """The columns of features of a table."""
    return [name for name in rows.columns if name.startswith(f"{PREFIX}:")]


class FrameFeatures:
    """Has networks look at single frames.

    kinds: of detectors. role: the side that is real.
    """

    def __init__(self, choice: DetectorSet, kinds: Collection[str], role: str) -> None:
        self._choice = choice
        self.columns = {column(kind, side): (kind, side) for kind in kinds for side in (GENERATED, role)}

    def __call__(self, images: Mapping[str, np.ndarray], taken: np.ndarray) -> pd.DataFrame:
        """Return `columns`, a row a frame; None where a frame is not taken or has none.

        images: uint8 ``(N, H, W, 3)`` by role. taken: ``(N,)`` bool.
        """
        at, found = np.flatnonzero(taken), {}
        for name, (kind, side) in self.columns.items():
            packed: list[bytes | None] = [None] * len(taken)
            for k, one in zip(at, guard.detect(self._choice[kind], images[side][at]) if len(at) else ()):
                packed[k] = _packed(one.values)
            found[name] = pd.Series(packed, dtype="object")
        return pd.DataFrame(found, index=range(len(taken)))


class Windows:
    """Collects the windows of one clip, frame after frame, and has networks look at each.

    lengths: kind of a detector to the number of frames in its windows. role: the side that is real. n: frames of the
    clip. A window of which a frame is missing has no features.
    """

    def __init__(self, choice: DetectorSet, lengths: Mapping[str, int], role: str, n: int) -> None:
        self._choice, self._lengths, self._sides = choice, lengths, (GENERATED, role)
        self._starts = {kind: window_starts(n, length) for kind, length in lengths.items()}
        self._held: dict[tuple[str, int, str], list[np.ndarray]] = {}
        self._found: dict[str, list[bytes]] = {column(kind, side): [] for kind in lengths for side in self._sides}

    def add(self, positions: Sequence[int], images: Mapping[str, np.ndarray]) -> None:
        """Take the clip's next frames that were made; arguments as of `TrackRecorder.add`."""
        for k, kind, start in self._wanted(positions):
            for side in self._sides:
                held = self._held.setdefault((kind, start, side), [])
                held.append(images[side][k])
                if len(held) == self._lengths[kind]:
                    window = np.stack(self._held.pop((kind, start, side)))
                    (one,) = guard.detect(self._choice[kind], window[None])
                    if (packed := _packed(one.values)) is not None:
                        self._found[column(kind, side)].append(packed)

    def _wanted(self, positions: Sequence[int]) -> Iterator[tuple[int, str, int]]:
        """Which frame belongs to which window."""
        for k, position in enumerate(positions):
            for kind, starts in self._starts.items():
                for start in starts:
                    if start <= position < start + self._lengths[kind]:
                        yield k, kind, start

    def finish(self) -> dict[str, bytes | None]:
        """Return the columns of the clip's row."""
        return {name: b"".join(rows) or None for name, rows in self._found.items()}


class Kept:
    """The features of a run's models, one after the other, and those of what is real, which all have in common.

    widths: kind of a detector to the length of one feature. role: the side that is real. windows: kind to the frames of
    one window, of those that are of windows. real: its features by kind, as `split` gives those of a model, of the
    models so far.
    """

    def __init__(self, widths: Mapping[str, int], role: str, windows: Mapping[str, int]) -> None:
        self._widths, self._role, self._windows = widths, role, windows
        self.real: dict[str, pd.DataFrame] = {}

    @classmethod
    def of(cls, measurer: Measurer) -> Kept:
        """Those of one run."""
        kinds = dict.fromkeys(one.kind for one in measurer.set_definitions)
        return cls({kind: measurer.choice[kind].shape[0] for kind in kinds}, measurer.real, measurer.window_lengths)

    def split(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
        """Return one model's rows without features, and its features by kind.

        Columns ``pair`` (of windows the clip), ``person``, ``video``, ``features``; a row a feature.
        """
        made = {}
        for kind in self._widths:
            made[kind] = self._rows(rows, kind, GENERATED)
            real = self._rows(rows, kind, self._role)
            self.real[kind] = united(self.real[kind], real) if kind in self.real else real
        return rows.drop(columns=columns_in(rows)), made

    def lacking(self, pairs: Sequence[Pair]) -> list[str]:
        """A line for whatever is real in the pairs of a run and is in no metric of sets."""
        frames = Counter(pair.clip for pair in pairs if pair.clip)
        found = []
        for kind, real in self.real.items():
            length = self._windows.get(kind, 1)
            if length > 1:
                taken = [len(window_starts(n, length)) for n in frames.values()]
            else:
                taken = [len(frame_positions(n)) for n in frames.values()] or [len(pairs)]
            if short := taken.count(0):
                found.append(f"{kind}: {short} of {len(taken)} clips have fewer than {length} frames and no part in it")
            if missing := sum(taken) - len(real):
                what = "windows" if length > 1 else "frames"
                found.append(
                    f"{kind}: {missing} of {sum(taken)} real {what} do not count, since no model of this run made "
                    f"{what} to compare with them; beside models that do (the bounds), the same model has other values"
                )
        return found

    def _rows(self, rows: pd.DataFrame, kind: str, side: str) -> pd.DataFrame:
        name = column(kind, side)
        rows = rows[rows[name].notna()] if name in rows else rows[:0].assign(**{name: None})
        shown = "source" if side == GENERATED else side  # whose face it is
        person = "source_identity" if shown == "source" else "driving_identity"
        video = rows["clip"].fillna(rows["pair"]) if "clip" in rows else rows[shown].str.rsplit("/", n=1).str[0]
        features = [np.frombuffer(packed, "<f4").reshape(-1, self._widths[kind]) for packed in rows[name]]
        told = pd.DataFrame({"pair": rows["pair"], "person": rows[person], "video": video}).reset_index(drop=True)
        told = told.loc[np.repeat(told.index, [len(one) for one in features])].reset_index(drop=True)
        told["features"] = pd.Series([row for one in features for row in one], dtype="object")
        return told


def united(known: pd.DataFrame, more: pd.DataFrame, by: str = "pair") -> pd.DataFrame:
    """What is real of two models: of each pair, or clip, the rows of the one that has more, of the first if equal."""
    ours, theirs = known[by].value_counts(), more[by].value_counts()
    better = theirs[theirs > ours.reindex(theirs.index, fill_value=0)].index
    return pd.concat([known[~known[by].isin(better)], more[more[by].isin(better)]], ignore_index=True)


def _packed(values: np.ndarray | None) -> bytes | None:
    return None if values is None else np.asarray(values, "<f4").tobytes()
