"""`python -m bench study …`: user studies of the clips of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from bench.cli.options import choice
from bench.cli.output import terminal
from bench.cli.study_score import power, score
from protocols.words import counted

study_app = typer.Typer(help="Plan, run and evaluate a user study (opinion scores, preferences).", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of a study.", metavar="DIR")]
Names = Annotated[str | None, typer.Option(help="Names, comma-separated; default: all.")]


@study_app.command()
def make(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs of whole clips.", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="Folder to write the study to.")],
    kind: Annotated[
        str, typer.Option(help="acr (rate one video), ccr (rate a pair) or preference (choose the better of a pair).")
    ] = "acr",
    questions: Annotated[
        str, typer.Option(help="Questions, comma-separated: lip-sync, rendering, overall, realism, identity.")
    ] = "lip-sync,rendering,overall",
    grades: Annotated[
        str | None,
        typer.Option(
            help="Rating scale. acr: p910, memface; ccr: p800, memface, memface-0; preference: forced, ties. Default: "
            "the first."
        ),
    ] = None,
    raters: Annotated[int, typer.Option(min=1, max=2000, help="Number of raters to invite.")] = 20,
    minutes: Annotated[float, typer.Option(min=1, help="Approximate time per rater.")] = 20.0,
    models: Names = None,
    clips: Names = None,
    against: Annotated[str | None, typer.Option(help="Show only comparisons with this model, or with `truth`.")] = None,
    attention: Annotated[
        int, typer.Option(min=0, max=20, help="Attention checks per rater, with an obviously bad video.")
    ] = 2,
    repeats: Annotated[int, typer.Option(min=0, max=20, help="Repeated ratings per rater.")] = 1,
    ask: Annotated[
        list[str] | None,
        typer.Option(help="NAME=TEXT: a question to ask each rater once, answered in free text (repeatable)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Title of the raters' page; default: Video study.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for assigning videos to raters, and their order.")] = 0,
) -> None:
    """Plan a study: cut videos from runs, and assign them to raters in random order."""
    from baselines.spec import split_names
    from bench.study import make as making
    from bench.study import questions as asking
    from reports.schema.study import Kind

    chosen: Kind = choice("--kind", kind, get_args(Kind))
    wanted = making.Wanted(
        kind=chosen,
        questions=asking.questions(split_names(questions), chosen, grades),
        name=name or "Video study",
        raters=raters,
        minutes=minutes,
        seed=seed,
        against=against,
        models=tuple(split_names(models or "")),
        clips=tuple(split_names(clips or "")),
        attention=attention,
        repeats=repeats,
        asked=asking.asked(ask or ()),
    )
    study = making.make(runs, out, wanted)
    console = terminal()
    for left in study.left_out:
        console.print(f"left out: {left.model} on {left.clip}: {left.why}", style="yellow", markup=False)
    if study.training_clip:
        console.print(f"for training only: {study.training_clip}", markup=False)
    console.print(
        f"{counted(len(study.raters), 'rater')}, about {making.minutes_of(study):.0f} minutes each; "
        + making.workload(study),
        markup=False,
        soft_wrap=True,
    )
    console.print(f"next: python -m bench study serve {out}", markup=False, soft_wrap=True)


@study_app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all network interfaces.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free port.")] = 8017,
    url: Annotated[
        str | None, typer.Option(help="Start of the links to print, if raters reach the server through a proxy.")
    ] = None,
) -> None:
    """Serve a study in the browser until stopped; raters resume where they left off."""
    from bench.study.serving import serve as serving

    serving(folder, host, port, url, terminal())


@study_app.command()
def page(
    folder: Folder,
    url: Annotated[str, typer.Option(help="Address where the folder will be hosted, https://...")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Write the raters' pages for a static web host; raters send back files for `study collect`."""
    from bench.study import page as pages

    count = pages.write(folder, out, url)
    console = terminal()
    console.print(
        f"upload {out} to {url}; {counted(count, 'link')} in {folder / pages.LINKS}", markup=False, soft_wrap=True
    )


@study_app.command()
def collect(
    folder: Folder,
    files: Annotated[list[Path], typer.Argument(help="Answer files sent by raters.", metavar="FILE...")],
) -> None:
    """Check answer files and add them to the study; a file can be given again."""
    from bench.study.collect import collect as collecting

    console = terminal()
    for file, (rater, new, count) in zip(files, collecting(folder, files)):
        console.print(f"{file}: {rater}, {counted(count, 'trial')}, {new} of them new", markup=False, soft_wrap=True)


@study_app.command()
def close(folder: Folder) -> None:
    """Stop accepting votes, even while the study is being served."""
    from bench.study.export import close as closing

    when, count = closing(folder)
    terminal().print(f"closed at {when} with {counted(count, 'vote')}", markup=False)


@study_app.command()
def withdraw(
    folder: Folder,
    rater: Annotated[str, typer.Argument(help="Name of the rater, or the link of the invitation.", metavar="RATER")],
) -> None:
    """Delete all answers of a rater who withdraws; the invitation stays valid while the study is open."""
    from bench.study.export import withdraw as withdrawing

    name, count = withdrawing(folder, rater)
    terminal().print(f"{name}: {counted(count, 'answer')} removed", markup=False)


@study_app.command()
def export(
    folder: Folder, out: Annotated[Path, typer.Option(help="Folder to write, with plan, votes, raters and manifest.")]
) -> None:
    """Export plan and votes with hashes so that others can score them; without secrets and videos."""
    from bench.study.export import export as exporting

    facts = exporting(folder, out)
    console = terminal()
    if facts.closed is None:
        console.print("the study is open: more votes may come (`study close` ends it)", style="yellow", markup=False)
    console.print(f"{counted(facts.votes, 'vote')} in {out}", markup=False, soft_wrap=True)


study_app.command()(score)
study_app.command()(power)
