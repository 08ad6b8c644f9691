from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import detectors, metrics
from bench.metrics.signature import ABSENT, difference, parse, short

DETECTOR = "pnp14;v:1;focal:1.2w;on:(dlib68;v:1;weights:abc;boxes:7)"
LINE = f"prmse-pnp|v:1|failed:nan-counted|detector:[{DETECTOR}]|against:target"


def test_parts_of_a_nested_signature():
    assert parse(LINE) == {
        "definition": "prmse-pnp",
        "v": "1",
        "failed": "nan-counted",
        "detector": "pnp14",
        "detector.v": "1",
        "detector.focal": "1.2w",
        "detector.on": "dlib68",
        "detector.on.v": "1",
        "detector.on.weights": "abc",
        "detector.on.boxes": "7",
        "against": "target",
    }


@pytest.mark.parametrize(
    ("old", "new", "key", "ours", "theirs"),
    [
        ("weights:abc", "weights:def", "detector.on.weights", "abc", "def"),
        ("prmse-pnp|v:1", "prmse-pnp|v:2", "v", "1", "2"),
        ("|failed:nan-counted", "", "failed", "nan-counted", ABSENT),
        ("against:target", "against:driving", "against", "target", "driving"),
        ("prmse-pnp|v:1", "prmse|v:2", "definition", "prmse-pnp", "prmse"),
        ("detector:[pnp14;v:1", "detector:[py-feat;v:7", "detector", "pnp14", "py-feat"),
    ],
)
def test_the_part_that_differs_is_named(old, new, key, ours, theirs):
    assert difference(LINE, LINE.replace(old, new)) == f"{key}: {ours} and {theirs}"


def test_a_detector_named_after_its_base_is_read_too():
    line = "prmse|v:1|detector:[headpose-of:(py-feat;v:1;library:2.1.5)]"
    assert difference(line, line.replace("py-feat;v:1", "py-feat;v:2")) == "detector.of.v: 1 and 2"


def test_the_order_of_parts_makes_no_difference():
    assert difference("ssim|v:1|a:1|b:2", "ssim|v:1|b:2|a:1") is None


def test_signatures_of_all_definitions_are_told_apart():
    choice = detectors.choose("embedded", None)
    detected = {kind: detector.signature for kind, detector in choice.items()} | {"arcface": "arcface;v:1"}
    detected |= {"body-landmarks": "openpose-coco18;v:1", "body-identity": "re-identification;v:1"}
    lines = [
        definition.signature(detected[definition.detector] if definition.detector else None)
        for definition in metrics.definitions().values()
    ]
    for one in lines:
        for other in lines:
            assert (difference(one, other) is None) == (one == other)


words = st.text("abcdefgh0123456789.-,@", min_size=1, max_size=6)
parts = st.dictionaries(words.filter(lambda word: word not in ("v", "detector")), words, max_size=4)


@settings(deadline=None)
@given(words, parts, parts)
def test_a_line_says_what_was_put_into_it(name, own, detector):
    inner = ";".join(["det", *(f"{key}:{value}" for key, value in detector.items())])
    line = "|".join([name, *(f"{key}:{value}" for key, value in own.items()), f"detector:[{inner}]"])
    expected = {"definition": name, **own, "detector": "det"}
    assert parse(line) == expected | {f"detector.{key}": value for key, value in detector.items()}
    assert difference(line, line) is None


def test_the_short_form_changes_with_every_part():
    assert short(LINE).startswith("prmse-pnp|v:1|#")
    lines = [LINE, LINE.replace("weights:abc", "weights:abd"), LINE.replace("target", "driving")]
    assert len({short(line) for line in lines}) == 3
