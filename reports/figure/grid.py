"""Comparison grids for papers: pictures at native resolution, labels as text, insets, error maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from reports.run.pictures import DIFFERENCE_MAP

ZOOM_COLORS = ("#e8000b", "#00a2ff")  # of two boxes; safe for color blindness
INSET = 0.46  # largest side of an inset, of the picture's
SMALLEST = 5.0  # smallest size of a label that is shrunk to fit, points
LEADING = 1.25  # line height, in font sizes
GAP, BREAK = 0.022, 0.07  # inches between pictures, and more between the rows of two pairs
POINT = 1.6  # radius of a keypoint, points
SHARP = 250  # pixels an inch at least, for the text in a PNG
STEP = 8  # pixels per inch are a multiple of it, so that both widths are whole numbers of pixels


class Box(NamedTuple):
    """A rectangle in pixels of a frame."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Tile:
    """One picture. image: uint8 ``(H, W, 3)``, or smaller (a map at its own resolution).

    points: keypoints ``(K, 2)`` in [-1, 1] to draw on it. flow: ``(h, w, 2)`` to draw as arrows, as in
    `reports.inspection.figures.Inspection`. zoomed: whether the boxes of the figure are magnified in it.
    """

    image: np.ndarray
    points: np.ndarray | None = None
    flow: np.ndarray | None = None
    zoomed: bool = False


@dataclass(frozen=True)
class Grid:
    """The content of a grid. columns: their headings. rows: labels at the left; empty strings for none.

    tiles: by row and column; None for an empty cell. starts: rows with a larger gap above. zooms: boxes that are
    magnified. error_range: end of the color bar, None without error maps.
    """

    columns: Sequence[str]
    rows: Sequence[str]
    tiles: Sequence[Sequence[Tile | None]]
    starts: Sequence[int] = ()
    zooms: Sequence[Box] = ()
    error_range: float | None = None
    side: int = field(default=0)  # pixels of a frame's longer side; 0: of the largest tile


def error_map(output: np.ndarray, target: np.ndarray, full: float) -> np.ndarray:
    """Return the absolute difference of two uint8 frames, mean over channels, as a color map; `full` is brightest."""
    distance = np.abs(output.astype(np.int16) - target).mean(2) / 255
    colors = matplotlib.colormaps[DIFFERENCE_MAP](np.clip(distance / full, 0, 1))[..., :3]
    return (colors * 255).round().astype(np.uint8)


def magnification(box: Box, side: int) -> int:
    """Return the magnification of a box in its inset; below 2 the inset does not fit."""
    return int(INSET * side // max(box.width, box.height))


def draw(grid: Grid, inches: float, points: float) -> Figure:
    """Return a grid `inches` wide, with labels of `points`; call it with `style.settings` active.

    A PNG has every pixel of each picture unscaled; PDF and SVG embed the pictures at their own resolution.
    """
    paper = _Paper(grid, inches, points)
    for column, heading in enumerate(grid.columns):
        _heading(paper, heading, paper.left(column) + paper.side / 2, points)
    for row, label in enumerate(grid.rows):
        if label:
            _row_label(paper, label, paper.bottom_of(row) + paper.side / 2, points)
        for column, tile in enumerate(grid.tiles[row]):
            place = (paper.left(column), paper.height - paper.bottom_of(row) - paper.side, paper.side, paper.side)
            if tile is None:
                ax = paper.axes(*place)
                ax.text(0.5, 0.5, "–", ha="center", va="center", color="#777777", transform=ax.transAxes)
                continue
            _tile(paper, place, tile, grid.zooms if tile.zoomed else ())
    if grid.error_range is not None:
        _color_bar(paper, grid.error_range, points)
    return paper.figure


class _Paper:
    """The layout, in whole pixels of the figure; `height` counts from the bottom, places from the top."""

    def __init__(self, grid: Grid, inches: float, points: float) -> None:
        count = len(grid.columns)
        self.native = grid.side or max(max(tile.image.shape[:2]) for row in grid.tiles for tile in row if tile)
        beside = LEADING * points / 72 * 1.2 if any(grid.rows) else 0.0
        needed = (count * self.native) / (inches - beside - (count - 1) * GAP)
        self.times = max(1, math.ceil(SHARP / needed))  # figure pixels per picture pixel
        self.side = self.times * self.native
        self.dpi = math.ceil(self.times * needed / STEP) * STEP
        width = round(inches * self.dpi)
        self.em = points / 72 * self.dpi
        self.margin = round(beside * self.dpi)
        free = width - self.margin - count * self.side
        self.gap = free // (count - 1) if count > 1 else 0
        if count == 1:
            self.margin += free // 2
        lines = max((heading.count("\n") + 1 for heading in grid.columns if heading), default=0)
        head = round((lines * LEADING + 0.3) * self.em)
        foot = round(2.0 * self.em) if grid.error_range is not None else 0
        between = min(self.gap, round(2 * GAP * self.dpi)) or round(GAP * self.dpi)
        self._tops, y = [], head
        for row in range(len(grid.rows)):
            y += (round(BREAK * self.dpi) if row in grid.starts else between) if row else 0
            self._tops.append(y)
            y += self.side
        self.height, self.width = y + foot, width
        self.top = self.height - head
        self.figure = Figure(figsize=(width / self.dpi, self.height / self.dpi), dpi=self.dpi)
        FigureCanvasAgg(self.figure)

    def left(self, column: int) -> int:
        return self.margin + column * (self.side + self.gap)

    def bottom_of(self, row: int) -> int:
        return self.height - self._tops[row] - self.side

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        where = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        ax = self.figure.add_axes(where)
        ax.set_axis_off()
        return ax


def _tile(paper: _Paper, place: tuple[int, int, int, int], tile: Tile, zooms: Sequence[Box]) -> None:
    left, top, side, _ = place
    height, width = (paper.times * length for length in tile.image.shape[:2])
    if max(height, width) < side:  # a map at its own resolution fills the place
        height, width = (length * side // max(height, width) for length in (height, width))
    left, top = left + (side - width) // 2, top + (side - height) // 2
    ax = paper.axes(left, top, width, height)
    ax.imshow(tile.image, interpolation="none", extent=(-1, 1, 1, -1), aspect="auto")
    if tile.points is not None:
        colors = matplotlib.colormaps["hsv"](np.arange(len(tile.points)) / len(tile.points))
        area = (2 * POINT) ** 2
        ax.scatter(tile.points[:, 0], tile.points[:, 1], s=area, c=colors, edgecolors="black", linewidths=0.4)
    if tile.flow is not None:
        _arrows(ax, tile.flow)
    ax.set_xlim(-1, 1)
    ax.set_ylim(1, -1)
    _zoom(paper, (left, top), tile.image, zooms)


def _zoom(paper: _Paper, origin: tuple[int, int], image: np.ndarray, boxes: Sequence[Box]) -> None:
    """Frame the boxes of a picture, and put a magnified inset of each into a corner."""
    height, width = image.shape[:2]
    insets = place_insets(boxes, height, width)
    framed = [(box, color, 0.7, False) for box, color in zip(boxes, ZOOM_COLORS)]
    framed += [(inset, color, 1.0, True) for inset, color in zip(insets, ZOOM_COLORS)]
    for k, (place, color, line, magnified) in enumerate(framed):
        across, down, wide, high = (paper.times * length for length in place)
        ax = paper.axes(origin[0] + across, origin[1] + down, wide, high)
        if magnified:
            box = boxes[k - len(boxes)]
            part = image[box.y : box.y + box.height, box.x : box.x + box.width]
            ax.imshow(part, interpolation="none", extent=(0, 1, 0, 1), aspect="auto")
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ax.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor=color, linewidth=line, clip_on=False))


