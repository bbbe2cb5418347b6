"""What the paper, or the record of its experiments, says, beside what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

UNEXPECTED = 3
"""Exit status where a claim fails that was not known to fail."""


class Outcome(StrEnum):
    """Whether a claim agrees with what was measured."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_DECIDED = "not decided here"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim and what became of it.

    Attributes
    ----------
    figure : str
        "1", "2a", … as `dynaghost reproduce` names it.
    text : str
        What is claimed.
    expected : str
        What must be measured for it to hold, tolerance included.
    measured : str
    outcome : Outcome
    known : bool
        A failure that is on record: the claim is the paper's, and careful experiments had found otherwise before.
    """

    figure: str
    text: str
    expected: str
    measured: str
    outcome: Outcome
    known: bool = False

    @property
    def unexpected(self) -> bool:
        """Fails, and was not known to."""
        return self.outcome is Outcome.FAILS and not self.known


def claim(figure: str, text: str, expected: str, measured: object, holds: bool | None, *, known: bool = False) -> Claim:
    """A claim from a truth value; None where this run cannot decide.

    Examples
    --------
    >>> claim("2b", "r stays positive", "> 0", 1e-5, True).outcome
    <Outcome.HOLDS: 'holds'>
    """
    outcome = Outcome.NOT_DECIDED if holds is None else Outcome.HOLDS if holds else Outcome.FAILS
    return Claim(figure, text, expected, _text(measured), outcome, known)


def near(
    figure: str,
    text: str,
    value: float,
    measured: float | None,
    *,
    absolute: float = 0.0,
    relative: float = 0.0,
    known: bool = False,
) -> Claim:
    """A claim that a number is `value` to within the larger of an absolute and a relative tolerance.

    Parameters
    ----------
    figure, text : str
    value : float
    measured : float or None
        None where this run did not measure it: not decided.
    absolute, relative : float
    known : bool

    Examples
    --------
    >>> near("2b", "r first below r*", 1538, 1538, absolute=1).expected
    '1538 ± 1'
    >>> near("2a", "loss", 0.607, None, relative=0.01).outcome.value
    'not decided here'
    """
    tolerance = max(absolute, relative * abs(value))
    holds = None if measured is None else bool(abs(measured - value) <= tolerance)
    return claim(figure, text, f"{value:.6g} ± {tolerance:.2g}", measured, holds, known=known)


def of_another_seed(claims: Iterable[Claim]) -> list[Claim]:
    """Claims that the paper makes about its own network, measured on another: what fails there decides nothing.

    Examples
    --------
    >>> [one.outcome.value for one in of_another_seed([claim("3a", "one root", "1", 3, False)])]
    ['not decided here']
    """
    return [replace(c, outcome=Outcome.NOT_DECIDED) if c.outcome is Outcome.FAILS else c for c in claims]


def exit_status(claims: Iterable[Claim]) -> int:
    """0 if every claim that could be decided holds or fails in the known way, else `UNEXPECTED`.

    Examples
    --------
    >>> exit_status([claim("1", "one", "1", 2, False, known=True), claim("1", "two", "2", "", None)])
    0
    >>> exit_status([claim("1", "one", "1", 2, False)])
    3
    """
    return UNEXPECTED if any(one.unexpected for one in claims) else 0


def table(claims: Sequence[Claim]) -> str:
    """Claims as lines of text, one a claim, in columns; the longest last, so that narrow windows show the outcome.

    Examples
    --------
    >>> print(table([claim("1", "one root", "1", 1, True), claim("2a", "flat", "0", 0.5, False, known=True)]))
    figure  outcome             claim     measured  expected
    1       holds               one root  1         1
    2a      fails, as recorded  flat      0.5       0
    1 of 2 claims hold, 1 fails as recorded, 0 fail unexpectedly, 0 not decided here
    """
    head = ("figure", "outcome", "claim", "measured", "expected")
    rows = [head, *((c.figure, _outcome(c), c.text, c.measured, c.expected) for c in claims)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, _tally(claims)])


def _outcome(one: Claim) -> str:
    if one.outcome is not Outcome.FAILS:
        return one.outcome.value
    return "fails, as recorded" if one.known else "FAILS"


def _tally(claims: Sequence[Claim]) -> str:
    holds, fails, undecided = (sum(one.outcome is outcome for one in claims) for outcome in Outcome)
    unexpected = sum(one.unexpected for one in claims)
    known = fails - unexpected
    return (
        f"{holds} of {len(claims)} claims hold, {known} {'fails' if known == 1 else 'fail'} as recorded, "
        f"{unexpected} {'fails' if unexpected == 1 else 'fail'} unexpectedly, {undecided} not decided here"
    )


def _text(measured: object) -> str:
    if measured is None:
        return "–"
    return f"{measured:.6g}" if isinstance(measured, float) else str(measured)
