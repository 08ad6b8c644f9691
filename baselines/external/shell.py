"""Names in shell commands, without interpreting them: possible files, modules after ``-m``, sourced files."""

from __future__ import annotations

import os
import re

_WORD = re.compile(r"[^\s'=:;&|()<>`]+")
_COMMENT_OR_URL = re.compile(r"(?m)^\s*#.*$|\w+://\S+")
_INNER_COMMAND = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_UP_TO_VARIABLE = re.compile(r".*\$(\{[^}]*\}|\w+|.)/?")
_MODULE = re.compile(r"(?<!\S)-m\s+([A-Za-z_][\w.]*)")
_SOURCED = re.compile(r"(?:^|[\n;&|{(])\s*(?:\.|source)\s+([^\s;&|)]+)")
_INLINE = re.compile(r"python[\d.]*\s+-c\s")
_PLACEHOLDERS = ("{pairs}", "{out}", "{clip}")


class Commands:
    """A text of shell commands.

    words: each with the file names that it may mean; for a name with variables (``$HERE/net.py``,
    ``$(dirname $0)/net.py``) also the part after them. modules: of ``-m``. sourced: sourced words. inline: whether
    there is ``python -c``.
    """

    def __init__(self, text: str):
        text = _COMMENT_OR_URL.sub(" ", text.replace("\\\n", " ")).replace('"', "")
        inner: list[str] = []
        while match := _INNER_COMMAND.search(text):  # the innermost first
            inner.append(match[1] or match[2] or "")
            text = f"{text[: match.start()]}$_{text[match.end() :]}"
        text = "\n".join([text, *inner])
        words = (word for word in _WORD.findall(text) if word.strip("/") and not word.startswith("-"))
        self.words = {word: _readings(word) for word in words if not any(one in word for one in _PLACEHOLDERS)}
        self.modules = modules(text)
        self.sourced = set(_SOURCED.findall(text))
        self.inline = _INLINE.search(text) is not None


def modules(text: str) -> list[str]:
    """Return the names after ``-m``."""
    return list(dict.fromkeys(_MODULE.findall(text)))


def _readings(word: str) -> list[str]:
    ways = [os.path.expanduser(os.path.expandvars(word)), _UP_TO_VARIABLE.sub("", word)]
    return [way for way in dict.fromkeys(ways) if way]
