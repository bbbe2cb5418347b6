"""The command line: the only place that prints. Each command imports what it needs when it runs.

Exit status: 0 if everything was read and done (`analyze`: whatever the verdicts), 1 if the input cannot be read or
analyzed, 2 for wrong usage, 3 if `reproduce` finds a claim that fails unexpectedly, 130 when interrupted (the same
command then goes on where it was).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dynaghost.errors import DynaghostError, counted
from dynaghost.version import VERSION

_EPILOG = (
    "Exit status: 0 if everything was read and done, whatever the verdicts; 1 if the input cannot be read or analyzed; "
    "2 for wrong usage; 3 if reproduce finds a claim that fails unexpectedly; 130 when interrupted (the same command "
    "then goes on where it was)."
)


def main() -> None:
    """Entry point of the `dynaghost` command."""
    try:
        status = commands.main(standalone_mode=False)
    except DynaghostError as error:
        click.echo(f"error: {error}", err=True)
        status = 1
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("interrupted; the same command goes on from here", err=True)
        status = 130
    sys.exit(status if isinstance(status, int) else 0)


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="dynaghost %(version)s")
def commands() -> None:
    """Did a recurrent network learn through a bifurcation or through a ghost?"""


_MODEL_OPTIONS = (
    click.option("--map", "mapping", metavar="m=NAME,…", help="Which array of a file is m, n and b."),
    click.option("--transpose", is_flag=True, default=None, help="The file's connectivity acts on rows, r ← r W."),
    click.option("--form", type=click.Choice(["rate", "current"]), help="tanh(W x + b), or W tanh(h) + b."),
    click.option("--scale", type=float, help="Factor of the connectivity, such as 0.01 for W = m nᵀ/100."),
    click.option("--leak", type=float, help="Δt/τ of the map x ← (1 − leak)·x + leak·tanh(…)."),
    click.option("--time", type=click.Choice(["flow", "map"]), help="Whose eigenvalues and times are reported."),
)
_TRIAL_OPTIONS = (
    click.option("--x0", metavar="VALUE|FILE.npy", help="A trial's initial state: of all units, or of each."),
    click.option("--trial-steps", type=click.IntRange(1), help="Iterations of a trial. [default: until at rest]"),
    click.option("--delay", type=float, help="The task's delay, in τ."),
    click.option("--threshold", type=float, help="The readout's threshold, on κ."),
)
_RUN_OPTIONS = (
    click.option("--metrics", type=click.Path(exists=True, dir_okay=False), help="Table of losses by epoch or step."),
    click.option("--no-metrics", is_flag=True, help="Without a table of losses, though one is there."),
    click.option("--axis", type=click.Choice(["epoch", "step"]), help="What the checkpoints count, whatever they say."),
    click.option("--pattern", help='Which files of the folder, such as "seed3/*.pt".'),
    click.option("--every", type=click.IntRange(1), help="Analyze every K-th checkpoint."),
    click.option("--from", "start", type=int, metavar="STEP", help="From this step on."),
    click.option("--to", "stop", type=int, metavar="STEP", help="Up to this step, included."),
)


def _options(*groups: tuple[Callable[..., Any], ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Several groups of options as one decorator, in the order in which help shows them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


@commands.command()
@click.argument("folder", type=click.Path(exists=True))
@click.option("--out", type=click.Path(file_okay=False), help="Folder of results. [default: FOLDER's name-dynaghost]")
@click.option("--plots", is_flag=True, help="Draw the pictures too.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Workers; any number, same answer.")
@_options(_MODEL_OPTIONS, _TRIAL_OPTIONS, _RUN_OPTIONS)
def analyze(folder: str, out: str | None, plots: bool, jobs: int, **options: Any) -> None:
    """Slow points, events and verdicts of the checkpoints in FOLDER."""
    from dynaghost.analysis import analyze as analyze_run
    from dynaghost.store import open_store
    from dynaghost.views.text import summary

    run = _load(folder, options)
    target = Path(out) if out else Path(f"{Path(folder).resolve().name}-dynaghost")
    with open_store(target, run) as kept, _progress(len(run)) as progress:
        result = analyze_run(run, n_jobs=jobs, progress=progress, done=kept.batch, keep=kept.keep)
    result.save(target)
    click.echo(summary(result))
    if plots:
        _draw(result, target)
    click.echo(f"\nresults in {target}")


@commands.command()
@click.argument("out", type=click.Path(exists=True, file_okay=False))
def plot(out: str) -> None:
    """Draw the pictures of the results in OUT."""
    from dynaghost.analysis import load_analysis

    _draw(load_analysis(out), Path(out))


@commands.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@_options(_MODEL_OPTIONS)
def inspect(file: str, **options: Any) -> None:
    """What one checkpoint FILE holds, and its slow points."""
    from dynaghost.checkpoints.formats import read_arrays
    from dynaghost.checkpoints.recognize import recognize_source
    from dynaghost.slowpoints.find import find_slow_points
    from dynaghost.views.text import contents_text, slow_points_text

    contents = read_arrays(file)
    click.echo(contents_text(file, contents.format, contents.arrays, contents.scalars))
    found = recognize_source(file, **_model(options))
    for line in (f"equation: {found.equation}", f"weights: {found.guess}", *(f"note: {n}" for n in found.notes)):
        click.echo(line)
    click.echo(slow_points_text(find_slow_points(found.system), found.system.time))


@commands.command()
@click.argument("task", type=click.Choice(["delayed-activation"]))
@click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder to write.")
@click.option("--rank", type=int, default=1, show_default=True)
@click.option("--units", type=click.IntRange(1), default=100, show_default=True)
@click.option("--lr", type=float, required=True, help="Learning rate of plain gradient descent.")
@click.option("--epochs", type=click.IntRange(1), required=True)
@click.option("--seed", type=int, required=True, help="Of the initial weights.")
@click.option("--rounding-seed", type=int, help="Start from weights that differ in the last bit.")
@click.option("--save-every", type=click.IntRange(1), help="Epochs between checkpoints. [default: a hundredth of all]")
@click.option("--save-at", metavar="EPOCHS", help="Exactly these, such as 0:500000:5000,33000 (start:stop:step).")
@click.option("--metrics-every", type=click.IntRange(1), default=10, show_default=True)
@click.option("--metrics-at", metavar="EPOCHS", help="Exactly these, beside the checkpoints.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--format", "file_format", type=click.Choice(["npz", "pt"]), default="npz", show_default=True)
@click.option("--delay-steps", type=click.IntRange(1), default=20, show_default=True, help="Steps with target 0.")
@click.option("--steps", type=click.IntRange(1), default=40, show_default=True, help="Steps in all.")
@click.option("--leak", type=float, default=0.5, show_default=True)
@click.option("--confidence", type=float, default=10.0, show_default=True, help="c of the output σ(c(κ − κ*)).")
@click.option("--threshold", type=float, default=1.0, show_default=True, help="κ* of the output.")
@click.option("--x0", type=float, default=-0.3, show_default=True, help="Initial state of all units.")
def train(task: str, out: str, **options: Any) -> None:
    """Train a network on TASK and write its checkpoints, losses and run.json."""
    from dynaghost.training.task import DelayedActivation
    from dynaghost.training.trainer import parse_epochs
    from dynaghost.training.trainer import train as train_run

    about = ("delay_steps", "steps", "leak", "threshold", "confidence", "x0")
    with _progress(options["epochs"], "epoch", counts="total") as progress:
        folder = train_run(
            DelayedActivation(**{name: options[name] for name in about}),
            out=out,
            rank=options["rank"],
            units=options["units"],
            learning_rate=options["lr"],
            epochs=options["epochs"],
            seed=options["seed"],
            rounding_seed=options["rounding_seed"],
            save_every=options["save_every"],
            save_steps=parse_epochs(options["save_at"]) if options["save_at"] else None,
            metrics_every=options["metrics_every"],
            metrics_steps=parse_epochs(options["metrics_at"]) if options["metrics_at"] else None,
            dtype=options["dtype"],
            format=options["file_format"],
            progress=progress,
        )
    click.echo(f"trained on {task}: checkpoints, metrics.csv and run.json in {folder}")


@commands.command()
@click.argument("figures", nargs=-1, required=True, metavar="FIGURE…")
@click.option("--quick", is_flag=True, help="A smaller version; what it cannot decide is left open.")
@click.option(
    "--jobs", type=int, default=1, show_default=True, help="Workers; the numbers are the same for any number."
)
@click.option("--seed", type=int, help="[default: the paper's]")
@click.option(
    "--out", type=click.Path(file_okay=False), default="reproduced", show_default=True, help="Folder to write."
)
@click.option("--every-epoch", is_flag=True, help="With 3a: prove fixed points and ghosts at each of its epochs.")
def reproduce(figures: tuple[str, ...], quick: bool, jobs: int, seed: int | None, out: str, every_epoch: bool) -> int:
    """Run, draw and check figures of the paper: 1, 2a, 2bc, 2d, 3a, 3b, 4, s1, s2 or all.

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


