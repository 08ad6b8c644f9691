"""`python -m bench clips …`: lists of whole clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import Links
from bench.cli.output import terminal
from bench.runtime import config
from bench.runtime.errors import UserError, one_line
from protocols import catalogue, clips_by_hand
from protocols.clip_sampling import make_clips
from protocols.clips import Clip, ClipList
from protocols.custom_dataset import open_dataset
from protocols.protocol import SAMPLES
from protocols.resolve import opener
from protocols.roots import data_used
from protocols.words import counted

clips_app = typer.Typer(help="Make, import and show lists of whole clips.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A clip list, made by `clips make` or `clips import`.")]
Out = Annotated[Path, typer.Option(help="File to write.")]


@clips_app.command()
def make(
    data: Annotated[
        str, typer.Option(help="Clips, NAME=PATH: a data set from `list datasets`, or any name for custom videos.")
    ],
    protocol: Annotated[str, typer.Option(help="Protocol of whole clips that decides how clips are chosen.")],
    out: Out,
    n: Annotated[int | None, typer.Option(min=1, help="Number of clips; default: the protocol's.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.001, help="Length of each clip in seconds, from its start; default: the protocol's."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for drawing clips, if there are more than --n.")] = 0,
    reading: Annotated[
        str | None, typer.Option(help="Which reading of the protocol to use; default: its first.")
    ] = None,
    follow_links: Links = None,
) -> None:
    """Choose clips as a protocol does, and write them to a frozen list."""
    settings = config.load([data], follow_links=follow_links)
    chosen = catalogue.get(protocol)
    if chosen.shape != "clip":
        raise UserError(f"--protocol {protocol}: is of single frames; use `bench pairs make`", code="unknown-choice")
    if reading is not None and reading not in chosen.readings:
        known = ", ".join(chosen.readings) or "none"
        raise UserError(f"{protocol} has no reading {reading!r} (known: {known})", code="unknown-reading")
    if seconds is not None and chosen.driven_by == "sound":
        raise UserError(
            f"--seconds {seconds:g}: {protocol} sets the length itself; remove --seconds", code="unused-option"
        )
    if settings.sample:
        raise UserError("--data sample: the sample set's lists are built in; give NAME=PATH", code="unused-option")
    name = settings.asked[0]
    data_used(chosen, {name: settings.data[name]}, asked=(name,))  # refuses a protocol of another data set
    dataset = open_dataset(name, settings.data[name], settings.follow_links)
    if seconds is not None:
        chosen = replace(chosen, seconds=seconds)
    made = make_clips(dataset, chosen, seed, n, reading)
    _write(made, out)


@clips_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV file with the columns source and driving; others are optional.")],
    out: Out,
    data: Annotated[list[str], typer.Option(help="Data set of the list, NAME=PATH (repeatable).")],
    follow_links: Links = None,
) -> None:
    """Import a list written by hand: source, driving, target, sound, start, end, rate, template, identities."""
    settings = config.load(data, follow_links=follow_links)
    opened = opener(settings.data, settings.cache, follow_links=settings.follow_links)
    names = [*settings.asked, *(SAMPLES if settings.sample else [])]
    _write(clips_by_hand.read(file, names, opened), out)


@clips_app.command()
def show(file: File, limit: Annotated[int, typer.Option(min=0, help="Number of clips to show.")] = 10) -> None:
    """Show a list's name, hash and first clips."""
    clips = ClipList.read(file)
    lines = [f"{clips.name} version {clips.version}: {counted(len(clips), 'clip')}", f"sha256 {clips.sha256}"]
    for clip in clips.clips[:limit]:
        lines += ["", f"clip      {clip.id}", *_facts(clip)]
    terminal().print("\n".join(map(one_line, lines)), markup=False, highlight=False, soft_wrap=True)


@clips_app.command("hash")
def hash_(file: File) -> None:
    """Print a list's content hash; equal hashes mean equal clips."""
    terminal().print(ClipList.read(file).sha256, markup=False, soft_wrap=True)


def _write(clips: ClipList, out: Path) -> None:
    clips.write(out)
    terminal().print(
        f"{counted(len(clips), 'clip')} written to {out}, sha256 {clips.sha256}", markup=False, soft_wrap=True
    )


def _facts(clip: Clip) -> list[str]:
    """Return the facts of a clip, one line each."""
    target = "the driving clip" if clip.target == clip.driving else clip.target or "none"
    end = "its end" if clip.end is None else f"{clip.end:g} s"
    rate = "every frame" if clip.rate is None else f"{clip.rate:g} frames per second"
    facts = {
        "source": clip.source,
        "driving": clip.driving,
        "target": target,
        "sound": clip.sound or "the driving clip",
    }
    facts |= {"range": f"{clip.start:g} s to {end}, {rate}"}
    if clip.template is not None:
        until = "its end" if clip.template_end is None else f"{clip.template_end:g} s"
        facts["template"] = f"the source from {clip.template:g} s to {until}, back and forth; the sound drives"
    facts["identity"] = " / ".join(dict.fromkeys((clip.source_identity, clip.driving_identity)))
    return [f"{name:<9} {fact}" for name, fact in facts.items()]
