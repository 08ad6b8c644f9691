"""Protocols as TOML files: what they say, and one line for every mistake."""

from __future__ import annotations

import pytest
from support.refused import refused

from protocols import catalogue
from protocols.augment import READINGS
from protocols.errors import DataError

SUMMARY = '"two frames of one video"'
MINE = """
name = "mine"
version = 2
summary = "two frames of one video"
strategy = "same-identity"
reference = "same-identity"
metrics = ["l1", "akd"]
"""


def written(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return str(file)


def test_a_file_for_any_folder(tmp_path):
    protocol = catalogue.get(written(tmp_path, MINE))
    assert (protocol.name, protocol.version, protocol.metrics) == ("mine", 2, ("l1", "akd"))
    assert protocol.custom and (protocol.dataset, protocol.split, protocol.sample) == ("custom data", None, "sameid")


def test_a_file_for_a_data_set(tmp_path):
    more = 'dataset = "hdtf"\nsplit = "train"\nn = 5\nvideos = 3\nframe_size = "native"\nmode = "relative"\n'
    more += 'transform = "expression-preserving"\ntitle = "Mine"\n'
    protocol = catalogue.get(written(tmp_path, MINE + more))
    assert (protocol.dataset, protocol.split, protocol.n, protocol.videos) == ("hdtf", "train", 5, 3)
    assert (protocol.frame_size, protocol.mode, protocol.custom) == (None, "relative", False)
    assert (protocol.sample, protocol.readings, protocol.heading) == ("diffscale", READINGS, "hdtf: Mine")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("name = ", "TOML"),
        (MINE + 'metrix = ["l1"]', r"metrix: .*\bmetrics\?$"),
        (MINE + 'tables = ["mcnet-1a"]', "tables: "),
        (MINE.replace("version = 2", ""), "version: missing"),
        (MINE.replace("version = 2", 'version = "2"'), "version: "),
        (MINE.replace("version = 2", "version = true"), "version: "),
        (MINE.replace("version = 2", "version = 0"), "version: "),
        (MINE + "n = 1.5", "n: "),
        (MINE + 'frame_size = "large"', "frame_size: .*'native'"),
        (MINE + "frame_size = -1", "frame_size: "),
        (MINE.replace('["l1", "akd"]', '"l1"'), "metrics: "),
        (MINE.replace('["l1", "akd"]', "[]"), "metrics: "),
        (MINE.replace('strategy = "same-identity"', 'strategy = "same"'), "strategy: .*same-identity"),
        (MINE.replace('reference = "same-identity"', 'reference = "same"'), "reference: "),
        (MINE + 'mode = "fast"', "mode: .*relative-adapt"),
        (MINE + 'transform = "zoom"', "transform: "),
        (MINE.replace('"mine"', '"a/b"'), "name: "),
        (MINE.replace('"mine"', '"mine.toml"'), "name: "),
        (MINE.replace('"mine"', '"vox1-sameid"'), "name: vox1-sameid "),
        (MINE.replace(SUMMARY, "[1]"), "summary: "),
        (MINE + "[more]\nx = 1", "more: "),
    ],
)
def test_every_mistake_is_one_line_that_names_file_and_key(tmp_path, text, key):
    file = written(tmp_path, text)
    with pytest.raises(DataError, match=key) as caught:
        catalogue.get(file)
    assert str(caught.value).startswith(file) and "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with refused(DataError, "unreadable-file"):
        catalogue.get(str(tmp_path / "gone.toml"))
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with refused(DataError, "not-toml"):
        catalogue.get(str(tmp_path / "mine.toml"))
