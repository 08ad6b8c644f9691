"""Protocols in TOML files: keys are the fields of `Protocol`; every mistake is reported in one line."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from protocols import files
from protocols.augment import READINGS
from protocols.errors import DataError
from protocols.protocol import CLIP_STRATEGIES, CROSS, CUSTOM, EVERY, MODES, SAME, TEMPLATES, TRANSFORMS, Protocol

SUFFIX = ".toml"
BUILT_IN = Path(__file__).with_name("protocols.toml")
NATIVE = "native"  # instead of a frame size: frames as stored
LARGEST = 1 << 20  # bytes of a file
LARGEST_SIDE = 10_000  # pixels; larger pictures cannot be read

REQUIRED = ("name", "version", "summary", "strategy", "reference", "metrics")
TEXTS = ("name", "summary", "title", "dataset", "strategy", "reference", "transform", "mode", "split")
NUMBERS = ("version", "n", "videos", "people")
SECONDS = ("seconds", "adapt")
KEYS = (*TEXTS, *NUMBERS, *SECONDS, "metrics", "frame_size")
OWN_LISTS = ("tables", "published")  # only for this program's protocols, like the next ones
OWN_TEXTS = ("sample", "frozen")
_NAME = re.compile(r"[\w+-][\w.+-]*")


def read(file: Path) -> Protocol:
    """Return the protocol in a TOML file. Raises DataError, with file and key, for a mistake in it."""
    try:
        return checked(_made(_table(file)))
    except DataError as error:
        raise DataError(f"{file}: {error}", code=error.code) from None


def built_in() -> list[Protocol]:
    """Return the built-in protocols, in the order of lists."""
    return [checked(_made({"name": name, **entries}, own=True)) for name, entries in _table(BUILT_IN).items()]


def checked(protocol: Protocol) -> Protocol:
    """Return the protocol with derived fields: its form on the sample set, its readings.

    Raises DataError, with the field, for an unusable value.
    """
    from protocols.sampling import STRATEGIES  # late import: it imports image libraries

    if not isinstance(protocol.name, str) or not _NAME.fullmatch(protocol.name) or protocol.name.endswith(SUFFIX):
        raise DataError(f"name: {protocol.name!r}: letters, digits, -, _, + and . are allowed", code="bad-name")
    strategies = (*STRATEGIES, *CLIP_STRATEGIES)
    choices = {"reference": (SAME, CROSS), "strategy": strategies, "transform": TRANSFORMS, "mode": MODES}
    for key, known in choices.items():
        if (value := getattr(protocol, key)) not in known:
            raise DataError(f"{key}: {value!r}: choose one of {', '.join(known)}", code="unknown-choice")
    for key in (*NUMBERS, "frame_size"):
        value = getattr(protocol, key)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise DataError(f"{key}: {value!r}: a number of at least 1 is needed", code="bad-value")
    if protocol.frame_size is not None and protocol.frame_size > LARGEST_SIDE:
        raise DataError(f"frame_size: {protocol.frame_size}: {LARGEST_SIDE} pixels at most", code="bad-value")
    if not protocol.metrics:
        raise DataError("metrics: at least one is needed", code="missing-value")
    if protocol.seconds is not None and not (protocol.shape == "clip" and 0 < protocol.seconds < math.inf):
        raise DataError(
            f"seconds: {protocol.seconds!r}: a number above 0, for a protocol of whole videos", code="bad-value"
        )
    _check_sound(protocol)
    stretched = protocol.transform != TRANSFORMS[0]
    if protocol.shape == "clip" and stretched:
        raise DataError(f"transform: {protocol.transform!r}: whole videos cannot be stretched", code="unused-option")
    alike = "diffscale" if stretched else "sameid" if protocol.reference == SAME else "crossid"
    if protocol.shape == "clip":
        alike = "reconstruction" if protocol.reference == SAME else "crossid-video"
    readings = READINGS if stretched else TEMPLATES if protocol.driven_by == "sound" else ()
    return replace(protocol, sample=protocol.sample or alike, readings=readings)


def _check_sound(protocol: Protocol) -> None:
    """Raise DataError, with the field, for missing or forbidden fields of protocols driven by sound."""
    of_sound = protocol.driven_by == "sound"
    if protocol.people is not None and not of_sound:
        raise DataError(f"people: {protocol.people}: only for protocols driven by sound", code="unused-option")
    if (protocol.adapt is not None) != (protocol.strategy == "adaptation"):
        raise DataError(f"adapt: {protocol.adapt!r}: a number, and only for the strategy adaptation", code="bad-value")
    if protocol.adapt is not None and not 0 < protocol.adapt < math.inf:
        raise DataError(f"adapt: {protocol.adapt!r}: a number above 0 is needed", code="bad-value")
    if of_sound and (protocol.seconds is not None or protocol.mode != "absolute" or protocol.reference != SAME):
        raise DataError(
            f"strategy: {protocol.strategy!r}: sound drives it: no seconds, reference {SAME}, mode absolute",
            code="unused-option",
        )


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(files.text(file, largest=LARGEST))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", code="unreadable-file") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"is not TOML: {error}", code="not-toml") from None


def _made(entries: Mapping[str, Any], own: bool = False) -> Protocol:
    """Return the protocol of a file's entries. own: allow the keys of built-in protocols."""
    known = (*KEYS, *OWN_LISTS, *OWN_TEXTS) if own else KEYS
    for key in entries:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise DataError(f"{key}: unknown key; {meant}", code="unknown-key")
    if lacking := [key for key in REQUIRED if key not in entries]:
        raise DataError(f"{', '.join(lacking)}: missing", code="missing-value")
    fields = {key: _value(key, value) for key, value in entries.items()}
    if fields["strategy"] in CLIP_STRATEGIES:
        fields.setdefault("n", EVERY)
    if "dataset" not in fields:  # then it is for custom data
        fields |= {"dataset": CUSTOM, "custom": True, "split": fields.get("split")}
    return Protocol(**fields)


def _value(key: str, value: Any) -> Any:
    """Return a value of a file in the field's type. Raises DataError for another type."""
    if key == "frame_size" and value == NATIVE:
        return None
    if key in (*TEXTS, *OWN_TEXTS) and not (isinstance(value, str) and value.strip() and "\n" not in value.strip()):
        raise DataError(f"{key}: {value!r}: a line of text is needed", code="bad-value")
    if key in (*NUMBERS, "frame_size") and (isinstance(value, bool) or not isinstance(value, int)):
        other = f", or {NATIVE!r}" if key == "frame_size" else ""
        raise DataError(f"{key}: {value!r}: a whole number is needed{other}", code="bad-value")
    if key in SECONDS:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"{key}: {value!r}: a number is needed", code="bad-value")
        return float(value)
    if key in ("metrics", *OWN_LISTS):
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise DataError(f"{key}: {value!r}: a list of names is needed", code="bad-value")
        return tuple(value)
    return value
