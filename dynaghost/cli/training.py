"""Commands that train: train, sweep, reproduce."""

import dataclasses
from typing import Any

import click

from dynaghost.cli.options import EPOCHS, SCHEDULE, Jobs, Real, Whole, compiling_told, grouped, progress_bar
from dynaghost.errors import DynaghostError, counted

_TASKS = ("delayed-activation", "cue-discrimination", "match-to-sample")
_RUN = (
    click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder to write; an old run goes on."),
    click.option("--rank", metavar="K|full", help="Of the connectivity. [default: 1; for the two-cue tasks 2]"),
    click.option("--units", type=Whole(1), default=100, show_default=True),
    click.option(
        "--readout",
        type=click.Choice(["fixed", "trained"]),
        help="σ(c(κ − κ*)), for rank 1 and the default there, or σ(w·x + w₀) with trained w and w₀.",
    ),
    click.option("--seed", type=Whole(0), required=True, help="Of the initial weights."),
    click.option("--rounding-seed", type=Whole(0), help="Start from weights that differ in the last bit."),
)
_DESCENT = (
    click.option("--lr", type=Real(0), help="Learning rate of plain gradient descent."),
    click.option("--epochs", type=Whole(1), help="Updates to make."),
    click.option(
        "--schedule",
        type=SCHEDULE,
        metavar="STAGES",
        help="Instead of --lr, --epochs and --confidence: stages EPOCHSxCONFIDENCE@RATE, one after the other, such as "
        "6000x10@0.02,20000x1@0.02,20000x10@0.002. For rank 1 with a fixed readout.",
    ),
    click.option("--train-confidence", is_flag=True, help="Train c like a weight, from --confidence on (rank 1)."),
    click.option("--initial-noise", type=Real(0, closed=True), help="Standard deviation of each initial state."),
    click.option("--process-noise", type=Real(0, closed=True), help="Standard deviation added in every step."),
    click.option("--noise-seed", type=Whole(0), help="Of both. [default: that of --seed]"),
    click.option("--same-noise", is_flag=True, help="Draw the noise once, not anew in every epoch."),
)
_SAVED = (
    click.option("--save-every", type=Whole(1), help="Epochs between checkpoints. [default: epochs/100]"),
    click.option(
        "--save-at",
        type=EPOCHS,
        metavar="EPOCHS",
        help="Exactly these, such as 0:500000:5000,33000 (start:stop:step).",
    ),
    click.option("--metrics-every", type=Whole(1), default=10, show_default=True),
    click.option("--metrics-at", type=EPOCHS, metavar="EPOCHS", help="Exactly these, beside the checkpoints."),
    click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True),
    click.option("--format", "file_format", type=click.Choice(["npz", "pt"]), default="npz", show_default=True),
)
_TRIAL = (
    click.option("--delay-steps", type=Whole(1), help="Steps of the delay. [default: 20; two-cue tasks 10]"),
    click.option("--leak", type=Real(0, 1), help="Δt/τ, of each step. [default: 0.5]"),
    click.option("--steps", type=Whole(1), help="delayed-activation: steps in all. [default: 40]"),
    click.option("--confidence", type=Real(0), help="delayed-activation: c of the fixed readout. [default: 10]"),
    click.option("--threshold", type=Real(), help="delayed-activation: κ* of the fixed readout. [default: 1]"),
    click.option("--x0", type=Real(), help="delayed-activation: initial state of all units. [default: -0.3]"),
    click.option("--cue-steps", type=Whole(1), help="Two-cue tasks: steps of each cue. [default: 2]"),
    click.option("--response-steps", type=Whole(1), help="Two-cue tasks: steps that count. [default: 10]"),
    click.option("--repeats", type=Whole(1), help="Two-cue tasks: trials of each kind a batch. [default: 1]"),
    click.option(
        "--spread",
        type=Real(0, closed=True),
        help="Two-cue tasks: g of the initial state tanh(g·N(0, 1)). [default: 0.3]",
    ),
    click.option("--trial-seed", type=Whole(0), help="Two-cue tasks: of the initial states. [default: 0]"),
)
_OF_TASK = {"trial_seed": "seed"} | {
    name: name
    for name in (
        *("delay_steps", "leak", "steps", "confidence", "threshold", "x0"),
        *("cue_steps", "response_steps", "repeats", "spread"),
    )
}


