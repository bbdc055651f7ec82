"""How many threads to use, and work that several share."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import product
from pathlib import Path
from threading import Event, Lock, Thread, get_ident
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .progress import Cancelled, Progress, ignore

Ask = Callable[[], None]
"""What work calls between its pieces; it raises where the work is to end."""

_Measured = TypeVar("_Measured", bound=np.generic)

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
    """Run tasks in threads, begun in order, until all are done. The calling thread is one of them: a sleeping one is slow to wake.

    Args:
        tasks: each takes an `Ask`, which it calls often: work ends no sooner.
        threads: at a time; of one, the calling thread does the work.
        progress: is told the share done, 0 to 1, by the calling thread alone: as its own tasks ask, often while it waits for others, and at
            the end; what it raises ends the tasks, and is raised once no thread is at work any more. So is what a task raises.
    """
    if not tasks:
        return
    waiting, taking, ended = iter(tasks), Lock(), Event()
    done, errors, caller = [0], list[BaseException](), get_ident()

    def ask() -> None:
        if ended.is_set():
            raise Cancelled
        if get_ident() == caller:
            progress(done[0] / len(tasks))

    def work() -> None:
        try:
            while not ended.is_set():
                with taking:
                    task = next(waiting, None)
                if task is None:
                    return
                task(ask)
                with taking:
                    done[0] += 1
        except BaseException as error:  # noqa: BLE001 - of whatever kind: the calling thread raises it
            errors.append(error)  # before the others learn of it, and add that they were ended
            ended.set()

    others = list[Thread]()
    try:
        for _ in range(min(threads, len(tasks)) - 1):
            other = Thread(target=work)
            other.start()
            others.append(other)
        work()
        for other in others:
            while other.is_alive():
                other.join(_LOOK)
                if not errors:
                    progress(done[0] / len(tasks))
        if not errors:
            progress(1.0)
    finally:
        ended.set()
        for other in others:
            other.join()
    if errors:
        raise errors[0]


def in_pieces(
    measure: Callable[[NDArray[np.float32]], NDArray[_Measured]], images: NDArray[np.float32], progress: Progress = ignore, few: int = 64, threads: int = 1
) -> NDArray[_Measured]:
    """What is measured of each picture (N, H, W, C) alone, of a few at a time: work can be ended in between, and needs less room."""
    parts: dict[int, NDArray[_Measured]] = {}

    def fill(number: int, ask: Ask) -> None:
        ask()
        parts[number] = measure(images[number * few : (number + 1) * few])

    together([partial(fill, number) for number in range(-(-len(images) // few))], threads, progress)
    return np.concatenate([parts[number] for number in sorted(parts)])


class _Shared:
    """A limit of the process's own that is set by the first who asks for it and lifted by the last."""

    def __init__(self) -> None:
        self._lock, self._users, self._before = Lock(), 0, 1

    def enter(self) -> None:
        with self._lock:
            if not self._users and (library := _openblas()):
                self._before = library[0]()
                library[1](1)
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and (library := _openblas()):
                library[1](self._before)


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """How many threads NumPy's OpenBLAS takes, to ask and to say; None where NumPy has another BLAS, or none.

    Not by threadpoolctl: it looks at all that the process has loaded, from Python, while the system's loader waits; a thread that
    imports something meanwhile waits for that, and both for ever. The names are those that it knows.
    """
    import ctypes

    from numpy.linalg import _umath_linalg  # type: ignore[attr-defined]

    own = Path(_umath_linalg.__file__)
    for path in (own, *own.parents[2].glob("numpy.libs/*openblas*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix, suffix in product(("scipy_", ""), ("64_", "_64", "")):
            get, put = (getattr(library, f"{prefix}openblas_{verb}_num_threads{suffix}", None) for verb in ("get", "set"))
            if get and put:
                return get, put
    return None


_one_thread = _Shared()


@contextmanager
def one_blas_thread() -> Generator[None]:
    """NumPy's matrix products stay on the calling thread, for work that goes to and fro between them and a network.

    OpenBLAS's threads wait without sleeping for a tenth of a second after each product, and take a core from the network's that long.
    """
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()
