"""Writers of tables, one per format. A table is rows of cells, which are text in that format.

The caller escapes names and symbols with `markdown_text` or `latex_text`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Literal

MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*_`<>[]#"})
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "–": "--",
        **{"−": "$-$", "×": r"$\times$", "·": r"$\cdot$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"},
        **{"≈": r"$\approx$", "∞": r"$\infty$", "†": r"$\dagger$", "≤": r"$\leq$", "≥": r"$\geq$"},
        **{"<": r"$<$", ">": r"$>$", "…": r"\dots{}", "→": r"$\to$"},
    }
)


def markdown_text(text: str) -> str:
    """Return text for Markdown, with its special characters escaped."""
    return text.translate(MARKDOWN)


def latex_text(text: str) -> str:
    """Return text for LaTeX, with its special characters escaped and symbols as mathematics."""
    return text.translate(LATEX)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a pipe table: the first column left-aligned, all others right-aligned."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(row)} |" for row in chain([heads, rule], rows)]


def latex(*blocks: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a booktabs ``tabular``, with a rule between blocks of rows; the first block is the head."""
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(blocks[0][0]) - 1)}}}"]
    for rule, block in zip(chain([r"\toprule"], repeat(r"\midrule")), filter(None, blocks)):
        lines += [rule, *(" & ".join(row) + r" \\" for row in block)]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def latex_float(tabular: Sequence[str], caption: str | None, width: Literal["column", "text"]) -> list[str]:
    """Return a ``table`` (``table*`` across two columns) around a tabular, which shrinks if it is too wide."""
    name, room = {"column": ("table", r"\columnwidth"), "text": ("table*", r"\textwidth")}[width]
    return [
        r"% needs \usepackage{graphicx}",
        rf"\begin{{{name}}}[t]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\belowcaptionskip}{4pt}",
        *([rf"\caption{{{latex_text(caption)}}}"] if caption else []),
        r"\sbox0{%",
        *tabular,
        "}%",
        rf"\ifdim\wd0>{room}\resizebox{{{room}}}{{!}}{{\usebox0}}\else\usebox0\fi",
        rf"\end{{{name}}}",
    ]


def csv_text(fields: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a line of names, then one per row; values at full precision; keys that are no field are ignored."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
