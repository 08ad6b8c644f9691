"""Write the tables of "Ablations on the sample set" in docs/results.md from runs. From the repository's root.

    python tools/ablations.py RUN [RUN …]

The runs are those of `run --table` on the sample set, or others of the same protocols with the models of the tables'
rows. The text between the two marks of the page is generated; the text around them is written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from baselines.card import card
from reports.paper.compare import regenerate
from reports.paper.measured import Cell, Line, Regenerated
from reports.paper.tables import published
from reports.table import markdown

TABLES = ("mcnet-2", "mcnet-3", "mcnet-4", "mcnet-s7", "ostnet-3", "ostnet-4", "ostnet-5")
PAGE = Path("docs/results.md")
BEGIN, END = "<!-- tools/ablations.py: begin -->\n", "<!-- tools/ablations.py: end -->\n"


def main(runs: list[Path]) -> None:
    drawn = "\n".join(_drawn(regenerate(table, runs)) for table in published(TABLES))
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    assert rest and after
    PAGE.write_text(f"{before}{BEGIN}\n{drawn}\n{END}{after}", "utf-8")


def _drawn(shown: Regenerated) -> str:
    table = shown.table
    heads = [f"{_metric(shown, place)}{column.arrow}" for place, column in enumerate(table.columns)]
    rows, notes = [], list(dict.fromkeys(line.trained.text for line in shown.lines if line.row and line.trained))
    for row in table.rows:
        lines = [line for line in shown.lines if line.row is row]
        for line in lines[:1]:
            mark = f" [{notes.index(line.trained.text) + 1}]" if line.trained else ""
            rows.append([f"{row.key}, `{row.model}`{mark}", *(_mean(cell) for cell in line.cells)])
            rows += _seeds(line)
        if not lines:
            there = card(row.model or "").sample.is_file()
            why = "not in these runs" if there else "no sample checkpoint on record"
            rows.append([f"{row.key}, `{row.model}`: {why}", *("" for _ in table.columns)])
    title = f"`{table.id}`, protocol {', '.join(table.protocols)}. {table.caption}"
    below = [f"[{number}] {text}.  " for number, text in enumerate(notes, 1)]
    return "\n".join([title, "", *markdown([table.row_head, *heads], rows), *(["", *below] if below else [])]) + "\n"


def _metric(shown: Regenerated, place: int) -> str:
    cells = [line.cells[place] for line in shown.lines]
    return next((cell.measured.metric for cell in cells if cell and cell.measured), shown.table.columns[place].head)


def _mean(cell: Cell | None) -> str:
    return f"{cell.measured.value:.4g}" if cell and cell.measured else ""


def _seeds(line: Line) -> list[list[str]]:
    rows = []
    against = line.row.against if line.row else ""
    for head, spreads, sign in (
        ("over seeds", [cell and cell.spread for cell in line.cells], ""),
        (f"less {against}, over seeds", [cell and cell.spread_less for cell in line.cells], "+"),
    ):
        if some := next((one for one in spreads if one), None):
            cells = [f"{one.mean:{sign}.4g} ± {one.sd:.2g}" if one else "" for one in spreads]
            rows.append([f"{head} {', '.join(map(str, some.seeds))}", *cells])
    return rows


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:]])
