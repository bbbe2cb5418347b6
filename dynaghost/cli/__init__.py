"""The command line: the only place that prints. Each command imports what it needs when it runs.

Exit status: 0 if everything was read and done (`analyze`: whatever the verdicts), 1 if the input cannot be read or
analyzed, 2 for wrong usage, 3 if `reproduce` finds a claim that fails unexpectedly, 130 when interrupted (the same
command then goes on where it was).
"""

import _thread
import gc
import sys
import threading
from typing import Any

import click

from dynaghost.cli.comparing import compare
from dynaghost.cli.first_steps import completion, demo
from dynaghost.cli.reading import analyze, export, info, inspect, merge, plot, report
from dynaghost.cli.training import reproduce, sweep, train
from dynaghost.errors import DynaghostError
from dynaghost.version import VERSION

_EPILOG = (
    "Exit status: 0 if everything was read and done, whatever the verdicts; 1 if the input cannot be read or analyzed; "
    "2 for wrong usage; 3 if reproduce finds a claim that fails unexpectedly; 130 when interrupted (the same command "
    "then goes on where it was)."
)


def main() -> None:
    """Entry point of the `dynaghost` command."""
    # Compiling makes many objects that stay: looked through at the usual rate they cost an eighth of a first run.
    gc.set_threshold(100_000, 20, 100)
    before, sys.unraisablehook = sys.unraisablehook, _interrupt_again
    try:
        status = commands.main(standalone_mode=False)
    except DynaghostError as error:
        click.echo(f"error: {error}", err=True)
        status = 1
    except MemoryError as error:
        click.echo(f"error: expected sizes that fit into this machine's memory, got more ({error})", err=True)
        status = 1
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"error: {error.filename}: expected a place to read or write, got {error.strerror}", err=True)
        status = 1
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("interrupted; the same command goes on from here", err=True)
        status = 130
    finally:
        sys.unraisablehook = before
    sys.exit(status if isinstance(status, int) else 0)


def _interrupt_again(lost: Any) -> None:
    """An interruption that came while a finalizer ran, where Python would print and forget it, comes once more."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # Not at once: it would be raised in this very function, and lost with it.
        threading.Timer(0.005, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(lost)


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="dynaghost %(version)s")
def commands() -> None:
    """Did a recurrent network learn through a bifurcation or through a ghost?"""


for _command in (
    analyze,
    inspect,
    plot,
    report,
    export,
    merge,
    compare,
    train,
    sweep,
    reproduce,
    demo,
    info,
    completion,
):
    commands.add_command(_command)
