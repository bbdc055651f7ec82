"""How long work tells how far it is, and how it is asked to end."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Takes the share that is done, 0 to 1. What it raises (`Cancelled`) ends the work."""


class Cancelled(Exception):  # noqa: N818 - not an error
    """The work was asked to end; nothing of it is kept."""


def ignore(_: float) -> None:
    """Progress that nobody watches."""


def part(progress: Progress, first: float, last: float) -> Progress:
    """Progress of a part of the work, from `first` to `last` of the whole."""
    return lambda share: progress(first * (1 - share) + last * share)  # exact at both ends
