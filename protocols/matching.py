"""Match finished clips with wanted ones: files of two folders, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from protocols.errors import DataError
from protocols.folder import VIDEOS, some

_EDGE = "_-. "  # what separates a name from an affix


@dataclass(frozen=True)
class Matched:
    """Names of wanted clips → names of finished ones.

    affix: what the finished names have in addition, in words; may be empty. unanswered: wanted clips without a finished
    one. left_over: finished clips without a wanted one.
    """

    found: Mapping[str, str]
    affix: str = ""
    unanswered: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()


def match(wanted: Mapping[str, Sequence[str]], finished: Sequence[str]) -> Matched:
    """Match by file name without suffix; folders count only if names are not enough.

    An ending that a whole folder shares (``_result``) or that begins equally in all (``--driving``), and a beginning
    that all share, are ignored.
    wanted: clip id → names by which it may be found, the best first. finished: names of clips, with ``/``.
    Raises DataError if a wanted clip matches several finished ones, or the reverse.
    """
    stems = {name: stem(name) for name in finished}
    for affix, cut in _cuts(list(wanted.values()), list(stems.values())):
        by_stem: dict[str, list[str]] = {}
        for name, own in stems.items():
            by_stem.setdefault(cut(own), []).append(name)
        found: dict[str, str] = {}
        for clip, names in wanted.items():
            partners = next((hits for one in names if (hits := by_stem.get(stem(one)))), [])
            if len(partners) > 1:  # the same name in several folders
                whole = {_whole(name) for name in names}
                partners = [name for name in partners if _whole(name) in whole] or partners
            if len(partners) > 1:
                raise DataError(
                    f"{clip}: {len(partners)} clips match its name: {some(partners)}", code="ambiguous-name"
                )
            if partners:
                found[clip] = partners[0]
        if found:
            _refuse_twice(found)
            rest = tuple(name for name in finished if name not in set(found.values()))
            return Matched(found, affix, tuple(clip for clip in wanted if clip not in found), rest)
    return Matched({}, "", tuple(wanted), tuple(finished))


def stem(name: str) -> str:
    """Return a clip's file name without folders and video suffix: ``talk`` for ``anna/talk.mp4``."""
    file = name.rpartition("/")[2]
    base, suffix = os.path.splitext(file)
    return base if suffix.lower() in (*VIDEOS, ".webp") else file


def _whole(name: str) -> str:
    """Return a clip's name with its folders, without video suffix."""
    folder, slash, _ = name.rpartition("/")
    return folder + slash + stem(name)


def _cuts(wanted: Sequence[Sequence[str]], stems: Sequence[str]) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Yield ways to turn a finished clip's name into a wanted one's, the simplest first, each described in words."""
    yield "", lambda name: name
    known = {stem(name) for names in wanted for name in names}
    longest = {own: max((one for one in known if _extends(own, one)), key=len, default=None) for own in stems}
    rests = [own[len(one) :] for own, one in longest.items() if one is not None]
    if len(set(rests)) == 1:
        yield f"ending {rests[0]!r}", lambda name: name.removesuffix(rests[0])
    if common := os.path.commonprefix(rests):
        yield f"endings that begin with {common!r}", lambda name: longest.get(name) or name
    heads = {
        own: max((one for one in known if _extends(own, one, at_end=True)), key=len, default=None) for own in stems
    }
    starts = {own[: -len(one)] for own, one in heads.items() if one}
    if len(starts) == 1:
        start = starts.pop()
        yield f"beginning {start!r}", lambda name: name.removeprefix(start)


def _extends(name: str, base: str, at_end: bool = False) -> bool:
    """Return whether a name is `base` with a separator and an affix after it; with `at_end`, before it."""
    if len(name) <= len(base) or not base:
        return False
    return (
        name.endswith(base) and name[-len(base) - 1] in _EDGE
        if at_end
        else name.startswith(base) and name[len(base)] in _EDGE
    )


def _refuse_twice(found: Mapping[str, str]) -> None:
    clips: dict[str, list[str]] = {}
    for clip, name in found.items():
        clips.setdefault(name, []).append(clip)
    for name, several in clips.items():
        if len(several) > 1:
            raise DataError(f"{name} matches {len(several)} clips: {some(several)}", code="ambiguous-name")
