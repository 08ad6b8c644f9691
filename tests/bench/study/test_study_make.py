"""From a run to a study: every video is the panel that it says, the truth's sound is in it, names say nothing."""

from __future__ import annotations

import re
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console
from support import gray_clips, studies

from bench.run.command import RunSettings, run
from bench.run.score import Scored, settings_of
from bench.runtime import config
from bench.runtime.errors import UserError
from bench.study import cutting, load, make, questions
from bench.study.folder import INVITATIONS, PLAN
from protocols import sound
from protocols.errors import BenchError
from reports.schema.study import TRUTH, Study

FRAMES = 30


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("study")
    gray_clips.folders(root, FRAMES)
    gray_clips.score(root)
    return root


def made(root: Path, out: Path, kind="acr", names=("lip-sync", "overall"), **more) -> Study:
    wanted = make.Wanted(kind, questions.questions(names, kind, None), raters=6, minutes=5, **more)
    return make.make([root / "runs" / "r"], out, wanted)


@pytest.fixture(scope="module")
def acr(root) -> tuple[Path, Study]:
    return root / "acr", made(root, root / "acr")


def frames(file: Path) -> list[np.ndarray]:
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]


def levels(file: Path) -> list[float]:
    """How bright the frames are."""
    return [float(np.mean(frame)) for frame in frames(file)]


def test_what_was_written_is_read(acr):
    folder, study = acr
    assert load(folder) == study
    assert study.models == ("same", "brighter", TRUTH) and [clip.id for clip in study.clips] == ["one", "three", "two"]


def test_every_video_is_the_panel_that_it_says(acr):
    folder, study = acr
    brighter = {"same": 0, TRUTH: 0, "brighter": 40}
    shown = [stimulus for stimulus in study.stimuli if stimulus.degraded is None]
    assert len(shown) == 8 + 1  # of one clip a model is left out; one for training
    for stimulus in shown:
        found = levels(folder / stimulus.file)
        expected = [frame.mean() + brighter[stimulus.model] for frame in gray_clips.frames(FRAMES)]
        assert np.abs(np.subtract(found, expected)).max() < 3, stimulus


def test_videos_have_the_sound_of_the_truth(acr):
    folder, study = acr
    for stimulus in study.stimuli:
        heard = sound.read(folder / stimulus.file)
        assert heard is not None and abs(heard.seconds - FRAMES / gray_clips.RATE) < 0.1
        strength = np.abs(np.fft.rfft(heard.cut(0.2, 8000).astype(float)))
        assert abs(np.argmax(strength) * 2 - 440) <= 2  # hertz


def test_a_check_is_obviously_bad(acr):
    folder, study = acr
    bad = [stimulus for stimulus in study.stimuli if stimulus.degraded]
    assert {stimulus.role for stimulus in bad} == {"training", "attention"}
    for stimulus in bad:
        assert np.std(frames(folder / stimulus.file)[5]) > cutting.NOISE / 4  # the clips are plain gray
        means = levels(folder / stimulus.file)
        assert abs(means[20] - means[2]) < 3 < abs(means[27] - means[20])  # a new picture after a second


def test_an_unfinished_video_is_left_out_and_said(acr):
    _, study = acr
    assert [(left.model, left.clip) for left in study.left_out] == [("brighter", "three")]
    assert ("brighter", "three") not in {(one.model, one.clip) for one in study.stimuli}


