"""What all pages share: one base, boxes for tables, and what a report says first."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright import sync_api
from support import fake_run, manifests
from support.browsers import BROWSER, needed
from support.manifests import manifest_of, summary_of

from bench.comparison.compare import compare
from reports.comparison import html as compare_html
from reports.comparison import pictures as compare_pictures
from reports.comparison import view as compare_view
from reports.paper import export
from reports.paper.compare import regenerate
from reports.paper.tables import published
from reports.run import html, plots, trainings, verdict, view
from reports.run.page import digest_of
from reports.run.pictures import Output, PictureRow
from reports.schema.manifest import ModelEntry

FEW = ("ssim", "l1", "aed-dlib", "prmse-pnp")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return fake_run.make(tmp_path_factory.mktemp("runs") / "plain", pairs=24, metrics=FEW)


@pytest.fixture(scope="module")
def pages(run, tmp_path_factory) -> dict[str, Path]:
    """A file a kind of page."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "run": html.write(run).read_text("utf-8"),
        "compare": compare_html.page(compare(run, n_resamples=100), run, run),
        "tables": export.html([regenerate(next(one for one in published() if one.id == "mcnet-1a"), [])]),
    }
    files = {name: folder / f"{name}.html" for name in texts}
    for name, file in files.items():
        file.write_text(texts[name], encoding="utf-8")
    return files


def test_pages_share_navigation_table_boxes_and_a_footer_with_version_and_hash(pages):
    for file in pages.values():
        text = file.read_text("utf-8")
        anchors = re.findall(r'<a href="#([\w-]+)">', text[text.index("<nav") : text.index("</nav>")])
        assert anchors and all(f'<section id="{anchor}"' in text for anchor in anchors)
        boxes = re.findall(r'<div class="card scroll\s*" tabindex="0" role="region" aria-label="[^"]+">\s*<table', text)
        assert len(boxes) == text.count("<table") > 0
        footer = text[text.index("<footer") :]
        assert re.search(r'<code title="[0-9a-f]{64}">[0-9a-f]{12}</code>', footer)
        assert re.search(r"talking-head-bench \d+\.\d+", footer)
        assert text.count("<style>") == 1 and "<script" not in text and "<link" not in text
        assert all(source.startswith("data:") for source in re.findall(r'<img[^>]* src="([^"]*)"', text))


def test_digest_follows_the_content():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1, "b": 3})


def standing(run: Path, **p_of: float | None) -> verdict.Standing:
    """Return the standing against copy-source where it wins on the named metrics, with these p; None: a tie."""
    turned = [
        entry.but(better=None if p_of[entry.metric] is None else "copy-source", p_holm=p_of[entry.metric] or 1.0)
        if entry.metric in p_of
        else entry
        for entry in summary_of(run).comparisons
    ]
    manifests.write(run, manifest_of(run), summary_of(run).but(comparisons=tuple(turned)))
    (one,) = verdict.standings(summary_of(run), view.summary_table(summary_of(run), manifest_of(run)))
    return one


def first_sentence(run: Path) -> str:
    text = html.write(run).read_text("utf-8")
    start = text.index('class="lead verdict"')
    assert text.index("<h1") < start < text.index("<p", start) < text.index("<nav")
    return text[start : text.index("</p>", start)]


def test_losing_to_a_copy_of_the_source_is_the_first_thing_said(tmp_path):
    run = fake_run.make(tmp_path / "r", models=("mcnet", "copy-source"), pairs=24, metrics=FEW, failures=False)
    good = standing(run)
    assert (good.model, good.bound, good.worse, len(good.better), good.of) == ("mcnet", "copy-source", (), 4, 4)
    assert 'class="failed"' not in first_sentence(run)
    mixed = standing(run, l1=0.4)
    assert not mixed.loses and [len(one) for one in (mixed.worse, mixed.better)] == [1, 3]
    said = re.sub(r"<[^>]*>", "", first_sentence(run).partition(">")[2])
    assert re.findall(r"[2-9]|1\b", said)[:3] == ["3", "4", "1"] and "(l1)" in said
    bad = standing(run, l1=0.4, ssim=0.05, **{"aed-dlib": None})
    assert {column.name for column in bad.worse} == {"l1", "ssim"} and bad.clearly_worse == ()
    assert [column.name for column in bad.better] == ["prmse-pnp"] and bad.of == 4
    said = first_sentence(run)
    assert "is worse than copy-source" in said and 'class="failed"' not in said
    assert re.findall(r"\d+", re.sub(r"<[^>]*>", "", said.partition(">")[2]))[:3] == ["2", "4", "1"]
    clear = standing(run, l1=0.01)
    assert clear.loses and bad.loses and not good.loses
    assert [column.name for column in clear.clearly_worse] == ["l1"] and len(clear.worse) == 2
    assert 'class="failed"' in first_sentence(run)


