"""Tables for other documents, one writer a format, whatever they hold: rows of cells, as text of that format.

What a cell shows is for the one who fills the table: names and symbols go through `markdown_text` or `latex_text`.
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
    """Text for Markdown: its special characters escaped."""
    return text.translate(MARKDOWN)


def latex_text(text: str) -> str:
    """Text for LaTeX: its special characters escaped, symbols as mathematics."""
    return text.translate(LATEX)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a pipe table: names to the left in the first column, numbers to the right in all others."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(row)} |" for row in chain([heads, rule], rows)]


def latex(*blocks: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a ``tabular`` for the booktabs package, with a rule between blocks of rows; the first is the head."""
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(blocks[0][0]) - 1)}}}"]
    for rule, block in zip(chain([r"\toprule"], repeat(r"\midrule")), filter(None, blocks)):
        lines += [rule, *(" & ".join(row) + r" \\" for row in block)]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def latex_float(tabular: Sequence[str], caption: str | None, width: Literal["column", "text"]) -> list[str]:
    """A ``table``, or over two columns a ``table*``, of a tabular; it is shrunk where it is wider than its place."""
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
    """A line of names, then one a row; values at full precision, what belongs to no field is left out."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
