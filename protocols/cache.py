"""Where this program keeps what it fetched or built."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "TALKING_HEAD_BENCH_CACHE"


def cache_folder() -> Path:
    """The cache folder: ``$TALKING_HEAD_BENCH_CACHE`` or the platform's own place for caches."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("talking-head-bench"))
