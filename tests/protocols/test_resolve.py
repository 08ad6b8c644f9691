from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.layouts_on_disk import VOX_CLIPS, frames, picture, vox
from support.refused import refused

from protocols import catalogue, sample_lists
from protocols.augment import READINGS, augment
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair, PairList
from protocols.resolve import draw, resolve
from protocols.sampling import make_pairs


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return vox(tmp_path_factory.mktemp("vox"), n=24)


def small(name: str, n: int = 40):
    return replace(catalogue.get(name), n=n)


@pytest.mark.parametrize("name", catalogue.names())
def test_every_protocol_has_a_sample_form(name: str, sample_set: Path, sound_set_folder: Path):
    protocol = catalogue.get(name)
    found = resolve(protocol, {}, sample_set.parent, sample=protocol.custom)
    assert found.is_sample and found.frame_size == 256 and found.shape == (256, 256)
    what = "sound" if protocol.driven_by == "sound" else "sample"
    assert found.notices[0].code == f"{what}-set" and found.notices[0].startswith(f"{what.upper()} SET (")
    assert protocol.custom or f"{protocol.dataset})" in found.notices[0]
    loaded = found.load(found.pair_list.pairs[0])
    assert loaded.source.shape == loaded.driving.shape == (256, 256, 3) and loaded.source.dtype == np.uint8
    assert (loaded.target is None) == (found.protocol.reference == "cross-identity")
    assert (loaded.anchor is None) == (found.protocol.mode == "absolute")


def test_sample_set_outright(sample_set: Path, root: Path):
    found = resolve(catalogue.get("vox1-sameid"), {"vox1": root}, sample_set.parent, sample=True)
    assert found.is_sample and found.notices[0].code == "sample-set"
    assert found.pair_list == sample_lists.load("sameid")


def test_fall_back_can_be_forbidden(sample_set: Path):
    protocol = catalogue.get("vox1-sameid")
    with refused(DataError, "missing-data", "vox1", "--data vox1"):
        resolve(protocol, {"hdtf": Path("/x")}, sample_set.parent, require_data=True)
    with refused(DataError, "conflicting-options"):
        resolve(protocol, {}, sample_set.parent, require_data=True, sample=True)


def test_wrong_root_never_falls_back(tmp_path: Path):
    protocol = catalogue.get("vox1-sameid")
    with refused(DataError, "missing-folder"):
        resolve(protocol, {"vox1": tmp_path / "absent"}, tmp_path)
    with refused(DataError, "empty-dataset"):
        resolve(protocol, {"vox1": tmp_path}, tmp_path)


def test_pairs_drawn_from_the_root(root: Path, tmp_path: Path):
    first = resolve(small("vox1-sameid"), {"vox1": root}, tmp_path)
    assert not first.is_sample and len(first.pair_list) == 40 and first.frame_size == 256
    assert first.provenance["pairs_from"] == "sampled"
    assert resolve(small("vox1-sameid"), {"vox1": root}, tmp_path).pair_list == first.pair_list
    assert resolve(small("vox1-sameid"), {"vox1": root}, tmp_path, seed=1).pair_list != first.pair_list
    assert "resized-frames" in [notice.code for notice in first.notices]  # the test's frames are 64 pixels wide
    loaded = first.load(first.pair_list.pairs[0])
    np.testing.assert_array_equal(loaded.driving, loaded.target)


def test_cross_identity_gets_anchors(root: Path, tmp_path: Path):
    found = resolve(small("vox1-crossid"), {"vox1": root}, tmp_path)
    assert all(
        pair.anchor.frame == "0000000" and pair.anchor.clip == pair.driving.clip for pair in found.pair_list.pairs
    )
    absolute = resolve(small("vox1-crossid"), {"vox1": root}, tmp_path, mode="absolute")
    assert all(pair.anchor is None for pair in absolute.pair_list.pairs)
    assert found.pair_list.provenance["without_anchors"] == absolute.pair_list.sha256


