"""Rendering of the pages in ``templates/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from protocols.words import counted
from reports.run import plots, view

PACKAGE = "talking-head-bench"


def draw(template: str, *, sections: Sequence[tuple[str, str]] = (), digest: str = "", **values: Any) -> str:
    """Fill in a template that extends ``base.html.j2``. All names are escaped.

    sections: anchor and title of each, for the navigation. digest: SHA-256 of the page's content (`digest_of`), shown
    in the footer. A page that does not extend the base needs neither.
    """
    return _environment().get_template(template).render(sections=sections, digest=digest, **values)


def digest_of(content: Any) -> str:
    """Return the SHA-256 of a page's content, as JSON with sorted keys; other types are converted to text."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@cache
def _environment() -> Environment:
    """Compile every template once per process."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": view.number, "percent": view.percent, "p_value": view.p_value}
    environment.globals |= {"interval": view.interval, "palette": plots.palettes(), "version": _version()}
    environment.globals["counted"] = counted
    return environment


def _version() -> str:
    """Return the version of the installed package; a source tree that was never installed has none."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "(not installed)"
