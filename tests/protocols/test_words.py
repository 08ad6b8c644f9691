"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from protocols.words import counted


@pytest.mark.parametrize(("number", "expected"), [(0, "0 clips"), (1, "1 clip"), (2, "2 clips")])
def test_a_noun_follows_its_number(number: int, expected: str) -> None:
    assert counted(number, "clip") == expected


def test_an_irregular_plural() -> None:
    assert [counted(n, "identity", "identities") for n in (1, 3)] == ["1 identity", "3 identities"]
