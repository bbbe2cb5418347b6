"""What records look like where a person meets them: one line at a prompt, a small table in a notebook."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_COMPONENTS = 4
_ROWS = 20


def place(x: Any) -> str:
    """A state in few characters: at most four components.

    Parameters
    ----------
    x : array_like (dim,)

    Examples
    --------
    >>> place([0.123456789]), place(range(10))
    ('0.123457', '(0, 1, 2, 3, … 10 in all)')
    """
    values = [f"{value:.6g}" for value in x]
    if len(values) == 1:
        return values[0]
    more = f", … {len(values)} in all" if len(values) > _COMPONENTS else ""
    return f"({', '.join(values[:_COMPONENTS])}{more})"


def shortened(text: str, most: int = 60) -> str:
    """The text, its end replaced by three dots if it has more than `most` characters.

    Examples
    --------
    >>> shortened("[1.0, 2.0, 3.0]", 10), shortened("[1.0]", 10)
    ('[1.0, 2...', '[1.0]')
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as HTML, every text in it escaped; of more than 20 rows the first 20, and how many more there are.

    Examples
    --------
    >>> table("a < b", ["n"], [[1]])
    '<table><caption>a &lt; b</caption><thead><tr><th>n</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'
    """
    rows = list(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row)}</tr>" for row in rows[:_ROWS])
    if len(rows) > _ROWS:
        body += f'<tr><td colspan="{len(header)}">… and {len(rows) - _ROWS} more</td></tr>'
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
