"""Raters in real browser pages, several at once: they watch, and grade by what the plan says of a video, with noise."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from playwright import async_api

from reports.schema.study import Study, Trial
from support.browsers import BROWSER

PLAYED = 60_000  # milliseconds until videos of some seconds have been played, at most, on a busy machine


class Judge:
    """Grades as a person would who sees a model's level, with noise; checks as expected. levels: by model."""

    def __init__(self, study: Study, slot: int, levels: Mapping[str, float], noise: float = 0.5) -> None:
        self._study, self._levels, self._noise = study, levels, noise
        self._rng = np.random.default_rng(slot)

    def grade(self, trial: Trial, question: int) -> int:
        """The answer to one question."""
        values = [grade.value for grade in self._study.questions[question].grades]
        if trial.expected is not None:
            bounds = trial.expected
            return next(one for one in (bounds.equals, bounds.max, bounds.min) if one is not None)
        videos = self._study.by_id()
        levels = [1.0 if videos[one].degraded else self._levels[videos[one].model] for one in trial.stimuli]
        level = levels[0] if len(levels) == 1 else levels[0] - levels[1]
        wanted = level + self._rng.normal(0, self._noise)
        return min(values, key=lambda value: abs(value - wanted))


async def sit(page: async_api.Page, link: str, study: Study, slot: int, judge: Judge, reload_at: int | None) -> None:
    """Lead one rater from consent to the end. reload_at: number of the trial in which the page is loaded again."""
    await page.goto(link)
    await page.get_by_label("I agree to take part").check()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="Start").click()
    for number, trial in enumerate(study.raters[slot].trials):
        await _watch(page)
        if number == reload_at:
            await page.reload()
            await page.get_by_role("button", name="Continue where you stopped").click()
            await _watch(page)
        for question in range(len(study.questions)):
            value = judge.grade(trial, question)
            await page.locator("fieldset").nth(question).locator(f"input[value='{value}']").check()
        await page.get_by_role("button", name="Next").click()
        done = f"{number + 1} of "
        await page.wait_for_function(
            "(done) => document.getElementById('count').textContent.startsWith(done)", arg=done
        )
    await page.get_by_role("heading", name="Thank you").wait_for()


async def _watch(page: async_api.Page) -> None:
    await page.get_by_role("button", name="Play", exact=True).click(timeout=PLAYED)
    await page.locator("fieldset:not(:disabled)").first.wait_for(timeout=PLAYED)


def rate(
    links: Sequence[str], study: Study, levels: Mapping[str, float], sizes: Sequence[Mapping[str, int]]
) -> list[str]:
    """Let one rater a link sit, all at once; the page of each is loaded again in the middle. Returns pages' errors.

    sizes: of windows, taken in turn.
    """
    wrong: list[str] = []

    async def everybody() -> None:
        async with async_api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            sittings = []
            for slot, link in enumerate(links):
                size: Any = sizes[slot % len(sizes)]
                page = await browser.new_page(viewport=size)
                page.on("pageerror", lambda error: wrong.append(str(error)))
                middle = len(study.raters[slot].trials) // 2
                sittings.append(sit(page, link, study, slot, Judge(study, slot, levels), middle))
            await asyncio.gather(*sittings)
            await browser.close()

    asyncio.run(everybody())
    return wrong
