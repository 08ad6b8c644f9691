"""What a report says of the videos that it plays, as text: names, addresses, what is missing."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from support import fake_run

from protocols.names import safe_name
from reports.run import html, players, plots, small_videos

HOSTILE = "</script><script>alert('x')</script>\"&#%?$a_b$"


class Page(HTMLParser):
    """Tags with their attributes, and what stands in scripts."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.text = file.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def run(gray_run, tmp_path) -> Path:
    """A copy of a run of whole clips, which may be changed."""
    return shutil.copytree(gray_run, tmp_path / "r")


def test_each_shown_clip_has_a_player(run):
    page = Page(html.write(run))
    videos = page.all("video")
    assert {video["src"] for video in videos} == {f"media/{clip}.mp4" for clip in ("one", "two", "three")}
    assert all((run / video["src"]).is_file() and "controls" in video for video in videos)
    facts = [json.loads(text) for text in page.scripts[:-1]]
    assert len(facts) == 3 and page.scripts[-1].lstrip().startswith('"use strict"')
    for one in facts:
        assert one["times"] == pytest.approx(np.arange(10) / 25) and one["truth"] == 1 and one["columns"] == 5
    assert sum("poster" in (image.get("class") or "") for image in page.all("img")) == 15
    assert "brighter 1 of 10" in page.text


def test_names_are_text_and_addresses_are_quoted(run):
    for file in ("samples.parquet", "frames.parquet"):
        rows = pd.read_parquet(run / file)
        for column in ("pair", "clip"):
            if column in rows:
                rows[column] = rows[column].str.replace("^two$", lambda _: HOSTILE, regex=True)
        rows["model"] = rows["model"].replace("same", HOSTILE)
        rows.to_parquet(run / file)
    for file in ("manifest.json", "summary.json", "media/players.json"):
        text = (run / file).read_text(encoding="utf-8")
        named = text.replace('"same"', json.dumps(HOSTILE)).replace('"clip": "two"', f'"clip": {json.dumps(HOSTILE)}')
        (run / file).write_text(named, encoding="utf-8")
    (run / "media" / "two.mp4").rename(run / "media" / f"{safe_name(HOSTILE)}.mp4")
    page = Page(html.write(run))
    assert len(page.all("script")) == 4 and not any("alert" in text for text in page.scripts)
    source = next(video["src"] for video in page.all("video") if "alert" in video["src"])
    assert (run / unquote(source)).is_file() and re.fullmatch(r"media/[A-Za-z0-9._+%-]+\.mp4", source)
    assert any(HOSTILE in (part.get("aria-label") or "") for part in page.all("div"))


def test_no_media_folder(run):
    shutil.rmtree(run / "media")
    page = Page(html.write(run))
    assert page.all("video") == [] and page.all("script") == []
    assert [part["data-code"] for part in page.all("span") if part.get("id") == "no-players"] == ["no-media"]
    assert len(page.all("img")) > 15  # the pictures, as before


def test_a_video_that_is_missing(run):
    (run / "media" / "two.mp4").unlink()
    page = Page(html.write(run))
    assert len(page.all("video")) == 2
    gone = [part for part in page.all("div") if "gone" in (part.get("class") or "").split()]
    assert [part["data-clip"] for part in gone] == ["two"]
    problems = [part for part in page.all("p") if "problem" in (part.get("class") or "")]
    assert sum("hidden" not in part for part in problems) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "talking-head-bench players 2", "clips": []}'])
def test_a_damaged_list_of_videos(run, text):
    (run / "media" / "players.json").write_text(text)
    found = players.of_run(run, ["same", "brighter", "copy-source"])
    assert (found.by_clip, found.code) == ({}, "unreadable") and "players.json" in found.problem
    assert Page(html.write(run)).all("video") == []


def test_a_list_of_videos_of_another_run(run):
    found = players.of_run(run, ["same", "copy-source"])
    assert (found.by_clip, found.code) == ({}, "other-run") and "brighter" in found.problem


def test_a_single_file_stays_within_its_budget(run, monkeypatch):
    whole = Page(html.write(run, single_file=True)).all("video")
    assert len(whole) == 3 and all(video["src"].startswith("data:video/mp4;base64,") for video in whole)
    monkeypatch.setattr(small_videos, "BUDGET", 1)
    smallest = Page(html.write(run, single_file=True))
    tiles = {json.loads(text)["width"] for text in smallest.scripts[:-1]}
    assert tiles == {64} and len(smallest.all("video")) == 3


def test_a_file_that_is_no_video_is_left_out_of_a_single_file(run):
    (run / "media" / "one.mp4").write_bytes(b"no video")
    page = Page(html.write(run, single_file=True))
    assert len(page.all("video")) == 2


def test_a_run_of_pairs_has_no_script(tmp_path):
    page = Page(html.write(fake_run.make(tmp_path / "run", pairs=6, metrics=("l1",))))
    assert page.all("script") == [] and page.all("video") == [] and "media/players.json" not in page.text


def test_the_axis_of_curves_is_where_the_page_takes_it_to_be():
    times = np.linspace(2, 6, 50)
    svg = plots.curves({"a": (times, np.sin(times))}, {"a": "c0"}, (2, 6), {"a": 3.0})
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg).group(1))
    line, bar = (
        [float(x) for x in re.findall(r"[ML] ([\d.]+)", path)]
        for path in re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: var\(--c0\)|$', svg)[:1]
        + re.findall(r'<path d="([^"]*)" style="fill: none; stroke: var\(--c0\); stroke-width: 3', svg)
    )
    left, right = plots.LEFT * width, (plots.LEFT + plots.WIDE) * width
    assert (line[0], line[-1]) == pytest.approx((left, right), abs=0.01)
    assert (bar[0], bar[-1]) == pytest.approx((left + (right - left) / 4, left + (right - left) / 2), abs=0.01)
