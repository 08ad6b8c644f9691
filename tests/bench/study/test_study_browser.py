"""A rater in a real browser: consent, practice, votes, a reload in the middle, the end; served and as files."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api
from support import gray_clips
from support.browsers import BROWSER, needed
from support.live_study import live

from bench.study import invitations, load, make, page, questions
from bench.study.collect import collect
from bench.study.votes import read_votes

pytestmark = [pytest.mark.slow, needed]
PLAYED = 30_000  # milliseconds until a video of 1.2 seconds has been played, at most


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("judged")
    gray_clips.folders(root, 30)
    return gray_clips.score(root)


@pytest.fixture
def folder(run, tmp_path) -> Callable[..., Path]:
    """Make a study of a kind; returns its folder."""

    def made(kind: Any, **more: Any) -> Path:
        asked = questions.questions(["lip-sync", "overall"], kind, None)
        wanted = make.Wanted(kind, asked, "A <b>study</b>", raters=2, minutes=3, attention=1, **more)
        make.make([run], tmp_path / kind, wanted)
        return tmp_path / kind

    return made


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a study by uvicorn in a thread; returns its address."""
    with ExitStack() as served:
        yield lambda folder: served.enter_context(live(folder))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable[..., Any]]:
    """A page of a width; errors in it, and what its policy forbids, fail the test."""
    wrong: list[str] = []
    pages: list[Any] = []

    def opened(width: int, **more: Any) -> Any:
        new = browser.new_page(viewport={"width": width, "height": 844}, **more)
        new.on("pageerror", lambda error: wrong.append(str(error)))
        new.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
        pages.append(new)
        return new

    yield opened
    for one in pages:
        one.close()
    assert wrong == []


def begin(page: Any) -> None:
    """Agree and start."""
    go = page.get_by_role("button", name="Continue")
    go.wait_for()
    assert go.is_disabled()
    page.get_by_label("I agree to take part").check()
    go.click()
    page.get_by_role("button", name="Start").click()


def watch(page: Any) -> None:
    """Play a trial's videos to their end."""
    play = page.get_by_role("button", name="Play", exact=True)
    play.wait_for()
    assert (
        page.locator("fieldset:not(:disabled)").count() == 0 and page.get_by_role("button", name="Next").is_disabled()
    )
    play.click()
    page.locator("fieldset:not(:disabled)").first.wait_for(timeout=PLAYED)


def answer(page: Any, grade: int) -> None:
    """Give the grade to every question; counted from the best, 0."""
    for number in range(page.locator("fieldset").count()):
        page.locator("fieldset").nth(number).get_by_role("radio").nth(grade).check()
    title = page.get_by_role("heading", level=1).text_content()
    page.get_by_role("button", name="Next").click()
    page.wait_for_function("(title) => document.querySelector('h1').textContent !== title", arg=title)


