"""Names that runs, statistics and reports share: of the bounds, and of a model's folder."""

from __future__ import annotations

import hashlib
import re

STILL = "copy-source"  # the lower bound does not move: what it gets wrong is how far the source is from the answer
PERFECT = "copy-target"
TEMPLATE = "copy-template"  # `STILL` where sound drives: the person's own video, which says something else
WRONG = "wrong-sound"  # the truth with the template's mouth: good in everything but what is said
LOWER = (STILL, TEMPLATE, WRONG)
BOUNDS = (*LOWER, PERFECT)  # models that are no competitors
SHOWS = {
    STILL: "what doing nothing measures",
    TEMPLATE: "what the template's own video measures, which says something else",
    WRONG: "what the truth measures with the mouth of other words",
    PERFECT: "what being perfect measures",
}


def safe_name(label: str) -> str:
    """Turn a label into a folder name: other characters than letters, digits and ``._+-`` become ``_``.

    A long one (``cmd:...``) is cut; a hash keeps it apart from others that begin alike.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", label).lstrip(".") or "_"
    return name if len(name) <= 200 else f"{name[:180]}-{hashlib.sha256(label.encode()).hexdigest()[:16]}"
