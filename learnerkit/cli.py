"""The command line: what every command is entered in, and what their errors end as.

Exit codes: 0 done, 1 training could not go on, 2 a fault of the user's that the message says how to repair, 130 and 143
stopped by Ctrl-C and SIGTERM.
"""

import inspect
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from learnerkit import __version__
from learnerkit.commands.checking import CHECK_OPTIONS, check
from learnerkit.commands.differing import diff
from learnerkit.commands.explaining import explain, suspects
from learnerkit.commands.keeping import runs_app
from learnerkit.commands.looking import doctor, recipe, report
from learnerkit.commands.measuring import compare, evaluate, profile
from learnerkit.commands.repeating import replay, reproduce
from learnerkit.commands.serving import serve
from learnerkit.commands.shared import JSON_OPTION
from learnerkit.commands.training import SWEEP_OPTIONS, TRAIN_OPTIONS, demo, sweep, train
from learnerkit.commands.using import export, predict
from learnerkit.core.errors import LearnerkitError
from learnerkit.core.signals import end_workers_at_exit, exit_at_sigterm
from learnerkit.core.started import leave_the_word, only_first_is_heard, refuse_several, speaks
from learnerkit.core.threads import wait_passively
from learnerkit.core.warn import escape_unprintable, warnings_as_lines
from learnerkit.runs.options import recipe_parameters, refuse_foreign
from learnerkit.tasks import all_recipes

COMMANDS = (
    demo,
    compare,
    diff,
    evaluate,
    predict,
    explain,
    suspects,
    export,
    profile,
    report,
    doctor,
    replay,
    reproduce,
    serve,
)
OF_A_RECIPE = ((train, TRAIN_OPTIONS), (check, CHECK_OPTIONS), (sweep, SWEEP_OPTIONS), (recipe, (JSON_OPTION,)))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Train, evaluate and report image experiments."""


def make_app() -> typer.Typer:
    """The commands, with an option for each field of the recipes of every task that is known now."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_options)
    demos = [f"{name}: {what}" for name, what in (recipe.DEMO for recipe in all_recipes().values()) if name]
    demo.__annotations__["which"] = Annotated[str, typer.Argument(help="; ".join(demos))]
    for function in COMMANDS:
        app.command()(function)
    app.add_typer(runs_app, name="runs")
    which, *fields = recipe_parameters()
    for function, own in OF_A_RECIPE:
        function.__signature__ = inspect.Signature([which, *own, *fields])
        function.__annotations__ = {name: p.annotation for name, p in function.__signature__.parameters.items()}
        app.command()(function)
    return app


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; user errors are one message, never a traceback.

    words: of the command line, such as ['train', 'digits']; those of this process when None.
    """
    escape_unprintable()
    wait_passively()
    end_workers_at_exit()
    words = list(sys.argv[1:] if words is None else words)
    try:
        with only_first_is_heard(), warnings_as_lines(lambda line: typer.echo(line, err=True)), exit_at_sigterm():
            refuse_foreign(words)
            if words and words[0] != "train" and not words[0].startswith("-"):
                refuse_several(words[0])
            make_app()(args=words, prog_name="learnerkit")
        return 0
    except LearnerkitError as error:
        said, code = str(error), error.exit_code
    except OSError as error:  # of a place that no other words were found for
        if error.filename is None:
            raise
        said, code = f"{error.filename}: {error.strerror}", 2
    except SystemExit as end:
        said, code = None, end.code if isinstance(end.code, int) else int(end.code is not None)
    if said is not None and speaks():
        typer.echo(f"error: {said}", err=True)
    if code:
        leave_the_word()
    return code


if __name__ == "__main__":
    sys.exit(main())