@pytest.mark.parametrize("reading", READINGS)
def test_different_scale(root: Path, tmp_path: Path, reading: str):
    found = resolve(small("vox1-diffscale"), {"vox1": root}, tmp_path, variant=reading, mode="relative")
    assert len(found.pair_list) == 80
    pair = found.pair_list.pairs[0]
    loaded, data = found.load(pair), found.datasets["vox1"]
    truth = data.frame(pair.driving, 256)
    np.testing.assert_array_equal(loaded.target, truth)
    np.testing.assert_array_equal(loaded.driving, augment(truth, pair.alpha, pair.beta))
    np.testing.assert_array_equal(loaded.anchor, augment(data.frame(pair.anchor, 256), pair.alpha, pair.beta))
    np.testing.assert_array_equal(loaded.source, data.frame(pair.source, 256))
    assert (loaded.driving != truth).any()


def test_a_frame_in_two_roles_is_decoded_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = resolve(small("vox1-sameid", 4), {"vox1": root}, tmp_path)
    pair = found.pair_list.pairs[0]
    assert pair.driving == pair.target
    dataset, asked = found.datasets["vox1"], []
    real = dataset.frame
    monkeypatch.setattr(type(dataset), "frame", lambda self, ref, size=None: asked.append(ref) or real(ref, size))
    loaded = found.load(pair)
    assert asked == [pair.source, pair.driving] and loaded.target is loaded.driving
    stretched = found.load(replace(pair, alpha=1.2, beta=0.9))
    assert np.array_equal(stretched.target, loaded.target)
    assert np.array_equal(stretched.driving, augment(loaded.target, 1.2, 0.9))
    assert not np.array_equal(stretched.driving, stretched.target)


def test_limit_takes_the_first(sample_set: Path):
    found = resolve(catalogue.get("vox1-diffscale"), {}, sample_set.parent, limit=3)
    assert found.pair_list.pairs == sample_lists.load("diffscale").pairs[:3]


def test_unknown_reading(sample_set: Path):
    with refused(DataError, "unknown-reading", "vox1-sameid", "'two-draws'"):
        resolve(catalogue.get("vox1-sameid"), {}, sample_set.parent, variant="two-draws")
    with refused(DataError, "unknown-reading", "two-draws", "draw-plus-original"):
        resolve(catalogue.get("vox1-diffscale"), {}, sample_set.parent, variant="x")


def _published(folder: Path, n: int) -> Path:
    clip = VOX_CLIPS["id10280"][0]
    lines = [f"/x/vox1_frames/test/{clip}/0000000.png,/x/vox1_frames/test/{clip}/{k:07d}.png" for k in range(1, n + 1)]
    file = folder / "list.csv"
    file.write_text("\n".join(["source,driving,frame", *lines, ""]))
    return file


def test_list_from_a_file(root: Path, tmp_path: Path):
    found = resolve(catalogue.get("vox1-sameid"), {"vox1": root}, tmp_path, pair_file=_published(tmp_path, 5))
    assert len(found.pair_list) == 5 and found.provenance["pairs_from"] == "file"
    scaled = resolve(catalogue.get("vox1-diffscale"), {"vox1": root}, tmp_path, pair_file=_published(tmp_path, 5))
    assert len(scaled.pair_list) == 10
    scaled.pair_list.write(tmp_path / "frozen.csv")
    again = resolve(catalogue.get("vox1-diffscale"), {"vox1": root}, tmp_path, pair_file=tmp_path / "frozen.csv")
    assert again.pair_list == scaled.pair_list


def test_a_list_needs_its_data(sample_set: Path, root: Path, tmp_path: Path):
    file = _published(tmp_path, 30)
    protocol = catalogue.get("vox1-sameid")
    with refused(DataError, "missing-frames", "7 of 31", "0000024"):
        resolve(protocol, {"vox1": root}, tmp_path, pair_file=file)
    with refused(DataError, "missing-data", "vox1"):
        resolve(protocol, {}, sample_set.parent, pair_file=file)
    with refused(DataError, "wrong-data"):
        resolve(protocol, {"vox1": root}, sample_set.parent, pair_file=file, sample=True)


def test_a_list_must_fit_its_protocol(sample_set: Path, tmp_path: Path):
    sample_lists.load("crossid").write(tmp_path / "cross.csv")
    with refused(DataError, "wrong-pairs", "122 of 122", "sample-crossid"):
        resolve(catalogue.get("vox1-sameid"), {}, sample_set.parent, pair_file=tmp_path / "cross.csv")
    sample_lists.load("diffscale").write(tmp_path / "scaled.csv")
    with refused(DataError, "wrong-pairs"):
        resolve(catalogue.get("vox1-sameid"), {}, sample_set.parent, pair_file=tmp_path / "scaled.csv")


