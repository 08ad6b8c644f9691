"""README's two command lines are the ones that are run, and what it and its neighbors name exists."""

from __future__ import annotations

import re
import shlex
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from bench.cli.main import app

ROOT = Path(__file__).parents[1]
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
CARDS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "baselines").rglob("*.md"))
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS, *CARDS)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def command_lines() -> list[str]:
    blocks = read("README.md").split("```sh\n")[1:3]
    return [block.split("\n```")[0] for block in blocks]


def test_ci_runs_the_test_line():
    _, test_line = command_lines()
    assert read(".ci/run").splitlines()[-1] == test_line


def test_first_line_is_the_main_job():
    *_, command = command_lines()[0].split(" && ")
    asked = ["--models", "mcnet,tpsm", "--protocol", "vox1-diffscale"]
    assert command.split() == ["python", "-m", "bench", "run", *asked]


def test_readme_is_short():
    assert len(read("README.md").splitlines()) < 90


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)#]+)", read(page)) if "://" not in link]
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_to_headings_lead_to_one(page):
    """Of this page or another, by the anchors that code hosts and the site give to headings."""
    links = re.findall(r"\]\(([^)#]*)#([^)\s]+)\)", read(page))
    inside = [(link, anchor) for link, anchor in links if "://" not in link]
    files = [(ROOT / page).parent / link if link else ROOT / page for link, _ in inside]
    assert [link for link, file in zip(inside, files, strict=True) if link[1] not in anchors(file)] == []


def test_the_site_has_every_page_in_its_navigation():
    """Or a pattern that it fits: mkdocs.yml."""
    listed: list[str] = []

    def walk(item: object) -> None:
        for inner in item if isinstance(item, list) else item.values() if isinstance(item, dict) else ():
            walk(inner)
        if isinstance(item, str):
            listed.append(item)

    walk(yaml.safe_load(read("mkdocs.yml"))["nav"])
    pages = [page.removeprefix("docs/") for page in DOCS]
    assert len(listed) > 30 and [page for page in pages if not any(fnmatch(page, one) for one in listed)] == []


@cache
def anchors(file: Path) -> set[str]:
    """What a link to a page may name behind its ``#``."""
    text = file.read_text(encoding="utf-8")
    found = re.findall(r"^#+ (.+)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {slug(heading) for heading in found} | set(re.findall(r'<a id="([^"]+)"', text))


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def commands(page: str) -> list[list[str]]:
    """The words behind ``bench`` in every command line of a page, in blocks of shell and in the text."""
    text = re.sub(r"\\\n", " ", read(page))
    blocks = re.findall(r"```(?:sh|yaml)\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [
        code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    ]
    found = [re.search(r"(?:^| )(?:(?:python|python3) -m bench|talking-head-bench|bench) (.+)", line) for line in lines]
    return [shlex.split(match[1].partition("&&")[0], comments=True) for match in found if match]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    for words in commands(page):
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {"--help", *(name for option in command.params for name in (*option.opts, *option.secondary_opts))}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, words
        assert not hasattr(command, "commands") or not words or words[0] in known, words


def test_the_license_is_the_one_that_is_stated_everywhere():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert project["license"] == citation["license"] == "Apache-2.0"
    assert "Apache License" in read("LICENSE")[:200] and len(read("LICENSE").splitlines()) == 202
    assert all((ROOT / name).is_file() for name in project["license-files"])
    assert project["version"] == citation["version"] and f"## [{project['version']}]" in read("CHANGELOG.md")


def test_the_notice_names_every_weight_file():
    """And those that may not be used commercially as such."""
    notice = read("NOTICE")
    entries = tomllib.loads(read("bench/weights/weights.toml"))["file"]
    assert all(entry["package"].partition("==")[0] in notice for entry in entries if "package" in entry)
    lines = notice.partition("4. FETCHED")[2].splitlines()
    for entry in entries:
        if "package" not in entry:
            line = next((line for line in lines if re.search(rf"\b{re.escape(entry['id'])}\b", line)), None)
            assert line, entry["id"]
            assert "[NC]" in line or "non-commercial" not in entry["license"], line


def test_every_package_carries_its_types():
    assert [p for p in ("baselines", "bench", "protocols", "reports") if not (ROOT / p / "py.typed").is_file()] == []
