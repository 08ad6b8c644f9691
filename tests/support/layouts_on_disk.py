"""Small data sets in the official layouts, written by the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

VOX_CLIPS = {  # identity to its clips
    "id10280": ("id10280#NXjT3732Ekg#001093#001192.mp4", "id10280#XiKRlssBw2M#002515#002899.mp4"),
    "id10283": ("id10283#arklnCzCq48#006950#007552.mp4",),
    "id10291": ("id10291#TMCTm7GxiDE#002960#003224.mp4", "id10291#iPZGPcrYIZs#001845#001954.mp4"),
}


def picture(file: Path, seed: int, size: tuple[int, int] = (256, 256)) -> np.ndarray:
    """Write an image of flat tiles (height, width); returns what a lossless file holds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tiles = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(tiles).resize(size[::-1], Image.Resampling.NEAREST))
    Image.fromarray(image).save(file)
    return image


def frames(folder: Path, n: int, digits: int = 7, suffix: str = ".png", size: int = 256) -> None:
    for number in range(n):
        picture(folder / f"{number:0{digits}d}{suffix}", seed=number, size=(size, size))


def vox(root: Path, n: int = 5, split: str = "test", size: int = 64) -> Path:
    """VoxCeleb1 frame folders with `n` frames a clip."""
    for clips in VOX_CLIPS.values():
        for clip in clips:
            frames(root / split / clip, n, size=size)
    return root
