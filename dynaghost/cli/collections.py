"""What is done with many runs: analyze with a pattern, pictures, and the page of a collection."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from dynaghost.cli.options import progress_bar
from dynaghost.cli.parts import part_of
from dynaghost.errors import StoreError, counted


def analyze_many(
    source: str,
    out: str | None,
    load: Callable[..., Any],
    options: dict[str, Any],
    rule: Any,
    jobs: int,
    part: str | None,
    *,
    plots: bool,
    page: bool,
) -> None:
    """Analyze the runs of a pattern or a folder of folders, and print what is found about them."""
    from dynaghost.collection import analyze_collection, find_runs

    runs = find_runs(source)
    if out is None:
        raise click.UsageError(f"expected --out FOLDER for the results of {len(runs)} runs, got none")
    chosen = part_of(part)
    told = {name: str(value) for name, value in {**options, "drops": rule}.items() if value not in (None, False)}
    total = len(runs) if chosen is None else len(list(runs)[chosen[0] - 1 :: chosen[1]])
    with progress_bar(total, "run") as progress:
        found = analyze_collection(
            source,
            out,
            load=partial(load, options=options),
            settings=told,
            drops=rule,
            n_jobs=jobs,
            part=chosen,
            progress=progress,
        )
    tell(found, out, plots=plots, page=page)


def write_page(collection: Any, target: Path) -> None:
    """Write the page of all runs of a collection, and say so."""
    from dynaghost.views.report import report_collection

    failed = [(row.name, row.error) for row in collection.failed]
    if not collection.names:
        why = (
            f"{counted(len(failed), 'run')} that could not be analyzed (the first: {failed[0][1]})"
            if failed
            else "none"
        )
        raise StoreError(f"{collection.folder}: expected at least one run that was analyzed, got {why}")
    click.echo(f"wrote {report_collection(list(collection.results()), target, failed=failed)}")


def draw_each(collection: Any) -> None:
    """Draw the pictures of each run of a collection into its folder of results, and say so."""
    from dynaghost.views.plot import figures

    for name, found in collection.results():
        out = collection.folder / name
        click.echo(f"drew {counted(len(figures(found, out)), 'picture')} in {out}")


def tell(collection: Any, out: str, *, plots: bool = False, page: bool = False) -> None:
    """Print what is found about a collection, and draw or write what is asked for."""
    from dynaghost.views.collection_text import collection_summary

    click.echo(collection_summary(collection, collection.chance()))
    some = len(collection.failed) < len(collection.runs)
    if plots and some:
        draw_each(collection)
    if page and some:
        write_page(collection, Path(out) / "report.html")
    click.echo(f"\nresults in {Path(out)}")
    if collection.failed:
        # Everything else was read and done, but not these.
        raise click.exceptions.Exit(1)