@click.command(short_help="Train a network on a task, and keep its checkpoints.")
@click.argument("task", type=click.Choice(_TASKS), metavar="TASK")
@grouped(_RUN, _DESCENT, _SAVED, _TRIAL)
@compiling_told()
def train(task: str, **options: Any) -> None:
    """Train a network on TASK and write its checkpoints, losses and run.json.

    \b
    TASK is one of
      delayed-activation  an output of 0 for a delay, then of 1
      cue-discrimination  a cue of +1 or −1, a delay, then an output of its sign
      match-to-sample     a cue, a delay, another cue, then 1 if both were equal, else 0

    Interrupted, the same command goes on from the last checkpoint.
    """
    from dynaghost.training.trainer import train as train_run

    _check_length(options)
    made, noise = _task(task, options), _noise(options)
    epochs = options["epochs"] if options["schedule"] is None else options["schedule"].epochs
    with progress_bar(epochs, "epoch", counts="total") as progress:
        folder = train_run(
            made,
            out=options["out"],
            rank=_rank(options["rank"]),
            units=options["units"],
            readout={"fixed": "confidence"}.get(options["readout"], options["readout"]),
            trains_confidence=options["train_confidence"],
            learning_rate=options["lr"],
            epochs=options["epochs"],
            schedule=options["schedule"],
            noise=noise,
            seed=options["seed"],
            rounding_seed=options["rounding_seed"],
            save_every=options["save_every"],
            save_steps=options["save_at"],
            metrics_every=options["metrics_every"],
            metrics_steps=options["metrics_at"],
            dtype=options["dtype"],
            format=options["file_format"],
            progress=progress,
        )
    click.echo(f"trained on {task}: checkpoints, metrics.csv and run.json in {folder}")


def _check_length(options: dict[str, Any]) -> None:
    """Either a rate and a number of epochs, or a schedule, which has its own confidences too."""
    beside = [f"--{name}" for name in ("lr", "epochs", "confidence") if options[name] is not None]
    if options["schedule"] is not None and beside:
        raise click.BadParameter(f"expected none of {', '.join(beside)} beside it", param_hint="--schedule")
    missing = [name for name in ("--lr", "--epochs") if name not in beside]
    if options["schedule"] is None and missing:
        raise click.UsageError(f"expected --lr and --epochs, or --schedule, got no {' and no '.join(missing)}")


def _task(name: str, options: dict[str, Any]) -> Any:
    from dynaghost.training.tasks import TASKS

    given = {name: options[name] for name in _OF_TASK if options[name] is not None}
    known = {field.name for field in dataclasses.fields(TASKS[name])}
    for option in given:
        if _OF_TASK[option] not in known:
            hint = f"--{option.replace('_', '-')}"
            raise click.BadParameter(f"expected another task, since {name} has no such option", param_hint=hint)
    try:
        return TASKS[name](**{_OF_TASK[option]: value for option, value in given.items()})
    except DynaghostError as error:
        raise click.UsageError(str(error)) from error


def _noise(options: dict[str, Any]) -> Any:
    from dynaghost.training.noise import Noise

    initial, process = options["initial_noise"] or 0.0, options["process_noise"] or 0.0
    if not initial and not process:
        for name in ("noise_seed", "same_noise"):
            if options[name] not in (None, False):
                hint = f"--{name.replace('_', '-')}"
                raise click.BadParameter("expected --initial-noise or --process-noise beside it", param_hint=hint)
        return None
    seed = options["seed"] if options["noise_seed"] is None else options["noise_seed"]
    return Noise(seed, initial=initial, process=process, fresh=not options["same_noise"])


def _rank(text: str | None) -> int | str | None:
    if text is None or text == "full":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"expected a whole number of at least 1, or full, got {text}", param_hint="--rank")
    return int(text)


