"""Pages out of ``templates/``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.run import view


def draw(template: str, **values: Any) -> str:
    """Fill in a template. Names are escaped: they are text, whatever they look like."""
    return _environment().get_template(template).render(values)


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
    environment.globals |= {"interval": view.interval}
    return environment