@pytest.mark.parametrize(
    ("identities", "smallest", "family", "words"),
    [(3, 0.25, 3, "3"), (5, 1 / 16, 1, "5"), (6, 1 / 32, 3, "6"), (6, 1 / 32, 1, None), (9, 0.25, 3, "few")],
)
def test_too_few_identities_for_a_clear_difference_are_said(tmp_path, identities, smallest, family, words):
    run = fake_run.make(tmp_path / "r", models=("mcnet", "copy-source"), pairs=24, metrics=FEW, failures=False)
    summary = summary_of(run)
    side = summary.clusters.driving.but(identities=identities)
    entries = tuple(entry.but(p_smallest=smallest, family=family, p_holm=1.0) for entry in summary.comparisons)
    clusters = summary.clusters.but(source=side, driving=side)
    manifests.write(run, manifest_of(run), summary.but(clusters=clusters, comparisons=entries))
    note = verdict.too_few(summary_of(run))
    assert (note is None) == (words is None) and (not words or words in note.split())
    assert ('id="too-few"' in first_sentence(run)) == bool(words)


def test_a_copy_of_the_source_is_no_judge_of_metrics_against_the_source(tmp_path):
    run = fake_run.make(tmp_path / "r", reference="cross-identity", pairs=24, metrics=FEW, failures=False)
    table = view.summary_table(summary_of(run), manifest_of(run))
    assert {one.of for one in verdict.standings(summary_of(run), table)} == {1}


def test_a_constant_has_no_axis_and_no_best():
    same = {"a": pd.Series([0.0] * 5), "b": pd.Series([0.0, 0.0, np.nan])}
    colors = {"a": "c0", "b": "c1"}
    assert plots.constant(same, 3) == 0.0 and plots.distribution(same, colors, 3) is None
    rare = {"a": pd.Series([0.0] * 999 + [1.0])}
    assert plots.constant(rare, 3) is None and plots.distribution(rare, colors, 3) is not None


def test_where_all_models_have_one_mean_none_is_best(run):
    summary, manifest = summary_of(run), manifest_of(run)
    order = summary.ranking["l1"].order
    tied = {**summary.ranking, "l1": summary.ranking["l1"].but(best=order, second=())}
    table = view.summary_table(summary.but(ranking=tied), manifest)
    place = [column.name for column in table.columns].index("l1")
    assert {row.cells[place].rank for row in table.rows} == {""}
    assert any(cell.rank == "best" for row in table.rows for cell in row.cells)


def test_a_picture_with_two_roles_stands_once():
    with_difference = (Output("m", "out", "apart"),)
    row = PictureRow("p", "best", (), {"source": "s", "driving": "d", "target": "d"}, with_difference)
    assert row.stacks() == [[(("source",), "s"), (("driving", "target"), "d")]]
    row = PictureRow("p", "best", (), {"source": "s", "driving": "d", "target": "t"}, with_difference)
    assert [len(stack) for stack in row.stacks()] == [2, 1]
    row = PictureRow("p", "best", (), {"source": "s", "driving": "d"}, (Output("m", "out", None),))
    assert row.stacks("template") == [[(("template",), "s")], [(("driving",), "d")]]


