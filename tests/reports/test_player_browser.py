"""The report's players in a real browser, on videos whose frames say which they are."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api
from support import gray_clips
from support.browsers import BROWSER, needed

from reports.run import html, pictures

pytestmark = [pytest.mark.slow, needed]
COUNT = 30
TRUTH, SAME, BRIGHTER, STILL = 1, 2, 3, 4  # panels after the source


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run of three clips and two models."""
    root = tmp_path_factory.mktemp("played")
    gray_clips.folders(root, COUNT)
    return gray_clips.score(root)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser) -> Iterator[Any]:
    """Open a file; returns the page, whose errors fail the test."""
    errors: list[str] = []
    pages = []

    def opened(file: Path, width: int = 1280, **more: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, **more)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert errors == []


class Player:
    """One player of a page."""

    def __init__(self, page: Any, clip: str = "two") -> None:
        self.page = page
        self.root = page.locator(f".player[aria-label$=' {clip}']")
        self.article = page.locator("article", has=self.root)
        self.root.scroll_into_view_if_needed()

    def press(self, *keys: str) -> None:
        self.root.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def at(self, frame: int) -> None:
        """Wait until the frame is shown; fails where it does not come."""
        self.page.wait_for_function("([e, k]) => e.dataset.frame === k", arg=[self.root.element_handle(), str(frame)])

    def frame(self) -> int:
        return int(self.root.get_attribute("data-frame"))

    def level(self, panel: int) -> float:
        """Gray level in the middle of a panel, as it is seen."""
        seen = self.root.locator("canvas").nth(panel).screenshot()
        image = np.asarray(Image.open(io.BytesIO(seen)).convert("RGB"), float)
        height, width = image.shape[:2]
        return image[height // 3 : -height // 3, width // 3 : -width // 3].mean()

    def numbers(self) -> list[int]:
        """Which frame the truth and both models show."""
        levels = [self.level(TRUTH), self.level(SAME), self.level(BRIGHTER) - 40]
        return [gray_clips.number(level) for level in levels]


@pytest.fixture
def player(run, open_page) -> Player:
    return Player(open_page(run / "report.html"))


def test_before_playing_there_are_posters_and_no_canvas(player):
    posters = player.root.locator("img.poster")
    assert posters.count() == 5 and all(posters.nth(k).is_visible() for k in range(5))
    assert not player.root.locator("canvas").first.is_visible()
    assert player.root.locator("video").evaluate("video => video.getBoundingClientRect().width") == 2


def test_every_step_shows_the_frame_of_its_number_in_all_panels(player):
    player.press("Home")
    player.at(0)
    for frame in range(1, COUNT):
        player.press("ArrowRight")
        player.at(frame)
        assert player.numbers() == [frame] * 3
    player.press("ArrowRight")  # there is no further one
    player.page.wait_for_timeout(200)
    assert player.frame() == COUNT - 1
    for frame in range(COUNT - 2, COUNT - 8, -1):
        player.root.locator(".back").click()
        player.at(frame)
        assert player.numbers() == [frame] * 3


def test_keys_that_come_faster_than_the_video_are_all_counted(player):
    player.press("Home", *["ArrowRight"] * 12, *["ArrowLeft"] * 3)
    player.at(9)
    assert player.numbers() == [9] * 3
    player.press("End")
    player.at(COUNT - 1)
    player.press("Shift+ArrowLeft")  # a second
    player.at(COUNT - 1 - gray_clips.RATE)


def test_playing_moves_on_and_ends_with_the_last_frame(player):
    player.press("Home")
    player.at(0)
    player.press("Space")
    sync_api.expect(player.root.locator(".play")).to_have_text("Pause")
    player.page.wait_for_function("e => Number(e.dataset.frame) > 5", arg=player.root.element_handle())
    player.press("Space")
    stopped = player.frame()
    player.page.wait_for_timeout(300)
    sync_api.expect(player.root.locator(".play")).to_have_text("Play")
    assert player.numbers() == [player.frame()] * 3 and player.frame() - stopped <= 1
    player.root.locator(".play").click()
    player.at(COUNT - 1)
    assert player.numbers() == [COUNT - 1] * 3
    player.root.locator(".play").click()  # from the beginning
    player.page.wait_for_function("e => Number(e.dataset.frame) < 20", arg=player.root.element_handle())


def test_while_it_plays_the_panels_are_in_step(player):
    """Canvases are compared in pairs, each pair in one picture of the screen."""
    player.root.locator(".speed").nth(2).click()
    player.press("Home")
    player.at(0)
    player.press("Space")
    seen = set()
    for _ in range(10):
        strip = Image.open(io.BytesIO(player.root.locator(".panels").screenshot())).convert("L")
        box = player.root.locator(".panels").bounding_box()
        levels = []
        for panel in (TRUTH, SAME, BRIGHTER):
            where = player.root.locator("canvas").nth(panel).bounding_box()
            x, y = (where["x"] - box["x"] + where["width"] / 2), (where["y"] - box["y"] + where["height"] / 2)
            levels.append(strip.getpixel((int(x), int(y))) - 40 * (panel == BRIGHTER))
        numbers = [gray_clips.number(level) for level in levels]
        assert len(set(numbers)) == 1, numbers
        seen.add(numbers[0])
    assert len(seen) > 1


def test_speeds(player):
    rate = "video => video.playbackRate"
    video = player.root.locator("video")
    for button, expected in ((1, 0.5), (2, 0.25), (0, 1)):
        player.root.locator(".speed").nth(button).click()
        assert video.evaluate(rate) == expected
    player.press("s")
    pressed = [one.get_attribute("aria-pressed") for one in player.root.locator(".speed").all()]
    assert video.evaluate(rate) == 0.5 and pressed == ["false", "true", "false"]


def test_sound_and_mute(player):
    video = player.root.locator("video")
    player.press("Home")
    player.at(0)
    assert video.evaluate("video => video.webkitAudioDecodedByteCount") > 0
    player.press("m")
    assert video.evaluate("video => video.muted")
    player.page.wait_for_function(
        "e => e.getAttribute('aria-pressed') === 'true'", arg=player.root.locator(".mute").element_handle()
    )


def test_the_seek_bar_goes_to_its_frame(player):
    player.root.locator(".seek").fill("17")
    player.at(17)
    assert player.numbers() == [17] * 3
    assert "frame 18 of 30" in player.root.locator(".place").inner_text()
    assert "frame 18 of 30" in player.root.locator(".seek").get_attribute("aria-valuetext")


@pytest.mark.parametrize("frame", [0, 11, 29])
def test_a_click_on_a_curve_goes_to_its_time(player, frame):
    curve = player.article.locator(".curve").nth(1)
    box = curve.bounding_box()
    left, wide = (float(player.root.get_attribute(f"data-{name}")) for name in ("left", "wide"))
    begin, end = (float(curve.get_attribute(f"data-{name}")) for name in ("begin", "end"))
    x = box["width"] * (left + wide * (frame / gray_clips.RATE - begin) / (end - begin))
    curve.click(position={"x": x, "y": box["height"] / 2})
    player.at(frame)
    assert player.numbers() == [frame] * 3
    cursor = curve.evaluate("e => parseFloat(getComputedStyle(e, '::before').left)")
    assert abs(cursor - x) < 2
    player.press("ArrowLeft")  # the player has the focus
    player.at(max(0, frame - 1))


def test_a_click_beside_the_axis_goes_to_its_end(player):
    curve = player.article.locator(".curve").first
    curve.click(position={"x": 3, "y": 20})
    player.at(0)


def test_the_difference_view_shows_how_far_the_models_are_from_the_truth(player):
    player.press("Home", "ArrowRight", "d")
    player.at(1)
    player.page.wait_for_timeout(200)
    gain = 1 / pictures.FULL_SCALE
    assert player.level(SAME) < 8
    assert player.level(BRIGHTER) == pytest.approx(40 * gain, abs=8)
    assert player.level(STILL) == pytest.approx(gray_clips.STEP * gain, abs=8)
    assert gray_clips.number(player.level(TRUTH)) == 1
    assert player.root.locator(".differ").get_attribute("aria-pressed") == "true"
    player.press("d")
    player.page.wait_for_timeout(200)
    assert player.numbers() == [1] * 3


def test_a_frame_that_was_not_made_is_a_cross_and_has_no_difference(run, open_page):
    player = Player(open_page(run / "report.html"), "three")
    assert "brighter 5 of 30" in player.root.inner_text()
    player.press("End")
    player.at(COUNT - 1)
    assert [gray_clips.number(player.level(panel)) for panel in (TRUTH, SAME)] == [COUNT - 1] * 2
    crossed = player.level(BRIGHTER)
    player.press("d")
    player.page.wait_for_timeout(200)
    assert player.level(BRIGHTER) == pytest.approx(crossed, abs=2) and player.level(SAME) < 8


def test_one_plays_at_a_time(run, open_page):
    page = open_page(run / "report.html")
    first, second = Player(page, "one"), Player(page, "two")
    first.root.locator(".speed").nth(2).click()
    first.press("Space")
    page.wait_for_function("e => Number(e.dataset.frame) > 1", arg=first.root.element_handle())
    second.press("Space")
    page.wait_for_function("e => Number(e.dataset.frame) > 1", arg=second.root.element_handle())
    assert first.root.locator("video").evaluate("video => video.paused")


def test_without_its_media_folder_a_page_says_so_and_keeps_posters(run, open_page, tmp_path):
    shutil.copy(run / "report.html", tmp_path / "report.html")
    page = open_page(tmp_path / "report.html")
    page.wait_for_selector(".player.gone")
    assert page.locator(".player.gone").count() == 3
    player = Player(page)
    assert player.root.locator(".problem").is_visible() and "media/" in player.root.locator(".problem").inner_text()
    assert player.root.locator("img.poster").first.is_visible()
    assert not player.root.locator(".controls").is_visible() and not player.root.locator("video").is_visible()


def test_a_single_file_plays_anywhere(run, open_page, tmp_path):
    shutil.copy(html.write(run, single_file=True), tmp_path / "alone.html")
    player = Player(open_page(tmp_path / "alone.html"))
    player.press("Home", *["ArrowRight"] * 7)
    player.at(7)
    assert player.numbers() == [7] * 3


def test_without_scripts_there_is_a_plain_video(run, open_page):
    page = open_page(run / "report.html", java_script_enabled=False)
    video = page.locator(".player video").first
    assert video.get_attribute("controls") is not None and video.bounding_box()["width"] > 500
    assert page.locator(".player img.poster").first.is_visible() and not page.locator(".controls").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_everything_can_be_read(run, open_page, width, scheme):
    page = open_page(run / "report.html", width, color_scheme=scheme)
    player = Player(page)
    player.press("Home", "ArrowRight")
    player.at(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in player.root.locator(".controls > *, .panels figure").all():
        box = part.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert player.numbers() == [1] * 3
    style = "e => { const s = getComputedStyle(e); return [s.color, s.backgroundColor] }"
    for button in player.root.locator("button").all():
        ink, paper = (_luminance(color) for color in button.evaluate(style))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 4.5  # WCAG 2.1, 1.4.3


def test_the_focus_can_be_seen(player):
    player.press("Tab")
    style = "() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth] }"
    assert player.page.evaluate(style) == ["solid", "2px"]


def _luminance(color: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, WCAG 2.1."""
    parts = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))
