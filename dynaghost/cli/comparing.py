"""The command that sets two folders of results side by side."""

import click

from dynaghost.cli.options import Real


@click.command(short_help="Two folders of results, side by side.")
@click.argument("out1", type=click.Path(exists=True))
@click.argument("out2", type=click.Path(exists=True))
@click.option(
    "--within", type=Real(0), default=1.0, show_default=True, help="Share of a run that matches may be apart."
)
def compare(out1: str, out2: str, within: float) -> None:
    """Events, branches and verdicts of the results in OUT1 and OUT2, side by side.

    Each is a folder of results, or a graph.json or graph.graphml of one. Times are shares of each run.
    """
    from dynaghost.trajectories.compare import compare as compare_graphs
    from dynaghost.views.comparison import comparison_text

    click.echo(comparison_text(compare_graphs(out1, out2, within=within), (out1, out2)))
