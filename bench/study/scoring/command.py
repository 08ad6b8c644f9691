"""`bench study score`: read votes or opinions, score them, compare them with runs, and write the results."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.rundir.whole import replace
from bench.runtime.errors import UserError
from bench.study.folder import load
from bench.study.scoring import metrics, sources
from bench.study.scoring.score import score
from bench.study.scoring.values import Plan
from bench.study.scoring.votes import ratings
from bench.study.votes import read_votes
from reports.schema.study import TRUTH, Study
from reports.schema.study_score import Correlation, QuestionAsked, StudyScore, Undefined
from reports.study import figure, html, latex

FOLDER = "score"
RANKING = "ranking"  # kind of an undefined value
FIGURE = "metrics.svg"


def of_study(
    folder: Path,
    runs: Sequence[Path],
    *,
    rule: str,
    least_correlation: float,
    checks: float,
    against: str | None,
    seed: int | None,
    n: int,
) -> StudyScore:
    """Score a study and compare the metrics of `runs` with it. Raises UserError and DataError."""
    need_packages()
    study, votes = load(folder), read_votes(folder)
    plan = plan_of(study, votes, against)
    chosen = study.seed if seed is None else seed
    found = score(votes, plan, rule=rule, least_correlation=least_correlation, checks=checks, seed=chosen, n=n)
    left_out = {entry.rater for entry in found.screening.left_out} if found.screening else set()
    kept = ratings(votes[~votes["rater"].astype(str).isin(left_out)])
    held: list[Correlation] = []
    undefined = list(found.undefined)
    notices = [*_of_other_runs(study, runs)]
    measured = [sources.measures(run) for run in runs]
    clips = sorted(kept["clip"].unique())
    measured = measured if len(clips) else []  # every rater was excluded
    for one, run in zip(measured, runs):
        notices += sources.check_shared(one, run, plan.models, clips)
    for question in plan.questions if measured else ():
        own = kept[kept["question"] == question.name]
        if len(own):
            opinions = metrics.of_votes(own, plan.models, chosen)
            held += metrics.correlations(opinions, measured, question.name)
            undefined += _unranked(opinions, question.name)
    return found.but(metrics=tuple(held), undefined=tuple(undefined), notices=(*found.notices, *notices))


def of_file(file: Path, runs: Sequence[Path], seed: int) -> StudyScore:
    """Compare the metrics of `runs` with opinions from a CSV file. Raises UserError and DataError."""
    if not runs:
        raise UserError(
            "--opinions: give a run with --run, whose metrics are compared with them", code="missing-option"
        )
    table = sources.opinions(file)
    measured = [sources.measures(run) for run in runs]
    models, clips = (list(dict.fromkeys(table[name])) for name in ("model", "clip"))
    notices = [note for one, run in zip(measured, runs) for note in sources.check_shared(one, run, models, clips)]
    if "interval" not in table:
        notices.append("opinions without `interval`: intervals are over clips only and ignore the variation of raters")
    question = QuestionAsked(
        name="opinion", text=file.name, low=float(table["opinion"].min()), high=float(table["opinion"].max())
    )
    opinions = metrics.of_table(table, seed)
    lines = (
        table[[name for name in (*sources.NEEDED, *sources.NUMBERS) if name in table]].astype(str).agg(",".join, axis=1)
    )
    return StudyScore(
        schema_=1,
        name=file.stem,
        kind="opinions",
        votes_sha256=_hash(sorted(lines)),
        seed=seed,
        n_resamples=metrics.DRAWS,
        questions=(question,),
        models=tuple(models),
        clips=len(clips),
        raters=0,
        votes=int(table["n"].sum()) if "n" in table else 0,
        counted=int(table["n"].sum()) if "n" in table else 0,
        metrics=tuple(metrics.correlations(opinions, measured, question.name)),
        undefined=tuple(_unranked(opinions, question.name)),
        notices=tuple(notices),
    )


def _unranked(opinions: metrics.Opinions, question: str) -> list[Undefined]:
    why = metrics.too_few(opinions)
    if not why:
        return []
    return [Undefined(question=question, what="the metric that agrees best, and its intervals", why=why, code=RANKING)]


def write(found: StudyScore, folder: Path) -> list[Path]:
    """Write ``score.json``, the page, the LaTeX tables and, with metrics, their figure. Raises UserError."""
    content = {
        "score.json": json.dumps(found.content(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "score.html": html.page(found),
        "score.tex": latex.tables(found),
    }
    if drawn := figure.file(found):
        content[FIGURE] = drawn
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            replace(folder / name, text.encode("utf-8"))
        if drawn is None:
            (folder / FIGURE).unlink(missing_ok=True)  # of an earlier score
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error})", code="unwritable-folder") from None
    return [folder / name for name in content]


def plan_of(study: Study, votes: pd.DataFrame, against: str | None = None) -> Plan:
    """Return the facts of a study that the statistics need. against: in comparisons, by default the common opponent."""
    rated = votes[votes["kind"] == "rating"]
    seen = set(rated["model"]) | set(rated["other_model"])
    models = tuple(dict.fromkeys([*study.models, *([TRUTH] if TRUTH in seen else [])]))
    if against is not None and (study.kind == "acr" or against not in models):
        why = "a study of ratings has no comparisons" if study.kind == "acr" else f"choose one of {', '.join(models)}"
        raise UserError(f"--against {against}: {why}", code="unknown-choice")
    if study.kind != "acr" and against is None:
        pairs = {frozenset(pair) for pair in zip(rated["model"], rated["other_model"])}
        common = [model for model in models if pairs and all(model in pair for pair in pairs)]
        against = common[0] if common else None
    questions = tuple(
        QuestionAsked(
            name=question.name,
            text=question.text,
            low=float(min(grade.value for grade in question.grades)),
            high=float(max(grade.value for grade in question.grades)),
        )
        for question in study.questions
    )
    protocols = tuple(dict.fromkeys(run.protocol for run in study.runs))
    return Plan(study.name, study.kind, questions, models, against, protocols)


def need_packages() -> None:
    """Raise UserError if a package for the statistics is missing."""
    if importlib.util.find_spec("statsmodels") is None:
        raise UserError(
            "the statistics of studies need statsmodels: pip install 'talking-head-bench[study]'",
            code="missing-package",
        )


def _of_other_runs(study: Study, runs: Sequence[Path]) -> list[str]:
    """Return a line for each run that, by its seal, is not one of the study's runs."""
    known = {run.sha256 for run in study.runs if run.sha256}
    return [
        f"{run.name}: not one of the study's runs; clips and models are matched only by name"
        for run in runs
        if known and sources.seal(run) not in known
    ]


def _hash(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
