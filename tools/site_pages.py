"""The generated pages of the site: a hook of mkdocs (see mkdocs.yml).

README and its neighbors become pages, and so do commands, Python modules, schemas and the cards of sample checkpoints.
Links between files of the repository point to pages, and a ``*`` in the navigation stands for all files of a pattern.
"""

from __future__ import annotations

import fnmatch
import html
import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import command_pages
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
NEIGHBORS = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
PLAIN = ("NOTICE", "LICENSE", "CITATION.cff")  # linked, and copied as they are
ALONE = ("index.md", "getting-started.md")  # sections of one page, without a list of pages next to them
SITE_OF = {**NEIGHBORS, **{name: f"files/{name}.txt" for name in PLAIN}, "docs/schema": "schema/files.md"}
MODULES = {  # what a program may import, by page
    "models": ("baselines.predictor", "baselines.talking"),
    "metrics": ("bench.metrics", "bench.metrics.base", "bench.metrics.families", "bench.metrics.registered"),
    "detectors": ("bench.detectors", "bench.detectors.base", "bench.detectors.compat"),
    "data": ("protocols.catalogue", "protocols.protocol", "protocols.datasets", "protocols.pairs", "protocols.clips"),
    "sound": ("protocols.sound", "bench.detectors.syncnet"),
    "results": ("reports.schema.summary", "reports.schema.manifest", "reports.schema.comparison"),
    "errors": ("protocols.errors",),
}
_LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\s\"]+)")
_FENCE = re.compile(r"^( *)(```|~~~)")
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_HEAD = re.compile(r"<th>(.*?)</th>", re.DOTALL)
_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_LISTED = re.compile(r" *(?:[-*] |\d+\. )")


def on_config(config: Any) -> Any:
    """Give headings the anchors of a code host's pages."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and expand the navigation."""
    for uri, content in made():
        if (old := files.get_file_from_path(uri)) is not None:
            files.remove(old)
        files.append(File.generated(config, uri, content=content))
    pages = [file.src_uri for file in files.documentation_pages()]
    config.nav = list(spelled_out(config.nav, pages))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let a page of ``docs/`` link to the other pages of the site, and give sections of one page its whole width."""
    if page.file.src_uri in ALONE:
        page.meta["hide"] = ["navigation"]
    if page.file.generated_by:
        return markdown
    return readable(linked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri))


def on_page_content(content: str, **_: Any) -> str:
    """Mark tables of text, whose names may break; a phone shows the cells of three and more columns as a list."""
    return _TABLE.sub(lambda table: marked(table[0]), content)


def marked(table: str) -> str:
    """Return a table with its kind, and the column's name in each cell; one with right-aligned numbers unchanged."""
    heads = [html.escape(html.unescape(re.sub(r"<[^>]+>", "", head))) for head in _HEAD.findall(table)]
    if "text-align: right" in table:
        return table
    if len(heads) < 3:
        return table.replace("<table>", "<table data-text>", 1)

    def row(found: re.Match[str]) -> str:
        before, *cells = found[0].split("<td>")
        named = [f' data-label="{head}"' if head.strip() else "" for head in heads]
        return before + "".join(f"<td{label}>{cell}" for label, cell in zip(named, cells, strict=False))

    return _ROW.sub(row, table).replace("<table>", '<table data-text="list">', 1)


def made() -> Iterator[tuple[str, str]]:
    """Yield every generated file: its path in the site, its content."""
    origins = {**NEIGHBORS, **cards()}
    for origin, uri in origins.items():
        yield uri, readable(linked((ROOT / origin).read_text("utf-8"), origin, uri))
    yield from ((SITE_OF[name], (ROOT / name).read_text("utf-8")) for name in PLAIN)
    yield "commands/index.md", command_pages.overview()
    yield from ((f"commands/{name}.md", text) for name, text in command_pages.pages().items())
    yield "python/index.md", python_overview()
    for name, modules in MODULES.items():
        yield f"python/{name}.md", "\n\n".join([f"# {name.capitalize()}", *(f"::: {module}" for module in modules), ""])
    yield "schema/files.md", readable("\n".join(schemas()))
    yield "cards/index.md", card_overview()


def cards() -> dict[str, str]:
    """Return the cards of the packages' checkpoints, by their path in the site."""
    found = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "baselines").rglob("*.md"))
    return {
        path: "cards/" + path.removeprefix("baselines/").replace("/", "-").replace("README", "card") for path in found
    }


