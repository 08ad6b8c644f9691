"""`python -m bench check`: compare a run with a reference file, for CI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from baselines.spec import split_names
from bench.cli.options import choice
from bench.runtime.errors import UserError
from protocols.words import counted

Mode = Literal["exact", "statistical"]
MODES: tuple[Mode, ...] = ("statistical", "exact")


def check(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    against: Annotated[Path | None, typer.Option(help="Reference file to compare the run with.")] = None,
    update: Annotated[Path | None, typer.Option(help="Reference file to write from the run.")] = None,
    mode: Annotated[str, typer.Option(help="statistical (paired test of the means) or exact (pair by pair).")] = MODES[
        0
    ],
    models: Annotated[
        str | None, typer.Option(help="Models to check, comma-separated; default: all in the reference.")
    ] = None,
    tolerance: Annotated[
        list[str] | None, typer.Option(help="METRIC=VALUE, replaces the reference's tolerance (repeatable).")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="JUnit XML file to write, one test case per model and metric.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown file to which a summary is appended.")] = None,
) -> None:
    """Check a run for drift against a reference file; exit code 1 if it has drifted."""
    if (against is None) == (update is None):
        raise UserError("give one of --against FILE (compare) and --update FILE (write)", code="missing-option")
    strictness = choice("--mode", mode, MODES)
    from bench.drift.reference import Record, read_run

    measured = read_run(run)
    if measured.of_sets:
        typer.echo(f"not checked (no value per pair): {', '.join(measured.of_sets)}")
    if update is not None:
        given = {"--models": models, "--tolerance": tolerance, "--junit": junit, "--markdown": markdown}
        if unused := [name for name, value in given.items() if value]:
            raise UserError(f"{', '.join(unused)}: only with --against", code="unused-option")
        record = measured.record
        if update.exists():
            record = record.with_tolerances_of(Record.read(update))
        record.write(update)
        counts = {"model": len(record.models), "metric": len(record.metrics), "pair": len(record.pairs)}
        typer.echo(f"{update}: {', '.join(counted(n, what) for what, n in counts.items())}")
        return
    from bench.drift import output as output
    from bench.drift.check import check

    chosen = split_names(models) if models else None
    assert against is not None
    result = check(Record.read(against), measured, strictness, chosen, _tolerances(tolerance or []))
    for line in output.lines(result):
        typer.echo(line)
    if junit is not None:
        _write(junit, output.junit(result), "--junit", "wb")
    if markdown is not None:
        _write(markdown, output.markdown(result).encode(), "--markdown", "ab")
    if result.failures:
        raise typer.Exit(1)


def _tolerances(given: list[str]) -> dict[str, float]:
    tolerances = {}
    for entry in given:
        name, _, value = entry.rpartition("=")
        try:
            tolerances[name] = float(value)
        except ValueError:
            tolerances[name] = -1.0
        if not name or not tolerances[name] >= 0:
            raise UserError(
                f"--tolerance {entry}: METRIC=VALUE is needed, with a value of at least 0", code="bad-value"
            )
    return tolerances


def _write(file: Path, content: bytes, option: str, how: str) -> None:
    try:
        with file.open(how) as stream:
            stream.write(content)
    except OSError as error:
        raise UserError(
            f"{option} {file}: cannot be written ({error.strerror or error})", code="unwritable-file"
        ) from None
