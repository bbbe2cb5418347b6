"""Two runs side by side, as text."""

from collections.abc import Iterator, Sequence

from dynaghost.errors import counted
from dynaghost.trajectories.compare import Comparison, DropPair, EventPair
from dynaghost.trajectories.events import Event


def comparison_text(found: Comparison, names: tuple[str, str]) -> str:
    """What two runs share and what only one of them has, a line an event, branch and drop.

    Parameters
    ----------
    found : Comparison
    names : tuple of str
        Of the runs.

    Examples
    --------
    >>> from dynaghost.analysis import analyze
    >>> from dynaghost.trajectories.compare import compare
    >>> folds = [analyze([{"m": [1.5], "n": [1.0], "b": [b]} for b in (0.0, end, 0.3)]) for end in (0.1, 0.25)]
    >>> print(comparison_text(compare(*folds), ("A", "B")))  # doctest: +ELLIPSIS
    A beside B
    <BLANKLINE>
    1 event in both, 0 only in A, 0 only in B: difference 0, mean shift 0.354 of the run
      saddle_node: e0 1–2 | e0 0–1, earlier by 0.354 of the run
    ...
    """
    return "\n".join([f"{names[0]} beside {names[1]}", "", *_events(found, names), "", *_branches(found, names)]) + (
        "".join(f"\n{line}" for line in ("", *_drops(found.drops, names)))
    )


def _events(found: Comparison, names: tuple[str, str]) -> Iterator[str]:
    only = ", ".join(
        f"{len(events)} only in {name}"
        for events, name in zip((found.only_first, found.only_second), names, strict=True)
    )
    yield (
        f"{counted(len(found.events), 'event')} in both, {only}: difference {found.difference:.3g}, "
        f"mean shift {found.shift:.3g} of the run"
    )
    yield from (f"  {_pair(pair)}" for pair in found.events)
    for events, name in zip((found.only_first, found.only_second), names, strict=True):
        yield from (f"  only in {name}: {event.kind} {_when(event)}" for event in events)


def _pair(pair: EventPair) -> str:
    direction = "later" if pair.apart > 0 else "earlier"
    apart = "at the same time" if pair.apart == 0 else f"{direction} by {abs(pair.apart):.3g} of the run"
    return f"{pair.first.kind}: {_when(pair.first)} | {_when(pair.second)}, {apart}"


def _when(event: Event) -> str:
    return f"e{event.id} {event.before:g}–{event.after:g}"


def _branches(found: Comparison, names: tuple[str, str]) -> Iterator[str]:
    number = len(found.branches)
    yield f"{number} {'branch' if number == 1 else 'branches'} in both"
    for pair in found.branches:
        yield f"  branch {pair.first} | branch {pair.second}, alike over {pair.overlap:.3g} of their time"
    for alone, name in zip((found.branches_only_first, found.branches_only_second), names, strict=True):
        if alone:
            yield f"  only in {name}: branch {', '.join(map(str, alone))}"


def _drops(drops: Sequence[DropPair], names: tuple[str, str]) -> Iterator[str]:
    if not drops:
        yield "no abrupt drop of the loss in either"
    for drop in drops:
        sides = [
            "none" if number is None or verdict is None else f"{number}, {verdict[0]} ({verdict[1]})"
            for number, verdict in zip((drop.first, drop.second), drop.verdicts, strict=True)
        ]
        told = "" if None in (drop.first, drop.second) else ": same verdict" if drop.agree else ": verdicts differ"
        yield f"drop of the loss: {sides[0]} | {sides[1]}{told}"