@commands.command()
@click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder of the sweep; an old one goes on.")
@click.option("--seeds", default="0:9:1", show_default=True, metavar="NUMBERS", help="Such as 0:9:1 or 1,3,5.")
@click.option("--lr", "rates", required=True, metavar="RATES", help="Such as 0.003,0.02.")
@click.option("--ranks", default="1", show_default=True, metavar="NUMBERS")
@click.option("--confidences", default="10", show_default=True, metavar="VALUES")
@click.option("--delays", default="20", show_default=True, metavar="NUMBERS", help="Steps with target 0.")
@click.option("--epochs", type=click.IntRange(1), required=True)
@click.option("--record-at", metavar="EPOCHS", help="Epochs whose losses are kept. [default: the first and the last]")
@click.option("--units", type=click.IntRange(1), default=100, show_default=True)
@click.option("--analyze", "prove", is_flag=True, help="Prove fixed points and ghosts at every epoch while training.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Workers; the rows are the same for any number.")
def sweep(out: str, seeds: str, rates: str, ranks: str, confidences: str, delays: str, **options: Any) -> None:
    """Train a grid of networks on delayed activation, a row a run in OUT/sweep.db."""
    from dynaghost.sweep import Grid
    from dynaghost.sweep import sweep as run
    from dynaghost.training.trainer import parse_epochs

    grid = Grid(
        seeds=parse_epochs(seeds),
        learning_rates=_numbers(rates, "--lr"),
        ranks=parse_epochs(ranks),
        confidences=_numbers(confidences, "--confidences"),
        delay_steps=parse_epochs(delays),
    )
    with _progress(len(grid.points), "run", counts="total") as progress:
        found = run(
            grid,
            out=out,
            epochs=options["epochs"],
            record=parse_epochs(options["record_at"]) if options["record_at"] else None,
            units=options["units"],
            analyze=options["prove"],
            n_jobs=options["jobs"],
            progress=lambda done, _: progress(done),
        )
    click.echo(f"{counted(len(found.rows), 'run')} in {out}")


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"expected numbers separated by commas, got {text!r}", param_hint=option) from error


