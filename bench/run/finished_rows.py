"""Collect the rows of a model's finished batches in little memory."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd
import pyarrow
from pyarrow import parquet

from bench.rundir.encoding import to_parquet

TABLES = 32  # tables before they are packed: many small tables take much more memory than one large


class FinishedRows:
    """The rows of finished batches, all but the latest as the bytes of parquet files."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._latest: list[pyarrow.Table] = []

    def add(self, rows: pd.DataFrame) -> None:
        self._latest.append(pyarrow.Table.from_pandas(rows, preserve_index=False))
        if len(self._latest) == TABLES:
            self._packed.append(to_parquet(_joined(self._latest)))
            self._latest.clear()

    def rows(self) -> pd.DataFrame:
        return _joined([*(parquet.read_table(io.BytesIO(part)) for part in self._packed), *self._latest])


def _joined(tables: Sequence[pyarrow.Table]) -> pd.DataFrame:
    """Join tables into one chunk: concatenated data frames keep a chunk of each text column for every table."""
    return pyarrow.concat_tables(tables, promote_options="default").combine_chunks().to_pandas()
