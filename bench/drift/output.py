"""Write a check's result for people and for CI: console lines, Markdown, JUnit XML."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from bench.drift.check import Result
from bench.drift.modes import ALPHA
from bench.drift.row import FAILING, Moved, Row
from protocols.words import counted

ORDER = ("missing", "worse", "changed", "noise", "better", "new", "same")
MEANING = {
    "missing": "in the reference, not in the run",
    "worse": "worse, beyond tolerance and noise",
    "changed": "changed by more than the tolerance",
    "noise": "beyond the tolerance, within the pairs' noise",
    "better": "better, beyond tolerance and noise",
    "new": "not in the reference",
    "same": "within the tolerance",
}


def lines(result: Result) -> list[str]:
    """Return a headline, the notices, one or two lines for each changed row, and the verdict."""
    text = [_headline(result), *result.notices]
    for row in _remarkable(result):
        text.append(f"{row.verdict.upper()} {row.model} {row.metric}: {describe(row)}")
        if row.failed and row.worst:
            text.append(f"  worst pairs: {worst_pairs(row)}")
    text.append(verdict(result))
    return text


def verdict(result: Result) -> str:
    """Return the last line: FAILED or passed, and the number of rows of each verdict."""
    counts = [f"{n} {name}" for name in ORDER if (n := sum(row.verdict == name for row in result.rows))]
    return f"{'FAILED' if result.failures else 'passed'}: {', '.join(counts)}"


def describe(row: Row) -> str:
    """Describe the change of a row's numbers in one line."""
    if row.worsening is None:
        return MEANING[row.verdict]
    parts = [f"mean {_number(row.reference)} → {_number(row.run)}"]
    if row.p is None:
        parts.append(f"{row.beyond} of {row.n} pairs changed by more than {row.tolerance:g}, at most {_size(row)}")
    else:
        parts.append(f"{'worse' if row.worsening > 0 else 'better'} by {_size(row)}, p {row.p:.2g} (Holm)")
    if row.lost or row.gained:
        parts.append(f"{row.lost} pairs lost their value, {row.gained} gained one")
    return "; ".join(parts)


def worst_pairs(row: Row) -> str:
    """Return the worst pairs with both values."""
    return ", ".join(_pair(moved) for moved in row.worst)


def markdown(result: Result) -> str:
    """Return Markdown for a CI page: the verdict, a table of changed rows, the worst pairs of failed ones."""
    text = [f"### Drift check, {result.protocol}: {verdict(result)}", "", _headline(result), ""]
    text += [f"> {notice}\n" for notice in result.notices]
    rows = _remarkable(result)
    if rows:
        text += ["| verdict | model | metric | what | worst pairs |", "| --- | --- | --- | --- | --- |"]
        text += [
            f"| {_bold(row)} | {_cell(row.model)} | {row.metric} | {_cell(describe(row))} | "
            f"{_cell(worst_pairs(row)) if row.failed else ''} |"
            for row in rows
        ]
        text += ["", *(f"- {name}: {MEANING[name]}" for name in ORDER if any(row.verdict == name for row in rows))]
    return "\n".join([*text, ""]) + "\n"


def junit(result: Result) -> bytes:
    """Return JUnit XML: one test case for each model (class name) and metric (name); new ones are skipped."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"drift {result.protocol} {result.mode}",
        tests=str(len(result.rows)),
        failures=str(len(result.failures)),
        errors="0",
        skipped=str(sum(row.verdict == "new" for row in result.rows)),
    )
    for row in result.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=row.model, name=row.metric, time="0")
        if row.failed:
            failure = ElementTree.SubElement(case, "failure", type=row.verdict, message=describe(row))
            failure.text = f"worst pairs: {worst_pairs(row)}" if row.worst else MEANING[row.verdict]
        elif row.verdict == "new":
            ElementTree.SubElement(case, "skipped", message=MEANING["new"])
        elif row.verdict != "same":
            ElementTree.SubElement(case, "system-out").text = f"{row.verdict}: {describe(row)}"
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)


def _headline(result: Result) -> str:
    test = "every pair within its tolerance" if result.mode == "exact" else f"means, paired, Holm-corrected {ALPHA:g}"
    counts = f"{counted(len(result.rows), 'row')} on {counted(result.n, 'pair')}"
    return f"{result.protocol}, {result.mode} mode ({test}): {counts}"


def _remarkable(result: Result) -> list[Row]:
    rows = [row for row in result.rows if row.verdict != "same"]
    return sorted(rows, key=lambda row: ORDER.index(row.verdict))


def _size(row: Row) -> str:
    if row.worsening is None or math.isinf(row.worsening):
        return "a lost or gained value"
    return f"{abs(row.worsening):.3g} ({abs(row.ratio):.3g} × tolerance)"


def _pair(moved: Moved) -> str:
    reason = f" ({moved.reason})" if moved.reason else ""
    return f"{moved.pair} {_number(moved.reference)} → {_number(moved.run)}{reason}"


def _number(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:.5g}"


def _bold(row: Row) -> str:
    return f"**{row.verdict}**" if row.verdict in FAILING else row.verdict


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
