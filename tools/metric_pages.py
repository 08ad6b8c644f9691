"""Write a page per metric: the text of `bench explain`, the definitions, and their values on changed pictures.

python tools/metric_pages.py [--pairs 12]    # docs/metrics/*.md and docs/metrics/changes.webp
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.info import explain
from bench.runtime import config
from protocols import catalogue
from protocols.resolve import resolve

FOLDER = Path(__file__).parents[1] / "docs" / "metrics"
PICTURE = "changes.webp"
HEADING = "## Values on changed pictures"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=12)
    pairs = parser.parse_args().pairs
    settings = config.load(())
    FOLDER.mkdir(exist_ok=True)
    for name in explain.pages():
        page = explain.explain(name)
        choice = explain.choose(page.siblings, settings)
        measured = explain.measure(page.siblings, choice, settings, pairs)
        (FOLDER / f"{name}.md").write_text(written(page, measured, pairs), encoding="utf-8")
        print(FOLDER / f"{name}.md")
    draw(settings, FOLDER / PICTURE)


def written(page: explain.Explanation, measured: explain.Numbers, pairs: int) -> str:
    """Return a page in Markdown, without pictures if its values are of clips."""
    shown = ["", *pictures(measured, pairs)] if explain.of_pairs(page.siblings) else []
    return "\n".join([page.page, "## Definitions", "", *definitions(page.siblings), *shown, ""])


def definitions(siblings: Sequence[explain.AnyDefinition]) -> list[str]:
    rows = [f"| `{sibling.name}` | {sibling.summary} | {sibling.unit} |" for sibling in siblings]
    return ["| definition | what it is | unit |", "| --- | --- | --- |", *rows]


def pictures(measured: explain.Numbers, pairs: int) -> list[str]:
    """Return the measured table; a definition whose detector or weights were not available has no row."""
    if not measured:
        return [HEADING, "", "No values: the detectors or weights were not available when this page was made."]
    changes = list(next(iter(measured.values())))
    lines = [
        HEADING,
        "",
        f"Means over {pairs} frames of the sample set. Each frame was changed as the column states and compared with",
        "the original. Only definitions whose detectors come with this program have a row. Below each name is the",
        "short form of its signature.",
        "",
        f"![{', '.join(changes)}]({PICTURE})",
        "",
        f"| definition | {' | '.join(changes)} |",
        "| --- |" + " ---: |" * len(changes),
    ]
    for line, values in measured.items():
        name, _, rest = line.partition("|")
        short = rest.replace("|", "\\|")
        lines.append(f"| `{name}`<br>`{short}` | {' | '.join(f'{value:.3g}' for value in values.values())} |")
    return lines


def draw(settings: config.Config, file: Path) -> None:
    """Draw one frame under all changes, side by side."""
    sample = resolve(catalogue.get(explain.PROTOCOL), {}, settings.cache, sample=True)
    frames = sample.load(sample.pair_list.pairs[0])
    changed = explain.changes(frames.target[None], frames.source[None])
    strip = np.concatenate([np.asarray(Image.fromarray(frame[0]).resize((160, 160))) for frame in changed.values()], 1)
    Image.fromarray(strip).save(file, quality=80)


if __name__ == "__main__":
    main()
