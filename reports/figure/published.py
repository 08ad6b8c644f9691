"""Printed PSNR and SSIM against printed L1, next to pairs measured by the correct and the published definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protocols.words import counted
from reports.paper.printed import number
from reports.paper.tables import published

NAMES = {"psnr": ("psnr", "psnr-uint8"), "ssim": ("ssim", "ssim-published")}  # correct and published definition
LIMITS = {"psnr": (12, 42), "ssim": (0.3, 1.0)}
PLOTS = {f"{family}-l1": family for family in NAMES}  # by option value
BANDS = ((0.02, 0.03), (0.03, 0.04), (0.04, 0.06), (0.06, 0.09))  # of L1
INK, RIGHT, PRINTED, TABLE = "#444444", "#0072b2", "#d55e00", "#000000"
HEIGHT, DPI = 2.6, 300


def printed_cells() -> pd.DataFrame:
    """Return every printed row with an L1: columns ``l1``, ``psnr``, ``ssim`` (NaN if absent), ``table``, ``row``."""
    rows = []
    for table in published(()):
        for row in table.rows:
            cells = {
                column.family: number(value) / column.scale
                for column, value in zip(table.columns, row.printed)
                if value is not None and column.family in ("l1", *NAMES)
            }
            if "l1" in cells:
                rows.append(cells | {"table": table.id, "row": row.name})
    return pd.DataFrame(rows)


def bound(l1: np.ndarray | pd.Series) -> np.ndarray:
    """Return the largest PSNR, dB, of a frame with this L1: the mean square is at least the square of the mean."""
    return -20 * np.log10(np.asarray(l1, float))


def draw(pairs: pd.DataFrame | None, families: Sequence[str], inches: float, points: float) -> Figure:
    """Return one panel per family. pairs: columns ``l1`` and those of `NAMES`; None for the printed rows alone."""
    cells = printed_cells()
    figure = Figure(figsize=(inches, HEIGHT), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    for ax, family in zip(figure.subplots(1, len(families), squeeze=False).flat, families):
        if pairs is not None:
            for name, color in zip(NAMES[family], (RIGHT, PRINTED)):
                ax.scatter(pairs["l1"], pairs[name], s=4, color=color, alpha=0.5, linewidth=0, label=name)
        ax.scatter(cells["l1"], cells[family], s=12, marker="x", color=TABLE, linewidth=0.7, label="printed rows")
        if family == "psnr":
            l1 = np.linspace(0.008, 0.16, 200)
            ax.plot(l1, bound(l1), color=INK, linewidth=1, label="bound −20·log10(L1)")
        ax.set(xlabel="L1", ylabel=family.upper(), xlim=(0.005, 0.14), ylim=LIMITS[family])
        ax.grid(alpha=0.2, linewidth=0.4)
        ax.tick_params(length=2, width=0.5)
        ax.legend(frameon=False, handletextpad=0.3)
    return figure


def caption(pairs: pd.DataFrame | None, families: Sequence[str]) -> list[str]:
    """Return what the figure shows, and its numbers by bands of L1, one line each."""
    cells = printed_cells()
    lines = [f"Crosses: the {len(cells)} rows of the papers' tables that print an L1."]
    if "psnr" in families:
        known = cells.dropna(subset="psnr")
        above = int((known["psnr"] > bound(known["l1"])).sum())
        lines.append(f"Of {len(known)} rows with a PSNR, {above} are above the bound -20 log10(L1).")
    if pairs is not None:
        lines.append(
            f"Dots: {counted(len(pairs), 'pair')}, each measured by the correct and by the published definition."
        )
        if "psnr" in families:
            lines.append(f"Above the bound: {int((pairs['psnr'] > bound(pairs['l1'])).sum())} of {len(pairs)} pairs.")
    for low, high in BANDS:
        rows = cells[cells["l1"].between(low, high)]
        line = f"L1 {low}-{high}: {len(rows)} printed rows, "
        line += ", ".join(f"{family.upper()} {rows[family].mean():.3g}" for family in families)
        if pairs is not None:
            band = pairs[pairs["l1"].between(low, high)]
            means = ", ".join(f"{name} {band[name].mean():.3g}" for family in families for name in NAMES[family])
            line += f"; {counted(len(band), 'pair')}" + (f", {means}" if len(band) else "")
        lines.append(line)
    return lines
