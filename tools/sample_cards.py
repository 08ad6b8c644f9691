"""Write cards of the sample checkpoints from finished trainings and from runs. From the repository's root.

    python tools/sample_cards.py add FOLDER [FOLDER …]
    python tools/sample_cards.py RUN [RUN …]

`add` accepts folders of `bench train` with a recipe on record (``baselines/samples.toml``). With the seed of the files
on record, it stores the checkpoint, with kernels as float16, and its log in ``baselines/<network>/extra``, writes the
card, and records the SHA-256. With another seed, for the spread over seeds, it stores the checkpoint in the samples
folder. Unfinished trainings and files that exist are skipped.

Runs on the sample set fill the measured part of the cards, which then has the protocols of these runs only. The text of
a card above its heading "Held-out frames" (file, command, data) is kept. If several runs of a protocol have a model,
the first one counts.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from safetensors import safe_open

from baselines import checkpoints, samples
from baselines.card import MODELS, Card, card
from baselines.training.files import networks_of
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trainee
from bench.weights.export import export
from protocols import files
from protocols.names import STILL
from reports.schema.manifest import Manifest, parse_manifest
from reports.schema.summary import Row, Summary, parse_summary

HEADING = "## Held-out frames"
HEAD = """# {title}: sample checkpoint

A reduced-width {title}, {purpose}.
It was trained on three people: its numbers say nothing about {title}.

- File: `{file}`, {megabytes:.1f} MB, {millions:.2f} million numbers; the network's configuration is in its metadata.
  It is in the repository, but not in the wheel (`python -m bench samples list`).
- Stored: kernels rounded to float16 after training (`python -m bench export-weights --half`), the rest in float32;
  it is used in float32. The SHA-256 of the file before rounding is in its metadata (`converted_from_sha256`);
  docs/results.md has the effects of rounding.
- Made by: `{command}`
{started}- Data: the {data_frames} training frames of the sample set, SHA-256 of names and pixels
  `{data_sha256}`.
- Seed {seed}, {steps} steps (set before the run; the file has the last state), learning rate {learning_rate:g};
  stages (side, share of the steps, pairs per step: {shares}).
- Batch norm (if the network has it): statistics are re-measured and then frozen after {freeze:g} % of the steps.
- Wall time {minutes:.0f} min on one thread of a 2-core CPU machine that also ran other programs; torch {torch}.
- Held-out frames were used neither for training nor for choosing the step.
- Losses: `{log}` (means over 20 steps; weighted).

"""
ABLATIONS = "for the rows of the papers' ablations on the sample set"
STARTED = """- Starts from the sample checkpoint of {start}, as stored, where keys and shapes agree
  ({taken}; the rest starts from random numbers), so it is not an independent training.
"""


def add(folder: Path) -> None:
    """Add a finished training, or print why it is skipped. Raises SystemExit for one with another recipe."""
    found = [file for file in folder.glob("*.safetensors") if ".best." not in file.name]
    if not found:
        print(f"skipped {folder}: not finished")
        return
    (file,) = found
    checkpoint = checkpoints.header(file)
    name, facts = checkpoint.model or "", checkpoint.facts
    recipe = samples.recipe(name)
    start = samples.recipe(recipe.start).sha256 if recipe.start else None
    wanted = {"steps": recipe.steps, "step": recipe.steps, "init_from": start, "threads": samples.THREADS}
    wanted |= {"learning_rate": recipe.learning_rate or samples.RATE}
    if wrong := {key: facts.get(key) for key, value in wanted.items() if facts.get(key) != value}:
        raise SystemExit(f"{folder}: not the recipe of {name} on record: {wrong}")
    about, seed = card(name), facts["seed"]
    kept = seed == samples.SEED
    target = (about.folder / samples.EXTRA if kept else samples.folder()) / samples.file_name(name, seed)
    if target.is_file():
        print(f"skipped {folder}: {target} exists")
        return
    export(file, target, name, half=True)
    shutil.copyfile(folder / "log.csv", target.with_name(f"{target.stem}_log.csv"))
    if kept:
        target.with_suffix(".md").write_text(head(about, target, facts))
        record(name, files.sha256(target))
    print(target)


def head(about: Card, file: Path, facts: dict[str, Any]) -> str:
    """Return a card's text on file, command and data."""
    recipe = samples.recipe(about.name)
    with safe_open(file, framework="pt") as stream:
        numbers = sum(stream.get_tensor(key).numel() for key in stream.keys())  # noqa: SIM118 (no mapping)
    return HEAD.format(
        title=about.title,
        purpose="for runs without published weights" if about.of is None else ABLATIONS,
        file=file.name,
        megabytes=file.stat().st_size / 1e6,
        millions=numbers / 1e6,
        command=recipe.command(card(recipe.start).sample.relative_to(Path.cwd()) if recipe.start else None),
        started=_started(about, recipe),
        shares=", ".join(f"{side} px {100 * share:g} % {pairs}" for side, share, pairs in facts["stages"]),
        freeze=100 * facts["norm_freeze"],
        minutes=facts["seconds"] / 60,
        log=f"{file.stem}_log.csv",
        **{name: facts[name] for name in ("data_frames", "data_sha256", "seed", "steps", "learning_rate", "torch")},
    )