def test_a_comparison_counts_who_is_better_and_shows_pairs_of_both_sides(run):
    found = compare(run, models=["mcnet", "tpsm"], n_resamples=100)
    (duel,) = found.duels
    columns = compare_view.columns(found)
    counted = compare_view.tally(duel, columns)
    assert counted.of == len(FEW) and counted.a == sum(
        entry.mean_a > entry.mean_b if columns[entry.metric].metric.higher_is_better else entry.mean_a < entry.mean_b
        for entry in duel.comparisons
    )
    assert counted.clear_a <= counted.a and counted.a + counted.b <= counted.of
    sure = [entry.but(p_holm=0.01, ci_low=-1.0, ci_high=1.0) for entry in duel.comparisons]
    chance = [entry.but(p_holm=0.9, ci_low=1.0, ci_high=1.0) for entry in duel.comparisons]
    for entries, clear in ((sure, counted.a + counted.b), (chance, 0)):  # as the verdicts of the table
        found_in = compare_view.tally(duel.but(comparisons=tuple(entries)), columns)
        assert found_in.clear_a + found_in.clear_b == clear
    shown = compare_pictures.shown(run, run, duel, columns["l1"])
    gains = [one.values[1] - one.values[0] for one in shown]  # less is better
    assert len(shown) >= 3 and gains == sorted(gains, reverse=True)
    assert [one.better for one in shown] == ["a" if gain > 0 else "b" for gain in gains]
    assert all(output.image and output.difference for one in shown for output in one.row.outputs)
    text = compare_html.page(found, run, run)
    assert text.count('alt="output of') == 2 * len(shown) and text.index("lead verdict") < text.index("<nav")
    assert 'alt="output of' not in compare_html.page(found)
    few, enough = (
        found.but(duels=(duel.but(comparisons=tuple(one.but(p_smallest=p, family=3) for one in duel.comparisons)),))
        for p in (0.25, 0.01)
    )
    assert 'data-smallest-p="0.75"' in compare_html.page(few) and "smallest-p" not in compare_html.page(enough)
    assert [one.pairs for one in shown] == [(one.row.pair, one.row.pair) for one in shown]


def test_pairs_of_two_runs_meet_by_what_they_ask(run, tmp_path):
    other = fake_run.make(tmp_path / "other", pairs=24, metrics=FEW)
    (duel,) = compare(run, other, models=["mcnet", "mcnet"], n_resamples=100).duels
    shown = compare_pictures.shown(run, other, duel, compare_view.columns(compare(run, n_resamples=100))["l1"])
    assert shown and {one.better for one in shown} == {""}


def test_saved_frames_of_both_runs_need_the_inputs_of_one(run, tmp_path):
    ours, theirs = (fake_run.make(tmp_path / name, pairs=24, metrics=FEW, failures=False) for name in "ab")
    found = compare(ours, theirs, models=["mcnet", "tpsm"], n_resamples=100)
    (duel,) = found.duels
    column = compare_view.columns(found)["l1"]
    pairs = sorted(file.stem for file in (ours / "pictures" / "_driving").iterdir())
    for folder, model, half in ((ours, "mcnet", pairs[::2]), (theirs, "tpsm", pairs[1::2])):
        shutil.copytree(folder / "pictures" / model, folder / "frames" / model)
        shutil.rmtree(folder / "pictures")
        for role in ("_source", "_driving", "_target"):
            for pair in half:
                place = folder / "pictures" / role / f"{pair}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(run / "pictures" / role / f"{pair}.png", place)
    shown = compare_pictures.shown(ours, theirs, duel, column)
    assert len(shown) == 5 and all(output.image for one in shown for output in one.row.outputs)
    assert all(set(one.row.inputs) == {"source", "driving", "target"} for one in shown)
    shutil.rmtree(ours / "pictures")
    left = compare_pictures.shown(ours, theirs, duel, column)
    assert left and {one.row.pair for one in left} <= set(pairs[1::2])
    shutil.rmtree(theirs / "frames")
    assert compare_pictures.shown(ours, theirs, duel, column) == []
    assert "<article" not in compare_html.page(found, ours, theirs)


