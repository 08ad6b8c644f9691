"""Lines for the user that are not errors, with a code each."""

from __future__ import annotations

PLAIN = "notice"  # of lines without a kind


class Notice(str):
    """A line for the user. code: its kind as kebab-case words, for programs and tests."""

    code: str

    def __new__(cls, text: str, code: str = PLAIN) -> Notice:
        made = super().__new__(cls, text)
        made.code = code
        return made
