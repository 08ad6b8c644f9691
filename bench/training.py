"""`python -m bench train`: the training loop on the sample set or on a folder of clips."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from rich.logging import RichHandler

from baselines.predictor import default_device
from baselines.training.loop import train as train_loop
from baselines.training.settings import TrainSettings
from bench.config import cache_folder
from bench.errors import UserError
from protocols import sample_set


def train(*, data: str, device: str | None, threads: int | None, **settings: Any) -> Path:
    """Train and return the checkpoint. `data`: a folder of clips, or ``sample`` for the sample set's training clips.

    Raises UserError or ModelError for what the user can mend.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    if threads:
        torch.set_num_threads(threads)
    if data == "sample":
        folder, clips = sample_set.ensure(cache_folder()), tuple(sample_set.clips("train"))
    else:
        folder, clips = Path(data), None
        if not folder.is_dir():
            raise UserError(f"--data {data}: no such folder")
    try:
        chosen = TrainSettings(data=folder, clips=clips, device=device or str(default_device()), **settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{first['loc'][0]}: {first['msg']}") from None
    return train_loop(chosen)
