"""Lists that a person writes: what a cell may name, and that nothing is understood as something else."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.layouts_on_disk import VOX_CLIPS, frames, picture, vox
from support.refused import refused

from protocols import by_hand, catalogue
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.pairs import COLUMNS, FrameRef, Pair, PairList
from protocols.published import read_pairs
from protocols.resolve import resolve

HEAD = "source,driving"
CLIPS = {"anna": 4, "b #1, [x]": 3, "sub/folder/c:d": 2, "mine/anna": 2, "one": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Folders of frames whose names have what names may have."""
    root = tmp_path_factory.mktemp("by hand") / "data"
    for clip, n in CLIPS.items():
        frames(root / clip, n, size=8)
    picture(root / "anna" / "last frame.png", seed=9, size=(8, 8))
    return root


def read(root: Path, text: str, *names: str) -> PairList:
    file = root.parent / "list.csv"
    file.write_text(text, encoding="utf-8")
    return by_hand.read(file, names or ("mine",), lambda name: open_dataset(name, root))


def rows(pairs: PairList) -> list[list[str]]:
    return [pair.row()[:5] for pair in pairs.pairs]


def test_frames_whole_clips_and_pictures(root: Path):
    found = read(root, "source,driving\nanna/2,b #1\\, [x]/1\n".replace(r"b #1\, [x]/1", '"b #1, [x]/1"'))
    assert rows(found) == [["0000", "mine/anna/0000002", "mine/b #1, [x]/0000001", "", ""]]
    found = read(root, "source,driving\nsub/folder/c:d,sub/folder/c:d\none,anna/last frame.png\n")
    first = "mine/sub/folder/c:d/0000000"
    assert rows(found) == [
        ["0000-0000000", first, first, first, first],
        ["0000-0000001", first, first[:-1] + "1", first[:-1] + "1", first],
        ["0001", "mine/one/0000000", "mine/anna/last frame", "", ""],
    ]
    assert found.pairs[2].source_identity == "one" and found.pairs[2].driving_identity == "anna"


def test_a_reconstruction_list_by_hand_is_what_a_whole_clip_gives(root: Path):
    """Source is the first frame, driving frame each, target each: one line a video."""
    (found,) = {
        tuple(map(tuple, rows(read(root, f"source,driving\n{cells}\n")))) for cells in ("anna,anna", "anna/0,anna/*")
    }
    assert [row[2] for row in found] == [row[3] for row in found]
    assert len(found) == 5 and {row[1] for row in found} == {"mine/anna/0000000"}


def test_a_target_of_another_clip_goes_frame_by_frame(root: Path):
    found = read(
        root,
        "id,source,driving,target,anchor\nx,one,sub/folder/c:d,mine/mine/anna,b #1/1\n".replace("b #1/1", "anna/3"),
    )
    anchor = "mine/anna/0000003"
    assert rows(found) == [
        [f"x-000000{n}", "mine/one/0000000", f"mine/sub/folder/c:d/000000{n}", f"mine/mine/anna/000000{n}", anchor]
        for n in range(2)
    ]
    for cells, value in (
        ("one,anna,sub/folder/c:d", "5 driving frames, but 2"),
        ("one,anna,sub/folder/c:d/1", "pair 0000: one frame"),
        ("one,anna/1,sub/folder/c:d", "pair 0000: a whole clip"),
    ):
        with refused(DataError, "target-length", value):
            read(root, f"source,driving,target\n{cells}\n")


def test_a_target_whose_frames_lack_others_than_the_driving_ones_is_refused(tmp_path: Path):
    for clip, numbers in {"a": (0, 1, 3), "b": (0, 2, 3), "c": (7, 8, 10)}.items():
        for number in numbers:
            picture(tmp_path / "data" / clip / f"{number:04d}.png", seed=number, size=(8, 8))
    with refused(DataError, "frame-gap", "a and b"):
        read(tmp_path / "data", "source,driving,target\na,a,b\n")
    assert len(read(tmp_path / "data", "source,driving,target\na,a,c\n")) == 3


