"""`python -m bench pairs …`: make, import and inspect pair lists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.output import terminal
from bench.runtime import config
from bench.runtime.errors import UserError, one_line
from protocols import by_hand, catalogue
from protocols.catalogue import SAMPLE
from protocols.check import refuse_missing
from protocols.custom_dataset import open_dataset
from protocols.datasets import Dataset
from protocols.pairs import Pair, PairList
from protocols.published import FROZEN_PREFIX, RULES, import_published, read_pairs, recognize
from protocols.rendezvous import rendezvous_pairs
from protocols.resolve import draw, opener
from protocols.roots import data_used, refuse_unused
from protocols.sampling import STRATEGIES, make_pairs
from protocols.words import counted

pairs_app = typer.Typer(help="Make, import and show pair lists.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A pair list: a published CSV, a frozen file or frozen:NAME.")]
Out = Annotated[Path, typer.Option(help="File to write.")]
Links = Annotated[
    bool | None,
    typer.Option(
        "--follow-links/--no-follow-links", help="Allow links to point outside the data folder, as for `run`."
    ),
]


@pairs_app.command()
def make(
    data: Annotated[
        str, typer.Option(help="Clips, NAME=PATH: a data set from `list datasets`, or any name for custom videos.")
    ],
    out: Out,
    protocol: Annotated[
        str | None, typer.Option(help="Draw pairs as this protocol does without a list; the options below override it.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help=f"How pairs are drawn: {', '.join(STRATEGIES)}; default: same-identity.")
    ] = None,
    n: Annotated[int | None, typer.Option(min=1, help="Number of pairs; default: 2083.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for drawing pairs.")] = 0,
    split: Annotated[str | None, typer.Option(help="Split of the data set; default: test, if there is one.")] = None,
    videos: Annotated[int | None, typer.Option(min=1, help="Number of clips to draw from; default: all.")] = None,
    frozen: Annotated[
        str | None, typer.Option(help=f"Make one of the built-in lists for this data set instead: {', '.join(RULES)}.")
    ] = None,
    follow_links: Links = None,
) -> None:
    """Draw pairs as the papers do, and write them to a frozen list."""
    settings = config.load([data], follow_links=follow_links)
    if settings.sample:
        raise UserError(
            "--data sample: the sample set's lists are built in; give NAME=PATH, for example mine=/videos",
            code="unused-option",
        )
    name = settings.asked[0]
    dataset = open_dataset(name, settings.data[name], settings.follow_links)
    _warn_left_out(dataset)
    if frozen:
        if any(option is not None for option in (protocol, strategy, n, split, videos)) or seed:
            raise UserError("--frozen takes only --data and --out: remove the other options", code="unused-option")
        _write(_rule(frozen, dataset), out)
        return
    if split is not None and split not in (known := dataset.splits()):
        raise UserError(
            f"--split {split}: {dataset.name} in {dataset.root} has {' and '.join(known) or 'no splits'}",
            code="unknown-choice",
        )
    given: dict[str, Any] = {"n": n, "split": split, "videos": videos}
    given = {option: value for option, value in given.items() if value is not None}
    if n is not None:
        given["fewer"] = False
    if protocol is None:
        pairs = make_pairs(dataset, strategy or "same-identity", seed=seed, **{"n": 2083, **given})
    else:
        chosen = catalogue.get(protocol)
        roots = {dataset.name: dataset.root}
        data_used(chosen, roots, asked=tuple(roots))  # refuses a protocol of another data set
        chosen = replace(chosen, strategy=strategy or chosen.strategy)
        base = f"{chosen.name}-{dataset.name}" if chosen.custom else chosen.name
        pairs = draw(dataset, chosen, seed, name=f"{base}-seed{seed}", **given)
        if "n" not in given and len(pairs) < chosen.n:
            terminal().print(f"fewer than {chosen.n} pairs: the data has no more", markup=False, soft_wrap=True)
    if videos is not None and pairs.counts()["clips"] < videos:
        terminal().print(
            f"from {counted(pairs.counts()['clips'], 'clip')}, fewer than --videos {videos}", soft_wrap=True
        )
    _write(pairs, out)


@pairs_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV file, published by authors or written by hand.")],
    out: Out,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Data set of the list, NAME=PATH (repeatable); every frame must be in it."),
    ] = None,
    follow_links: Links = None,
) -> None:
    """Import a published pair list, or one written by hand (docs/protocols.md), as a frozen list."""
    settings = config.load(data or (), follow_links=follow_links)
    opened = opener(settings.data, settings.cache, follow_links=settings.follow_links)
    names = [*settings.asked, *([SAMPLE] if settings.sample else [])]
    if by_hand.is_one(file, names):
        pairs = by_hand.read(file, names or list(settings.data), opened)
    else:
        pairs = import_published(file)
        if names:
            refuse_missing(pairs, {name: opened(name) for name in pairs.datasets()})
    used = pairs.datasets()
    refuse_unused(names, used, f"the pair list {pairs.name}")
    if names:
        _warn_left_out(*map(opened, used))
    _write(pairs, out)


@pairs_app.command()
def show(file: File, limit: Annotated[int, typer.Option(min=0, help="Number of pairs to show.")] = 10) -> None:
    """Show a list's name, hash, counts and first pairs."""
    pairs = read_pairs(file)
    counts = ", ".join(f"{value} {key}" for key, value in pairs.counts().items())
    lines = [f"{pairs.name} version {pairs.version}: {counts}", f"sha256 {pairs.sha256}"]
    if known := recognize(pairs.sha256):
        lines.append(f"this is the published list {known['name']}: {known['summary']}")
    for pair in pairs.pairs[:limit]:
        lines += ["", f"pair      {pair.id}", *_facts(pair)]
    terminal().print("\n".join(map(one_line, lines)), markup=False, highlight=False, soft_wrap=True)