def card_overview() -> str:
    lines = [
        "# Sample checkpoints",
        "",
        "Small networks that come with the program, each with what made it and what it measures.",
        "",
    ]
    for origin, uri in cards().items():
        lines.append(f"- [{title(ROOT / origin)}]({posixpath.basename(uri)})")
    return "\n".join([*lines, ""])


def title(file: Path) -> str:
    return file.read_text("utf-8").partition("\n")[0].lstrip("# ")


def python_overview() -> str:
    rows = [
        f"| [{page.capitalize()}]({page}.md) | {', '.join(f'`{m}`' for m in held)} |" for page, held in MODULES.items()
    ]
    return "\n".join(
        [
            "# Python",
            "",
            "What other programs may import. Everything else may change without notice.",
            "",
            "| page | modules |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def schemas() -> Iterator[str]:
    """Yield a page on the files that the program writes: their objects and fields."""
    yield from ("# File schemas", "", "The JSON files of runs, comparisons, studies and drift checks.", "")
    for file in sorted((ROOT / "docs" / "schema").glob("*.json")):
        schema = json.loads(file.read_text("utf-8"))
        yield from (f"## {file.stem}", "", f"As JSON Schema (draft 2020-12): [{file.name}]({file.name}).", "")
        objects = {schema.get("title", ""): schema} if "properties" in schema else {}
        for name, held in (objects | schema.get("$defs", {})).items():
            if "properties" in held:
                yield from (f"### {file.stem}: {name}", "", held.get("description", "").replace("``", "`"), "")
                yield from ("| field | type | required |", "| --- | --- | --- |")
                required = held.get("required", ())
                for field, value in held["properties"].items():
                    yield f"| `{field}` | {type_of(value, file.stem)} | {'yes' if field in required else ''} |"
                yield ""


def type_of(value: dict[str, Any], file: str) -> str:
    """Return a field's type in words, with links to the objects in it."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return "any JSON value" if name == "JsonValue" else f"[{name}](#{file}-{name.lower()})"
    if options := value.get("anyOf") or value.get("oneOf"):
        return " or ".join(type_of(option, file) for option in options)
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value["enum"])
    kind = value.get("type", "any")
    if kind == "array":
        return f"list of {type_of(value['items'], file)}" if isinstance(value.get("items"), dict) else "list"
    if kind == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"by name: {type_of(value['additionalProperties'], file)}"
    return str(kind)


def spelled_out(items: Iterable[Any], pages: list[str]) -> Iterator[Any]:
    """Yield the navigation with the pages that fit each pattern in its place; a section without pages is left out."""
    for item in items:
        if isinstance(item, str) and "*" in item:
            fitting = sorted(page for page in pages if fnmatch.fnmatch(page, item))
            yield from sorted(fitting, key=lambda page: not page.endswith(("/index.md", "/README.md")))
        elif isinstance(item, dict):
            ((name, held),) = item.items()
            if inner := list(spelled_out(held, pages)) if isinstance(held, list) else held:
                yield {name: inner}
        else:
            yield item


def linked(text: str, origin: str, uri: str) -> str:
    """Return a file of the repository with its links as the page ``uri`` of the site needs them."""
    places = SITE_OF | cards()

    def place(match: re.Match[str]) -> str:
        target, hash_, anchor = match[2].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        found = places.get(inside) or (inside.removeprefix("docs/") if inside.startswith("docs/") else None)
        if found is None:
            return match[0]  # the strict build names it
        return f"{match[1]}{posixpath.relpath(found, posixpath.dirname(uri) or '.')}{hash_}{anchor}"

    return _LINK.sub(place, text)


def readable(text: str) -> str:
    """Return Markdown for code hosts as Python-Markdown needs it: with blank lines before lists and tables."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if match := _FENCE.match(line):
            fence = "" if fence == match[2] else fence or match[2]
        elif not fence:
            if line.startswith("<!--"):
                continue
            before = lines[-1] if lines else ""
            begins = (_LISTED.match(line) and not _LISTED.match(before) and not before.startswith(" ")) or (
                line.startswith("|") and not before.startswith("|")
            )
            if begins and before.strip():
                lines.append("")
            if line.startswith("|"):
                line = re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), line)
        lines.append(line)
    return "\n".join(lines)
