"""Draw docs/before_after.webp: held-out frames made by the sample checkpoints, and by the networks before training.

For each person, the pair of vox1-sameid that differs most. Run from the repository's root. "Before" uses the initial
weights from the seed of the checkpoint's training, without a checkpoint that the training started from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from baselines import registry
from baselines.card import MODELS, card
from baselines.levels import from_levels, to_levels
from baselines.predictor import PairBatch
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trainee
from bench.runtime.config import cache_folder
from protocols import sample_lists, sample_set

SHOWN = 96  # side of a picture
SIDE = 256
SEED = 1


def main() -> None:
    data = sample_set.open(cache_folder())
    most: dict[str, tuple[float, torch.Tensor]] = {}
    for pair in sample_lists.load("sameid").pairs:
        frames = torch.stack([as_tensor(data.frame(ref, SIDE)) for ref in (pair.source, pair.driving)])
        change = float((frames[0] - frames[1]).abs().mean())
        if change > most.get(pair.driving_identity, (0.0,))[0]:
            most[pair.driving_identity] = change, frames
    pairs = torch.stack([frames for _, frames in most.values()])
    source, driving = pairs.unbind(1)
    names = [name for name in MODELS if card(name).sample.is_file()]
    rows = [("source, driving", pairs.flatten(0, 1))]
    rows += [
        (name, torch.stack([before(name, source, driving), after(name, source, driving)], 1).flatten(0, 1))
        for name in names
    ]
    width, label = 2 * len(pairs) * SHOWN, 18
    sheet = Image.new("RGB", (width, len(rows) * (SHOWN + label)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (text, frames) in enumerate(rows):
        top = number * (SHOWN + label)
        draw.text((4, top + 4), text if number == 0 else f"{text}: before, after, three times", fill="black")
        small = F.interpolate(frames.clamp(0, 1), size=(SHOWN, SHOWN), mode="bilinear", antialias=True)
        for column, frame in enumerate(small):
            pixels = to_levels(frame).permute(1, 2, 0).numpy()
            sheet.paste(Image.fromarray(pixels), (column * SHOWN, top + label))
    sheet.save("docs/before_after.webp", quality=85)


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return from_levels(torch.from_numpy(image).permute(2, 0, 1))


@torch.no_grad()
def before(name: str, source: torch.Tensor, driving: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(SEED)
    drawn = trainee(TrainSettings(model=name, data=Path(), out=Path(), bf16=False))
    drawn.set_side(SIDE)
    drawn.networks.eval()
    return drawn.reconstruct(source, driving).float()


def after(name: str, source: torch.Tensor, driving: torch.Tensor) -> torch.Tensor:
    predictor = registry.load(name, weights=None, device=torch.device("cpu"))
    batch = PairBatch(tuple(map(str, range(len(source)))), source, driving, seeds=(SEED,) * len(source))
    return predictor.predict(batch, "absolute")


if __name__ == "__main__":
    main()