@pairs_app.command()
def survey(
    file: File,
    data: Annotated[
        list[str] | None, typer.Option(help="Data set of the list as NAME=PATH (repeatable), as for `run`.")
    ] = None,
    missing: Annotated[Path | None, typer.Option(help="File to write, with the names of all missing frames.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Number of clips to show.")] = 20,
    follow_links: Links = None,
) -> None:
    """Report which clips and frames of a list are available; `run --allow-missing` runs those."""
    from bench.info.survey import render
    from protocols.survey import survey as surveyed

    settings = config.load(data or (), follow_links=follow_links)
    pairs = read_pairs(file)
    used = pairs.datasets()
    refuse_unused([*settings.asked, *([SAMPLE] if settings.sample else [])], used, f"the pair list {pairs.name}")
    opened = opener(settings.data, settings.cache, follow_links=settings.follow_links)
    datasets = {name: opened(name) for name in used}
    _warn_left_out(*datasets.values())
    found = surveyed(pairs, datasets)
    render(terminal(), pairs, found, limit)
    if missing:
        try:
            missing.write_text("".join(f"{ref}\n" for ref in found.missing), encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"--missing {missing}: cannot be written ({error.strerror or error})", code="unwritable-file"
            ) from None
        terminal().print(f"{len(found.missing)} missing frames written to {missing}", markup=False, soft_wrap=True)


@pairs_app.command("hash")
def hash_(file: File) -> None:
    """Print a list's content hash; equal hashes mean equal pairs."""
    terminal().print(read_pairs(file).sha256, markup=False, soft_wrap=True)


@pairs_app.command()
def mark(
    file: File,
    folder: Annotated[Path, typer.Argument(help="Folder with frames generated for the list, <pair id>.png.")],
) -> None:
    """Record in pairs.json which list frames were generated for, so that `run` refuses them for another list."""
    from bench.run.frames_list import mark as marked

    pairs = read_pairs(file)
    written, n = marked(folder, pairs)
    terminal().print(
        f"{written}: list {pairs.name} {pairs.sha256[:12]}; {n} of its {len(pairs)} pairs have a frame",
        markup=False,
        soft_wrap=True,
    )


def _rule(name: str, dataset: Dataset) -> PairList:
    if name not in RULES:
        raise UserError(
            f"--frozen {name}: choose one of {', '.join(RULES)}; a finished list is {FROZEN_PREFIX}NAME",
            code="unknown-choice",
        )
    protocol = catalogue.get(name)
    if dataset.name != protocol.dataset:
        raise UserError(
            f"--frozen {name} needs the data set {protocol.dataset}: give --data {protocol.dataset}=PATH",
            code="missing-data",
        )
    return rendezvous_pairs(dataset, protocol)


def _warn_left_out(*datasets: Dataset) -> None:
    for line in (line for dataset in datasets for line in dataset.left_out()):
        terminal().print(line, style="bold yellow", markup=False, soft_wrap=True)


def _write(pairs: PairList, out: Path) -> None:
    pairs.write(out)
    terminal().print(
        f"{counted(len(pairs), 'pair')} written to {out}, sha256 {pairs.sha256}", markup=False, soft_wrap=True
    )


def _facts(pair: Pair) -> list[str]:
    """Return the facts of a pair, one line each."""
    target = "the driving frame" if pair.target == pair.driving else pair.target or "none"
    facts = {"source": pair.source, "driving": pair.driving, "target": target, "anchor": pair.anchor or "none"}
    who = dict.fromkeys((pair.source_identity, pair.driving_identity))
    facts["identity"] = " / ".join(who)
    if (pair.alpha, pair.beta) != (1.0, 1.0):
        facts["stretched"] = f"height {pair.alpha:g}, width {pair.beta:g}"
    return [f"{name:<9} {fact}" for name, fact in facts.items()]
