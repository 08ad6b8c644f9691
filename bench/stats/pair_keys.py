"""What each pair asks, as text: pairs are matched between runs, and ordered, by it and not by their ids."""

from __future__ import annotations

import pandas as pd

CONTENT = ("source", "driving", "target", "alpha", "beta")
RANGE = ("start", "end", "rate")  # of a whole clip: another range of the same video is another question


def pair_keys(samples: pd.DataFrame, anchors: bool = False) -> pd.Series:
    """One key a row of ``samples.parquet``: the pair's frames and factors, and which one of several alike it is.

    Two lists number their pairs each in their own way, so ids are not used, but to tell pairs apart that ask the same.
    Clips are told apart by their ranges, too.
    anchors: with the frame that relative motion starts from; absolute motion needs none.
    """
    asked = (*CONTENT, *RANGE, *(["anchor"] if anchors else []))
    pairs = samples.drop_duplicates("pair").sort_values("pair")
    facts = pairs[[column for column in asked if column in pairs]].itertuples(index=False, name=None)
    content = pd.Series([" ".join(map(str, fact)) for fact in facts], index=pairs["pair"])
    alike = content.groupby(content).cumcount()
    return samples["pair"].map(content + " " + alike.astype("str").str.zfill(6))