@pytest.mark.parametrize(
    ("text", "code", "values"),
    [
        ("source,driving\nana/1,anna/1\n", "unknown-frame", ["line 2: source 'ana/1'", "anna?"]),
        (
            "source,driving\n\nanna/1,anna/7\n",
            "unknown-frame",
            ["line 3: driving 'anna/7'", "mine/anna", "5", " 5,", "0000000", "last frame"],
        ),
        ("source,driving\nanna/1\n", "bad-row", ["line 2: 1 columns"]),
        ("source,driving\nanna/1,\n", "missing-value", ["line 2: no driving"]),
        ("source,driving\n../list.csv,anna\n", "bad-name", ["line 2: "]),
        ("source,driving\n/x/anna/1,anna\n", "absolute-path", ["line 2: source '/x/anna/1'"]),
        (
            "source,driving\nmine/anna/1,anna\n",
            "ambiguous-frame",
            ["mine/anna/0000001 (write 'anna/1')", "mine/mine/anna/0000001 (write"],
        ),
        (f"{HEAD},alpha\nanna/1,anna/2,wide\n", "bad-number", ["line 2: alpha 'wide'"]),
        (f"id,{HEAD}\na,anna/1,anna/2\na,anna/1,anna/3\n", "duplicate-pair", ["id a "]),
        (f"id,{HEAD}\n../a,anna/1,anna/2\n", "bad-name", ["line 2: pair id '../a'"]),
        (
            "source,driving\nanna/0000001.jpg,anna/0000002.png\n",
            "unknown-frame",
            ["line 2: source ", " 0000001.jpg ", " mine/anna,"],
        ),
        (
            "source,driving\nanna/0000001.png,anna/0000002.5\n",
            "unknown-frame",
            ["line 2: driving ", " 0000002.5 ", " mine/anna,"],
        ),
        ("source,driven\nanna/1,anna/2\n", "missing-column", ["line 1: ", "column driving;"]),
        (f"{HEAD},note\nanna/1,anna/2,x\n", "unknown-column", ["line 1: ", "'note'"]),
        (f"{HEAD},source\nanna/1,anna/2,x\n", "duplicate-column", ["line 1: ", "column source"]),
        ("source;driving\nanna/1;anna/2\n", "not-csv", ["line 1: "]),
        ("source,driving\n", "no-pairs", []),
    ],
)
def test_mistakes_name_file_and_line(root: Path, text: str, code: str, values: list[str]):
    with refused(DataError, code, "list.csv", *values):
        read(root, text)


def test_what_is_missing_of_a_list_by_hand_cannot_be_left_out(root: Path, tmp_path: Path):
    (tmp_path / "list.csv").write_text("source,driving\nanna/1,anna/2\nanna/1,anna/77\n")
    with refused(DataError, "unknown-frame", "line 3", "77", "--allow-missing"):
        asked = {"asked": ["mine"], "pair_file": tmp_path / "list.csv", "allow_missing": True}
        resolve(catalogue.get("own-sameid"), roots={"mine": root}, cache=tmp_path, **asked)


def test_of_many_mistakes_some_are_spelled_out(root: Path):
    with refused(DataError, "unknown-frame", "line 2: ", "line 6: ", "and 15 more"):
        read(root, "source,driving\n" + "nobody/1,anna/1\n" * 20)


def test_several_data_sets_are_named_in_the_cells(root: Path):
    found = read(root, "source,driving\nmine/anna/1,Other/anna/2\n", "mine", "other")
    assert rows(found)[0][1:3] == ["mine/anna/0000001", "other/anna/0000002"]
    assert found.datasets() == ["mine", "other"]
    with refused(DataError, "unknown-dataset"):
        read(root, "source,driving\nanna/1,mine/anna/2\n", "mine", "other")