def _started(about: Card, recipe: samples.Recipe) -> str:
    """Return the checkpoint that a training started from, and the networks that it filled."""
    if not recipe.start:
        return ""
    new = trainee(TrainSettings(model=about.name, data=Path(), out=Path(), steps=recipe.steps))
    taken = ", ".join(new.start_from(networks_of(card(recipe.start).sample)))
    return STARTED.format(start=card(recipe.start).title, taken=taken)


def record(name: str, sha256: str) -> None:
    """Write a file's SHA-256 into the record of recipes."""
    text, key = samples.RECORD.read_text("utf-8"), re.escape(name)
    block = re.search(rf'^\["?{key}"?\]\n(?:[^\[\n].*\n?)*', text, re.MULTILINE)
    assert block
    lines = [line for line in block[0].rstrip().splitlines() if not line.startswith("sha256")]
    new = "\n".join([*lines, f'sha256 = "{sha256}"']) + "\n"
    samples.RECORD.write_text(text.replace(block[0], new), "utf-8")
    samples.recipes.cache_clear()


def main(runs: list[Path]) -> None:
    loaded = [
        (parse_manifest((run / "manifest.json").read_bytes()), parse_summary((run / "summary.json").read_bytes()))
        for run in runs
    ]
    names = dict.fromkeys(m.name for manifest, _ in loaded for m in manifest.models if m.sample_weights)
    for name in (name for name in names if name in MODELS and card(name).sample.is_relative_to(Path.cwd())):
        file = card(name).sample.with_suffix(".md")
        head = file.read_text().partition(HEADING)[0]
        parts: dict[str, str] = {}
        for manifest, summary in loaded:
            if name in summary.models and manifest.protocol.name not in parts:
                parts[manifest.protocol.name] = section(name, manifest, summary)
        file.write_text(f"{head}{HEADING}\n\n{INTRODUCTION}\n" + "\n".join(parts.values()))
        print(file)


INTRODUCTION = """The people are those of the training clips; the frames are from other clips, or other parts of
clips. Intervals are those of the report: 95 %, over identities, then videos, then pairs. p is of a two-sided paired
sign-flip test against `copy-source` over pairs. Pairs of one clip resemble each other, so p overstates the evidence of
three people: with whole identities flipped, no p below 0.25 is possible. The code after a metric's name is the short
form of its signature; the run's manifest and report have the full one. To measure again:
`python -m bench run --models MODEL --protocol PROTOCOL --data sample`.
"""


def section(name: str, manifest: Manifest, summary: Summary) -> str:
    rows = summary.by_model()
    duels = {(duel.metric, duel.a, duel.b): duel for duel in summary.comparisons}
    pairs, protocol = summary.clusters.pairs, manifest.protocol
    lines = [
        f"`{protocol.name}` on the sample set, {pairs} pairs ({protocol.mode} motion):",
        "",
        f"| metric | {name} | {STILL} | pairs | better on | p |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for metric in manifest.metrics:
        own, bound = (rows.get((model, metric.name)) for model in (name, STILL))
        if not own or not bound or own.mean is None or bound.mean is None:
            continue
        duel = duels.get((metric.name, name, STILL)) or duels.get((metric.name, STILL, name))
        if not duel:
            continue
        wins = duel.win_rate if duel.a == name else 1 - duel.win_rate
        arrow = "higher" if metric.higher_is_better else "lower"
        signature = metric.short.partition("|")[2].replace("|", "\\|")
        name_cell = f"{metric.name} ({arrow} is better) `{signature}`"
        cells = [name_cell, shown(own), shown(bound), f"{duel.n} of {pairs}"]
        p = duel.p_pair
        lines.append(
            "| " + " | ".join(cells + [f"{100 * wins:.0f} %", "≤ 1e-4" if p <= 1.001e-4 else f"{p:.2g}"]) + " |"
        )
    return "\n".join(lines) + "\n"


def shown(row: Row) -> str:
    return f"{row.mean:.4g} [{row.ci_low:.4g}, {row.ci_high:.4g}]"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["add", *folders]:
            for folder in folders:
                add(Path(folder))
        case runs:
            main([Path(run) for run in runs])
