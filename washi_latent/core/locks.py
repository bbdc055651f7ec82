"""Locks between processes: of the operating system, so that one that is killed lets go of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO

from .images import cannot_write


@contextlib.contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Hold a lock file; wait for whoever has it.

    Raises:
        WashiError: the file can't be written.
    """
    with _open(path) as file:
        while _try(file) is False:
            time.sleep(0.005)
        yield


@contextlib.contextmanager
def try_locked(path: Path) -> Generator[bool, None, None]:
    """Hold a lock file if surely nobody has it; gives whether."""
    with _open(path) as file:
        yield _try(file) is True


@contextlib.contextmanager
def unless_locked(path: Path) -> Generator[bool, None, None]:
    """Hold a lock file unless somebody has it; gives whether nobody has. Where a file system has no locks, it is taken for nobody's.

    Raises:
        WashiError: the file can't be written.
    """
    with _open(path) as file:
        yield _try(file) is not False


@contextlib.contextmanager
def briefly_locked(path: Path) -> Generator[None, None, None]:
    """As `locked`, with a file that nobody finds any more once it is let go of.

    Raises:
        WashiError: the file can't be written.
    """
    while True:
        with _open(path) as file:
            while _try(file) is False:
                time.sleep(0.005)
            if not _is_at(file, path):  # whoever had it has removed it
                continue
            try:
                yield
            finally:
                if sys.platform != "win32":  # another may lock it as soon as it is let go of
                    _remove(path)
        if sys.platform == "win32":  # nothing that is open is removed there, by whomever
            _remove(path)
        return


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise cannot_write(path, error) from error


if sys.platform == "win32":
    import msvcrt

    def _try(file: IO[bytes]) -> bool | None:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(file: IO[bytes]) -> bool | None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: nobody can know
            return None
        return True
