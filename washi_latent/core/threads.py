"""How many threads to use, and work that several share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from threading import Event

from .progress import Cancelled, Progress

Ask = Callable[[], None]
"""What work calls between its pieces; it raises where the work is to end."""

_LOOK = 0.05
"""Seconds between two looks at whether work that several threads share is to end."""


def cores() -> int:
    """Cores that this process may use: a farm's or a container's allowance where there is one, else the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such thing
        return os.cpu_count() or 1


def never() -> None:
    """Asks nobody."""


def together(tasks: Sequence[Callable[[Ask], None]], threads: int, progress: Progress) -> None:
    """Run tasks in threads, begun in order, until all are done.

    Args:
        tasks: each takes an `Ask`, which it calls often: work ends no sooner.
        threads: at a time; of one, the calling thread does the work.
        progress: is told the share done, 0 to 1, by the calling thread alone, and more often than tasks end; what it raises ends the
            tasks, and is raised once no thread is at work any more. So is what a task raises.
    """
    if min(threads, len(tasks)) <= 1:
        for number, task in enumerate(tasks):
            task(partial(progress, number / len(tasks)))
        return
    ended = Event()

    def ask() -> None:
        if ended.is_set():
            raise Cancelled

    with ThreadPoolExecutor(min(threads, len(tasks))) as pool:
        waiting = {pool.submit(task, ask) for task in tasks}
        try:
            while waiting:
                done, waiting = wait(waiting, _LOOK, FIRST_EXCEPTION)
                for one in done:
                    one.result()
                progress(1 - len(waiting) / len(tasks))
        finally:
            ended.set()
            for rest in waiting:
                rest.cancel()
