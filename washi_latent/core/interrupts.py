"""Ctrl-C, and a scheduler's SIGTERM, while something is written that must be whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Held:
    """A block that they don't end: what arrives meanwhile is heard at its end, unless the block fails of itself.

    What the process ignores, as what a shell runs in the background ignores Ctrl-C, it goes on to ignore.

    Attributes:
        heard: whether one has arrived.
    """

    def __init__(self) -> None:
        self._heard: list[int] = []
        self._before: dict[signal.Signals, Any] = {}

    @property
    def heard(self) -> bool:
        return bool(self._heard)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other hears any
            for name in _SIGNALS:
                self._take(name, self._hear)
        return self

    def _take(self, name: signal.Signals, handler: Any) -> None:
        if signal.getsignal(name) is not signal.SIG_IGN:
            self._before[name] = signal.signal(name, handler)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.answer()
        self.let_go()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._heard.append(number)

    def answer(self) -> None:
        """What has arrived so far has done its work."""
        self._heard.clear()

    def let_go(self) -> None:
        """The end of the block; may come before, from within it."""
        while self._before:
            name, handler = self._before.popitem()
            signal.signal(name, signal.SIG_DFL if handler is None else handler)
        heard, self._heard = self._heard, []
        for number in dict.fromkeys(heard):
            signal.raise_signal(number)


class Terminable(Held):
    """A block that a scheduler's SIGTERM ends as Ctrl-C does: `KeyboardInterrupt`, so that everything is tidied up."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._take(signal.SIGTERM, signal.default_int_handler)
        return self
