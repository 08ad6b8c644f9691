"""Keys of pairs by their content, to match and order pairs of different runs without their ids."""

from __future__ import annotations

import pandas as pd

CONTENT = ("source", "driving", "target", "alpha", "beta")
RANGE = ("start", "end", "rate")  # of a whole clip: another range of the same video is another pair


def pair_keys(samples: pd.DataFrame, anchors: bool = False) -> pd.Series:
    """Return one key per row of ``samples.parquet``: the pair's frames and factors, and a number among equal ones.

    Every list has its own ids, so ids only distinguish pairs with equal content. Clips also differ by their ranges.
    anchors: include the frame from which relative motion starts; absolute motion needs none.
    """
    columns = (*CONTENT, *RANGE, *(["anchor"] if anchors else []))
    pairs = samples.drop_duplicates("pair").sort_values("pair")
    facts = pairs[[column for column in columns if column in pairs]].itertuples(index=False, name=None)
    content = pd.Series([" ".join(map(str, fact)) for fact in facts], index=pairs["pair"])
    alike = content.groupby(content).cumcount()
    return samples["pair"].map(content + " " + alike.astype("str").str.zfill(6))
