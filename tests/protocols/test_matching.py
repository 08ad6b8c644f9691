"""Finished clips are matched by their names."""

from __future__ import annotations

import pytest

from protocols.errors import DataError
from protocols.matching import match


def wanted(*names: str) -> dict[str, list[str]]:
    return {name: [name] for name in names}


def test_equal_names_with_any_suffix_and_folder() -> None:
    found = match(wanted("a", "b.1"), ["x/b.1.mkv", "a.mp4", "c.mp4"])
    assert found.found == {"a": "a.mp4", "b.1": "x/b.1.mkv"}
    assert (found.affix, found.unanswered, found.left_over) == ("", (), ("c.mp4",))


@pytest.mark.parametrize(
    "finished",
    [
        {"a": "a_result.mp4", "b": "b_result.mp4"},
        {"a": "a--carl.mp4", "b": "b--dora.mp4"},
        {"a": "fomm_a.mp4", "b": "fomm_b.mp4"},
        {"a": "out/a-256.mp4", "b": "out/b-256.mp4"},
    ],
)
def test_what_a_whole_folder_shares_is_left_out(finished: dict[str, str]) -> None:
    found = match(wanted("a", "b"), list(finished.values()))
    assert found.found == finished
    assert found.affix


def test_longer_names_win_over_their_beginnings() -> None:
    found = match(wanted("talk", "talk_2"), ["talk_result.mp4", "talk_2_result.mp4"])
    assert found.found == {"talk": "talk_result.mp4", "talk_2": "talk_2_result.mp4"}


def test_missing_partners_are_named() -> None:
    found = match(wanted("a", "b", "c"), ["a.mp4", "d.mp4"])
    assert (found.unanswered, found.left_over) == (("b", "c"), ("d.mp4",))
    nothing = match(wanted("a"), ["z.mp4"])
    assert (dict(nothing.found), nothing.unanswered, nothing.left_over) == ({}, ("a",), ("z.mp4",))


@pytest.mark.parametrize(
    ("clips", "finished"),
    [
        (wanted("a"), ["x/a.mp4", "y/a.mp4"]),
        (wanted("a"), ["a.mp4", "a.mkv"]),
        ({"a": ["z"], "b": ["z"]}, ["z.mp4"]),
    ],
)
def test_names_that_match_twice_are_refused(clips: dict[str, list[str]], finished: list[str]) -> None:
    with pytest.raises(DataError) as error:
        match(clips, finished)
    assert error.value.code == "ambiguous-name"


def test_folders_tell_equal_names_apart() -> None:
    names = {"0_a": ["x/a.mp4"], "1_a": ["y/a.mp4"]}
    assert match(names, ["y/a.mp4", "x/a.mp4"]).found == {"0_a": "x/a.mp4", "1_a": "y/a.mp4"}
