"""One training at a time in a folder."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from bench.rundir.lock import locked


def of_training(out: Path) -> AbstractContextManager[None]:
    """Lock the folder of a training, as `locked` does; in the other processes of one training, do nothing."""
    leads = os.environ.get("LOCAL_RANK", "0") == "0"
    return locked(out, "training", "--out") if leads else nullcontext()
