"""Pages out of ``templates/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.run import plots, view

PACKAGE = "talking-head-bench"


def draw(template: str, *, sections: Sequence[tuple[str, str]] = (), digest: str = "", **values: Any) -> str:
    """Fill in a template that extends ``base.html.j2``. Names are escaped: they are text, whatever they look like.

    sections: anchor and title of each, for the navigation. digest: SHA-256 of what the page shows, see `digest_of`; it
    stands in the footer beside the version of this program. A page of its own needs neither.
    """
    return _environment().get_template(template).render(sections=sections, digest=digest, **values)


def digest_of(content: Any) -> str:
    """SHA-256 of what a page shows, as JSON with sorted keys; what JSON does not know counts as text."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@cache
def _environment() -> Environment:
    """Compile every template once a process."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": view.number, "percent": view.percent, "p_value": view.p_value}
    environment.globals |= {"interval": view.interval, "palette": plots.palettes(), "version": _version()}
    return environment


def _version() -> str:
    """Of the installed package; a tree that was never installed has none."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "(not installed)"
