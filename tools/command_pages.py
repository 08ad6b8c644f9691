"""The command line as Markdown pages, one per command, generated from the Typer application."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from bench.cli.main import PANELS, app

PROGRAM = "python -m bench"


def pages() -> dict[str, str]:
    """Return the page of each command by its name, in the order of the program's help."""
    commands = command(app).commands
    return {name: "\n".join(page(name, commands[name])) for panel in PANELS.values() for name in panel}


def overview() -> str:
    """Return the page that lists all commands under the panels of the help, with the options of the program itself."""
    root = command(app)
    lines = ["# Commands", "", f"`{PROGRAM} COMMAND --help` prints what these pages say.", ""]
    for panel, commands in PANELS.items():
        lines += [f"## {panel}", "", "| command | what it does |", "| --- | --- |"]
        lines += [f"| [`{name}`]({name}.md) | {cell(root.commands[name].help)} |" for name in commands] + [""]
    return "\n".join([*lines, "## All commands", "", *options(root.params), ""])


def command(application: typer.Typer) -> Any:
    return typer.main.get_command(application)


def page(name: str, found: Any, level: int = 1) -> Iterator[str]:
    """Yield the lines of a command, and of its commands below it."""
    yield from (f"{'#' * level} {name}", "", (found.help or "").strip(), "")
    if inner := getattr(found, "commands", None):
        yield from ("| command | what it does |", "| --- | --- |")
        yield from (f"| [`{one}`](#{name.replace(' ', '-')}-{one}) | {cell(inner[one].help)} |" for one in inner)
        yield ""
        for one in inner:
            yield from page(f"{name} {one}", inner[one], level + 1)
        return
    arguments = [argument for argument in found.params if argument.param_type_name == "argument"]
    usage = [PROGRAM, name, *(spelled(argument) for argument in arguments), "[OPTIONS]"]
    yield from ("```text", " ".join(usage), "```", "")
    if arguments:
        yield from ("| argument | what it is |", "| --- | --- |")
        yield from (f"| `{spelled(argument)}` | {cell(argument.help)} |" for argument in arguments)
        yield ""
    yield from options(found.params, level + 1)


def options(params: Iterable[Any], level: int = 3) -> Iterator[str]:
    """Yield a table for each panel of options."""
    panels: dict[str, list[Any]] = {}
    for param in params:
        if param.param_type_name == "option" and not param.hidden:
            panels.setdefault(param.rich_help_panel or "Options", []).append(param)
    for panel, held in panels.items():
        if len(panels) > 1:
            yield from (f"{'#' * level} {panel}", "")
        yield from ("| option | what it does | default |", "| --- | --- | --- |")
        for option in held:
            names = ", ".join(f"`{one}`" for one in (*option.opts, *option.secondary_opts))
            yield f"| {names} | {cell(option.help)}{environment(option)} | {default(option)} |"
        yield ""


def spelled(argument: Any) -> str:
    text = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return text if argument.required else f"[{text}]"


def environment(option: Any) -> str:
    return f" Or the variable `{option.envvar}`." if option.envvar else ""


def default(option: Any) -> str:
    """Return the default as it would be typed; empty where the help says what happens without the option."""
    value = option.default
    if option.is_flag:
        given = option.opts if value else option.secondary_opts
        return f"`{given[0]}`" if given else ""
    return "" if value is None or callable(value) or value == "" else f"`{value}`"


def cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")