def fits(page: Any) -> bool:
    """Whether nothing is wider than the page."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(("width", "kind"), [(1280, "ccr"), (390, "acr"), (390, "ccr")])
def test_a_rater_is_led_from_consent_to_the_end(width, kind, folder, serve, open_page):
    made = folder(kind)
    study, base = load(made), serve(made)
    trials = study.raters[0].trials
    link = f"{base}/r/{invitations.read(made).raters[0].token}/"
    page = open_page(width)
    page.goto(link)
    assert page.title() == "A <b>study</b>"
    begin(page)
    for number in range(len(trials)):
        if number == 2:  # in the middle of a trial, and answered for nothing
            watch(page)
            page.reload()
            page.get_by_role("button", name="Continue where you stopped").click()
        watch(page)
        assert (
            page.get_by_role("heading", level=1)
            .text_content()
            .startswith(f"{'Video' if kind == 'acr' else 'Videos'} {number + 1} of {len(trials)}")
        )
        assert page.locator(".tag").count() == (trials[number].kind == "training")
        assert fits(page)
        answer(page, number % 5)
    page.get_by_role("heading", name="Thank you").wait_for()
    page.reload()
    page.get_by_role("heading", name="Thank you").wait_for()
    votes = read_votes(made)
    assert list(votes["trial"]) == [trial.id for trial in trials for _ in study.questions]
    values = [grade.value for grade in study.questions[0].grades]
    assert list(votes["grade"]) == [values[number % 5] for number in range(len(trials)) for _ in study.questions]
    assert votes["seconds"].min() > 1.2


def test_two_videos_play_in_step_with_one_sound(folder, serve, open_page):
    made = folder("preference")
    page = open_page(1280)
    page.goto(f"{serve(made)}/r/{invitations.read(made).raters[0].token}/")
    begin(page)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.6")
    apart = page.evaluate("Array.from(document.querySelectorAll('video'), (video) => video.currentTime)")
    assert abs(apart[0] - apart[1]) < 0.15
    assert page.evaluate("Array.from(document.querySelectorAll('video'), (video) => video.muted)") == [False, True]
    assert page.locator("video[controls]").count() == 0


def test_the_keyboard_is_enough_and_a_reader_is_told(folder, serve, open_page):
    made = folder("acr")
    page = open_page(1280)
    page.goto(f"{serve(made)}/r/{invitations.read(made).raters[0].token}/")
    page.get_by_label("I agree to take part").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.className === 'play'")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.activeElement.type === 'radio'", timeout=PLAYED
    )  # moved to the first question
    hint = page.locator("#hint").text_content()
    assert hint and page.get_by_role("status").text_content().endswith(hint)
    assert [page.get_by_role("group").nth(at).get_attribute("aria-describedby") for at in (0, 1)] == ["hint"] * 2
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('count').textContent.startsWith('1 of')")
    votes = read_votes(made)
    assert list(votes["grade"]) == [4, 5]


def test_answers_are_kept_where_the_server_is_away(folder, serve, open_page):
    made = folder("acr")
    page = open_page(390)
    page.goto(f"{serve(made)}/r/{invitations.read(made).raters[0].token}/")
    begin(page)
    watch(page)
    page.context.set_offline(True)
    for number in range(2):
        page.locator("fieldset").nth(number).get_by_role("radio").nth(1).check()
    page.get_by_role("button", name="Next").click()
    page.locator("#status.error").wait_for()
    assert "Not saved" in page.get_by_role("status").text_content() and read_votes(made).empty
    page.context.set_offline(False)
    page.get_by_role("button", name="Next").click()
    page.wait_for_function("() => document.getElementById('count').textContent.startsWith('1 of')")
    assert list(read_votes(made)["grade"]) == [4, 4]


def test_a_static_page_gives_a_file_that_collect_reads(folder, open_page, tmp_path):
    made = folder("acr")
    page.write(made, tmp_path / "page", "https://example.org/s")
    handler = functools.partial(_Quiet, directory=str(tmp_path / "page"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        invitation = invitations.read(made).raters[1]
        shown = open_page(390, accept_downloads=True)
        shown.goto(f"http://127.0.0.1:{host.server_address[1]}/index.html#{invitation.token}")
        begin(shown)
        trials = load(made).raters[1].trials
        for number in range(len(trials)):
            if number == 1:
                shown.reload()
                shown.get_by_role("button", name="Continue where you stopped").click()
            watch(shown)
            answer(shown, 1)
        with shown.expect_download() as download:
            shown.get_by_role("link", name="Download").click()
        file = tmp_path / "answers.json"
        download.value.save_as(file)
        host.shutdown()
    assert json.loads(file.read_text())["format"] == page.ANSWERS
    assert collect(made, [file]) == [(invitation.rater, len(trials), len(trials))]
    assert list(read_votes(made)["grade"]) == [4] * 2 * len(trials)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_organizer_sees_counts_change(folder, serve, open_page):
    made = folder("acr")
    base, invited = serve(made), invitations.read(made)
    organizer = open_page(1280)
    organizer.goto(f"{base}/o/{invited.organizer}/")
    assert organizer.locator("#begun").text_content() == "0"
    rater = open_page(390)
    rater.goto(f"{base}/r/{invited.raters[0].token}/")
    begin(rater)
    organizer.wait_for_function("() => document.getElementById('begun').textContent === '1'", timeout=15_000)
    assert organizer.locator("#slot-0 .state").text_content() == "started" and fits(organizer)
