"""Pictures of a network's intermediate results for one pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from reports.run.plots import INK

CHANNELS = 64  # channels of a memory per picture
FULL_FLOW = 0.15  # motion, as a share of the frame's side, that gets full color
INCHES = 2.1
SETTINGS: dict[Any, Any] = {
    **{
        "font.size": 9,
        "text.parse_math": False,
        "axes.titlesize": 9,
        "svg.fonttype": "none",
        "svg.hashsalt": "inspect",
    },
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK),
}


@dataclass(frozen=True)
class MemoryLevel:
    """One level of a memory network: features of ``side`` squared, M channels, a memory of S x S cells.

    conditioned: ``(M, S, S)`` the memory for this source; value: ``(M, S, S)`` the attention's values; projected:
    ``(M, side, side)`` its queries. attention: ``(P, S, S)`` the weights of each spot. change: ``(side, side)`` mean
    absolute change of the feature.
    """

    side: int
    conditioned: np.ndarray
    value: np.ndarray
    projected: np.ndarray
    attention: np.ndarray
    change: np.ndarray


@dataclass(frozen=True)
class Inspection:
    """Intermediate results for one frame. Images ``(H, W, 3)`` in [0, 1], points (x, y) in [-1, 1].

    flow: ``(h, w, 2)`` origin minus position of each pixel, as shares of the side. warped: the source moved by the
    flow alone. occlusions: ``(s, s)`` each, coarse to fine; 0: the source is not used. shares: ``(K+1, h, w)`` weights
    of the motions, background first. rectified: OSTNet's driving image in the source's scale. target: the driving
    frame before it was squeezed.
    unstitched_points: LivePortrait's driving points before stitching moved them.
    directions: ``(M, 2, H, W, 3)``, the source moved back and forth along each of LIA's directions alone. references:
    ``(2, H, W, 3)``, source and driving frame in the reference pose of the magnitudes.
    embedded: X2Face's face. depth: disparity ``(H, W)``. meta_memory: ``(M, S, S)``; spots: ``(P, 2)`` query positions.
    pair: its name, empty if there is only one. source_from, driving_from: which frames these are, in words.
    """

    model: str
    mode: str
    source: np.ndarray
    driving: np.ndarray
    frame: np.ndarray
    target: np.ndarray
    source_points: np.ndarray | None = None
    driving_points: np.ndarray | None = None
    unstitched_points: np.ndarray | None = None
    flow: np.ndarray | None = None
    warped: np.ndarray | None = None
    shares: np.ndarray | None = None
    occlusions: tuple[np.ndarray, ...] = ()
    rectified: np.ndarray | None = None
    embedded: np.ndarray | None = None
    depth: np.ndarray | None = None
    directions: np.ndarray | None = None
    references: np.ndarray | None = None
    meta_memory: np.ndarray | None = None
    memory_levels: tuple[MemoryLevel, ...] = ()
    pair: str = ""
    source_from: str = ""
    driving_from: str = ""
    spots: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


def figures(inspection: Inspection) -> dict[str, Figure]:
    """Return every picture that the network has data for, by name; `page.CAPTIONS` explains each."""
    with matplotlib.rc_context(SETTINGS):
        made = {"motion": _motion(inspection)}
        if inspection.rectified is not None:
            made["scale"] = _scale(inspection)
        if inspection.unstitched_points is not None:
            made["stitching"] = _stitching(inspection)
        if inspection.directions is not None:
            made["directions"] = _directions(inspection.directions)
        if inspection.references is not None:
            made["references"] = _references(inspection)
        if inspection.meta_memory is not None:
            order = np.argsort(-inspection.meta_memory.std((1, 2)), kind="stable")[:CHANNELS]
            made["memory"] = _bank({"": inspection.meta_memory}, order)
            levels = {f"level {level.side}x{level.side}": level.conditioned for level in inspection.memory_levels}
            if levels:
                made["conditioned"] = _bank(levels, order[: CHANNELS // 2])
                made["read"] = _read(inspection)
        return made


def _motion(seen: Inspection) -> Figure:
    tiles: list[tuple[str, np.ndarray, np.ndarray | None]] = [
        ("source", seen.source, seen.source_points),
        ("driving", seen.driving, None),
        ("result, driving keypoints", seen.frame, seen.driving_points),
    ]
    if seen.driving_points is None:
        tiles[2] = ("result", seen.frame, None)
    if seen.embedded is not None:
        tiles[2:3] = [("embedded face", seen.embedded, None), ("result", seen.frame, None)]
    if seen.depth is not None:
        tiles.append(("source, disparity", _colored(seen.depth, "viridis"), None))
    if seen.flow is not None:
        tiles.append(("flow", color_wheel(seen.flow), None))
    if seen.warped is not None:
        tiles.append(("warped by the flow alone", seen.warped, None))
    if seen.shares is not None:
        tiles.append(("largest share", _largest(seen.shares), None))
    for occlusion in seen.occlusions:
        tiles.append((f"occlusion {occlusion.shape[0]}x{occlusion.shape[1]}", _gray(occlusion, 0, 1), None))
    figure, axes = _grid(len(tiles), min(len(tiles), 5))
    for ax, (title, image, points) in zip(axes, tiles):
        _show(ax, title, image, points)
        if title == "flow" and seen.flow is not None:
            _arrows(ax, seen.flow)
    return figure


def _stitching(seen: Inspection) -> Figure:
    figure, axes = _grid(3, 3)
    _show(axes[0], "source", seen.source, seen.source_points)
    _show(axes[1], "result, keypoints before stitching", seen.frame, seen.unstitched_points)
    _show(axes[2], "result, keypoints after stitching", seen.frame, seen.driving_points)
    return figure


def _directions(frames: np.ndarray) -> Figure:
    figure, axes = _grid(2 * len(frames), min(2 * len(frames), 8))
    for number, (back, forth) in enumerate(frames):
        _show(axes[2 * number], f"direction {number}, back", back)
        _show(axes[2 * number + 1], f"direction {number}, forth", forth)
    return figure


def _references(seen: Inspection) -> Figure:
    assert seen.references is not None
    figure, axes = _grid(4, 4)
    images = seen.source, seen.references[0], seen.driving, seen.references[1]
    for ax, title, image in zip(axes, ("source", "its reference", "driving", "its reference"), images):
        _show(ax, title, image)
    return figure


def _scale(seen: Inspection) -> Figure:
    figure, axes = _grid(5, 5)
    named = {"driving": seen.driving, "rectified": seen.rectified, "target": seen.target, "source": seen.source}
    named["result"] = seen.frame
    for ax, (title, image) in zip(axes, named.items()):
        if image is not None:
            _show(ax, title, image)
    return figure


def _bank(memories: Mapping[str, np.ndarray], order: np.ndarray) -> Figure:
    """Return channels of memories ``(M, S, S)`` as tiles, the same ones of each."""
    columns = 16
    rows = -(-len(order) // columns)
    figure = Figure(figsize=(0.62 * columns, len(memories) * (0.62 * rows + 0.25)))
    for i, (title, memory) in enumerate(memories.items()):
        height = 1 / len(memories)
        ax = figure.add_axes((0.005, 1 - (i + 1) * height, 0.99, height * 0.9))
        side = memory.shape[1]
        canvas = np.full((rows * (side + 1), columns * (side + 1)), np.nan)  # which is not drawn
        for place, channel in enumerate(order):
            top, left = place // columns * (side + 1), place % columns * (side + 1)
            canvas[top : top + side, left : left + side] = _stretch(memory[channel])
        ax.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(title or f"{len(order)} of {len(memory)} channels, {side}x{side} cells")
        ax.set_axis_off()
    return figure


def _read(seen: Inspection) -> Figure:
    columns = len(seen.spots) + 2
    figure, axes = _grid(columns * len(seen.memory_levels), columns)
    for i, level in enumerate(seen.memory_levels):
        row = axes[i * columns : (i + 1) * columns]
        _show(row[0], f"result, level {level.side}x{level.side}", seen.frame, seen.spots)
        for number, cells in enumerate(level.attention):
            _show(row[1 + number], f"spot {number} reads", _colored(_stretch(cells), "magma"))
        _show(row[-1], f"change (max {level.change.max():.2g})", _colored(_stretch(level.change), "magma"))
    return figure


def _grid(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    rows = -(-count // columns)
    figure = Figure(figsize=(INCHES * columns, (INCHES + 0.25) * rows), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(rows, columns)).flat)
    for ax in axes:
        ax.set_axis_off()
    return figure, axes


def _show(ax: Axes, title: str, image: np.ndarray, points: np.ndarray | None = None) -> None:
    ax.imshow(image, interpolation="nearest", extent=(-1, 1, 1, -1))
    ax.set_title(title)
    if points is not None:
        colors = matplotlib.colormaps["hsv"](np.arange(len(points)) / len(points))
        ax.scatter(points[:, 0], points[:, 1], s=26, c=colors, edgecolors="black", linewidths=0.8)
        for number, (x, y) in enumerate(points):
            ax.annotate(str(number), (x, y), (3, 3), textcoords="offset points", color="white", fontsize=6)
        ax.set_xlim(-1, 1)
        ax.set_ylim(1, -1)


def color_wheel(flow: np.ndarray) -> np.ndarray:
    """Return a flow ``(h, w, 2)`` of pixel origins as colors ``(h, w, 3)``; the hue is the direction of motion.

    White: no motion; full color from `FULL_FLOW` on.
    """
    x, y = -flow[..., 0], -flow[..., 1]
    hue = (np.arctan2(y, x) / (2 * np.pi)) % 1
    strength = np.clip(np.hypot(x, y) / FULL_FLOW, 0, 1)
    return hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], axis=-1))


def _arrows(ax: Axes, flow: np.ndarray, count: int = 9) -> None:
    """Draw arrows from the old to the new position of content, true to scale."""
    height, width = flow.shape[:2]
    rows, columns = (np.linspace(0, n - 1, count + 2).round().astype(int)[1:-1] for n in (height, width))
    x, y = np.meshgrid(2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1)
    dx, dy = (2 * flow[np.ix_(rows, columns)]).transpose(2, 0, 1)
    ax.quiver(x + dx, y + dy, -dx, -dy, angles="xy", scale_units="xy", scale=1, width=0.008, color="black")
    ax.set_xlim(-1, 1)
    ax.set_ylim(1, -1)
    key = ax.inset_axes((0.8, 0.0, 0.2, 0.2))
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64)), axis=-1)
    inside = np.hypot(*grid.transpose(2, 0, 1)) <= 1
    disc = np.concatenate([color_wheel(-FULL_FLOW * grid), inside[..., None]], axis=-1)
    key.imshow(disc)
    key.set_axis_off()


def _largest(shares: np.ndarray) -> np.ndarray:
    """Return the motion with the largest share at each position, in the keypoints' colors; the background is black."""
    count = len(shares) - 1
    colors = matplotlib.colormaps["hsv"](np.arange(count) / max(count, 1))[:, :3]
    return np.concatenate([np.zeros((1, 3)), colors])[shares.argmax(0)]


def _stretch(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _colored(values: np.ndarray, name: str) -> np.ndarray:
    return matplotlib.colormaps[name](np.clip(values, 0, 1))[..., :3]


def _gray(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.repeat(np.clip((values - low) / (high - low), 0, 1)[..., None], 3, axis=2)
