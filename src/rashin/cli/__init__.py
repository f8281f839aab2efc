"""The command ``rashin``: each subcommand reads its options, calls one public function and shows the result.

An error is one line on standard error, and the exit code is 2. An interrupted command exits with 130. A command whose
output is closed early, as ``head`` does, exits with 141 and prints nothing. These are the codes that a shell uses.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import rashin
from rashin.cli import check, explain, fetch, losses, measure, train, translate
from rashin.printable import printable

__all__ = ["main"]

_CLOSED = 141  # 128 and SIGPIPE

app = typer.Typer(
    help="Loss functions for NumPy, PyTorch and JAX arrays: exact, at memory speed.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _Command(TyperCommand):
    """A command that refuses a single-value option given twice; the parser alone would use the last value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        counts = Counter(parameter.opts[0] for parameter in given if not getattr(parameter, "multiple", True))
        for option, count in counts.items():
            if count > 1:
                raise typer.BadParameter(f"got it {count} times; expected it once", param_hint=f"'{option}'")
        return super().parse_args(ctx, args)


app.command("train", cls=_Command)(train.train_network)
app.command("measure", cls=_Command)(measure.measure_files)
app.command("explain", cls=_Command)(explain.explain_model)
app.command("check", cls=_Command)(check.check_target)
app.command("fetch", cls=_Command)(fetch.fetch_data)
app.command("losses", cls=_Command)(losses.show_losses)
app.command("translate", cls=_Command)(translate.translate_name)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rashin {rashin.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> int:
    """Run the command line of this process and return the exit code."""
    try:
        code = app(args=sys.argv[1:] or ["--help"], prog_name="rashin", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except SystemExit:  # typer raises it for one reason: the reader of the output has closed it, as head does
        code = _CLOSED
    except Exception as error:
        message = _in_words(error)
        if message is None:
            raise
        return _complain(message, 2)
    return _complain("interrupted", 130) if code == 130 else code or 0


def _complain(message: str, code: int) -> int:
    typer.echo(f"rashin: {printable(' '.join(message.split()))}", err=True)
    return code


def _in_words(error: Exception) -> str | None:
    """The message for the user, or None if the error is a fault in rashin."""
    if hasattr(error, "format_message"):  # typer's usage errors, whose class depends on its version
        return str(error.format_message())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (ValueError, ImportError, OSError, ArithmeticError, MemoryError)):
        return str(error) or type(error).__name__
    return None
