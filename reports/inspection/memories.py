"""Pictures of the attention to MemFace's memories for one clip."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from reports.inspection.figures import INCHES, SETTINGS

SLOTS = 80  # slots with the largest weights, in one picture
PATCHES = 96  # stored mouths in one picture
NEAREST = 5  # stored mouths shown for one frame

CAPTIONS = {
    "implicit": "Audio to expression: attention weight of each slot of the implicit memory (rows) at each frame "
    "(columns). Shown are the slots with the largest weights, ordered by the frame of their maximum. The weights of "
    "all slots sum to 1.",
    "stored": "The mouths of the explicit memory, from the most closed to the most open.",
    "explicit": "Renderer: attention weight of each stored mouth (rows, closed to open) at each frame (columns).",
    "retrieved": "One frame: the template, the drawn face to be rendered, the mouth retrieved from the memory, and the "
    "result. Below: the stored mouths with the largest weights.",
}


@dataclass(frozen=True)
class MemoriesSeen:
    """Attention to the memories for one clip. Images ``(H, W, 3)`` in [0, 1].

    implicit: ``(T, M)`` weights of the slots at each frame; None without that memory. explicit: ``(T', N)``, at the
    frames with a face; stored: ``(N, P, P, 3)``; opening: ``(N,)`` of their lips, cm; None without.
    template, drawn, retrieved, result: of frame `frame`; weights: ``(N,)`` of it. pair: empty.
    source_from, driving_from: which frames and which sound, in words.
    """

    model: str
    mode: str
    frame: int
    implicit: np.ndarray | None
    explicit: np.ndarray | None
    stored: np.ndarray | None
    opening: np.ndarray | None
    template: np.ndarray
    drawn: np.ndarray
    retrieved: np.ndarray | None
    weights: np.ndarray | None
    result: np.ndarray
    pair: str = ""
    source_from: str = ""
    driving_from: str = ""


def figures(seen: MemoriesSeen) -> dict[str, Figure]:
    """Return every picture that there is data for, by name; `CAPTIONS` explains each."""
    with matplotlib.rc_context(SETTINGS):
        made: dict[str, Figure] = {}
        if seen.implicit is not None:
            made["implicit"] = _map(_most_read(seen.implicit), "slots")
        if seen.explicit is not None and seen.stored is not None and seen.opening is not None:
            order = np.argsort(seen.opening, kind="stable")
            made["stored"] = _stored(seen.stored[order])
            made["explicit"] = _map(seen.explicit[:, order].T, "stored mouths")
        made["retrieved"] = _retrieved(seen)
        return made


def _most_read(shares: np.ndarray) -> np.ndarray:
    """Return rows ``(SLOTS, T)`` of the slots with the largest weights, ordered by the frame of their maximum."""
    most = np.argsort(-shares.max(0), kind="stable")[:SLOTS]
    return shares[:, most[np.argsort(shares[:, most].argmax(0), kind="stable")]].T


def _map(shares: np.ndarray, what: str) -> Figure:
    figure = Figure(figsize=(4.5 * INCHES, 2 * INCHES), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(shares, aspect="auto", cmap="magma", interpolation="nearest", vmin=0)
    axes.set(xlabel="frame", ylabel=what)
    figure.colorbar(drawn, ax=axes, label="share")
    return figure


def _stored(patches: np.ndarray) -> Figure:
    shown = patches[np.linspace(0, len(patches) - 1, min(len(patches), PATCHES)).round().astype(int)]
    across = min(len(shown), 12)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(across * 0.75, down * 0.75 + 0.4), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    figure.suptitle(f"{len(shown)} of {len(patches)}")
    for axes, patch in zip(grid.flat, shown):
        axes.imshow(patch)
    for axes in grid.flat:
        axes.axis("off")
    return figure


def _retrieved(seen: MemoriesSeen) -> Figure:
    above = [(f"template, frame {seen.frame}", seen.template), ("drawn", seen.drawn)]
    above += [] if seen.retrieved is None else [("retrieved", seen.retrieved)]
    above += [("result", seen.result)]
    below: list[tuple[str, np.ndarray]] = []
    if seen.weights is not None and seen.stored is not None:
        nearest = np.argsort(-seen.weights, kind="stable")[:NEAREST]
        below = [(f"slot {slot}: {seen.weights[slot]:.2f}", seen.stored[slot]) for slot in nearest]
    across = max(len(above), len(below))
    figure = Figure(figsize=(across * INCHES, (2 if below else 1) * INCHES), layout="constrained")
    grid = figure.subplots(2 if below else 1, across, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for row, pictures in zip(grid, (above, below)):
        for axes, (title, picture) in zip(row, pictures):
            axes.imshow(picture)
            axes.set_title(title)
    return figure
