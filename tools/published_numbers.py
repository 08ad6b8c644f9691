"""Draws docs/published_numbers.png: printed PSNR and SSIM against L1, beside what pairs of a run measure.

    python tools/published_numbers.py RUN [RUN ...]

RUN: folders of runs of same-identity pairs with the families ssim, psnr and l1. Also prints the numbers of the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protocols.names import PERFECT
from reports.paper.printed import number
from reports.paper.tables import published

OUT = Path(__file__).parents[1] / "docs" / "published_numbers.png"
INK, RIGHT, PRINTED, TABLE = "#444444", "#0072b2", "#d55e00", "#000000"
NAMES = {"psnr": ("psnr", "psnr-uint8"), "ssim": ("ssim", "ssim-published")}
LIMITS = {"psnr": (12, 42), "ssim": (0.3, 1.0)}


def printed_cells() -> pd.DataFrame:
    """Columns ``l1``, ``psnr``, ``ssim`` (NaN where not given) of every printed row with an L1."""
    rows = []
    for table in published(()):
        for row in table.rows:
            cells = {
                column.family: number(value) / column.scale
                for column, value in zip(table.columns, row.printed)
                if value is not None and column.family in ("l1", "psnr", "ssim")
            }
            if "l1" in cells:
                rows.append(cells | {"table": table.id, "row": row.name})
    return pd.DataFrame(rows)


def main(runs: list[str]) -> None:
    """Draw the figure and print, for bands of L1, what the pairs measure and what is printed."""
    samples = pd.concat([pd.read_parquet(Path(run) / "samples.parquet") for run in runs], ignore_index=True)
    samples = samples[(samples["model"] != PERFECT) & samples["l1"].notna()]
    cells = printed_cells()
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(9.5, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, (family, (right, wrong)) in zip(figure.subplots(1, 2), NAMES.items()):
            axes.scatter(samples["l1"], samples[right], s=7, color=RIGHT, alpha=0.5, linewidth=0, label=right)
            axes.scatter(samples["l1"], samples[wrong], s=7, color=PRINTED, alpha=0.5, linewidth=0, label=wrong)
            axes.scatter(cells["l1"], cells[family], s=22, marker="x", color=TABLE, linewidth=0.9, label="printed rows")
            if family == "psnr":
                l1 = np.linspace(0.008, 0.16, 200)
                axes.plot(l1, -20 * np.log10(l1), color=INK, linewidth=1.2, label="bound −20·log10(L1)")
            axes.set(xlabel="L1", ylabel=family.upper(), xlim=(0.005, 0.14), ylim=LIMITS[family])
            axes.grid(alpha=0.2)
            axes.legend(frameon=False, fontsize=8)
        figure.savefig(OUT, dpi=120)
    over = cells.dropna(subset="psnr")
    above = over["psnr"] > -20 * np.log10(over["l1"])
    print(f"printed rows with L1 and PSNR: {len(over)}, above the bound: {above.sum()}")
    print(f"pairs: {len(samples)}, psnr above the bound: {(samples['psnr'] > -20 * np.log10(samples['l1'])).sum()}")
    for low, high in ((0.02, 0.03), (0.03, 0.04), (0.04, 0.06), (0.06, 0.09)):
        band, lines = samples[samples["l1"].between(low, high)], cells[cells["l1"].between(low, high)]
        means = ", ".join(f"{name} {band[name].mean():.3g}" for pair in NAMES.values() for name in pair)
        print(
            f"L1 {low}-{high}: {len(band)} pairs: {means}; "
            f"{len(lines)} printed rows: PSNR {lines['psnr'].mean():.3g}, SSIM {lines['ssim'].mean():.3g}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
