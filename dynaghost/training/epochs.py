"""Which epochs are saved and recorded, and how that is written."""

from collections.abc import Iterable

from dynaghost.errors import DynaghostError

# A hundred times the epochs of the longest runs here; more would fill the memory before anything is trained.
_MOST = 50_000_000


def parse_epochs(text: str) -> tuple[int, ...]:
    """Epochs written as `start:stop:step`, `stop` included, or single numbers, separated by commas.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of int
        In increasing order, each once.

    Raises
    ------
    DynaghostError
        If a part cannot be read, is negative, or runs backwards.

    Examples
    --------
    >>> parse_epochs("0:20:10,5,12:14:1")
    (0, 5, 10, 12, 13, 14, 20)
    """
    return tuple(sorted({epoch for part in text.split(",") for epoch in _parse_part(part, text)}))


def epochs_text(epochs: Iterable[int]) -> str:
    """Epochs as the text that `parse_epochs` reads, in few words.

    Examples
    --------
    >>> epochs_text([0, 10, 20, 21, 22, 30])
    '0:20:10,21,22,30'
    >>> parse_epochs(epochs_text([0, 10, 20, 21, 22, 30]))
    (0, 10, 20, 21, 22, 30)
    """
    left, parts = sorted(set(epochs)), []
    while left:
        step = left[1] - left[0] if len(left) > 1 else 1
        length = next((i for i in range(1, len(left)) if left[i] - left[i - 1] != step), len(left))
        if length > 2:
            parts.append(f"{left[0]}:{left[length - 1]}:{step}")
        else:
            length = 1
            parts.append(str(left[0]))
        left = left[length:]
    return ",".join(parts)


def _parse_part(part: str, text: str) -> Iterable[int]:
    try:
        numbers = [int(number) for number in part.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and numbers[0] >= 0:
        return numbers
    if len(numbers) == 3 and 0 <= numbers[0] <= numbers[1] and numbers[2] >= 1:
        start, stop, step = numbers
        found = range(start, stop + 1, step)
        if len(found) > _MOST:
            raise DynaghostError(f"epochs must be at most {_MOST} in all, got {len(found)} in {part!r}")
        return found
    raise DynaghostError(f"epochs must be like 0:500000:5000,33000 (start:stop:step, stop included), got {text!r}")


def chosen_epochs(what: str, every: int | None, steps: Iterable[int] | None, epochs: int) -> list[int]:
    """The epochs to save or record: `steps` if given, else every so many and the last.

    Raises
    ------
    DynaghostError
        If they are none, or not from 0 to `epochs`.

    Examples
    --------
    >>> chosen_epochs("save", 10, None, 25)
    [0, 10, 20, 25]
    """
    if steps is None:
        if every is None or every < 1:
            raise DynaghostError(f"{what}_every must be at least 1, got {every}")
        return sorted({*range(0, epochs + 1, every), epochs})
    chosen = sorted({int(step) for step in steps})
    if not chosen or chosen[0] < 0 or chosen[-1] > epochs:
        raise DynaghostError(f"{what}_steps must be some epochs from 0 to {epochs}, got {chosen[:1]} … {chosen[-1:]}")
    return chosen
