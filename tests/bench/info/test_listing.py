"""`list metrics`: by shape, what most papers print first."""

from __future__ import annotations

from bench.info.listing import SHAPES, table
from bench.metrics import family
from bench.metrics.families import FAMILIES, PAPERS, papers
from bench.runtime import config


def names(pattern: str = "*") -> list[str]:
    return [str(cell) for cell in table("metrics", config.load(()), pattern).columns[0].cells if cell != "name"]


def test_metrics_stand_by_shape_and_by_use() -> None:
    found = [*names(), SHAPES["set"]]  # sets may need what is not installed
    pairs, clips, sets = (found.index(head) for head in SHAPES.values())
    assert pairs == 0 and "ssim" in found[:clips]
    of_clips = found[clips + 1 : sets]
    assert of_clips[:3] == ["sync-c", "sync-d", "av-offset"]
    assert of_clips.index("id-source") < of_clips.index("niqe") < of_clips.index("lmd") < of_clips.index("blinks")


def test_a_pattern_has_the_headings_of_what_it_finds() -> None:
    assert names("niqe") == [SHAPES["clip"], "niqe"]
    assert names("*psnr*")[0] == SHAPES["pair"] and SHAPES["clip"] not in names("*psnr*")


def test_every_count_is_of_a_family_or_a_page() -> None:
    pages = {one.page for one in FAMILIES.values()}
    assert set(PAPERS) <= {*FAMILIES, *pages}
    assert papers(family("sync-d")) == 23 and papers(family("kid")) == 0
