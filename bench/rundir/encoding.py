"""Encode tables and frames as the bytes of files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from PIL import Image


def to_parquet(rows: pd.DataFrame) -> bytes:
    """Encode a table as the bytes of a parquet file; equal tables give equal bytes."""
    sink = pyarrow.BufferOutputStream()
    rows.to_parquet(sink, index=False)
    return sink.getvalue().to_pybytes()


def to_png(frame: np.ndarray) -> bytes:
    """Encode an ``(H, W, 3)`` uint8 RGB frame as the bytes of a PNG file, with fast compression."""
    sink = io.BytesIO()
    Image.fromarray(frame).save(sink, format="PNG", compress_level=1)
    return sink.getvalue()


def is_whole(file: Path) -> bool:
    """Return whether a PNG file exists and all its checksums match."""
    try:
        with Image.open(file, formats=("PNG",)) as image:
            image.verify()
        return True
    except (OSError, SyntaxError, ValueError):
        return False
