"""The viewer in a real browser: sort, filter and compare by keyboard and mouse; pages fit a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright import sync_api
from support import shelved_runs
from support.browsers import BROWSER, needed
from support.live_study import serving

from bench.view import server

pytestmark = [needed, pytest.mark.slow]


def test_sort_filter_and_compare(tmp_path: Path, gray_run: Path) -> None:
    runs = shelved_runs.folder(tmp_path / "runs")
    with serving(server.app([runs, gray_run])) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(f"{address}/?protocol=vox1-diffscale")

        def column() -> list[float]:
            cells = page.locator("section:nth-of-type(1) tbody tr td:nth-of-type(1) .mean").all_text_contents()
            return [float(cell) for cell in cells]

        page.locator("section:nth-of-type(1) tbody input").first.check()
        for reverse in (True, False):  # ssim: the best first, then the other way round
            page.locator("section:nth-of-type(1) th button", has_text="ssim").focus()
            with page.expect_navigation():
                page.keyboard.press("Enter")
            assert column() == sorted(column(), reverse=reverse) and len(column()) == 6
            assert page.locator("input[name=pick]:checked").count() == 1  # what was chosen stays
        page.get_by_label("Text").fill("one")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=one**")
        assert page.locator("tbody small a").all_text_contents() == ["runs/one"] * 3
        page.get_by_label("Model").select_option("tpsm")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**model=tpsm**")
        assert page.locator("tbody tr").count() == 1
        page.get_by_role("link", name="Clear").click()
        page.wait_for_url(f"{address}/")
        for box in page.locator("section", has_text="vox1-diffscale").first.locator("input[name=pick]").all()[:2]:
            box.check()
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url("**/compare?**")
        assert page.locator("svg").count() > 0
        page.goto(f"{address}/")
        page.get_by_role("link", name=gray_run.name, exact=True).first.click()
        page.get_by_role("link", name="Report", exact=True).click()
        page.wait_for_selector(".player.ready")  # its script is one that the policy knows
        page.set_viewport_size({"width": 390, "height": 844})
        id_ = page.url.split("/")[-2]
        for path in ("/", f"/run/{id_}/", f"/run/{id_}/clip/0", "/compare"):
            page.goto(address + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        browser.close()
    assert [error for error in errors if "favicon" not in error and "409" not in error and "404" not in error] == []