def test_whole_clips_of_a_list(root: Path, tmp_path: Path):
    names = VOX_CLIPS["id10280"][0], VOX_CLIPS["id10283"][0]
    (tmp_path / "clips.csv").write_text(f"source,driving,frame\n{names[0]},{names[1]},0.0\n")
    found = resolve(catalogue.get("vox1-crossid"), {"vox1": root}, tmp_path, pair_file=tmp_path / "clips.csv", limit=7)
    assert [pair.driving.frame for pair in found.pair_list.pairs] == [f"{number:07d}" for number in range(7)]


def _own(tmp_path: Path, n: int = 4, size: int = 256) -> Path:
    """Two people's clips of `n` frames each, and the photo of a third."""
    frames(tmp_path / "mine" / "anna", n, size=size)
    frames(tmp_path / "mine" / "ben", n, size=size)
    frames(tmp_path / "mine" / "photo", 1, size=size)
    return tmp_path / "mine"


def test_custom_data_have_protocols_of_their_own(tmp_path: Path):
    root = _own(tmp_path)
    make_pairs(open_dataset("mine", root), "same-identity", 6, 0).write(tmp_path / "list.csv")
    with refused(DataError, "wrong-data", "vox1-sameid", "vox1", "--protocol", "own-sameid"):
        resolve(catalogue.get("vox1-sameid"), {"mine": root}, tmp_path, pair_file=tmp_path / "list.csv")
    found = resolve(catalogue.get("own-sameid"), {"mine": root}, tmp_path, pair_file=tmp_path / "list.csv")
    assert not found.is_sample and len(found.pair_list) == 6
    assert found.protocol.dataset == "mine" and found.protocol.heading == f"mine: {found.protocol.title}"
    assert all(one in found.protocol.summary for one in ("6 pairs", "2 clips", "2 identities", "256x256"))


def test_pairs_of_custom_data_are_as_many_as_they_give(tmp_path: Path):
    root = _own(tmp_path)
    found = resolve(catalogue.get("own-sameid"), {"mine": root}, tmp_path, asked=["mine"])
    pairs = {(pair.source, pair.driving) for pair in found.pair_list.pairs}
    assert len(pairs) == len(found.pair_list) == 2 * 4 * 3  # ordered pairs of different frames of a clip
    assert all(pair.target == pair.driving for pair in found.pair_list.pairs)
    (notice,) = [notice for notice in found.notices if notice.code == "all-pairs"]
    assert "24 pairs" in notice
    with refused(DataError, "too-few-pairs", "24"):
        draw(open_dataset("mine", root), catalogue.get("own-sameid"), 0, n=25, fewer=False)


def test_a_photo_is_a_source_and_no_driving_video(tmp_path: Path):
    found = resolve(catalogue.get("own-crossid"), {"mine": _own(tmp_path)}, tmp_path)
    pairs = found.pair_list.pairs
    assert len(pairs) == 2 * 4 * (4 + 1)  # a driving frame of either, a frame of the other or the photo
    assert {pair.source.clip for pair in pairs} == {"anna", "ben", "photo"}
    assert {pair.driving.clip for pair in pairs} == {"anna", "ben"}
    assert all(pair.source_identity != pair.driving_identity for pair in pairs)
    assert all(pair.anchor == replace(pair.driving, frame="0000000") for pair in pairs)
    for clip in ("anna", "ben"):
        for file in sorted((tmp_path / "mine" / clip).iterdir())[1:]:
            file.unlink()
    with refused(DataError, "too-few-clips"):
        resolve(catalogue.get("own-crossid"), {"mine": tmp_path / "mine"}, tmp_path)


@pytest.mark.parametrize(("size", "expected"), [(None, 256), ("256", 256), ("512", 512), ("native", 64)])
def test_size_of_custom_data(tmp_path: Path, size: str | None, expected: int):
    protocol = catalogue.get("own-diffscale").sized(size)
    found = resolve(protocol, {"mine": _own(tmp_path, size=64)}, tmp_path, limit=2)
    loaded = found.load(found.pair_list.pairs[0])
    assert found.shape == (expected, expected)
    assert loaded.source.shape == loaded.driving.shape == loaded.target.shape == (expected, expected, 3)
    with refused(DataError, "unknown-choice", "256", "512"):
        catalogue.get("own-sameid").sized("300")
    with refused(DataError, "unused-option", "256"):
        catalogue.get("vox1-sameid").sized("512")


