"""Commands that read checkpoints or results: analyze, inspect, plot, report, info."""

import math
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from dynaghost.cli.collections import analyze_many, draw_each, tell, write_page
from dynaghost.cli.options import Real, Whole, compiling_told, grouped, progress_bar
from dynaghost.cli.parts import analyze_one_part, are_of_one_run, join_parts, part_of, read_parts
from dynaghost.errors import DynaghostError
from dynaghost.version import VERSION

_ACTIVATIONS = ["tanh", "sigmoid", "softplus", "relu", "leaky_relu"]
_MODEL_OPTIONS = (
    click.option("--map", "mapping", metavar="m=NAME,…", help="Which array of a file is m, n and b, or W and b."),
    click.option("--transpose", is_flag=True, default=None, help="The file's connectivity acts on rows, r ← r W."),
    click.option("--form", type=click.Choice(["rate", "current"]), help="tanh(W x + b), or W tanh(h) + b."),
    click.option("--scale", type=Real(0), help="Factor of the connectivity, such as 0.01 for W = m nᵀ/100."),
    click.option("--leak", type=Real(0, 1), help="Δt/τ of the map x ← (1 − leak)·x + leak·tanh(…)."),
    click.option("--time", type=click.Choice(["flow", "map"]), help="Whose eigenvalues and times are reported."),
    click.option("--activation", type=click.Choice(_ACTIVATIONS), help="Of a full-rank network. [default: tanh]"),
    click.option("--layer", metavar="NAME", help="Which recurrent layer, where a file holds several."),
    click.option("--input", "inputs", metavar="VALUE|FILE.npy", help="Constant input. [default: 0]"),
    click.option(
        "--model",
        metavar="MODULE:FUNCTION",
        help="Your function from a dict of arrays to your module, or to a System (as_system).",
    ),
)
_SEARCH_OPTIONS = (
    click.option(
        "--starts",
        metavar="N|FILE.npy|trials",
        help="Search from so many random states, from these alone, or from those of the trials besides.",
    ),
    click.option("--seed", type=Whole(0), help="Of whatever is random in the search. [default: 0]"),
    click.option("--budget", type=Whole(1), help="Most boxes, or evaluations, that a search spends."),
)
_PERIOD_OPTIONS = (
    click.option("--trials", metavar="FILE.npz", help="Trials with inputs over time; a period of them is analyzed."),
    click.option("--period", metavar="NAME", help='Which period of the trials, or "all". [default: the last]'),
    click.option("--context", type=Whole(0), help="Which of the period's different inputs. [default: 0]"),
)
_TRIAL_OPTIONS = (
    click.option("--x0", metavar="VALUE|FILE.npy", help="A trial's initial state: of all units, or of each."),
    click.option("--trial-steps", type=Whole(1), help="Iterations of a trial. [default: until at rest]"),
    click.option("--delay", type=Real(0), help="The task's delay, in τ."),
    click.option("--threshold", type=Real(), help="The readout's threshold: on κ for rank one, else on its output."),
)
_DROP_OPTIONS = (
    click.option("--drop-factor", type=Real(1), help="A drop of the loss divides it by at least this. [default: 2]"),
    click.option("--drop-longest", type=Real(0, 1), help="Within this share of the run at most. [default: 0.1]"),
    click.option("--drop-contrast", type=Real(0, closed=True), help="So much steeper than before it. [default: 3]"),
    click.option("--drop-median", type=Whole(1), help="Metrics that the loss is smoothed over, odd. [default: 5]"),
    click.option("--drop-trim", type=Real(0, 0.49, closed=True), help="Share cut off at its ends. [default: 0.02]"),
)
_RUN_OPTIONS = (
    click.option("--metrics", type=click.Path(exists=True, dir_okay=False), help="Table of losses by epoch or step."),
    click.option("--no-metrics", is_flag=True, help="Without a table of losses, though one is there."),
    click.option("--axis", type=click.Choice(["epoch", "step"]), help="What the checkpoints count, whatever they say."),
    click.option("--pattern", help='Which files of the folder, such as "seed3/*.pt".'),
    click.option("--every", type=Whole(1), help="Analyze every N-th checkpoint."),
    click.option("--from", "start", type=int, metavar="STEP", help="From this step on."),
    click.option("--to", "stop", type=int, metavar="STEP", help="Up to this step, included."),
)


