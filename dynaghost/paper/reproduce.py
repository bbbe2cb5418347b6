"""One call a figure: run it, draw it, write its numbers, say what holds."""

from importlib import import_module
from pathlib import Path
from typing import cast

from dynaghost.errors import DynaghostError
from dynaghost.paper.claims import Claim, exit_status
from dynaghost.paper.figure import Figure, save

MODULES = {
    "1": "figure1",
    "2a": "figure2a",
    "2bc": "figure2bc",
    "2d": "figure2d",
    "3a": "figure3a",
    "3b": "figure3b",
    "4": "figure4",
    "s1": "figure_s1",
    "s2": "figure_s2",
    "curvature": "curvature",
    "delays": "delays",
}
"""Figure → module of `dynaghost.paper`, in the order of the paper; then what it claims without a figure."""

EVERY_EPOCH = "3a"
"""The figure that can also be proved epoch by epoch."""


def reproduce(
    figure: str,
    *,
    out: str | Path,
    quick: bool = False,
    jobs: int = 1,
    seed: int | None = None,
    every_epoch: bool = False,
) -> tuple[list[Claim], int]:
    """Run an experiment of the paper, draw its figure, write its numbers and judge its claims.

    Parameters
    ----------
    figure : str
        A key of `MODULES`, or "all".
    out : str or Path
        Folder, made if need be: `figure2a.png`, `.pdf`, `.json`, `_TABLE.csv`, and what a next call can go on from.
    quick : bool
        A smaller version; claims that it cannot decide are left open.
    jobs : int
        Workers; the numbers are the same for any number.
    seed : int, optional
        By default that of the paper, where there is one.
    every_epoch : bool
        With "3a" (or "all"): train once more and prove fixed points and ghosts at each epoch.

    Returns
    -------
    claims : list of Claim
    status : int
        0 if every claim that could be decided holds or fails in the known way, else 3.

    Raises
    ------
    DynaghostError
        If there is no such figure, or `every_epoch` is asked of another one than 3a.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as out:
    ...     claims, status = reproduce("1", out=out)
    ...     sorted(path.name for path in Path(out).iterdir() if path.suffix != ".csv"), status
    (['figure1.json', 'figure1.pdf', 'figure1.png'], 0)
    """
    names = list(MODULES) if figure == "all" else [figure]
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        raise DynaghostError(f"figure: expected one of {', '.join(MODULES)} or all, got {unknown[0]!r}")
    if every_epoch and EVERY_EPOCH not in names:
        raise DynaghostError(f"every_epoch: expected figure {EVERY_EPOCH}, got {figure!r}")
    if jobs == 0:
        raise DynaghostError("jobs: expected a number of workers, or a negative one as joblib takes it, got 0")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    modules = [MODULES[name] for name in names]
    if every_epoch:
        modules.insert(modules.index(MODULES[EVERY_EPOCH]) + 1, "every_epoch")
    claims = [one for module in modules for one in _reproduce(module, folder, quick, jobs, seed)]
    return claims, exit_status(claims)


def _reproduce(module: str, out: Path, quick: bool, jobs: int, seed: int | None) -> list[Claim]:
    figure = cast(Figure, import_module(f"dynaghost.paper.{module}"))
    numbers = figure.run(out, quick=quick, jobs=jobs, seed=seed)
    claims = figure.claims(numbers)
    save(numbers, claims, out)
    figure.draw(numbers, out)
    return claims
