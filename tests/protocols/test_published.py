from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.refused import refused

from protocols import published
from protocols.errors import DataError
from protocols.pairs import FrameRef, PairList
from protocols.published import import_published, neutral, read_pairs

VOX = "/home/somebody/data/vox1_frames/test/id10280#NXjT3732Ekg#001093#001192.mp4"
VOX_OTHER = "/home/somebody/data/vox1_frames/test/id10283#arklnCzCq48#006950#007552.mp4"
HDTF = "/ssd/HDTF/hdtf_video_frames/WDA_CarolynMaloney1_000.mp4"


def _file(folder: Path, *lines: str, end: str = "\r\n") -> Path:
    file = folder / "list.csv"
    file.write_bytes(end.join([*lines, ""]).encode())
    return file


@pytest.mark.parametrize("third", ["frame", "best_frame"])
def test_same_identity_form_with_an_empty_third_column(tmp_path: Path, third: str):
    file = _file(
        tmp_path,
        f"source,driving,{third}",
        f"{VOX}/0000013.png,{VOX}/0000048.png",
        f"{VOX}/1234567.png,{VOX}/0000001.png,",
    )
    pairs = import_published(file)
    first = pairs.pairs[0]
    assert first.source == FrameRef("vox1", "test/id10280#NXjT3732Ekg#001093#001192.mp4", "0000013")
    assert first.target == first.driving and first.driving.frame == "0000048"
    assert (first.source_identity, first.driving_identity, first.anchor) == ("id10280", "id10280", None)
    assert [pair.id for pair in pairs.pairs] == ["0000", "0001"]


def test_anchors_and_cross_identity(tmp_path: Path):
    pairs = import_published(
        _file(
            tmp_path, "source,driving,best_frame", f"{VOX}/0000013.png,{VOX_OTHER}/0000048.png,{VOX_OTHER}/0000002.png"
        )
    )
    (pair,) = pairs.pairs
    assert pair.target is None
    assert (pair.source_identity, pair.driving_identity) == ("id10280", "id10283")
    assert str(pair.anchor) == "vox1/test/id10283#arklnCzCq48#006950#007552.mp4/0000002"


def test_anchor_without_its_slash(tmp_path: Path):
    pairs = import_published(
        _file(tmp_path, "source,driving,anchor", f"{HDTF}/000000.jpg,{HDTF}/000508.jpg,{HDTF}000291.jpg")
    )
    (pair,) = pairs.pairs
    assert str(pair.anchor) == "hdtf/WDA_CarolynMaloney1_000.mp4/000291"
    assert pair.source_identity == "CarolynMaloney"


def test_clips_without_frames(tmp_path: Path):
    pairs = import_published(
        _file(
            tmp_path,
            "source,driving,frame",
            "id10291#TMCTm7GxiDE#002960#003224.mp4,id10286#isKyMAYUOgg#004288#004420.mp4,0.0",
        )
    )
    (pair,) = pairs.pairs
    assert str(pair.source) == "vox1/test/id10291#TMCTm7GxiDE#002960#003224.mp4/*"
    assert pair.anchor is None and pair.target is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (
            "/d/CelebV/Donald_Trump/Image/P_Trump_64689.jpg_0000054394.jpg",
            "celebv/Donald_Trump/P_Trump_64689.jpg_0000054394",
        ),
        ("/d/HDTF/frames_split/test/RD_Radio39_000.mp4/000346.jpg", "hdtf/RD_Radio39_000.mp4/000346"),
        (
            "/d/TED384-v2/test/A2DzsgJSwcc#009831#010018.mp4/0000009.png",
            "ted/test/A2DzsgJSwcc#009831#010018.mp4/0000009",
        ),
        (
            "/d/vox2/test/id00017#01dfn2spqyE#000100#000200.mp4/0000009.png",
            "vox2/test/id00017#01dfn2spqyE#000100#000200.mp4/0000009",
        ),
        ("x/train/id10001#a#1#2.mp4/0000009.png", "vox1/train/id10001#a#1#2.mp4/0000009"),
        ("id10001#a#1#2.mp4/0000009.png", "vox1/test/id10001#a#1#2.mp4/0000009"),
    ],
)
def test_paths_become_names(path: str, name: str):
    assert str(neutral(path)) == name


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../Image/...jpg", "/d/../Image/a.jpg", "C:\\x\\Image\\a.jpg", "", "a/Image/b\\c.jpg"]
)
def test_paths_that_lead_elsewhere(tmp_path: Path, path: str):
    with pytest.raises(DataError, match="line 2") as caught:
        import_published(_file(tmp_path, "source,driving,frame", f"{path},{VOX}/0000048.png"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["a", "a,b,c,d", f"{VOX}/0000013.png", f"{VOX}/0000013.png,{VOX}/0000013.png,word"])
def test_broken_lines_are_named(tmp_path: Path, line: str):
    with pytest.raises(DataError, match="line 3"):
        import_published(_file(tmp_path, "source,driving,frame", f"{VOX}/0000013.png,{VOX}/0000048.png", line))


@pytest.mark.parametrize("content", [b"", b"a,b,c\n", b"\xff\xfe\x00", b"source\n"])
def test_other_files(tmp_path: Path, content: bytes):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match="list.csv"):
        import_published(tmp_path / "list.csv")
    with refused(DataError, "unreadable-file"):
        read_pairs(tmp_path / "absent.csv")


def test_known_lists_are_recognized_by_file_and_by_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = _file(tmp_path, "source,driving,frame", f"{VOX}/0000013.png,{VOX}/0000048.png")
    unknown = import_published(file)
    assert unknown.provenance["published"] is None and unknown.name == "list"
    entry = {"name": "known", "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "sha256": unknown.sha256}
    monkeypatch.setattr(published, "known_lists", lambda: (entry,))
    known = import_published(file)
    assert known.provenance["published"] == known.name == "known"
    known.write(tmp_path / "frozen.csv")
    assert published.recognize(read_pairs(tmp_path / "frozen.csv").sha256) == entry


def test_table_of_published_lists():
    entries = published.known_lists()
    assert len([entry for entry in entries if entry["file_sha256"]]) == 10
    hashes = [entry["file_sha256"] for entry in entries if entry["file_sha256"]]
    assert len(set(hashes)) == 10 and all(len(value) == 64 for value in hashes)
    assert published.recognize(hashes[3]) == entries[3]
    assert published.recognize("0" * 64) is None


def test_either_form_is_read(tmp_path: Path):
    pairs = import_published(_file(tmp_path, "source,driving,frame", f"{VOX}/0000013.png,{VOX}/0000048.png"))
    pairs.write(tmp_path / "frozen.csv")
    assert read_pairs(tmp_path / "frozen.csv") == read_pairs(tmp_path / "list.csv") == pairs
    assert isinstance(pairs, PairList)
