"""Tables and frames as the bytes of files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from PIL import Image


def to_parquet(rows: pd.DataFrame) -> bytes:
    """A table as the bytes of a parquet file; equal tables give equal bytes."""
    sink = pyarrow.BufferOutputStream()
    rows.to_parquet(sink, index=False)
    return sink.getvalue().to_pybytes()


def to_png(frame: np.ndarray) -> bytes:
    """An ``(H, W, 3)`` uint8 RGB frame as the bytes of a PNG file; fast rather than small compression."""
    sink = io.BytesIO()
    Image.fromarray(frame).save(sink, format="PNG", compress_level=1)
    return sink.getvalue()


def is_whole(file: Path) -> bool:
    """Whether a PNG file is there and all its checksums fit."""
    try:
        with Image.open(file, formats=("PNG",)) as image:
            image.verify()
        return True
    except (OSError, SyntaxError, ValueError):
        return False
