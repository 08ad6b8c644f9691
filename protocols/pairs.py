"""Frames and pairs by name, free of paths."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameRef:
    """One frame: data set, clip (``test/id10280#NXj...mp4``), frame name without suffix (``0000013``)."""

    dataset: str
    clip: str
    frame: str