def test_names_say_nothing_and_secrets_are_kept(acr):
    folder, study = acr
    assert all(stimulus.file == f"media/{stimulus.id}.mp4" for stimulus in study.stimuli)
    assert sorted(file.name for file in folder.iterdir()) == [INVITATIONS, "media", PLAN]
    assert stat.S_IMODE((folder / INVITATIONS).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not any(
        word in file.read_bytes() for file in (folder / "media").iterdir() for word in (b"brighter", b"truth")
    )


def test_every_rater_has_training_checks_and_a_repetition(acr):
    _, study = acr
    by_id = study.by_id()
    for rater in study.raters:
        kinds = Counter(trial.kind for trial in rater.trials)
        assert kinds == {"training": 2, "rating": 8, "attention": 2, "repeat": 1}
        assert [trial.kind for trial in rater.trials[:3]] == ["training", "training", "rating"]
        places = {trial.id: place for place, trial in enumerate(rater.trials)}
        for trial in rater.trials:
            degraded = [by_id[one].degraded is not None for one in trial.stimuli]
            assert any(degraded) == (trial.kind == "attention") or trial.kind == "training"
            assert (trial.expected is not None) == (trial.kind == "attention")
            if trial.kind == "attention":
                assert trial.expected.text() == "max=2"
            if trial.repeats:
                first = rater.trials[places[trial.repeats]]
                assert first.stimuli == trial.stimuli and places[trial.id] - places[first.id] > 2


def test_the_workload_is_what_a_rater_sees(root, tmp_path, acr):
    _, study = acr
    assert [int(number) for number in re.findall(r"\d+", make.workload(study))] == [13, 2, 8, 2, 1]
    bare = made(root, tmp_path / "s", "ccr", ("rendering",), attention=0, repeats=0)
    total, *parts = (int(number) for number in re.findall(r"\d+", make.workload(bare)))
    assert len(parts) == 2 and total == sum(parts) == len(bare.raters[0].trials)


@pytest.mark.parametrize(("kind", "bound"), [("ccr", 1), ("preference", 1)])
def test_in_a_check_of_two_the_good_one_is_better(root, tmp_path, kind, bound):
    study = made(root, tmp_path / "s", kind, ("rendering",), against=TRUTH)
    by_id = study.by_id()
    sides = Counter()
    for rater in study.raters:
        for trial in rater.trials:
            if trial.kind == "attention":
                left_is_bad = by_id[trial.stimuli[0]].degraded is not None
                assert trial.expected.text() == (f"max=-{bound}" if left_is_bad else f"min={bound}")
                sides[left_is_bad] += 1
            if trial.kind == "rating":
                assert TRUTH in {by_id[one].model for one in trial.stimuli}
    assert sides[True] == sides[False] == 6


def test_the_seed_decides_all_but_the_ids(root, tmp_path, acr):
    def shape(study: Study) -> list:
        by_id = study.by_id()
        return [
            [(trial.kind, [by_id[one].model for one in trial.stimuli], trial.clip) for trial in rater.trials]
            for rater in study.raters
        ]

    again, other = made(root, tmp_path / "again"), made(root, tmp_path / "other", seed=1)
    assert shape(again) == shape(acr[1]) != shape(other)
    assert not set(again.by_id()) & set(acr[1].by_id())


def test_a_clip_is_kept_for_training_where_there_are_many(root):
    # The plan alone: what `_Maker` draws of five clips.
    from bench.study.material import Material, Panel
    from reports.schema.study import StudyClip

    panel = Panel(Path("x"), (64, 64), 0, 0, (0.0,), 1.0, True)
    clips = tuple(StudyClip(id=str(n), seconds=1.0, sound=True) for n in range(5))
    panels = {(clip.id, model): panel for clip in clips for model in ("a", TRUTH)}
    found = Material((), clips, ("a", TRUTH), panels, ())
    study = make._Maker(found, make.Wanted("acr", questions.questions(["overall"], "acr", None))).study()
    assert study.training_clip in {clip.id for clip in clips}
    for rater in study.raters:
        assert all((trial.clip == study.training_clip) == (trial.kind == "training") for trial in rater.trials)


def test_runs_without_videos_are_refused(root, tmp_path):
    gray_clips.score(root, "without", media=False)
    wanted = make.Wanted("acr", questions.questions(["overall"], "acr", None))
    with pytest.raises(UserError) as refused:
        make.make([root / "runs" / "without"], tmp_path / "s", wanted)
    assert refused.value.code == "no-media" and "--media" in str(refused.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"models": ("gamma",)}, "unknown-choice"),
        ({"clips": ("four",)}, "unknown-choice"),
        ({"against": "same"}, "unused-option"),
        ({"kind": "ccr", "against": "gamma"}, "unknown-choice"),
        ({"attention": 20, "repeats": 20}, "bad-value"),
    ],
)
def test_wrong_options_are_refused(root, tmp_path, more, code):
    with pytest.raises(BenchError) as refused:
        made(root, tmp_path / "s", **({"kind": "acr"} | more))
    assert refused.value.code == code


