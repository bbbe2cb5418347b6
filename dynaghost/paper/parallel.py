"""The same work for many items, on several workers."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Iterable[Item], *, jobs: int) -> list[Result]:
    """`work` of every item, in their order.

    Parameters
    ----------
    work : callable
        Defined at the top of a module, so that it can be sent to a worker.
    items : iterable
    jobs : int
        Workers, as joblib takes them; 1 works in this process.

    Examples
    --------
    >>> each(abs, [-1, 2], jobs=1)
    [1, 2]
    """
    tasks = list(items)
    if jobs == 1 or len(tasks) < 2:
        return [work(item) for item in tasks]
    from joblib import Parallel, delayed

    return Parallel(n_jobs=jobs)(delayed(work)(item) for item in tasks)