def test_published_lists_stay_what_they_are(root: Path, tmp_path: Path):
    clip = VOX_CLIPS["id10280"][0]
    published = tmp_path / "published.csv"
    published.write_text(f"source,driving,anchor\n/x/test/{clip}/0000000.png,/x/test/{clip}/0000001.png,\n")
    assert not by_hand.is_one(published) and not by_hand.is_one(published, ("vox1", "hdtf"))
    assert by_hand.is_one(published, ("mine",))  # somebody's own folders in VoxCeleb's layout
    for text, expected in (
        ("source,driving\nanna/1,anna/2\n", True),
        ("id,source,driving\na,anna/1,anna/2\n", True),
        ("source,driving,frame\nanna/1,anna/2,0\n", False),
        ("a,b\n1,2\n", False),
        ("", False),
    ):
        (tmp_path / "list.csv").write_text(text)
        assert by_hand.is_one(tmp_path / "list.csv") is expected
        with pytest.raises(DataError, match="list.csv.*--data NAME=PATH") as caught:
            read_pairs(tmp_path / "list.csv")
        assert caught.value.code in ("not-a-pair-list", "unknown-dataset")


def test_a_run_takes_it_as_it_is(root: Path, tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_text("source,driving\nanna,anna\n")
    found = resolve(catalogue.get("own-sameid"), {"mine": root, "vox1": root}, tmp_path, asked=["mine"], pair_file=file)
    assert found.pair_list == by_hand.read(file, ["mine"], lambda name: open_dataset(name, root))
    assert found.pair_list.provenance["written"] == "by hand"
    real = vox(tmp_path / "vox", n=3)
    clip = VOX_CLIPS["id10283"][0]
    file.write_text(f"source,driving\ntest/{clip},vox1/test/{clip}\n")
    found = resolve(catalogue.get("vox1-sameid"), {"vox1": real}, tmp_path, pair_file=file)
    assert len(found.pair_list) == 3 and found.pair_list.pairs[0].source_identity == "id10283"
    with refused(DataError, "missing-data"):
        resolve(catalogue.get("own-sameid"), {}, tmp_path, pair_file=file)


_frames = [FrameRef("mine", clip, f"{n:07d}") for clip, count in CLIPS.items() for n in range(count)]
_ids = st.text("abcXYZ019_+-", min_size=1, max_size=8)
_who = st.sampled_from(["anna", "O'Neil, J.", "Žofia", '"q"'])
_factor = st.floats(0.7, 1.3)
_pairs = st.builds(
    Pair, _ids, st.sampled_from(_frames), st.sampled_from(_frames), st.sampled_from(_frames),
    st.sampled_from([None, *_frames]), _who, _who, _factor, _factor,
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(_pairs, min_size=1, max_size=5, unique_by=lambda pair: pair.id),
    st.permutations(COLUMNS),
    st.randoms(use_true_random=False),
)
def test_every_list_can_be_written_by_hand(root: Path, pairs: list[Pair], columns: list[str], random):
    """Whatever the order of the columns and the way in which frames are written, the frozen form is the same."""
    expected = PairList("list", 1, tuple(pairs))
    file = root.parent / "list.csv"
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream, lineterminator=random.choice(["\n", "\r\n"]))
        writer.writerow(columns)
        for pair in pairs:
            cells = dict(zip(COLUMNS, pair.row()))
            for name in ("source", "driving", "target", "anchor"):
                if (ref := getattr(pair, name)) is not None:
                    number = random.choice([ref.frame, str(int(ref.frame)), f"{ref.frame}.png"])
                    # `mine/anna` is a folder in the data set `mine`, and may be its folder `anna`
                    fronts = {"mine/anna": ["mine/"], "anna": [""]}
                    front = random.choice(fronts.get(ref.clip, ["", "mine/"]))
                    cells[name] = f"{front}{ref.clip}/{number}"
            writer.writerow([cells[column] for column in columns])
    found = by_hand.read(file, ["mine"], lambda name: open_dataset(name, root))
    assert found.sha256 == expected.sha256
    found.write(root.parent / "frozen.csv")
    assert PairList.read(root.parent / "frozen.csv").pairs == expected.pairs


def test_the_columns_of_a_frozen_list_without_its_head_are_a_list_by_hand(root: Path, tmp_path: Path):
    pairs = read(root, 'source,driving\n"b #1, [x]","b #1, [x]"\none,sub/folder/c:d\n')
    pairs.write(tmp_path / "frozen.csv")
    again = read(root, (tmp_path / "frozen.csv").read_text(encoding="utf-8").partition("\n")[2])
    assert len(again) == 5 and again.sha256 == pairs.sha256