def test_a_study_is_not_overwritten(root, acr):
    with pytest.raises(UserError) as refused:
        made(root, acr[0])
    assert refused.value.code == "folder-in-use"


def test_two_runs_with_one_label_are_refused(root, tmp_path):
    wanted = make.Wanted("acr", questions.questions(["overall"], "acr", None))
    with pytest.raises(UserError) as refused:
        make.make([root / "runs" / "r"] * 2, tmp_path / "s", wanted)
    assert refused.value.code == "bad-name"


@pytest.mark.slow
def test_models_of_several_runs_are_shown_together(root, tmp_path):
    for name in ("same", "brighter"):
        score(root, name)
    wanted = make.Wanted("ccr", questions.questions(["overall"], "ccr", None), raters=3, minutes=5)
    study = make.make([root / "runs" / "same", root / "runs" / "brighter"], tmp_path / "s", wanted)
    assert [run.name for run in study.runs] == ["same", "brighter"] and study.models == ("same", "brighter", TRUTH)
    by_id = study.by_id()
    for stimulus in by_id.values():
        if stimulus.degraded is None:
            expected = np.mean(gray_clips.frames(FRAMES)[4]) + 40 * (stimulus.model == "brighter")
            assert abs(levels(tmp_path / "s" / stimulus.file)[4] - expected) < 3


def test_runs_of_other_clips_are_refused(root, tmp_path):
    gray_clips.folders(tmp_path, 12)
    other = score(tmp_path, "brighter")
    wanted = make.Wanted("acr", questions.questions(["overall"], "acr", None))
    with pytest.raises(UserError) as refused:
        make.make([score(root, "same"), other], tmp_path / "s", wanted)
    assert refused.value.code == "runs-differ"


def score(root: Path, model: str) -> Path:
    """Score the videos of one model."""
    plain = RunSettings(
        models=(), protocol="score", config=config.load((), None), out=root / "runs", name=model, workers=0
    )
    asked = Scored(root / "truth", [root / model])
    directory, _ = run(settings_of(asked, replace(plain, metrics=("l1",)), "native"), Console(quiet=True))
    return directory.path


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text.replace("study 1", "study 9"), "bad-study"),
        (lambda text: text.replace("media/", "../"), "bad-study"),
        (lambda text: text.replace('"slot": 0', '"slot": 7'), "bad-study"),
    ],
)
def test_a_damaged_plan_is_refused(tmp_path, change, code):
    studies.planned(tmp_path / "s")
    file = tmp_path / "s" / PLAN
    file.write_text(change(file.read_text()))
    with pytest.raises(UserError) as refused:
        load(tmp_path / "s")
    assert refused.value.code == code


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(UserError) as refused:
        load(tmp_path)
    assert refused.value.code == "no-study"


@pytest.mark.parametrize(
    ("names", "kind", "scale"), [(["x"], "acr", None), (["overall"] * 2, "acr", None), (["overall"], "acr", "p800")]
)
def test_unknown_questions_and_scales_are_refused(names, kind, scale):
    with pytest.raises(UserError):
        questions.questions(names, kind, scale)


def test_grades_of_comparisons_are_symmetric():
    for kind in ("ccr", "preference"):
        for grades in questions.SCALES[kind].values():
            values = [value for value, _ in grades]
            assert values == sorted(values, reverse=True) and [-value for value in values[::-1]] == values
