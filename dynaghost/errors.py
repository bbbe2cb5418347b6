"""What a caller can sensibly catch."""


class DynaghostError(ValueError):
    """Bad input: the message names the argument or file, what was expected and what came."""


class CheckpointError(DynaghostError):
    """A checkpoint file or folder that cannot be read, ordered or recognized."""


class StoreError(DynaghostError):
    """A folder of results that cannot be read, or that belongs to other settings or weights."""


def counted(count: int, noun: str) -> str:
    """A number of things as messages say it.

    Examples
    --------
    >>> counted(1, "unit"), counted(2, "unit")
    ('1 unit', '2 units')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
