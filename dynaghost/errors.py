"""What a caller can sensibly catch."""


class DynaghostError(ValueError):
    """Bad input: the message names the argument or file, what was expected and what came."""


class CheckpointError(DynaghostError):
    """A checkpoint file or folder that cannot be read, ordered or recognized."""


class StoreError(DynaghostError):
    """A folder of results that cannot be read, or that belongs to other settings or weights."""
