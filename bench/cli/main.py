"""The command line. Each command has its own file; heavy imports are inside the commands."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from rich.markup import escape

from bench.cli.animate import animate
from bench.cli.check import check
from bench.cli.clips import clips_app
from bench.cli.compare import compare
from bench.cli.data import data
from bench.cli.doctor import doctor
from bench.cli.explain import explain
from bench.cli.export import export_weights
from bench.cli.figure import figure
from bench.cli.inspect import inspect
from bench.cli.list import list_
from bench.cli.log import log
from bench.cli.options import one_spelling
from bench.cli.output import terminal
from bench.cli.pairs import pairs_app
from bench.cli.poses import poses
from bench.cli.report import report
from bench.cli.run import run
from bench.cli.samples import samples_app
from bench.cli.score import score
from bench.cli.speed import speed
from bench.cli.study import study_app
from bench.cli.tables import tables
from bench.cli.train import train
from bench.cli.try_ import try_
from bench.cli.verify import verify
from bench.cli.view import view
from bench.cli.weights import weights_app
from bench.runtime import allocator, debug, signals
from protocols import interruption
from protocols.errors import BenchError, PluginError

DISTRIBUTION = "talking-head-bench"
_UsageError: Any = typer.BadParameter.__bases__[0]  # typer does not export it
COMPLETION = ("--install-completion", "--show-completion")
LONGEST = 5000  # characters of a message, which may quote a file
FOLDER_GONE = "error: the current folder no longer exists"

# The panels of `--help`, in the order in which a new user needs them: title to commands (functions or Typer apps).
PANELS: dict[str, dict[str, Any]] = {
    "Start here": {"run": run, "score": score, "list": list_, "doctor": doctor, "explain": explain, "animate": animate},
    "Results": {
        "report": report,
        "figure": figure,
        "compare": compare,
        "view": view,
        "log": log,
        "tables": tables,
        "check": check,
        "study": study_app,
    },
    "Data and weights": {
        "export-weights": export_weights,
        "data": data,
        "pairs": pairs_app,
        "clips": clips_app,
        "weights": weights_app,
        "samples": samples_app,
    },
    "Networks": {"try": try_, "train": train, "poses": poses, "inspect": inspect, "verify": verify, "speed": speed},
}


def _version(asked: bool) -> None:
    if not asked:
        return
    try:
        typer.echo(f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}")
    except metadata.PackageNotFoundError:
        typer.echo(f"{DISTRIBUTION}, not installed")
    raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option(
            debug.OPTION, envvar=debug.VARIABLE, help="Print tracebacks of errors, including errors in plug-ins."
        ),
    ] = False,
) -> None:
    """Evaluate talking-head models: run models on a protocol, compute metrics, write a report."""
    debug.begin(traceback)


def build() -> typer.Typer:
    """Return the Typer application with every command in its panel."""
    built = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, callback=options)
    for panel, commands in PANELS.items():
        for name, command in commands.items():
            if isinstance(command, typer.Typer):
                built.add_typer(command, name=name, rich_help_panel=panel)
            else:
                built.command(name, rich_help_panel=panel, context_settings=one_spelling(command))(command)
    return built


app = build()


def main() -> None:
    """Run the command line. A user's mistake prints one line to standard error and exits with 2."""
    try:
        os.getcwd()
    except FileNotFoundError:  # torch and other libraries would fail with an obscure message
        _stop(FOLDER_GONE, 2)
    allocator.reuse_freed_memory()
    request = interruption.Request()
    try:
        with signals.terminable() as request:
            completion = any(argument in COMPLETION for argument in sys.argv[1:])
            # A shell completes the installed script; it cannot complete `python -m bench`.
            code = app(_arguments(), standalone_mode=False, prog_name=DISTRIBUTION if completion else None)
    except _UsageError as error:
        if message := error.format_message():  # empty after --help, which is already printed
            where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            _stop(f"error: {message.rstrip('.')}{where}", 2)
        code = error.exit_code
    except typer.Abort as error:  # typer converts EOFError to it
        _stop(f"stopped: {error.__cause__ or 'aborted'}", 1)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in may call sys.exit, or raise something that is no Exception
        if request.number:  # a signal to the terminal's whole process group caused this error
            _stop(*signals.ending(request), error)
        if (ended := _ending(error)) is None:
            raise
        _stop(*ended, error)
    if code == 130:  # typer's code for KeyboardInterrupt; outside the try block, so that SystemExit is not caught
        _stop(*signals.ending(request))
    sys.exit(code if isinstance(code, int) else 0)


def _ending(error: BaseException) -> tuple[str, int] | None:
    """Return the message of an error and the exit code; None for a bug in this program."""
    from bench.runtime.errors import Stopped, of_machine, of_name, out_of_memory
    from protocols import plugins
    from protocols.errors import first_line, typed_line
    from protocols.files import disk_full

    if isinstance(error, Stopped):
        return f"stopped: {error}", 1
    if isinstance(error, BenchError):
        return f"error: {error}{_hint(error)}", 2
    if out_of_memory(error):
        return f"stopped: out of memory ({first_line(error)})", 1
    full = isinstance(error, OSError) and disk_full(error)
    if not full and (culprit := plugins.culprit(error)):
        return f"error: {culprit} failed: {typed_line(error)}{_hint(error)}", 2
    if isinstance(error, OSError) and of_name(error):
        return f"error: {error.filename}: {error.strerror}", 2
    if isinstance(error, OSError) and of_machine(error):
        return f"stopped: {error}", 1
    return None


def _arguments() -> list[str]:
    """Return the command line with --debug moved to the front, where Typer expects an option of the program."""
    given = sys.argv[1:]
    return [debug.OPTION, *(one for one in given if one != debug.OPTION)] if debug.OPTION in given else given


def _hint(error: BaseException) -> str:
    """Return what to add to a message about an error in third-party code."""
    foreign = not isinstance(error, BenchError) or error.__cause__ is not None and error.code == PluginError.code
    return debug.HINT if foreign and not debug.on() else ""


def _stop(message: str, code: int, error: BaseException | None = None) -> None:
    from bench.runtime.errors import one_line

    debug.show(error)
    terminal(stderr=True).print(escape(one_line(message[:LONGEST])), style="bold red", soft_wrap=True)
    sys.exit(code)
