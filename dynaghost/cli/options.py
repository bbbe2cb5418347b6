"""What several commands ask for, and how it is read from text."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


class Whole(click.ParamType):
    """A whole number of at least `least`, and of at most what an array index or a seed can be."""

    name = "n"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            number = self.least - 1
        if not self.least <= number < 2**63:
            self.fail(f"expected a whole number of at least {self.least}, got {value}", param, ctx)
        return number


class Real(click.ParamType):
    """A finite number within bounds; `low` itself only with `closed`."""

    name = "x"

    def __init__(self, low: float = -math.inf, high: float = math.inf, *, closed: bool = False) -> None:
        self.low, self.high, self.closed = low, high, closed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        above = self.low < number or (self.closed and number == self.low)
        if not (math.isfinite(number) and above and number <= self.high):
            self.fail(f"expected {self._expected()}, got {value}", param, ctx)
        return number

    def _expected(self) -> str:
        lower = "" if self.low == -math.inf else f" {'of at least' if self.closed else 'above'} {self.low:g}"
        upper = "" if self.high == math.inf else f"{' and' if lower else ''} at most {self.high:g}"
        return f"a finite number{lower}{upper}"


class Jobs(click.ParamType):
    """A number of workers as joblib takes it: not 0, and −1 is every core."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            jobs = int(value)
        except ValueError:
            jobs = 0
        if jobs == 0:
            self.fail(f"expected a number of workers, or -1 for every core, got {value}", param, ctx)
        return jobs


class Read(click.ParamType):
    """What a function makes of a text; its `DynaghostError` is wrong usage."""

    name = "text"

    def __init__(self, module: str, function: str) -> None:
        # By name: a module of the package is imported when an option is read, not for --help.
        self.module, self.function = module, function

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from importlib import import_module

        from dynaghost.errors import DynaghostError

        if not isinstance(value, str):
            return value
        try:
            return getattr(import_module(self.module), self.function)(value)
        except DynaghostError as error:
            self.fail(str(error), param, ctx)


EPOCHS = Read("dynaghost.training.epochs", "parse_epochs")
SCHEDULE = Read("dynaghost.training.schedule", "parse_schedule")


def grouped(*groups: tuple[Callable[..., Any], ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Several groups of options as one decorator, in the order in which help shows them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


@contextmanager
def compiling_told() -> Iterator[None]:
    """While a command runs on a terminal, a line on stderr for each file of kernels that has to be compiled."""
    if not sys.stderr.isatty():
        yield
        return
    from dynaghost.kernels.machine import tell_of_compilations

    end = tell_of_compilations(
        lambda name: click.echo(f"compiling for this machine, once: the kernels in {name}", err=True)
    )
    try:
        yield
    finally:
        end()


@contextmanager
def progress_bar(total: int, unit: str = "checkpoint", *, counts: str = "more") -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing when piped; called with how many more, or with the total so far."""
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", disable=None, leave=False) as bar:
        yield bar.update if counts == "more" else (lambda done: bar.update(done - bar.n))
