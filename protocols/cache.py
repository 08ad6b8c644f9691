"""The folder for fetched and built files."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "TALKING_HEAD_BENCH_CACHE"


def cache_folder() -> Path:
    """Return the cache folder: ``$TALKING_HEAD_BENCH_CACHE`` or the platform's usual place."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("talking-head-bench"))
