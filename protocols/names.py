"""Names that runs, statistics and reports share: of the bounds, and of model folders."""

from __future__ import annotations

import hashlib
import re

STILL = "copy-source"  # lower bound: the source frame without any motion
PERFECT = "copy-target"
TEMPLATE = "copy-template"  # lower bound of runs driven by sound: the template video, in which other words are spoken
WRONG = "wrong-sound"  # the true video with the template's mouth: only the spoken words are wrong
LOWER = (STILL, TEMPLATE, WRONG)
BOUNDS = (*LOWER, PERFECT)  # models that are not ranked
SHOWS = {
    STILL: "the unchanged source frame",
    TEMPLATE: "the unchanged template video, with other words",
    WRONG: "the true video with the mouth of other words",
    PERFECT: "the true frame, a perfect prediction",
}


def safe_name(label: str) -> str:
    """Turn a label into a folder name: other characters than letters, digits and ``._+-`` become ``_``.

    A long label (``cmd:...``) is truncated; a hash distinguishes it from others with the same beginning.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", label).lstrip(".") or "_"
    return name if len(name) <= 200 else f"{name[:180]}-{hashlib.sha256(label.encode()).hexdigest()[:16]}"
