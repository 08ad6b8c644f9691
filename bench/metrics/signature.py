"""Parse signatures, and name the part in which two of them differ.

A signature is ``name|v:1|key:value|...|detector:[name;v:1;key:value;...;on:(name;...)]|against:role``.
"""

from __future__ import annotations

import hashlib

OPENING, CLOSING = "[(", "])"
ABSENT = "not given"  # instead of a part that a signature lacks


def parse(signature: str) -> dict[str, str]:
    """Return the parts by name, in order; those of a detector, and of those it runs on, as ``detector.weights``.

    The first part, which has no name of its own, is called ``definition`` (``detector`` within brackets).
    """
    return _parse(signature, "|", "definition", "")


def difference(a: str, b: str) -> str | None:
    """Return in words the parts in which two signatures differ; None if they are equal and numbers comparable.

    If the definitions, detectors or references differ, only that is named, since other parts follow from it.
    """
    if a == b:
        return None
    ours, theirs = parse(a), parse(b)
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    for telling in ("definition", "detector", "against"):
        if telling in keys:
            keys = [telling]
            break
    if not keys:  # the same parts in another order
        return None
    return "; ".join(f"{key}: {ours.get(key, ABSENT)} and {theirs.get(key, ABSENT)}" for key in keys)


def _parse(text: str, separator: str, first: str, prefix: str) -> dict[str, str]:
    name, *parts = _split(text, separator)
    derived, _, base = name.partition(":")  # ``headpose-of:(py-feat;...)``
    found = {first: derived}
    if base:
        found |= _value(f"{prefix}of", base)
    for part in parts:
        key, _, value = part.partition(":")
        found |= _value(f"{prefix}{key}", value)
    return found


def _value(label: str, value: str) -> dict[str, str]:
    if len(value) > 1 and value[0] in OPENING and value[-1] in CLOSING:
        return _parse(value[1:-1], ";", label, f"{label}.")
    return {label: value}


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in OPENING) - (character in CLOSING)
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def short(signature: str) -> str:
    """Return the short form for tables, ``ssim|v:1|#1a2b3c4d``; its digits are a hash of the whole signature."""
    parts = parse(signature)
    digest = hashlib.sha256(signature.encode()).hexdigest()[:8]
    return f"{parts['definition']}|v:{parts.get('v', '?')}|#{digest}"