def test_trainings_of_two_stages_are_columns_of_a_table():
    entry = ModelEntry(name="m", training={"a2e": {"steps": 5, "seed": 1}, "render": {"steps": 7, "size": "x"}})
    two = trainings.of_model(entry)
    assert two.stages == ("a2e", "render")
    assert dict(two.rows) == {"steps": (5, 7), "seed": (1, None), "size": (None, "x")}
    one = trainings.of_model(ModelEntry(name="m", training={"steps": 5, "stages": [[64, 0.5, 8]]}))
    assert one.stages == () and dict(one.rows)["steps"] == (5,)
    assert trainings.of_model(ModelEntry(name="m")) is None
    assert html._text([[64, 0.5, 8], [128, 0.5, 4]]) == "(64, 0.5, 8), (128, 0.5, 4)"


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@needed
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_scrolls_sideways_but_boxes(pages, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    for name, file in pages.items():
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        cut = """[...document.querySelectorAll('td, thead th, tbody th')].filter(e => !e.closest('.scroll')).length"""
        assert page.evaluate(cut) == 0, name
        lefts = page.evaluate("""[...document.querySelectorAll('table')].map(t =>
            new Set([...t.querySelectorAll('.bar')].map(e => Math.round(e.getBoundingClientRect().left))).size)""")
        assert max(lefts) <= 1, name  # bars of one table are level
    page.close()


@needed
def test_a_box_says_that_it_scrolls_only_where_it_does(pages, browser):
    for width, some in ((390, True), (2400, False)):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(pages["run"].as_uri())
        boxes = page.evaluate("""[...document.querySelectorAll('.scroll')].filter(e => e.checkVisibility()).map(e =>
            [e.scrollWidth > e.clientWidth, parseFloat(getComputedStyle(e, '::before').height) > 10])""")
        assert boxes and all(scrolls == says for scrolls, says in boxes)
        assert any(scrolls for scrolls, _ in boxes) == some
        page.close()


@needed
def test_paper_is_white_and_has_what_folds_hide(pages, browser):
    page = browser.new_page(color_scheme="dark")
    page.goto(pages["run"].as_uri())
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") > 0
    hidden = """[...document.querySelectorAll('details:not([open]) table')]
        .filter(e => !e.checkVisibility()).length"""
    assert page.evaluate(hidden) > 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(hidden) == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)" != dark
    page.close()


@needed
def test_nothing_is_cut_off_on_paper(pages, browser, tmp_path):
    wide = fake_run.make(tmp_path / "wide", pairs=24)  # all columns
    files = {**pages, "wide": html.write(wide)}
    printed = 1031  # pixels across a landscape A4 page within its margins
    page = browser.new_page(viewport={"width": printed, "height": 700})
    page.emulate_media(media="print")
    for name, file in files.items():
        page.goto(file.as_uri())
        beyond = """edge => [...document.querySelectorAll('td, th, img, svg, .bar, p, li')].filter(
            e => e.checkVisibility() && (e.getBoundingClientRect().right > edge || e.getBoundingClientRect().left < 0)
        ).map(e => e.outerHTML.slice(0, 80))"""
        assert page.evaluate(beyond, printed) == [], name
    smallest = (
        """Math.min(...[...document.querySelectorAll('td')].map(e => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    assert page.evaluate(smallest) >= 6.5
    page.close()


@needed
def test_boxes_and_folds_are_reached_by_keyboard_and_focus_is_seen(pages, browser):
    page = browser.new_page()
    page.goto(pages["run"].as_uri())
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        tag, outline = page.evaluate(
            "[document.activeElement.className || document.activeElement.tagName, "
            "getComputedStyle(document.activeElement).outlineStyle]"
        )
        if tag == "BODY":
            break
        assert outline == "solid", tag
        reached.add(tag.strip())
    assert {"skip", "A", "card scroll", "SUMMARY"} <= reached
    page.close()


@needed
def test_what_has_the_focus_is_not_covered_or_cut(pages, browser):
    place = """() => {
        const e = document.activeElement, box = e.getBoundingClientRect(), bar = document.querySelector('nav');
        const style = getComputedStyle(e), grows = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
        const cut = bar.contains(e) && grows > 0;
        const covered = !bar.contains(e) && !e.matches('.skip') && box.height < 500
            && (box.top < bar.getBoundingClientRect().bottom - 1 || box.bottom > innerHeight + 2);
        return e === document.body ? null : cut || covered ? e.outerHTML.slice(0, 80) : '';
    }"""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    for name, file in pages.items():
        page.goto(file.as_uri())
        for key in ("Tab", "Shift+Tab"):
            for _ in range(60):
                page.keyboard.press(key)
                if (found := page.evaluate(place)) is None:
                    break
                assert found == "", (name, key)
    page.close()
