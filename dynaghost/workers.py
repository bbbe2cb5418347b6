"""Tasks in worker processes, whose results come in order."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from dynaghost.packed import chunks

T = TypeVar("T")


def in_workers(function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], n_jobs: int, *, ahead: int) -> Iterator[T]:
    """What a function gives for the arguments of each task, in order.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    tasks : iterable of tuple
        Arguments of each call; taken when workers are free for them.
    n_jobs : int
        Workers; with one, all is done here.
    ahead : int
        Results for each worker that may wait to be taken.

    Examples
    --------
    >>> list(in_workers(pow, [(2, 3), (3, 2)], 1, ahead=1))
    [8, 9]
    """
    if n_jobs == 1:
        yield from (function(*task) for task in tasks)
        return
    from joblib import Parallel, delayed

    with Parallel(n_jobs=n_jobs, return_as="generator") as workers:
        # By the group, so that no more results than these wait.
        for group in chunks(tasks, ahead * n_jobs):
            yield from workers(delayed(function)(*task) for task in group)