@click.command(short_help="Slow points, events and verdicts of a folder of checkpoints.")
@click.argument("folder")
@click.option("--out", type=click.Path(file_okay=False), help="Folder of results. [default: FOLDER's name-dynaghost]")
@click.option("--plots", is_flag=True, help="Draw the pictures too.")
@click.option("--report", "page", is_flag=True, help="Write report.html too.")
@click.option("--jobs", type=Whole(1), default=1, show_default=True, help="Workers; any number, same answer.")
@click.option("--part", metavar="I/N", help="Every N-th run or batch, from the I-th on; see merge.")
@grouped(_MODEL_OPTIONS, _SEARCH_OPTIONS, _PERIOD_OPTIONS, _TRIAL_OPTIONS, _DROP_OPTIONS, _RUN_OPTIONS)
@compiling_told()
def analyze(folder: str, out: str | None, plots: bool, page: bool, jobs: int, part: str | None, **options: Any) -> None:
    """Slow points, events and verdicts of the checkpoints in FOLDER.

    FOLDER may be a pattern in quotes, such as 'runs/*', or a folder of folders with a run.json each: then every run is
    analyzed into a folder inside --out, and what they have in common is told.
    """
    from dynaghost.collection import is_collection

    # A pattern of files inside a folder of folders chooses one run among them.
    if is_collection(folder) and (options["pattern"] is None or not Path(folder).exists()):
        analyze_many(folder, out, _load, options, _drop_rule(options), jobs, part, plots=plots, page=page)
        return
    if not Path(folder).exists():
        raise click.BadParameter(f"expected a folder that exists, or a pattern, got {folder!r}", param_hint="FOLDER")
    run, rule = _load(folder, options), _drop_rule(options)
    target = Path(out) if out else Path(f"{Path(folder).resolve().name}-dynaghost")
    if (chosen := part_of(part)) is not None:
        if plots or page or options["period"] == "all":
            raise click.UsageError("--part: expected none of --plots, --report and --period all: use them with merge")
        analyze_one_part(run, folder, options, target, chosen, jobs)
        return
    for place, one in _in_periods(run, target, options["period"]).items():
        _analyze(one, place, rule, jobs, plots=plots, page=page)


def _in_periods(run: Any, target: Path, period: str | None) -> dict[Path, Any]:
    """The run by its folder of results: one run, or one in each period of its trials."""
    from dynaghost.checkpoints.periods import in_every_period, wants_every

    if not wants_every(run.settings, period):
        return {target: run}
    return {target / f"{name}-{context}": one for (name, context), one in in_every_period(run).items()}


def _analyze(run: Any, target: Path, rule: Any, jobs: int, *, plots: bool, page: bool) -> None:
    from dynaghost.analysis import Analysis
    from dynaghost.analysis import analyze as analyze_run
    from dynaghost.store import open_store
    from dynaghost.views.text import summary

    with open_store(target, run) as kept, progress_bar(len(run)) as progress:
        before, written = kept.finished(run, Analysis, drops=rule), kept.files_are_written()
        result = before or analyze_run(
            run, drops=rule, n_jobs=jobs, progress=progress, done=kept.batch, keep=kept.keep, links=kept
        )
    if before is None or not written:
        result.save(target, n_jobs=jobs)
    click.echo(summary(result))
    if plots:
        _draw(result, target)
    if page:
        _report(result, target / "report.html")
    click.echo(f"\nresults in {target}" + (", as they were: nothing was to be done" if before else ""))


