"""Commands for the first minutes: demo and completion."""

import shlex
from pathlib import Path

import click

_TRAIN = (
    *("train", "delayed-activation", "--lr", "0.003", "--epochs", "40000", "--seed", "40"),
    *(
        "--save-at",
        "0:33000:3000,33025:34500:25,35000:40000:1000",
        "--metrics-at",
        "0:32000:200,32010:36000:10,36200:40000:200",
    ),
)
_SHELLS = {
    "bash": ('eval "$(dynaghost completion bash)"', "~/.bashrc"),
    "zsh": ('eval "$(dynaghost completion zsh)"', "~/.zshrc"),
    "fish": ("dynaghost completion fish | source", "~/.config/fish/completions/dynaghost.fish"),
}


@click.command(short_help="Train a network that learns through a ghost, and analyze it.")
@click.option(
    "--out", type=click.Path(file_okay=False), default="dynaghost-demo", show_default=True, help="Folder to write."
)
@click.pass_context
def demo(ctx: click.Context, out: str) -> None:
    """Train a network that learns through a ghost, analyze it, and show where to look: in seconds.

    The commands are printed before they run; type them yourself and change them.
    """
    folder, results = str(Path(out) / "run"), str(Path(out) / "results")
    _type(ctx, *_TRAIN, "--out", folder)
    click.echo()
    _type(ctx, "analyze", folder, "--out", results, "--plots", "--report")
    click.echo(
        f"\nlook at\n  {Path(results) / 'report.html'}  every checkpoint, in a browser: the slider moves the flow\n"
        f"  {Path(results) / 'branches.png'}  fixed points and the ghost through training\n"
        f"then try\n  dynaghost inspect {shlex.quote(str(Path(folder) / 'epoch_38000.npz'))}\n"
        "  dynaghost analyze YOUR_FOLDER_OF_CHECKPOINTS"
    )


def _type(ctx: click.Context, *words: str) -> None:
    """Run a command of ours as if it were typed, after showing it."""
    click.echo(f"$ dynaghost {shlex.join(words)}")
    group = ctx.find_root().command
    group.main(list(words), prog_name="dynaghost", standalone_mode=False)


@click.command(
    short_help="Print a script that completes commands with the tab key.",
    epilog="Put one line into your shell's file of settings: "
    + "; ".join(f"for {shell} {line} into {place}" for shell, (line, place) in _SHELLS.items())
    + ".",
)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands and options with the tab key in SHELL."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "dynaghost", "_DYNAGHOST_COMPLETE").source())
