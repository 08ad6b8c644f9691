"""`bench study page`: the raters' pages as a folder of files for any web host; answers come back as signed files."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path

from jinja2 import Environment, PackageLoader

from bench.runtime.errors import UserError
from bench.study import invitations, view
from bench.study.folder import MEDIA, PLAN, load
from bench.study.sitting import Rules
from bench.study.whole import new_folder
from protocols import files
from reports.schema.study import Study

ANSWERS = "talking-head-bench answers 1"  # format of an answer file
LINKS = "links.csv"  # next to the plan: each rater's link


def write(folder: Path, out: Path, url: str) -> int:
    """Write the page of a study to `out`, and the links to `LINKS` in the study's folder; return the number of links.

    url: where `out` will be served. Nothing in `out` names a model, a clip or a check. Raises UserError.
    """
    study, invited = load(folder), invitations.read(folder)
    if not url.startswith(("http://", "https://")):
        raise UserError(f"--url {url}: expected the folder's address, https://...", code="bad-value")
    rules, pages = Rules(study), Environment(loader=PackageLoader("bench.study", "web"), autoescape=True)
    with new_folder(out) as partial:
        page = pages.get_template("study.html.j2")
        index = page.render(study=study, root="", static=True, policy=view.POLICY, scripts=view.SCRIPTS)
        (partial / "index.html").write_text(index, encoding="utf-8")
        for name in (*view.SCRIPTS, view.STYLE):
            shutil.copyfile(view.WEB / name, partial / name)
        (partial / "raters").mkdir()
        for one in invited.raters:
            text = json.dumps(_plan(folder, study, rules, one.slot), ensure_ascii=False)
            (partial / "raters" / f"{one.public}.json").write_text(text, encoding="utf-8")
        (partial / MEDIA).mkdir()
        for id_ in {id_ for rater in study.raters for trial in rater.trials for id_ in trial.stimuli}:
            shutil.copyfile(folder / MEDIA / f"{id_}.mp4", partial / MEDIA / f"{id_}.mp4")
    with files.replacing(folder / LINKS) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(("rater", "link"))
            table.writerows((one.rater, f"{url.rstrip('/')}/index.html#{one.token}") for one in invited.raters)
    return len(invited.raters)


def digest(folder: Path) -> str:
    """Return the id of a study in answer files: the SHA-256 of its plan."""
    return hashlib.sha256(files.content(folder / PLAN)).hexdigest()


def _plan(folder: Path, study: Study, rules: Rules, slot: int) -> dict[str, object]:
    trials = rules.rater(slot).trials
    return {
        "format": ANSWERS,
        "study": digest(folder),
        "slot": slot,
        "texts": view.texts(study),
        "trials": [view.trial(rules, one, number, len(trials)) for number, one in enumerate(trials)],
    }
