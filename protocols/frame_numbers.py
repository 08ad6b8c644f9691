"""Numbers in the names of a clip's frames: whether the frames follow each other at a constant rate."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from protocols.errors import DataError
from protocols.folder import some
from protocols.words import counted

_DIGITS = re.compile(r"([0-9]+)")


def step(names: Sequence[str]) -> int | None:
    """Return by how much the number rises from frame to frame; None if it is not known (see `numbers`).

    names: of all frames of a clip, in order. Raises DataError if numbers are missing, occur twice, or are only in some
    names.
    """
    found = numbers(names) if len(names) > 1 else None
    if found is None:
        return None
    steps = [after - before for before, after in zip(found, found[1:])]
    if not all(steps):
        raise DataError(
            f"several frames have the number {found[steps.index(0)]}; leave one in the folder", code="frame-gap"
        )
    rise = math.gcd(*steps)
    gaps = [(before + rise, after - rise) for before, after in zip(found, found[1:]) if after - before > rise]
    if gaps:
        n = sum((last - first) // rise + 1 for first, last in gaps)
        shown = [str(first) if first == last else f"{first} to {last}" for first, last in gaps]
        what = "add the frames; if none is missing, number the files without gaps"
        raise DataError(f"{counted(n, 'frame number')} missing: {some(shown)}; {what}", code="frame-gap")
    return rise


def numbers(names: Sequence[str]) -> list[int] | None:
    """Return the number of each frame: the one group of digits in which the names differ.

    None if there is none: names without digits, or with several groups that differ (``a1_0004``, ``a2_0001``).
    Raises DataError if the names have several forms (``0001``, ``cover``), because their order in time is unknown.
    """
    parts = [_DIGITS.split(name) for name in names]
    if all(len(one) == 1 for one in parts):
        return None
    forms = dict(zip((tuple(one[::2]) for one in reversed(parts)), reversed(names)))
    if len(forms) > 1:
        what = f"frame names of several forms: {some(sorted(forms.values()))}"
        raise DataError(f"{what}; leave only numbered frames in the folder", code="frame-gap")
    groups = [[int(digits) for digits in group] for group in zip(*(one[1::2] for one in parts))]
    differing = [group for group in groups if len(set(group)) > 1] or groups[-1:]
    return differing[0] if len(differing) == 1 else None


def aligned(names: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether the frames of two clips, one by one, have the same place in time by their numbers.

    First number and step may differ. True if a clip has no numbers. Raises like `numbers`.
    """
    places = []
    for found in (numbers(names), numbers(others)):
        if found is None:
            return True
        offsets = [number - found[0] for number in found]
        places.append([offset // (math.gcd(*offsets) or 1) for offset in offsets])
    return places[0] == places[1]
