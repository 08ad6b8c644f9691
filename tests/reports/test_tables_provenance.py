"""Where printed numbers come from: notes on models and data sets, and what the tables themselves tell."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from reports.paper.causes import cause
from reports.paper.compare import regenerate
from reports.paper.export import FORMATS
from reports.paper.measured import Line
from reports.paper.printed import SOURCED, Note, Table
from reports.paper.provenance import Known, beyond, excess, repeated
from reports.paper.tables import published

FEWER = cause("fewer-pairs", 3, 2083)


def table(name: str) -> Table:
    (found,) = published([name])
    return found


def notes(name: str, kind: str) -> list[Note]:
    return [note for note in table(name).notes if note.kind == kind]


def changed(name: str, row: str, column: int, value: str) -> Table:
    one = table(name)
    rows = []
    for old in one.rows:
        values = [*old.values[:column], value, *old.values[column + 1 :]] if old.key == row else old.values
        rows.append(old.model_copy(update={"values": tuple(values)}))
    return one.model_copy(update={"rows": tuple(rows)})


def test_what_is_known_of_a_model_or_data_set_stands_in_every_table_that_has_it():
    for one in published():
        fomm = {row.key for row in one.rows if row.model == "fomm"}
        faces = one.protocol != "ted-sameid"
        assert {key for note in one.notes if note.kind == "released" for key in note.rows} == (fomm if faces else set())
        vox = any(name.startswith("vox1-") for name in one.protocols)
        assert any(note.kind == "vanished" for note in one.notes) == vox
    (released,) = notes("mcnet-1a", "released")
    assert "189" in released.source and "459" in released.source
    (vanished,) = notes("mcnet-1b", "vanished")
    assert vanished.columns == ("VoxCeleb1 AUCON", "VoxCeleb1 PRMSE") and "461" in vanished.source
    for name in ("mcnet-1a", "mcnet-1b", "ostnet-1"):
        assert any(note.rows == ("marioNETte",) and not note.columns for note in notes(name, "copied"))


def test_every_note_on_where_a_number_comes_from_has_a_source():
    found = [note for one in published() for note in one.notes if note.kind in SOURCED]
    assert {note.kind for note in found} == set(SOURCED) and all(note.source in note.said for note in found)


def test_rows_that_two_papers_print_alike_are_found():
    rows = {", ".join(re.findall(r"mcnet-\w+", one.source)): set(one.rows) for one in notes("ostnet-1", "repeated")}
    both = {"FOMM", "TPSM"}
    assert rows == {
        "mcnet-1a": {row.key for row in table("ostnet-1").rows[:-1]} - both,
        "mcnet-1a, mcnet-2": both,
    }
    (hdtf,) = notes("ostnet-6", "repeated")  # SSIM is rounded there, and AED is no column
    assert set(hdtf.rows) == {"FOMM", "MRAA", "DaGAN", "TSPM"} and hdtf.columns == ()
    (back,) = notes("mcnet-6", "repeated")
    assert "AED" not in back.columns and len(back.columns) == 5 and "Ours" not in back.rows
    assert not notes("ostnet-2", "repeated") and not notes("memface-1", "repeated")


def test_a_cell_that_differs_in_its_last_digit_is_not_the_same():
    tables = [changed("ostnet-6", "MRAA", 3, "0.0332"), changed("ostnet-6", "FOMM", 0, "0.770")]
    for other, row, head in zip(tables, ("MRAA", "FOMM"), ("L1", "SSIM (%)")):
        found = [note for note in repeated(table("mcnet-6"), [other]) if row in note.rows]
        assert found and all(head not in note.columns for note in found)


def test_psnr_above_its_bound_is_counted_row_by_row():
    of_psnr = [one for one in published() if {"PSNR", "L1"} <= {column.head for column in one.columns}]
    assert sum(len(re.findall(r" \d\.\d(?=[,.])", beyond(one)[0].text)) for one in of_psnr) == 90
    (note,) = beyond(table("mcnet-1a"))
    assert note.columns == ("PSNR",) and "X2face 0.4" in note.text and "MCNet (Ours) 2.3" in note.text
    key = "Identities in the training set"
    assert key in excess(table("mcnet-7"))
    real = changed("mcnet-7", key, 1, "24.60")  # possible at L1 0.0319
    assert len(excess(real)) == len(excess(table("mcnet-7"))) - 1 and key not in excess(real)
    assert beyond(table("mcnet-8")) == []


@pytest.mark.parametrize(
    ("causes", "kinds"),
    [
        ((), ["released"]),
        ((FEWER,), ["released", "vanished"]),
        ((cause("sample-weights"),), []),
        ((cause("untrained-weights"), FEWER), ["vanished"]),
    ],
)
def test_measured_rows_say_what_explains_a_difference(causes, kinds):
    one = table("mcnet-1a")
    line = Line(next(row for row in one.rows if row.model == "fomm"), "fomm", "run", causes, ())
    assert [note.kind for note in line.notes_of(one)] == kinds
    other = Line(one.rows[-1], "mcnet", "run", causes, ())
    assert [note.kind for note in other.notes_of(one)] == [kind for kind in kinds if kind != "released"]


def test_every_format_has_the_notes_with_their_sources():
    shown = regenerate(table("mcnet-1a"), [])
    for name, draw in FORMATS.items():
        text = draw([shown])
        assert "issues 189 and 459" in text and "issue 461" in text, name
    listed = json.loads(FORMATS["json"]([shown]))["mcnet-1a"]["notes"]
    assert {"kind", "text", "rows", "columns", "source"} == set(listed[0])
    assert any(note["kind"] == "definition" and note["columns"] == ["PSNR"] for note in listed)
    assert any(note["kind"] == "toolkit" and not note["columns"] for note in listed)


def test_a_note_on_nothing_is_refused():
    with pytest.raises(ValidationError) as caught:
        Known(kind="released", text="x", source="y")
    assert [(one["type"], one["loc"]) for one in caught.value.errors()] == [("empty-note", ())]
