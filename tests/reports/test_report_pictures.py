"""Which pairs are shown, difference pictures, plots."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import manifests

from reports.run import choose, failures, pictures, plots

L1 = manifests.metric("l1")
AUCON = manifests.metric("aucon", higher_is_better=True)
SAME = manifests.complete(["a"], [AUCON, L1])


def samples(**models: list[float]) -> pd.DataFrame:
    rows = [
        {"pair": f"p{i}", "model": name.replace("_", "-"), "l1": value}
        for name, values in models.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_best_median_worst():
    table = samples(a=[0.7, 0.1, 0.9, 0.2, 0.5, 0.4, float("nan")], copy_source=[0.0] * 7)
    roles = choose.picture_roles(table, SAME, k=1)
    assert roles == {"a": {"best": ["p1"], "median": ["p5"], "worst": ["p2"]}}
    two = choose.picture_roles(table, SAME, k=2)["a"]
    assert two == {"best": ["p1", "p3"], "median": ["p5", "p4"], "worst": ["p2", "p0"]}


@pytest.mark.parametrize("n", range(1, 9))
def test_no_pair_plays_two_roles_of_a_model(n):
    table = samples(a=list(np.linspace(0, 1, n)), b=list(np.linspace(1, 0, n)))
    for roles in choose.picture_roles(table, SAME).values():
        shown = sum(roles.values(), [])
        assert len(shown) == len(set(shown)) and roles["best"]
    kept = choose.picture_pairs(table, SAME)
    assert len(kept) == len(set(kept)) <= n


def test_more_is_better_turns_the_order():
    table = samples(a=[0.1, 0.5, 0.9]).rename(columns={"l1": "aucon"})
    protocol = manifests.PROTOCOL.but(reference="cross-identity")
    cross = manifests.complete(["a"], [AUCON, L1.but(applies=False)], protocol=protocol)
    assert choose.picture_metric(cross) == AUCON
    assert choose.picture_roles(table, cross)["a"] == {"best": ["p2"], "median": ["p1"], "worst": ["p0"]}


def test_bounds_only_where_there_is_nothing_else():
    table = samples(copy_source=[0.1, 0.2, 0.3], copy_target=[0.0] * 3)
    assert list(choose.picture_roles(table, SAME)) == ["copy-source"]


def test_nothing_measured_nothing_shown():
    assert choose.picture_pairs(samples(a=[float("nan")] * 3), SAME) == []
    assert choose.picture_pairs(samples(a=[0.1]), SAME.but(metrics=())) == []


def test_difference_is_none_for_equal_frames_and_brightest_at_full_scale():
    frame = np.full((4, 5, 3), 100, np.uint8)
    assert pictures.difference(frame, frame).max() <= 4  # the darkest color is nearly black
    far = pictures.difference(frame + np.uint8(round(pictures.FULL_SCALE * 255) + 1), frame)
    assert far.shape == frame.shape and far.sum(2).min() > 600
    # no wrap-around of uint8, and no sign
    half = pictures.difference(frame - 50, frame)
    assert np.array_equal(half, pictures.difference(frame + 50, frame))
    assert pictures.difference(frame, frame).sum() < half.sum() < far.sum()


def test_plot_with_odd_values():
    series = {
        "one": pd.Series([0.5]),
        "constant": pd.Series([0.5] * 9),
        "$x^2$ <b>": pd.Series([0.1, np.nan, np.inf, 0.4]),
        "empty": pd.Series([np.nan]),
    }
    colors = plots.slots(list(series), ["constant"])
    svg = plots.distribution(series, colors, 3)
    assert svg.startswith("<svg") and "&lt;b&gt;" in svg and "<b>" not in svg and "empty" not in svg
    assert "var(--c0)" in svg and "var(--bound)" in svg and plots.INK not in svg
    assert plots.distribution({"empty": pd.Series([np.nan, np.inf])}, {"empty": "c0"}, 3) is None


def test_failures_with_one_reason_are_told_once():
    table = pd.DataFrame(
        {
            "pair": ["p0", "p1", "p2", "p3"],
            "model": "a",
            "status": ["ok", "failed", "ok", "ok"],
            "error": [None, "broke", None, None],
            "akd": [1.0, np.nan, np.nan, np.nan],
            "akd.reason": [None, None, "no face", "no face"],
            "mkr": [1.0, np.nan, np.nan, np.nan],
            "mkr.reason": [None, None, "no face", "no face"],
            "aed": [1.0, np.nan, 1.0, np.nan],
            "aed.reason": [None, None, None, None],
        }
    )
    found = [(f.what, f.reason, f.pairs, f.total) for f in failures.grouped(table, ["akd", "mkr", "aed", "absent"])]
    assert found == [
        (("akd", "mkr"), "no face", ("p2", "p3"), 4),
        ((failures.NO_FRAME,), "broke", ("p1",), 4),
        (("aed",), failures.NO_REASON, ("p3",), 4),
    ]


def test_a_torn_picture_is_as_good_as_none(tmp_path):
    for role in ("_source", "_target", "a"):
        (tmp_path / "pictures" / role).mkdir(parents=True)
        noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "pictures" / role / "p0.png")
    roles = {"a": {"best": ["p0"], "median": [], "worst": []}}
    (row,) = pictures.picture_rows(tmp_path, roles, ["a"])
    assert row.outputs[0].image and set(row.inputs) == {"source", "target"}
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])
    (row,) = pictures.picture_rows(tmp_path, roles, ["a"])
    assert row.outputs[0].image is None and not row.inputs
