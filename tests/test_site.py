"""The documentation as a site: built strictly, of one host, without traces of the machine, with search from disk."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from playwright import sync_api
from support.browsers import BROWSER, needed

from bench.cli.main import PANELS

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
WIDE = ("index", "metrics/psnr", "commands/run", "tables", "drift", "models", "python/metrics", "schema/files")
CUT = """[...document.querySelectorAll(".md-typeset__scrollwrap")].filter(
  (box) => box.querySelector("table[data-text]") && box.scrollWidth > box.clientWidth + 1).length"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site; the build fails at a link, an anchor or a page that leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    line = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-q",
        "-f",
        str(ROOT / "mkdocs.yml"),
        "-d",
        str(folder),
    ]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_and_every_command_is_in_it(site: Path) -> None:
    names = [page.with_stem(page.stem.replace("README", "index")) for page in PAGES]  # a folder's README is its index
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in names]
    assert [page for page in pages if not (site / page).is_file()] == []
    assert [
        name for panel in PANELS.values() for name in panel if not (site / "commands" / f"{name}.html").is_file()
    ] == []
    assert "--protocol" in (site / "commands" / "run.html").read_text("utf-8")


def test_nothing_comes_from_another_host(site: Path) -> None:
    """But links that a reader may follow."""
    loads = re.compile(
        r"<(?:script|img|iframe|source|video)[^>]+src=[\"'](?:https?:)?//|<link[^>]+href=[\"'](?:https?:)?//"
    )
    imports = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")
    assert [page for page in site.rglob("*.html") if loads.search(page.read_text("utf-8"))] == []
    assert [page for page in site.rglob("*.css") if imports.search(page.read_text("utf-8"))] == []


def test_it_does_not_say_where_it_was_built(site: Path) -> None:
    texts = [file for file in site.rglob("*") if file.suffix in {".html", ".js", ".json", ".xml", ".txt", ".css"}]
    traces = (str(ROOT), str(Path.home()) + "/", sys.prefix)
    assert [file for file in texts if any(trace in file.read_text("utf-8") for trace in traces)] == []


def test_modules_that_pages_import_are_in_the_reference() -> None:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "tools" / "site_pages.py")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        tool = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(tool)  # type: ignore[union-attr]
    finally:
        sys.path.remove(str(ROOT / "tools"))
    described = {module for page in tool.MODULES.values() for module in page}
    shown = set()
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            shown |= {name for node in ast.walk(ast.parse(block)) for name in imported(node)}
    assert len(shown) > 8 and shown - described == set()


def imported(node: ast.AST) -> list[str]:
    """The modules of this project that an import statement names."""
    if not isinstance(node, ast.ImportFrom) or not node.module:
        return []
    if node.module.partition(".")[0] not in {"baselines", "bench", "protocols", "reports"}:
        return []
    inner = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if importlib.util.find_spec(node.module) and is_module(name) else node.module for name in inner]


def is_module(name: str) -> bool:
    return (ROOT / name.replace(".", "/")).with_suffix(".py").is_file() or (ROOT / name.replace(".", "/")).is_dir()


@needed
def test_search_works_from_disk_and_pages_fit_a_phone(site: Path) -> None:
    """A page that is wider than its window would be moved sideways; code and numbers scroll, tables of text fit."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.locator("[data-md-component=search-query]").click()
        page.keyboard.type("fingerprint")
        page.wait_for_selector(".md-search-result__link", timeout=20_000)
        assert page.locator(".md-search-result__link[href*='running.html']").count() > 0
        page.set_viewport_size({"width": 390, "height": 844})
        for name in WIDE:
            page.goto((site / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        for width, name in product((390, 1280), ("reproduce/mcnet", "failure-handling", "weights")):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto((site / f"{name}.html").as_uri())
            page.wait_for_selector(".md-typeset__scrollwrap table[data-text]")
            assert page.evaluate(CUT) == 0, (name, width)
        browser.close()
    assert errors == []
