"""Which seconds train, adapt and test: never the same ones, the same for everybody, and the templates that follow."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refused import refused

from protocols import catalogue
from protocols.clip_sampling import make_clips
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.resolve import resolve
from protocols.sound_set import SoundSet
from protocols.stretches import ADAPTED, GAP, TESTED, Stretch, stretches, template_of

OF_SOUND = [name for name in catalogue.names() if catalogue.get(name).driven_by == "sound"]
ADAPTATIONS = ["hdtf-adapt15", "hdtf-adapt30", "hdtf-adapt60"]


class Lengths(Dataset):
    """A data set of which only names, lengths and people are known: ``<person>-<number>``."""

    def __init__(self, lengths: dict[str, float]):
        super().__init__("lengths", Path("nowhere"))
        self.lengths = lengths

    def clips(self, split: str | None = None) -> list[str]:
        return sorted(self.lengths)

    def identity(self, clip: str) -> str:
        return clip.partition("-")[0]

    def frames(self, clip: str) -> list[str]:
        return [f"{k:07d}" for k in range(round(self.lengths[clip] * 25))]

    def end(self, clip: str) -> float:
        return self.lengths[clip]


def people(n: int, seconds: float, clips: int = 2) -> Lengths:
    return Lengths({f"p{person}-{clip}": seconds + clip for person in range(n) for clip in range(clips)})


def check_nothing_overlaps(found: list[Stretch]) -> None:
    assert all(0 <= one.start < one.end for one in found)
    for one, other in combinations(found, 2):
        apart = one.clip != other.clip or one.end <= other.start or other.end <= one.start
        assert apart, (one, other)


def test_there_are_protocols_of_sound() -> None:
    assert ["obama-selfdriven", "grid", *ADAPTATIONS, "own-talking"] == OF_SOUND
    assert all(catalogue.get(name).readings[0] == "held-out-template" for name in OF_SOUND)


@pytest.mark.parametrize("name", OF_SOUND)
def test_the_sound_set_is_cut_as_its_recipe_says(name: str, sound_set_folder: Path) -> None:
    data = SoundSet(sound_set_folder)
    found = stretches(catalogue.get(name), data)
    check_nothing_overlaps(found)
    assert all(one.end <= data.end(one.clip) and one.identity == data.identity(one.clip) for one in found)
    assert [(one.clip, one.start, one.end) for one in found if one.use == "test"] == [("talk_b", 3.8, 5.8)]
    template = template_of(found[-1], found)
    assert (template.clip, template.start, template.end) == ("talk_b", 0.0, 3.8)
    assert template.use == ("adapt" if name in ADAPTATIONS else "train")


@pytest.mark.parametrize("seconds", [15, 30, 60])
def test_adaptations_have_the_same_people_and_tests_whatever_their_length(seconds: int) -> None:
    data = people(14, 80.0)
    found = stretches(catalogue.get(f"hdtf-adapt{seconds}"), data)
    check_nothing_overlaps(found)
    assert len({one.identity for one in found}) == 10
    assert {one.seconds for one in found if one.use == "adapt"} == {float(seconds)}
    tests = [one for one in found if one.use == "test"]
    assert {(one.start, one.end) for one in tests} == {(ADAPTED + GAP, ADAPTED + GAP + TESTED)}
    other = stretches(catalogue.get("hdtf-adapt15"), data)
    assert [one for one in other if one.use == "test"] == tests


def test_who_has_no_long_video_is_passed_over() -> None:
    data = people(12, 80.0)
    found = {one.identity for one in stretches(catalogue.get("hdtf-adapt15"), data)}
    short = sorted(found)[0]
    data.lengths |= {clip: 70.0 for clip in data.lengths if data.identity(clip) == short}
    again = {one.identity for one in stretches(catalogue.get("hdtf-adapt15"), data)}
    assert short not in again and len(again) == 10 and len(found & again) == 9


def test_the_longest_video_of_one_person_is_cut_by_time() -> None:
    found = stretches(catalogue.get("obama-selfdriven"), Lengths({"o-1": 100.0, "o-2": 180.0}))
    assert [(one.clip, one.start, one.end, one.use) for one in found] == [
        ("o-2", 0.0, 161.0, "train"),
        ("o-2", 162.0, 180.0, "test"),
    ]
    assert [one.seconds for one in stretches(catalogue.get("own-talking"), people(3, 1000.0)) if one.use == "test"] == [
        pytest.approx(60.0)
    ] * 3


def test_a_corpus_has_five_sentences_a_speaker_for_testing() -> None:
    data = people(25, 3.0, clips=12)
    found = stretches(catalogue.get("grid"), data)
    check_nothing_overlaps(found)
    tests = [one for one in found if one.use == "test"]
    assert len(tests) == 100 and len({one.identity for one in tests}) == 20
    assert len(found) == 20 * 12
    few = stretches(catalogue.get("grid"), data, training=False)
    assert [one for one in few if one.use == "test"] == tests and len(few) == 20 * 6


@given(st.dictionaries(st.from_regex(r"\Ap[0-3]-[0-9]\Z"), st.floats(0.1, 300.0), min_size=1, max_size=12))
def test_nothing_overlaps_whatever_the_lengths(lengths: dict[str, float]) -> None:
    for name in ("grid", "hdtf-adapt30", "own-talking"):
        data = Lengths(lengths)
        try:
            found = stretches(catalogue.get(name), data)
        except DataError:
            continue  # nothing is long enough, of which there is a test below
        check_nothing_overlaps(found)
        for one in found:
            assert one.end <= lengths[one.clip] + 1e-3
            if one.use == "test":
                assert template_of(one, found).identity == one.identity


@given(st.permutations([f"p{k}-1" for k in range(14)]))
def test_the_order_of_files_does_not_matter(order: list[str]) -> None:
    data = Lengths({clip: 90.0 for clip in order})
    names = [one.identity for one in stretches(catalogue.get("hdtf-adapt15"), data)]
    # frozen: the rule's own hash decides, and must not change under this version
    assert names[::2] == FIRST_TEN


FIRST_TEN = ["p11", "p12", "p0", "p9", "p4", "p7", "p5", "p8", "p1", "p3"]


def test_protocols_of_frames_have_no_stretches() -> None:
    with refused(DataError, "wrong-protocol", "vox1-sameid"):
        stretches(catalogue.get("vox1-sameid"), people(2, 9.0))


def test_videos_that_are_too_short_are_refused() -> None:
    with refused(DataError, "too-few-clips", "hdtf-adapt60"):
        stretches(catalogue.get("hdtf-adapt60"), people(3, 30.0))


def test_who_has_nothing_else_has_no_template() -> None:
    test = Stretch("a", 0.0, 1.0, "p", "test")
    with refused(DataError, "too-few-clips", "p"):
        template_of(test, [test, replace(test, clip="b", identity="q", use="train")])


def test_templates_are_held_out_or_the_test_itself() -> None:
    protocol = catalogue.get("hdtf-adapt15")
    held = make_clips(people(12, 80.0), protocol)
    own = make_clips(people(12, 80.0), protocol, reading="own-template")
    assert len(held) == len(own) == 10 and held.sha256 != own.sha256
    for one, other in zip(held.clips, own.clips):
        assert (one.start, one.end, one.driving, one.target) == (61.0, 76.0, other.driving, other.driving)
        assert (one.template, one.template_end) == (0.0, 15.0)
        assert (other.template, other.template_end) == (other.start, other.end)
        assert one.source == one.driving and one.driven_by == "sound"
    assert len(make_clips(people(12, 80.0), protocol, n=3)) == 3


SAMPLE_FORM = "03fdb4d153571acd"


@pytest.mark.parametrize("name", OF_SOUND)
def test_the_sample_form_is_frozen(name: str, cache: Path, sound_set_folder: Path) -> None:
    protocol = catalogue.get(name)
    found = resolve(protocol, {}, cache, sample=True)
    assert found.is_sample and found.shape == (256, 256) and found.datasets.keys() == {"talk"}
    assert found.clips is not None and found.clips.sha256[:16] == SAMPLE_FORM
    assert len(found.pair_list) == 50
    assert all(pair.source != pair.target for pair in found.pair_list.pairs)
    told = [line for line in found.notices if "3.8 s" in line]
    assert len(told) == (name in ADAPTATIONS)
    own = resolve(protocol, {}, cache, sample=True, variant="own-template")
    assert all(pair.source == pair.target == pair.driving for pair in own.pair_list.pairs)


def test_a_list_of_templates_leaves_no_reading_to_choose(tmp_path: Path, cache: Path, sound_set_folder: Path) -> None:
    protocol = catalogue.get("hdtf-adapt15")
    listed = resolve(protocol, {}, cache, sample=True).clips
    assert listed is not None
    listed.write(tmp_path / "clips.csv")
    again = resolve(protocol, {}, cache, pair_file=tmp_path / "clips.csv")
    assert again.clips == listed and again.is_sample
    with refused(DataError, "unused-option", "own-template"):
        resolve(protocol, {}, cache, pair_file=tmp_path / "clips.csv", variant="own-template")
