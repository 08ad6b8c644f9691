"""The writers of tables, each format read back."""

from __future__ import annotations

import csv
import io

import pytest

from reports import table

HEADS = ["model", "SSIM", "L1"]
ROWS = [["a", "0.8", "0.04"], ["b", "0.7", ""]]


def test_a_pipe_table_has_its_names_left_and_its_numbers_right():
    head, rule, *rows = table.markdown(HEADS, ROWS)
    assert [line[2:-2].split(" | ") for line in (head, *rows)] == [HEADS, *ROWS]
    assert rule == "| --- | ---: | ---: |"


@pytest.mark.parametrize("blocks", [[[HEADS], ROWS], [[HEADS], ROWS, [["c", "1", "0"]]], [[HEADS], [], ROWS]])
def test_a_tabular_has_a_rule_between_blocks_that_hold_something(blocks):
    begin, top, *body, bottom, end = table.latex(*blocks)
    assert (begin, end) == (r"\begin{tabular}{lrr}", r"\end{tabular}")
    assert (top, bottom) == (r"\toprule", r"\bottomrule")
    read: list[list[list[str]]] = [[]]
    for line in body:
        if line == r"\midrule":
            read.append([])
        else:
            read[-1].append(line.removesuffix(r" \\").split(" & "))
    assert read == [block for block in blocks if block]


def test_csv_keeps_numbers_whole_and_texts_as_they_are():
    rows = [{"name": 'a, "b"\nc', "value": 0.1 + 0.2, "more": 1}, {"name": None, "value": None}]
    text = table.csv_text(["name", "value"], rows)
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["name"], float(first["value"])) == (rows[0]["name"], rows[0]["value"])
    assert second == {"name": "", "value": ""}
    assert table.csv_text(["name", "value"], []) == "name,value\n"


def test_special_characters_are_escaped():
    assert table.markdown_text("a|b *c* _d_ `e` <f> [g] #h \\") == r"a\|b \*c\* \_d\_ \`e\` \<f\> \[g\] \#h \\"
    assert table.latex_text("5_0% & #1 {x} $y$ ~ ^ \\") == (
        r"5\_0\% \& \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert table.latex_text("−20·x ↑ – ∞") == r"$-$20$\cdot$x $\uparrow$ -- $\infty$"
