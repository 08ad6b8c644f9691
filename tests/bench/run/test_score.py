"""`bench score` through the command line: which frames are compared, and what a user reads where videos differ."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from support import finished_videos as made
from support.score_bench import CHEAP, NUMBERS, make

from bench.run.command import COMPLETE

CAP = 100.0  # dB: PSNR of equal frames


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    return make(tmp_path, monkeypatch, capsys)


def test_a_copy_is_perfect_and_a_blurred_one_is_not(bench):
    bench.folder("copy")
    bench.folder("soft", made.blurred)
    assert bench.score("truth", "copy", "soft", metrics=f"ssim,{CHEAP}")[0] == 0
    rows = bench.rows()
    assert len(rows) == 4 and (rows["status"] == "ok").all() and rows["cut"].isna().all()
    assert (rows.loc["copy", "psnr"] == CAP).all() and (rows.loc["soft", "psnr"] < 40).all()
    assert (rows.loc["copy", "ssim"] == 1).all() and (rows.loc["soft", "ssim"] < 0.99).all()
    assert rows.loc["copy", "sharpness"].to_list() == pytest.approx([1, 1])
    assert (rows.loc["soft", "sharpness"] < 0.5).all()
    assert rows.loc["copy", "flicker"].to_list() == pytest.approx([0, 0])
    assert (rows["frames"] == 8).all() and (rows["frames_failed"] == 0).all()
    assert rows["length"].to_list() == pytest.approx([8 / made.RATE] * 4)
    frames = bench.frames()
    assert len(frames) == 32 and set(frames["clip"]) == set(NUMBERS)
    of_clip = frames[(frames["model"] == "soft") & (frames["clip"] == "anna")]
    assert of_clip["time"].to_list() == pytest.approx(np.arange(8) / made.RATE)
    assert rows.loc[("soft", "anna"), "psnr"] == pytest.approx(of_clip["psnr"].mean())


def test_a_video_that_ends_early_is_compared_as_far_as_it_goes(bench):
    bench.folder("short", lambda pictures: pictures[:5])
    code, told = bench.score("truth", "short")
    rows = bench.rows().loc["short"]
    assert code == 0 and "2 of 2 videos" in told
    assert (rows["psnr"] == CAP).all() and (rows["frames"] == 5).all()
    assert all("3 of 8 frames" in cut for cut in rows["cut"])
    unlike = bench.manifest().clips.unlike["short"]
    assert unlike.keys() == {"length"} and unlike["length"].keys() == {"anna", "ben"}


def test_a_frame_that_lies_there_of_a_killed_start_is_not_kept(bench):
    bench.folder("short", lambda pictures: pictures[:5])
    left = bench.root / "runs" / "r" / "work" / "short" / "frames"
    left.mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(left / "anna-000007.png")
    bench.score("truth", "short", "--save-frames")
    kept = bench.root / "runs" / "r" / "frames" / "short"
    assert {file.stem for file in kept.glob("anna*.png")} == {f"anna-{number:06d}" for number in range(5)}


def test_a_longer_video_is_compared_as_far_as_the_true_one_goes(bench):
    bench.folder("long", lambda pictures: [*pictures, *pictures[:4]])
    code, told = bench.score("truth", "long")
    assert code == 0 and "2 of 2 videos" in told and bench.manifest().clips.unlike["long"].keys() == {"length"}
    assert (bench.rows()["frames"] == 8).all() and (bench.rows()["psnr"] == CAP).all()


def test_quality_needs_no_truth_and_has_its_worst_second(bench):
    big = [np.asarray(Image.fromarray(one).resize((256, 192), 0)) for one in made.frames(NUMBERS["anna"])]
    made.write(bench.root / "mine" / "big.mkv", big)
    made.write(bench.root / "mine" / "small.mkv", made.frames(NUMBERS["ben"]))
    code, told = bench.score("--no-truth", "mine", metrics="brisque,niqe,cpbd")
    rows = bench.rows().loc["mine"]
    assert code == 0 and np.isfinite(rows[["brisque", "brisque.worst"]].to_numpy(float)).all()
    assert rows.loc["big", "niqe.n"] == 8 and rows.loc["big", "niqe.worst"] == pytest.approx(rows.loc["big", "niqe"])
    assert np.isnan(rows.loc["small", ["niqe", "cpbd", "niqe.worst"]].to_numpy(float)).all()
    assert (rows.loc["small", ["niqe.failed", "cpbd.failed"]] == 8).all() and rows.loc["small", "niqe.reason"]
    assert {one.name: set(one.extra) for one in bench.manifest().metrics}["niqe"] == {"worst", "worst_second"}
    assert "worst second" in (bench.root / "runs" / "r" / "report.html").read_text(encoding="utf-8")


def test_another_size_is_resized_to_the_true_one(bench):
    big = [np.asarray(Image.fromarray(one).resize((128, 96), 0)) for one in made.frames(NUMBERS["anna"])]
    made.write(bench.root / "big" / "anna.mkv", big)
    (bench.root / "truth" / "ben.mkv").unlink()
    code, told = bench.score("truth", "big", "--save-frames")
    assert (code, "128x96" in told, "64x48" in told) == (0, True, True)
    assert bench.manifest().clips.unlike["big"].keys() == {"size"}
    with Image.open(bench.root / "runs" / "r" / "frames" / "big" / "anna-000003.png") as frame:
        assert frame.size == (64, 48)
        expected = Image.fromarray(big[3]).resize((64, 48), Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(frame.convert("RGB")).astype(int) - np.asarray(expected)).max() <= 2
    assert 20 < bench.rows()["psnr"].iloc[0] < CAP


def test_another_rate_is_compared_at_the_true_times(bench):
    bench.folder("fast", lambda pictures: [one for one in pictures for _ in range(2)], rate=50)
    bench.folder("slow", lambda pictures: pictures[::5], rate=5)
    code, told = bench.score("truth", "fast", "slow")
    rows = bench.rows()
    assert code == 0 and "50 frames" in told and "5 frames" in told
    assert (rows.loc["fast", "psnr"] == CAP).all() and (rows.loc["fast", "frames"] == 8).all()
    frames = bench.frames()
    slow = frames[(frames["model"] == "slow") & (frames["clip"] == "anna")]
    assert (slow["psnr"] == CAP).to_list() == [number in (0, 5) for number in range(8)]


@pytest.mark.parametrize("ending", ["_result", "--driver"])
def test_names_with_an_ending_that_all_share(bench, ending):
    bench.folder("mine", ending=ending)
    code, told = bench.score("truth", "mine")
    assert (code, ending in told) == (0, True)
    assert (bench.rows()["psnr"] == CAP).all()


def test_a_missing_video_is_a_failed_row_and_exit_1(bench):
    (bench.folder("mine") / "ben.mkv").unlink()
    code, told = bench.score("truth", "mine")
    rows = bench.rows().loc["mine"]
    assert code == 1 and "ben" in told
    assert rows["status"].to_dict() == {"anna": "ok", "ben": "failed"}
    assert np.isnan(rows.loc["ben", "psnr"]) and np.isnan(rows.loc["ben", "flicker"])
    assert rows.loc["ben", "error"].endswith("mine") and rows.loc["ben", "flicker.reason"] == rows.loc["ben", "error"]


def test_what_is_no_clip_is_named_and_a_webp_that_moves_is_one(bench):
    bench.folder("mine")
    moving = [Image.fromarray(one) for one in made.frames(range(16, 20))]
    for place in ("truth", "mine"):
        moving[0].save(
            bench.root / place / "carl.webp", save_all=True, append_images=moving[1:], duration=40, lossless=True
        )
        moving[0].save(bench.root / place / "cover.png")
        (bench.root / place / "anna.wav").write_bytes(b"read only where sound is")
        (bench.root / place / f"notes of {place}.txt").write_text("no clip", encoding="utf-8")
    code, told = bench.score("truth", "mine")
    rows = bench.rows().loc["mine"]
    assert code == 0 and rows.loc["carl", "frames"] == 4 and (rows["psnr"] == CAP).all()
    notices = "; ".join(bench.manifest().notices)
    for name in ("notes of truth.txt", "notes of mine.txt", "cover.png"):
        assert name in told and name in notices, told
    assert "anna.wav" not in notices
    assert bench.score("truth", "mine", "--strict", name="s").error == "clips-differ"
    (bench.root / "mine" / "cover.png").unlink()
    assert bench.score("truth", "mine", "--strict", name="s")[0] == 0


def test_names_that_match_twice_are_refused(bench):
    mine = bench.folder("mine")
    shutil.copy(mine / "anna.mkv", mine / "anna.mp4")
    ended = bench.score("truth", "mine")
    assert (ended[0], ended.error, len(ended[1].splitlines())) == (2, "ambiguous-name", 1)


@pytest.mark.parametrize("change", [lambda p: p[:5], lambda p: [one[:, :60] for one in p]], ids=["length", "size"])
def test_strict_refuses_what_differs(bench, change):
    bench.folder("copy")
    assert bench.score("truth", "copy", "--strict")[0] == 0
    bench.folder("other", change)
    ended = bench.score("truth", "other", "--strict", name="s")
    assert (ended[0], ended.error) == (2, "clips-differ")


def test_strict_refuses_a_missing_video(bench):
    (bench.folder("mine") / "ben.mkv").unlink()
    ended = bench.score("truth", "mine", "--strict")
    assert (ended[0], ended.error) == (2, "clips-differ")


def test_without_true_videos_only_what_needs_none_is_measured(bench):
    bench.folder("soft", made.blurred)
    bench.folder("still", lambda pictures: [pictures[0]] * len(pictures))
    photo = made.frames([3])[0]
    Image.fromarray(photo).save(bench.root / "photo.png")
    code, told = bench.score("soft", "still", "--no-truth", "--sources", "photo.png", metrics="psnr,id-consecutive")
    assert code == 0, told
    rows = bench.rows()
    assert {metric.name for metric in bench.manifest().measured} == {"id-consecutive"}
    assert rows["id-consecutive"].isna().all() and rows["id-consecutive.reason"].notna().all()
    assert all("photo.png" in source for source in rows["source"])
    assert bench.score("soft", "--no-truth", metrics="id-consecutive", name="n")[0] == 0


def test_labels_single_videos_and_folders_of_frame_folders(bench):
    for clip, numbers in NUMBERS.items():
        folder = bench.root / "pngs" / clip
        folder.mkdir(parents=True)
        for number, picture in enumerate(made.frames(numbers)):
            Image.fromarray(picture).save(folder / f"{number:04d}.png")
    code, told = bench.score("truth", "pngs", "--labels", "mine")
    assert (code, (bench.rows().loc["mine", "psnr"] == CAP).all()) == (0, True), told
    ended = bench.score("truth", "pngs", "--labels", "a,b", name="l")
    assert (ended[0], ended.error) == (2, "bad-value")
    made.write(bench.root / "result.mkv", made.blurred(made.frames(NUMBERS["anna"])))
    assert bench.score("truth/anna.mkv", "result.mkv", name="one")[0] == 0
    rows = bench.rows("one")
    assert list(rows.index) == [("result", "anna")] and 10 < rows["psnr"].iloc[0] < 40


def test_a_folder_of_frames_with_a_gap_is_refused_on_either_side(bench):
    def folder(name: str, first: int, step: int, lost: int | None = None):
        for clip, numbers in NUMBERS.items():
            place = bench.root / name / clip
            place.mkdir(parents=True)
            for k, picture in enumerate(made.frames(numbers)):
                if (clip, k) != ("anna", lost):
                    Image.fromarray(picture).save(place / f"{first + k * step:05d}.png")

    for name, first, step in (("real", 0, 1), ("from123", 123, 1), ("every5", 0, 5)):
        folder(name, first, step)
    folder("gap", 0, 1, lost=2)
    folder("late", 0, 1, lost=0)
    for truth, finished in (("real", "gap"), ("gap", "real")):
        ended = bench.score(truth, finished)
        assert (ended[0], ended.error, len(ended[1].splitlines())) == (2, "frame-gap", 1)
        assert "gap/anna" in ended[1] and " 2;" in ended[1] and not (bench.root / "runs").exists()
    code, told = bench.score("real", "from123", "every5", "--strict")
    assert code == 0 and (bench.rows()["psnr"] == CAP).all() and (bench.rows()["frames"] == 8).all(), told
    notices = bench.manifest().notices
    assert [one for one in notices if "every5" in one and "anna (5)" in one] and not bench.manifest().clips.unlike
    assert all("25 per second" in one for one in notices if one.startswith("videos:"))
    assert bench.score("real", "late", name="l")[0] == 0
    unlike = bench.manifest("l").clips.unlike["late"]
    assert unlike.keys() == {"length", "first frame number"} and unlike["first frame number"].keys() == {"anna"}
    for name, kept in (("fifth", slice(0, None, 5)), ("from2", slice(2, None)), ("half", slice(0, 4))):
        for clip in NUMBERS:
            (bench.root / name / clip).mkdir(parents=True)
            for file in sorted((bench.root / "real" / clip).iterdir())[kept]:
                shutil.copy(file, bench.root / name / clip)
        ended = bench.score("real", name, name=name)
        if name == "half":  # the numbers agree as far as they go
            assert ended[0] == 0 and (bench.rows(name)["psnr"] == CAP).all()
            continue
        assert (ended[0], ended.error, len(ended[1].splitlines())) == (2, "frames-differ", 1), name
        assert f"{name}/anna" in ended[1] and not (bench.root / "runs" / name).exists()


def test_a_finished_run_is_not_measured_again(bench):
    bench.folder("copy")
    bench.score("truth", "copy")
    before = (bench.root / "runs" / "r" / "samples.parquet").read_bytes()
    code, told = bench.score("truth", "copy")
    assert (code, COMPLETE.format(bench.root / "runs" / "r") in " ".join(told.split())) == (0, True)
    assert (bench.root / "runs" / "r" / "samples.parquet").read_bytes() == before
    bench.folder("copy", made.blurred)
    ended = bench.score("truth", "copy")
    assert (ended[0], ended.error) == (2, "other-run")


def test_a_run_of_videos_is_the_same(bench):
    bench.folder("soft", made.blurred)
    bench.score("truth", "soft", "--size", 256, "--crop", "center", "--labels", "mine")
    spec = ("--models", "mine=videos:soft", "--protocol", "own-reconstruction", "--data", "truth=truth")
    code, told = bench("run", *spec, "--crop", "center", "--metrics", CHEAP, "--no-bounds", "--workers", 0, name="run")
    assert code == 0, told
    ours, theirs = (bench.rows(name).loc["mine"] for name in ("r", "run"))
    for metric in ("psnr", "sharpness", "flicker"):
        assert ours[metric].to_list() == theirs[metric].to_list()


def test_compare_report_and_check_take_such_runs(bench):
    bench.folder("copy")
    bench.folder("soft", made.blurred)
    bench.score("truth", "copy", "soft", name="a")
    bench.score("truth", "soft", name="b")
    runs = bench.root / "runs"
    code, told = bench("compare", runs / "a", runs / "b", "--models", "copy,soft")
    assert code == 0 and "psnr" in told, told
    (runs / "a" / "report.html").unlink()
    assert bench("report", runs / "a")[0] == 0
    page = (runs / "a" / "report.html").read_text(encoding="utf-8")
    assert "2 same-identity clips" in page and "<svg" in page
    code, told = bench("report", runs / "a", "--format", "latex")
    assert code == 0 and r"\begin{tabular}" in told


def test_check_notices_a_video_that_ends_early_and_is_perfect_as_far_as_it_goes(bench):
    bench.folder("copy")
    bench.folder("short", lambda pictures: pictures[:5])
    bench.score("truth", "copy", "--labels", "mine", name="a")
    bench.score("truth", "short", "--labels", "mine", name="b")
    assert bench("check", "runs/a", "--update", "ref.json")[0] == 0
    assert bench("check", "runs/a", "--against", "ref.json", "--mode", "exact")[0] == 0
    for mode in ("exact", "statistical"):
        code, told = bench("check", "runs/b", "--against", "ref.json", "--mode", mode, "--junit", "found.xml")
        cases = {case.get("name"): case for case in ElementTree.parse("found.xml").iter("testcase")}
        assert "8 → 5" in ElementTree.tostring(cases["frames"], "unicode") and "8 → 5" in told
        assert not len(cases["psnr"]) and "psnr" not in told, told
        if mode == "exact":
            assert code == 1 and cases["frames"].find("failure").get("type") == "changed"


def test_a_clip_of_one_frame_has_reasons_where_it_has_no_value(bench):
    for folder in ("truth", "mine"):
        made.write(bench.root / folder / "carl.mkv", made.frames([3]))
    bench.folder("mine")
    code, told = bench.score("truth", "mine", metrics="psnr,flicker,id-consecutive")
    row = bench.rows().loc[("mine", "carl")]
    assert code == 0, told
    assert (row["psnr"], row["frames"], row["length"]) == (CAP, 1, 0)
    assert np.isnan(row["flicker"]) and row["flicker.reason"] and row["id-consecutive.reason"]


def test_other_files_and_empty_folders(bench):
    (bench.folder("mine") / "notes.txt").write_text("made on Monday", encoding="utf-8")
    (bench.root / "truth" / "notes.txt").write_text("recorded on Sunday", encoding="utf-8")
    code, told = bench.score("truth", "mine")
    assert (code, "notes.txt" in told, len(bench.rows())) == (0, True, 2)
    (bench.root / "none").mkdir()
    for places in (("truth", "none"), ("none", "mine"), ("truth", "nowhere")):
        ended = bench.score(*places, name="e")
        assert ended[0] == 2 and ended.error and "Traceback" not in ended[1]
    for places in (("truth", "mine/notes.txt"), ("truth/notes.txt", "mine"), ("mine/notes.txt", "--no-truth")):
        ended = bench.score(*places, name="e")
        assert (ended[0], ended.error) == (2, "unreadable-video") and "notes.txt" in ended[1]


def test_a_video_that_is_damaged_inside_is_compared_as_far_as_it_can_be_read(bench):
    file = bench.folder("mine") / "anna.mkv"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    file.write_bytes(content)
    code, told = bench.score("truth", "mine")
    rows = bench.rows().loc["mine"]
    assert code == 0, told
    assert rows.loc["ben", "psnr"] == CAP
    broken = rows.loc["anna"]
    assert "1 of 2 videos" in told
    assert 0 < broken["frames"] < 8 and broken["psnr"] < CAP
    assert broken["cut"].startswith(f"{8 - broken['frames']} of 8 frames ")


def test_a_clip_without_sound_has_no_lip_sync_and_says_so(bench):
    for clip, numbers in NUMBERS.items():
        made.write(bench.root / "mine" / f"{clip}.mkv", made.frames(numbers), sound=np.zeros((1, 5120), np.int16))
    code, told = bench.score("truth", "mine", metrics="psnr,lip-loudness-corr")
    assert code == 0, told
    assert bench.manifest().clips.unlike["mine"].keys() == {"sound"}
    assert any(notice.startswith("mine: ") and "sound" in notice for notice in bench.manifest().notices)
    assert set(bench.rows()["lip-loudness-corr.reason"]) == {"no sound"}
    code, told = bench.score("truth", "mine", "--sound", "generated", metrics="psnr,lip-loudness-corr", name="g")
    reasons = set(bench.rows("g")["lip-loudness-corr.reason"])
    assert code == 0 and reasons and "no sound" not in reasons, told
    assert bench.rows("g")["lip-loudness-corr"].isna().all()
    ended = bench.score("truth", "mine", "--sound", "nowhere", name="w")
    assert (ended[0], ended.error) == (2, "missing-folder")


def test_driving_videos_take_the_place_of_true_ones(bench):
    bench.folder("mine")
    ended = bench.score("truth", "mine", "--driving", "truth")
    assert (ended[0], ended.error) == (2, "conflicting-options")
    code, told = bench.score("mine", "--no-truth", "--driving", "truth", metrics="pose-distance", name="d")
    assert code == 0, told
    assert bench.manifest("d").protocol.reference == "cross-identity"
    assert [(one.name, one.against) for one in bench.manifest("d").measured] == [("pose-distance", "driving")]
    assert bench.rows("d")["pose-distance.reason"].notna().all()