@click.command(short_help="Put the parts of a collection, or of one run, together.")
@click.argument("parts", metavar="PART…", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder of the whole.")
@click.option("--plots", is_flag=True, help="Draw the pictures too.")
@click.option("--report", "page", is_flag=True, help="Write report.html too.")
@click.option("--jobs", type=Whole(1), default=1, show_default=True, help="Workers; any number, same answer.")
def merge(parts: tuple[str, ...], out: str, plots: bool, page: bool, jobs: int) -> None:
    """Put the results of parts together, as tasks of a cluster wrote them with analyze --part.

    Of parts of one run, slow points are followed from checkpoint to checkpoint now, and everything else is told.
    """
    from dynaghost.collection import merge as put_together

    if not are_of_one_run(parts):
        tell(put_together(parts, out), out, plots=plots, page=page)
        return
    source, told = read_parts(parts)
    options = {name: told.get(name) for name in _option_names()}
    run = _load(source, options)
    join_parts(run, parts, Path(out))
    _analyze(run, Path(out), _drop_rule(options), jobs, plots=plots, page=page)


def _option_names() -> list[str]:
    return [str(parameter.name) for parameter in analyze.params]


@click.command(short_help="Draw the pictures of results.")
@click.argument("out", type=click.Path(exists=True, file_okay=False))
def plot(out: str) -> None:
    """Draw the pictures of the results in OUT, of many runs those of each."""
    from dynaghost.analysis import load_analysis
    from dynaghost.collection import holds_collection, load_collection

    if holds_collection(out):
        draw_each(load_collection(out))
        return
    _draw(load_analysis(out), Path(out))


@click.command(short_help="Write one HTML page that shows results, for any browser.")
@click.argument("outs", metavar="OUT…", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--to", type=click.Path(dir_okay=False), help="File to write. [default: OUT/report.html]")
def report(outs: tuple[str, ...], to: str | None) -> None:
    """Write one HTML page that shows the results in OUT, for any browser, without a network.

    The results of many runs, in one folder or in several, make one page of all of them; of several --to is needed.
    """
    from dynaghost.analysis import load_analysis
    from dynaghost.collection import holds_collection, load_collection
    from dynaghost.views.report import report_collection

    if len(outs) > 1 and to is None:
        raise click.UsageError("expected --to FILE for a page of several folders, got none")
    target = Path(to) if to else Path(outs[0]) / "report.html"
    if len(outs) == 1 and holds_collection(outs[0]):
        write_page(load_collection(outs[0]), target)
        return
    folders = [folder for out in outs for folder in _with_results(Path(out))]
    if len(folders) == 1:
        _report(load_analysis(folders[0]), target)
        return
    runs = [(folder.resolve().name, load_analysis(folder)) for folder in folders]
    click.echo(f"wrote {report_collection(runs, target)}")


def _with_results(out: Path) -> list[Path]:
    """The folder itself; of one without results of its own, those inside it that have some."""
    from dynaghost.run_tables import holds_results

    inside = [] if holds_results(out) else sorted(path for path in out.iterdir() if path.is_dir())
    return [path for path in inside if holds_results(path)] or [out]


@click.command(short_help="Write results as tables or a graph, for other programs.")
@click.argument("out", type=click.Path(exists=True, file_okay=False))
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet", "graphml", "json"]), default="csv")
@click.option("--to", type=click.Path(file_okay=False), help="Folder to write. [default: OUT/export]")
def export(out: str, file_format: str, to: str | None) -> None:
    """Write the results in OUT as tables or a graph for other programs."""
    from dynaghost.analysis import load_analysis
    from dynaghost.collection import holds_collection, load_collection
    from dynaghost.export import export as write
    from dynaghost.export import export_collection

    target = Path(to or Path(out) / "export")
    if holds_collection(out):
        collection = load_collection(out)
        paths = export_collection(collection, collection.results(), target, file_format)
    else:
        paths = write(load_analysis(out), target, file_format)
    for path in paths:
        click.echo(f"wrote {path}")


@click.command(short_help="What one checkpoint file holds, and its slow points.")
@click.argument("file", type=click.Path(exists=True))
@grouped(_MODEL_OPTIONS, _SEARCH_OPTIONS, _PERIOD_OPTIONS)
@compiling_told()
def inspect(file: str, **options: Any) -> None:
    """What one checkpoint FILE holds, and its slow points."""
    from dynaghost.checkpoints.formats import read_arrays
    from dynaghost.checkpoints.recognize import recognize_source
    from dynaghost.slowpoints.find import find_slow_points
    from dynaghost.views.text import contents_text, slow_points_text

    if Path(file).is_dir():
        raise click.BadParameter(f"expected one file, got the folder {file}: analyze it", param_hint="FILE")
    contents = read_arrays(file)
    click.echo(contents_text(file, contents.format, contents.arrays, contents.scalars))
    searched = {**_search(options), "seed": options["seed"] or 0}
    for model, told, visited in _driven(file, options, at_trials=searched["starts"] == "trials"):
        found = recognize_source(file, **model)
        notes = (f"note: {note}" for note in (*found.notes, *told))
        for line in (f"equation: {found.equation}", f"weights: {found.guess}", *notes):
            click.echo(line)
        if visited is not None:
            searched |= {"starts": None, "visited": visited}
        click.echo(slow_points_text(find_slow_points(found.system, **searched), found.system.time))


_NEEDED = ("numpy", "scipy", "numba", "python-flint", "torch", "networkx", "matplotlib", "safetensors")
_EXTRAS = ("pandas", "pyarrow", "h5py", "dask", "pytorch-lightning", "transformers", "tensorboard")


@click.command(short_help="Versions, and what this machine offers the compiled kernels.")
def info() -> None:
    """Versions, and what this machine offers the compiled kernels."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from dynaghost.kernels.machine import describe

    click.echo(f"dynaghost {VERSION}, Python {platform.python_version()}, {platform.machine()}")
    for name in (*_NEEDED, *_EXTRAS):
        try:
            click.echo(f"  {name} {version(name)}")
        except PackageNotFoundError:
            click.echo(f"  {name} not installed")
    machine = describe()
    click.echo(f"kernels: {machine['processor']} ({machine['vectors']}), kept in {machine['cache']}")


def _load(folder: str, options: dict[str, Any]) -> Any:
    from dynaghost.checkpoints.periods import EVERY, wants_every
    from dynaghost.checkpoints.run import load_run
    from dynaghost.checkpoints.settings import Settings, trials_of

    if options["metrics"] and options["no_metrics"]:
        raise click.BadParameter("expected one of --metrics and --no-metrics, got both", param_hint="--no-metrics")
    metrics = False if options["no_metrics"] else options["metrics"]
    trial = {name: options[name] for name in ("trial_steps", "delay", "threshold")}
    reading = {"metrics": metrics, "axis": options["axis"], "pattern": options["pattern"]}
    trial |= {name: options[name] for name in ("trials", "period", "context")}
    if trial["period"] == EVERY and wants_every(Settings(trials=trials_of(trial["trials"])), EVERY):
        trial["period"] = None
    trial["x0"] = _number_or_file(options["x0"], "--x0")
    run = load_run(folder, **reading, **_model(options), **trial, **_search(options), seed=options["seed"])
    chosen = {name: options[name] for name in ("every", "start", "stop")}
    return run.select(**chosen) if any(value is not None for value in chosen.values()) else run


def _drop_rule(options: dict[str, Any]) -> Any:
    """What counts as a drop; the factor of the loss is one of its logarithm's fall."""
    from dynaghost.trajectories.drops import DropRule

    names = ("median", "factor", "longest", "contrast", "trim")
    given = {name: options[f"drop_{name}"] for name in names if options[f"drop_{name}"] is not None}
    if "factor" in given:
        given["factor"] = math.log(given["factor"])
    try:
        return DropRule(**given)
    except DynaghostError as error:
        raise click.UsageError(f"--drop-{error}") from error


def _driven(
    file: str, options: dict[str, Any], *, at_trials: bool
) -> list[tuple[dict[str, Any], tuple[str, ...], Any]]:
    """The model options with the input of each chosen period of the trials, and which it is, in words; with
    `at_trials` the states that the trials visit there.

    Recorded states are checked.
    """
    from dataclasses import replace

    from dynaghost.checkpoints.periods import period_told, wants_every
    from dynaghost.checkpoints.recognize import recognize_source
    from dynaghost.checkpoints.settings import Settings, trials_of

    model, trials = _model(options), trials_of(options["trials"])
    if trials is None or trials.inputs is None:
        if at_trials:
            raise click.BadParameter("expected --trials with inputs beside it, got none", param_hint="--starts trials")
        return [(model, (), None)]

    def drive(value: Any) -> Any:
        return recognize_source(file, **{**model, "inputs": value}).system

    if trials.states is not None:
        trials.check(drive)
    given = Settings(trials=trials, inputs=model["inputs"])
    each = [(options["period"], options["context"] or 0)]
    if wants_every(given, options["period"]):
        each = [(period.name, context) for period in trials.periods() for context in range(len(period.inputs))]
    chosen = [replace(given, period=period, context=context).driven() for period, context in each]
    visited = [trials.states_in(one.period_of_trials(), one.context, drive) if at_trials else None for one in chosen]
    return [({**model, "inputs": one.inputs}, period_told(one), v) for one, v in zip(chosen, visited, strict=True)]


def _model(options: dict[str, Any]) -> dict[str, Any]:
    names = ("transpose", "form", "scale", "leak", "time", "activation", "layer")
    found = {name: options[name] for name in names}
    found["inputs"] = _number_or_file(options["inputs"], "--input")
    return {**found, "mapping": _mapping(options["mapping"]), "model": _function(options["model"])}


def _search(options: dict[str, Any]) -> dict[str, Any]:
    from dynaghost.checkpoints.settings import search_starts

    return {"starts": search_starts(options["starts"]), "budget": options["budget"]}


def _function(text: str | None) -> Any:
    """The user's function MODULE:FUNCTION, imported from where the command is run, or from what is installed."""
    if text is None:
        return None
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise click.BadParameter(f"expected MODULE:FUNCTION, got {text!r}", param_hint="--model")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(
            f"expected MODULE:FUNCTION that can be imported, got {error}", param_hint="--model"
        ) from error
    finally:
        sys.path.remove(os.getcwd())
    if not callable(found):
        raise click.BadParameter(f"expected a function, got {type(found).__name__}", param_hint="--model")
    return found


def _mapping(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if any(role not in ("m", "n", "b", "W") or not equals or not name for role, equals, name in pairs):
        raise click.BadParameter(f"expected m=NAME,n=NAME,b=NAME or W=NAME,b=NAME, got {text!r}", param_hint="--map")
    return {role: name for role, _, name in pairs}


def _number_or_file(text: str | None, option: str) -> float | str | None:
    if text is None or text.endswith(".npy"):
        return text
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"expected a number or a .npy file, got {text!r}", param_hint=option) from error


def _draw(result: Any, target: Path) -> None:
    from dynaghost.views.plot import figures

    for path in figures(result, target):
        click.echo(f"drew {path}")


def _report(result: Any, target: Path) -> None:
    from dynaghost.views.report import report as write

    click.echo(f"wrote {write(result, target)}")