@click.command(short_help="Train a grid of networks, a row a run.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder of the sweep; an old one goes on.")
@click.option(
    "--seeds",
    type=EPOCHS,
    default="0:9:1",
    show_default=True,
    metavar="NUMBERS",
    help="Such as 1,3,5, or start:stop:step with both ends.",
)
@click.option("--lr", "rates", required=True, metavar="RATES", help="Such as 0.003,0.02.")
@click.option(
    "--ranks", type=EPOCHS, default="1", show_default=True, metavar="NUMBERS", help="Above 1: --readout trained."
)
@click.option("--confidences", metavar="VALUES", help="c of the fixed readout. [default: 10]")
@click.option("--delays", type=EPOCHS, default="20", show_default=True, metavar="NUMBERS", help="Steps with target 0.")
@click.option("--epochs", type=Whole(1), required=True, help="Updates of each network.")
@click.option(
    "--readout",
    type=click.Choice(["fixed", "trained"]),
    default="fixed",
    show_default=True,
    help="σ(c(κ − κ*)), for rank 1 only, or σ(w·x + w₀) with trained w and w₀.",
)
@click.option(
    "--record-at",
    type=EPOCHS,
    metavar="EPOCHS",
    help="Epochs whose losses are kept. [default: the first and the last]",
)
@click.option("--save-every", type=Whole(1), help="Write each run's checkpoints, one in N epochs, to OUT/runs.")
@click.option("--units", type=Whole(1), default=100, show_default=True)
@click.option("--analyze", "prove", is_flag=True, help="Prove fixed points and ghosts at every epoch while training.")
@click.option(
    "--jobs", type=Jobs(), default=1, show_default=True, help="Workers; the rows are the same for any number."
)
@compiling_told()
def sweep(out: str, rates: str, confidences: str | None, **options: Any) -> None:
    """Train a grid of networks on delayed activation, a row a run in OUT/sweep.db."""
    from dynaghost.sweep import sweep as run

    grid = _grid(rates, confidences, options)
    with progress_bar(len(grid.points), "run", counts="total") as progress:
        found = run(
            grid,
            out=out,
            epochs=options["epochs"],
            record=options["record_at"],
            units=options["units"],
            readout=options["readout"],
            analyze=options["prove"],
            save_every=options["save_every"],
            n_jobs=options["jobs"],
            progress=lambda done, _: progress(done),
        )
    click.echo(f"{counted(len(found.rows), 'run')} in {out}")


def _grid(rates: str, confidences: str | None, options: dict[str, Any]) -> Any:
    from dynaghost.sweep import Grid

    if confidences is not None and options["readout"] == "trained":
        raise click.BadParameter("expected --readout fixed, since a trained one has none", param_hint="--confidences")
    try:
        return Grid(
            seeds=options["seeds"],
            learning_rates=_numbers(rates, "--lr"),
            ranks=options["ranks"],
            confidences=_numbers("10" if confidences is None else confidences, "--confidences"),
            delay_steps=options["delays"],
        )
    except DynaghostError as error:
        raise click.UsageError(str(error)) from error


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"expected numbers separated by commas, got {text!r}", param_hint=option) from error


@click.command(short_help="Run, draw and check figures of the paper.")
@click.argument("figures", nargs=-1, required=True, metavar="FIGURE…")
@click.option("--quick", is_flag=True, help="A smaller version; what it cannot decide is left open.")
@click.option(
    "--jobs", type=Jobs(), default=1, show_default=True, help="Workers; the numbers are the same for any number."
)
@click.option("--seed", type=Whole(0), help="[default: the paper's]")
@click.option(
    "--out", type=click.Path(file_okay=False), default="reproduced", show_default=True, help="Folder to write."
)
@click.option("--every-epoch", is_flag=True, help="With 3a: prove fixed points and ghosts at each of its epochs.")
@compiling_told()
def reproduce(figures: tuple[str, ...], quick: bool, jobs: int, seed: int | None, out: str, every_epoch: bool) -> int:
    """Run, draw and check figures of the paper: 1, 2a, 2bc, 2d, 3a, 3b, 4, s1, s2, curvature, delays or all.

    Exit status 0 if every claim that could be decided holds or fails in the recorded way, 3 if one fails otherwise.
    """
    from dynaghost.paper.claims import exit_status, table
    from dynaghost.paper.reproduce import reproduce as run

    if every_epoch and not {"3a", "all"}.intersection(figures):
        raise click.BadParameter(f"expected figure 3a, got {' '.join(figures)}", param_hint="--every-epoch")
    found = []
    for figure in figures:
        closely = every_epoch and figure in ("3a", "all")
        claims, _ = run(figure, out=out, quick=quick, jobs=jobs, seed=seed, every_epoch=closely)
        found += claims
    click.echo(table(found))
    click.echo(f"\nfigures and numbers in {out}")
    return exit_status(found)