@commands.command()
def info() -> None:
    """Versions, and what this machine offers the compiled kernels."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from dynaghost.kernels.machine import describe

    click.echo(f"dynaghost {VERSION}, Python {platform.python_version()}, {platform.machine()}")
    for name in ("numpy", "scipy", "numba", "python-flint", "torch", "networkx", "matplotlib", "safetensors", "pandas"):
        try:
            click.echo(f"  {name} {version(name)}")
        except PackageNotFoundError:
            click.echo(f"  {name} not installed")
    machine = describe()
    click.echo(f"kernels: {machine['processor']} ({machine['vectors']}), kept in {machine['cache']}")


def _load(folder: str, options: dict[str, Any]) -> Any:
    from dynaghost.checkpoints.run import load_run

    if options["metrics"] and options["no_metrics"]:
        raise click.BadParameter("expected one of --metrics and --no-metrics, got both", param_hint="--no-metrics")
    metrics = False if options["no_metrics"] else options["metrics"]
    trial = {name: options[name] for name in ("trial_steps", "delay", "threshold")}
    reading = {"metrics": metrics, "axis": options["axis"], "pattern": options["pattern"]}
    run = load_run(folder, **reading, **_model(options), **trial, x0=_initial_state(options["x0"]))
    chosen = {name: options[name] for name in ("every", "start", "stop")}
    return run.select(**chosen) if any(value is not None for value in chosen.values()) else run


def _model(options: dict[str, Any]) -> dict[str, Any]:
    plain = {name: options[name] for name in ("transpose", "form", "scale", "leak", "time")}
    return {**plain, "mapping": _mapping(options["mapping"])}


def _mapping(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if any(role not in ("m", "n", "b", "W") or not equals or not name for role, equals, name in pairs):
        raise click.BadParameter(f"expected m=NAME,n=NAME,b=NAME, got {text!r}", param_hint="--map")
    return {role: name for role, _, name in pairs}


def _initial_state(text: str | None) -> float | str | None:
    if text is None or text.endswith(".npy"):
        return text
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"expected a number or a .npy file, got {text!r}", param_hint="--x0") from error


def _draw(result: Any, target: Path) -> None:
    from dynaghost.views.plot import figures

    for path in figures(result, target):
        click.echo(f"drew {path}")


@contextmanager
def _progress(total: int, unit: str = "checkpoint", *, counts: str = "more") -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing when piped; called with how many more, or with the total so far."""
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", disable=None, leave=False) as bar:
        yield bar.update if counts == "more" else (lambda done: bar.update(done - bar.n))
