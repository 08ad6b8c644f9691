"""The papers' tables as data: complete, consistent, and equal to print where a reader would look first."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError
from support.refused import refused

from bench.metrics.catalogue import DEFINITIONS
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
from protocols import catalogue
from reports.paper.compare import regenerate
from reports.paper.export import json_tables
from reports.paper.printed import BLOCKING, Table, TableError, decimals, number
from reports.paper.tables import names, published

COUNTS = {"mcnet": 9, "mcnet-s": 7, "ostnet": 6, "memface": 8}
# rows × columns
SHAPES = {
    **{"mcnet-1a": (9, 6), "mcnet-1b": (9, 4), "mcnet-2": (8, 6), "mcnet-3": (3, 6), "mcnet-4": (5, 6)},
    **{"mcnet-5": (6, 6), "mcnet-6": (6, 6), "mcnet-7": (2, 6), "mcnet-8": (4, 4)},
    **{"mcnet-s1": (3, 6), "mcnet-s2": (5, 6), "mcnet-s3": (6, 6), "mcnet-s4": (6, 6), "mcnet-s5": (2, 6)},
    **{"mcnet-s6": (4, 4), "mcnet-s7": (3, 6), "ostnet-1": (9, 6), "ostnet-2": (6, 6), "ostnet-3": (3, 6)},
    **{"ostnet-4": (2, 6), "ostnet-5": (4, 6), "ostnet-6": (6, 5), "memface-1": (6, 5), "memface-2": (8, 5)},
    **{"memface-3": (3, 4), "memface-4": (3, 4), "memface-5a": (4, 2), "memface-5b": (4, 2), "memface-6": (4, 5)},
    "memface-7": (4, 3),
}
# one or two cells a table, as printed
CELLS = [
    ("mcnet-1a", "FOMM", "L1", "0.0430"),
    ("mcnet-1a", "X2face", "LPIPS", None),
    ("mcnet-1a", "MCNet (Ours)", "SSIM (%)", "82.5"),
    ("mcnet-1b", "face-vid2vid", "VoxCeleb1 PRMSE", "4.398"),
    ("mcnet-1b", "MCNet (Ours)", "CelebV PRMSE", "2.10"),
    ("mcnet-2", "TPSN+ ISCM + MCM", "AKD", "1.216"),
    ("mcnet-3", "Ous w/ pe(20)", "AED", "0.2684"),
    ("mcnet-4", "MCNet (single layer)", "AED", "0.1085"),
    ("mcnet-5", "DaGAN", "AED", "0.341"),
    ("mcnet-6", "DaGAN", "AED", "0.252"),
    ("mcnet-7", "Identities in the training set", "PSNR", "32.38"),
    ("mcnet-8", "MRAA", "AKD", "4.01"),
    ("mcnet-s1", "Ous w/ pe(20)", "AED", "0.268"),
    ("mcnet-s2", "MCNet (single layer)", "AED", "0.108"),
    ("mcnet-s3", "Ours", "L1", "0.0470"),
    ("mcnet-s4", "DaGAN", "AED", "0.083"),
    ("mcnet-s5", "Identities in the training set", "L1", "0.0319"),
    ("mcnet-s6", "Ours", "MKR", "0.006"),
    ("mcnet-s7", "size = 64", "SSIM (%)", "82.1"),
    ("ostnet-1", "OSTNet (Ours)", "SSIM", "0.820"),
    ("ostnet-2", "TPSM", "SSIM", "0.600"),
    ("ostnet-3", "Baseline + ST", "AKD", "2.031"),
    ("ostnet-4", "Ours w/o DV", "PSNR", "31.79"),
    ("ostnet-5", "DaGAN + ST +SE", "AED", "0.153"),
    ("ostnet-6", "face-vid2vid", "LPIPS", "0.159"),
    ("memface-1", "MemGAN", "Sync-D", "10.05"),
    ("memface-2", "30s: AD-NeRF", "Sync-D", "13.445"),
    ("memface-3", "w/ expl. mem.", "15s HDTF CMOS", "-0.1136"),
    ("memface-4", "MemFace", "Obama CMOS", "0"),
    ("memface-5a", "2000", "Param.", "369k"),
    ("memface-5b", "500", "LPIPS-2", None),
    ("memface-6", "60s: MemFace (Ours)", "Overall", "4.2014"),
    ("memface-7", "128", "RMSE-2", "0.1357"),
]


def _table(name: str) -> Table:
    (table,) = published([name])
    return table


def _cell(table: Table, row: str, column: str) -> str | None:
    heads = [one.head for one in table.columns]
    return next(one for one in table.rows if one.key == row).printed[heads.index(column)]


def _kinds(name: str, row: str, column: str) -> set[str]:
    table = _table(name)
    one = next(entry for entry in table.rows if entry.key == row)
    head = next(entry for entry in table.columns if entry.head == column)
    return {note.kind for note in table.notes_of(one, head)}


def test_every_table_is_there_with_its_shape():
    found = {table.id: (len(table.rows), len(table.columns)) for table in published()}
    assert found == SHAPES
    assert {paper: len(published([paper])) for paper in COUNTS} == COUNTS


@pytest.mark.parametrize(("name", "row", "column", "printed"), CELLS)
def test_cells_are_as_printed(name, row, column, printed):
    assert _cell(_table(name), row, column) == printed


def test_a_cell_of_every_table_is_checked():
    assert {name for name, *_ in CELLS} == set(names())


def test_the_catalogue_and_the_tables_name_each_other():
    told = {table: {p for p in catalogue.names() if table in catalogue.get(p).tables} for table in names()}
    for table in published():
        assert set(table.protocols) == told[table.id] or table.id in ("mcnet-7", "mcnet-s5")
        assert told[table.id] <= set(table.protocols)
    assert all(set(catalogue.get(name).tables) <= set(names()) for name in catalogue.names())


def test_columns_name_definitions_that_exist():
    for table in published():
        for column in table.columns:
            for name in column.definitions:
                definition = DEFINITIONS.get(name) or CLIP_DEFINITIONS[name]
                assert definition.family == column.family and not definition.proxy
                assert definition.higher_is_better == (column.direction == "up")


def test_a_column_is_measured_or_says_why_not():
    for table in published():
        for column in table.columns:
            families = {family for name in table.protocols for family in catalogue.get(name).metrics}
            assert bool(column.unfilled) == (column.family in ("mos", "cmos"))
            assert column.unfilled or column.counts or column.family in families or not table.id.startswith("memface")


def test_known_notes_stand_at_their_cells():
    for name, ssim in (("mcnet-1a", "SSIM (%)"), ("ostnet-1", "SSIM")):
        for row in ("X2face", "marioNETte"):
            assert "copied" in _kinds(name, row, "PSNR")
        for column in ("L1", "AED"):
            assert "copied" in _kinds(name, "FOMM", column)
        assert "copied" not in _kinds(name, "FOMM", "PSNR")
        assert not {"copied", "likely-copied"} & _kinds(name, "MRAA", ssim)
    for row in ("X2face", "marioNETte", "MeshG"):
        assert "copied" in _kinds("mcnet-1b", row, "CelebV AUCON")
    assert "likely-copied" in _kinds("mcnet-1b", "FOMM", "CelebV PRMSE")
    assert not {"copied", "likely-copied"} & _kinds("mcnet-1b", "FOMM", "VoxCeleb1 AUCON")
    for name in ("mcnet-6", "mcnet-s4"):
        assert "disagreement" in _kinds(name, "DaGAN", "AED")
    for name in ("mcnet-7", "mcnet-s5"):
        assert any(note.kind == "caption" and "HDTF" in note.text for note in _table(name).notes)


def test_the_two_versions_differ_where_the_notes_say_so():
    for first, second, differing in (
        ("mcnet-5", "mcnet-s3", set()),
        ("mcnet-6", "mcnet-s4", {("DaGAN", "AED")}),
        ("mcnet-7", "mcnet-s5", set()),
        ("mcnet-8", "mcnet-s6", set()),
    ):
        one, other = _table(first), _table(second)
        found = {
            (a.key, column.head)
            for a, b in zip(one.rows, other.rows)
            for column, x, y in zip(one.columns, a.values, b.values)
            if x != y
        }
        assert found == differing


def test_the_earlier_methods_of_two_papers_are_the_same_rows():
    pairs = list(zip(_table("mcnet-1a").rows[:-1], _table("ostnet-1").rows[:-1]))
    assert len(pairs) == 8
    for mcnet, ostnet in pairs:
        assert mcnet.values[1:] == ostnet.values[1:]
        assert math.isclose(float(mcnet.values[0]), 100 * float(ostnet.values[0]))


def test_printed_psnr_exceeds_what_its_l1_allows():
    """The bound holds for an image; a column of means that passes it by decibels is not PSNR."""
    beyond = []
    for table in published(["mcnet", "mcnet-s", "ostnet"]):
        heads = [column.head for column in table.columns]
        if "PSNR" not in heads:
            continue
        for row in table.rows:
            psnr, l1 = row.numbers[heads.index("PSNR")], row.numbers[heads.index("L1")]
            if psnr and l1:
                beyond.append(psnr + 20 * math.log10(l1))
    assert len(beyond) == 90 and min(beyond) > 0
    assert sum(excess > 0.7 for excess in beyond) == len(beyond) - 2  # X2Face's row, copied, in two tables


def test_json_has_the_shape_of_print():
    shown = json.loads(json_tables([regenerate(table, []) for table in published()]))
    assert list(shown) == names()
    for table in published():
        assert set(shown[table.id]) == {"columns", "rows", "notes"}
        assert len(shown[table.id]["notes"]) == len([*table.notes, *table.paper.notes]) + sum(
            len(column.notes) for column in table.columns
        )
        assert shown[table.id]["columns"] == [column.head for column in table.columns]
        assert list(shown[table.id]["rows"]) == [row.key for row in table.rows]
        for row in table.rows:
            values = shown[table.id]["rows"][row.key]
            for value, printed in zip(values, row.printed, strict=True):
                assert value is None if printed is None else value == number(printed)
    assert shown["mcnet-1a"]["rows"]["X2face"] == [71.9, 22.54, None, 0.078, 7.687, 0.405]
    assert shown["memface-5a"]["rows"]["500"] == [177000, 0.0828]


def test_numbers_as_printed():
    assert (number("0.0430"), number("0"), number("-0.1136"), number("177k")) == (0.043, 0, -0.1136, 177000)
    assert [decimals(printed) for printed in ("0.0430", "10.05", "0", "177k")] == [4, 2, 0, 0]


def test_unknown_names_get_the_nearest():
    with refused(TableError, "unknown-table", "mcnet-1c", "mcnet-1"):
        published(["mcnet-1c"])
    with refused(TableError, "unknown-table", "mcnet-1a", "memface-7"):
        published(["xyz"])


def test_a_table_that_contradicts_itself_is_refused():
    good = _table("mcnet-7").model_dump()
    Table(**good)
    for change, code, value in (
        ({"rows": [*good["rows"], good["rows"][0]]}, "duplicate-name", good["rows"][0]["name"]),
        ({"rows": [{**good["rows"][0], "values": ("1.0",)}]}, "wrong-length", "6"),
        ({"rows": [{**good["rows"][0], "values": ("about 3", "1", "1", "1", "1", "1")}]}, "not-a-number", "about 3"),
        ({"rows": [{**good["rows"][0], "against": "none"}, good["rows"][1]], "notes": []}, "unknown-row", "none"),
        ({"notes": [{"kind": "oddity", "text": "x", "columns": ("MKR",)}]}, "unknown-name", "MKR"),
        ({"notes": [{"kind": "guess", "text": "x"}]}, "literal_error", "copied"),
        ({"notes": [{"kind": "copied", "text": "x"}]}, "no-source", "copied"),
    ):
        with pytest.raises(ValidationError) as caught:
            Table(**good | change)
        (error,) = caught.value.errors()
        assert error["type"] == code and value in error["msg"]


def test_blocking_kinds_are_kinds():
    for kind in BLOCKING:
        assert any(note.kind == kind for table in published() for note in table.notes)