def test_frames_that_cannot_be_used_stop_the_run(tmp_path: Path):
    root = vox(tmp_path / "vox1", n=2)
    picture(root / "test" / VOX_CLIPS["id10280"][0] / "0000001.png", seed=0, size=(200, 300))
    with refused(DataError, "unusable-frames", "0000001.png", "300x200", "256x256"):
        resolve(small("vox1-sameid", 10), {"vox1": root}, tmp_path)


def test_the_published_list_is_named(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from protocols import published

    pairs = published.import_published(_published(tmp_path, 5))
    entry = {"name": "known", "summary": "five pairs", "file_sha256": None, "sha256": pairs.sha256}
    monkeypatch.setattr(published, "known_lists", lambda: (entry,))
    found = resolve(catalogue.get("vox1-diffscale"), {"vox1": root}, tmp_path, pair_file=tmp_path / "list.csv")
    assert found.provenance["published"] == "known"
    (notice,) = [notice for notice in found.notices if notice.code == "published-list"]
    assert "known" in notice and "five pairs" in notice
    assert PairList is type(found.pair_list)


def test_catalogue():
    assert catalogue.names() == [
        "vox1-sameid", "vox1-crossid", "vox1-diffscale", "celebv-crossid", "vox2-sameid",
        "hdtf-sameid", "hdtf-crossid", "ted-sameid", "vox1-seenid",
        "own-sameid", "own-crossid", "own-diffscale",
        "vox1-reconstruction", "ted-reconstruction", "vox1-crossid-video",
        "hdtf-reconstruction", "hdtf-first15s", "hdtf-19x100", "own-reconstruction", "own-crossid-video",
        "obama-selfdriven", "grid", "hdtf-adapt15", "hdtf-adapt30", "hdtf-adapt60", "own-talking",
    ]  # fmt: skip
    from protocols.published import known_lists

    known = {entry["name"]: entry for entry in known_lists()}
    for protocol in map(catalogue.get, catalogue.names()):
        assert protocol.sample in sample_lists.NAMES or protocol.shape == "clip"
        for name in protocol.published:
            assert known[name]["dataset"] == protocol.dataset and known[name]["reference"] == protocol.reference
    with refused(DataError, "unknown-protocol", "vox1-diffscale"):
        catalogue.get("vox1-difscale")


def test_who_is_who_in_custom_data(tmp_path: Path):
    root = _own(tmp_path)

    def told() -> list[tuple[str, str]]:
        found = resolve(catalogue.get("own-sameid"), {"mine": root}, tmp_path, limit=2)
        return [(notice.code, notice) for notice in found.notices if "identities.csv" in notice]

    ((code, line),) = told()
    assert code == "no-identities" and line.startswith("mine: ")
    (root / "identities.csv").write_text("anna,Anna\nphoto,Ben\nben,Ben\n")
    assert told() == []
    (root / "identities.csv").write_text("anna,Anna\nphotos,Ben\nben,Ben\n")
    ((code, line),) = told()
    assert code == "unknown-identities" and "1 line " in line and line.endswith(f"{root}: photos")
    (root / "identities.csv").write_text("anna,Anna\nanna,Ben\n")
    with refused(DataError, "contradiction", "identities.csv", "line 2"):
        told()


def test_anchors_are_of_the_driving_clip_where_two_data_sets_have_clips_of_one_name(tmp_path: Path):
    for name, numbers in (("a", (5,)), ("b", range(6))):
        for number in numbers:
            picture(tmp_path / name / "c" / f"{number}.png", number)
    refs = [FrameRef(*names) for names in (("b", "c", "1"), ("b", "c", "4"), ("a", "c", "5"))]
    pairs = (Pair("0", refs[0], refs[1], refs[1], None, "c", "c"), Pair("1", refs[2], refs[2], refs[2], None, "c", "c"))
    PairList("two", 1, pairs).write(tmp_path / "two.csv")
    roots = {name: tmp_path / name for name in "ab"}
    options = {"pair_file": tmp_path / "two.csv", "mode": "relative", "crop": "none"}
    found = resolve(catalogue.get("own-sameid"), roots, tmp_path, **options)
    assert [str(pair.anchor) for pair in found.pair_list.pairs] == ["b/c/0", "a/c/5"]
