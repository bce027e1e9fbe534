"""The command, put together; and what becomes of errors.

Importing this module imports no torch, and what a command needs it imports when it runs. Standard
output is data; all else (notes, errors, progress, questions) is on standard error.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated, Literal, TextIO

import typer

from zoo.errors import ZooWarning
from zoo_cli import (
    benchmarks,
    cache,
    commands,
    doctor,
    eval,
    models,
    output,
    plugins,
    registry,
    results,
    run,
)
from zoo_cli.failures import described

# Plain text: rich costs more to import than a listing may take.
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(models.list_models)
app.command("ls", hidden=True)(models.list_models)
app.command("show")(models.show)
app.command("download")(models.download)
app.command("pull", hidden=True)(models.download)
app.command("run")(run.run)
app.command("eval")(eval.evaluate)
app.add_typer(benchmarks.app, name="benchmarks")
app.add_typer(results.app, name="results")
app.command("verify")(models.verify)
app.add_typer(cache.app, name="cache")
app.add_typer(plugins.app, name="plugins")
app.add_typer(registry.app, name="registry")
app.command("doctor")(doctor.doctor)
OWN = commands.names(app)


def _version(wanted: bool) -> None:
    if wanted:
        from zoo import __version__

        output.emit(f"zoo {__version__}")
        raise typer.Exit


@app.callback()
def zoo(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One registry, one command, one plugin contract for every Transformer family.

    Exit codes: 0 ok, 1 failed, 2 usage or unknown name, 3 damaged files, 4 plugin, 5 device,
    6 network, 130 interrupted. ZOO_DEBUG=1 shows the traceback of an error.
    """
    context.obj = OWN  # `zoo plugins list` tells which of the plugins' commands are taken


def main() -> None:
    """Run the command line and exit."""
    _set_up_warnings()
    _open_closed_streams()
    # A terminal that cannot show a character gets its code instead of an exception.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    commands.mount(app, OWN)
    try:
        app(prog_name="zoo")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the last line of defence
        output.flush()  # says so and ends if standard output is what failed
        _fail(*described(error))
    finally:
        output.flush()


def _open_closed_streams() -> None:
    """Put something in the place of standard streams that are closed (``<&-``, ``>&-``).

    Python has None there, and the next file that is opened would take the stream's number. Input
    is then empty, output fails as it does in other programs, and notes go nowhere.
    """
    if sys.stdin is None:
        sys.stdin = _on(0, "r")
    if sys.stdout is None:
        sys.stdout = _on(1, "w", os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _on(2, "w", os.O_WRONLY)


def _on(number: int, mode: Literal["r", "w"], flags: int = os.O_RDONLY) -> TextIO:
    """A stream on the null device, under a number that is free."""
    opened = os.open(os.devnull, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    return open(number, mode, encoding="utf-8", closefd=False)


def _fail(message: str, code: int) -> None:
    """Print an error in one line and exit with its code."""
    if os.environ.get("ZOO_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exc()
    output.note(message, kind="error")
    sys.exit(code)


def _set_up_warnings() -> None:
    """Print zoo's warnings as notes, and hide those that libraries address to programmers."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, ZooWarning):
            output.note(str(message))
        else:
            output.note(f"{filename}:{lineno}: {message}", kind=category.__name__)

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    warnings.simplefilter("always", ZooWarning)
    warnings.showwarning = show
