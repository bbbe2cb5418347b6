"""Figures of several pictures: the latent flow at several checkpoints, and a run's branches above its loss."""

from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from dynaghost.trajectories.findings import Findings
from dynaghost.views import _axes as shared
from dynaghost.views import _layout as layout
from dynaghost.views import _style as style
from dynaghost.views.flow import draw_flow, indices
from dynaghost.views.training import draw_branches, draw_drops, draw_metric


def flow_panels(findings: Findings, steps: Sequence[int] | None = None) -> Figure:
    """A figure with `latent_flow` at several checkpoints, all on the same scales.

    Parameters
    ----------
    findings : Findings
        Of one dimension.
    steps : sequence of int, optional
        Checkpoints, one a panel; by default a handful around events and drops of the loss.

    Returns
    -------
    Figure
        Its `axes` are the panels, in the order of the steps.

    Raises
    ------
    DynaghostError
        If the run has not one dimension, or a step is no checkpoint of it.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> [ax.get_title() for ax in flow_panels(findings).axes]
    ['step 0', 'step 1']
    """
    layout.analysis(findings)
    chosen = indices(findings, layout.informative(findings) if steps is None else steps)
    window = layout.flow_window(findings, chosen)
    columns = min(len(chosen), 3)
    rows = -(-len(chosen) // columns)
    with rc_context(style.STYLE):
        figure = shared.Picture(style.WIDTH, 0.6 + 2.0 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax in grid[len(chosen) :]:
            ax.remove()
        for ax, e in zip(grid, chosen, strict=False):
            draw_flow(ax, findings, e, window)
            ax.label_outer()
        shared.legend(figure.axes, own=True)
    return figure


def overview(findings: Findings, *, focus: tuple[float, float] | None = None) -> Figure:
    """A figure of a run: its branches, above its loss and the norm of its gradient where they are known.

    Parameters
    ----------
    findings : Findings
    focus : tuple of float, optional
        First and last step to show; by default the whole run.

    Returns
    -------
    Figure
        Its `axes` are the panels, from above.

    Raises
    ------
    DynaghostError
        If `focus` is no stretch of training.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> findings = analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, 0.3)])
    >>> [ax.get_ylabel() for ax in overview(findings).axes]
    ['κ']
    """
    layout.analysis(findings)
    window = layout.window(findings, focus)
    metrics = layout.metrics(findings)
    heights = [2.6, *[1.25] * len(metrics)]
    with rc_context(style.STYLE):
        figure = shared.Picture(style.WIDTH, sum(heights) + 0.9)
        panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights).ravel()
        draw_branches(panels[0], findings, window)
        for ax, (name, values) in zip(panels[1:], metrics.items(), strict=True):
            draw_metric(ax, findings.losses.steps, values, name, window)
        if len(panels) > 1:
            draw_drops(panels[1], findings, window)
        for ax in panels:
            shared.mark_places(ax, findings, window)
        shared.training_axis(panels[-1], findings, window)
        shared.legend(panels, own=True)
    return figure