def place_insets(boxes: Sequence[Box], height: int, width: int) -> list[Box]:
    """Return the corners of the insets: different ones that hide as little as possible of the boxes.

    Of corners that hide equally much, the one farthest from its box is chosen.
    """
    found: list[Box] = []
    for box in boxes:
        times = magnification(box, min(height, width))
        wide, high = times * box.width, times * box.height
        corners = [Box(x, y, wide, high) for y in (height - high, 0) for x in (width - wide, 0)]
        free = [corner for corner in corners if not any(_common(corner, other) for other in found)] or corners
        found.append(min(free, key=lambda corner: (sum(_common(corner, one) for one in boxes), -_apart(corner, box))))
    return found


def _common(one: Box, other: Box) -> int:
    """Return the number of pixels that two boxes share."""
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(wide, 0) * max(high, 0)


def _apart(one: Box, other: Box) -> float:
    across = one.x + one.width / 2 - other.x - other.width / 2
    down = one.y + one.height / 2 - other.y - other.height / 2
    return max(abs(across), abs(down))


def _arrows(ax: Axes, flow: np.ndarray, count: int = 8) -> None:
    """Draw arrows from the old to the new position of content, true to scale."""
    height, width = flow.shape[:2]
    rows, columns = (np.linspace(0, n - 1, count + 2).round().astype(int)[1:-1] for n in (height, width))
    x, y = np.meshgrid(2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1)
    dx, dy = (2 * flow[np.ix_(rows, columns)]).transpose(2, 0, 1)
    ax.quiver(x + dx, y + dy, -dx, -dy, angles="xy", scale_units="xy", scale=1, width=0.009, color="black")


def _heading(paper: _Paper, text: str, x: float, points: float) -> None:
    """Write the lines above a column; too wide ones are shrunk. The last is directly above the pictures."""
    for up, line in enumerate(reversed(text.split("\n"))):
        y = paper.top + (0.35 + up * LEADING) * paper.em
        label = paper.figure.text(x / paper.width, y / paper.height, line, ha="center", va="baseline")
        _fit(label, label.get_window_extent().width, paper.side, points)


def _row_label(paper: _Paper, text: str, y: float, points: float) -> None:
    x = (paper.margin - 0.35 * paper.em) / paper.width
    label = paper.figure.text(x, y / paper.height, text, rotation=90, ha="right", va="center")
    _fit(label, label.get_window_extent().height, paper.side, points)


def _fit(label: Text, long: float, room: float, points: float) -> None:
    if long > room:
        label.set_fontsize(max(SMALLEST, points * room / long))


def _color_bar(paper: _Paper, full: float, points: float) -> None:
    """Draw a color bar below the pictures, at the right, from 0 to the end of the range."""
    wide, high = round(min(1.1 * paper.dpi, 0.3 * paper.width)), round(0.55 * paper.em)
    end = f"{full:g}"
    right = paper.width - round((0.62 * len(end) + 0.5) * paper.em)
    top = paper.height - round(1.25 * paper.em)
    ax = paper.axes(right - wide, top, wide, high)
    colors = matplotlib.colormaps[DIFFERENCE_MAP](np.linspace(0, 1, 256))[None, :, :3]
    ax.imshow((colors * 255).round().astype(np.uint8), aspect="auto", interpolation="none", extent=(0, 1, 0, 1))
    say: dict[str, Any] = {"va": "center", "transform": ax.transAxes, "fontsize": points - 1}
    ax.text(1 + 0.3 * paper.em / wide, 0.5, end, ha="left", **say)
    ax.text(-0.3 * paper.em / wide, 0.5, "absolute difference   0", ha="right", **say)
