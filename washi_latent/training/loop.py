"""The training loop: progress with time left, pictures of samples, checkpoints, resume, a clean stop.

What is trained is behind `Trainer`; this loop serves every kind of model. A checkpoint is one safetensors file (tensors,
and the rest as JSON in its header), written atomically: a cut at any moment leaves the one before.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..core.errors import WashiError
from ..core.images import cannot_write, make_folder
from ..core.interrupts import Held

CHECKPOINT = "checkpoint.safetensors"


class Trainer(Protocol):
    """What the loop drives."""

    iteration: int

    def step(self) -> dict[str, float]:
        """One step; losses by name."""
        ...

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """(count, H, W, 3) in [0, 1], of the same latents each time."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how often to save and to show.

    Attributes:
        iterations: stop after so many steps in all.
        minutes: stop after so much time in this run (None: no limit).
        save_every, picture_every: seconds.
    """

    iterations: int = 8000
    minutes: float | None = None
    save_every: float = 120.0
    picture_every: float = 180.0


def run(
    trainer: Trainer,
    folder: Path,
    schedule: Schedule,
    draw: Callable[[Trainer, Path], None],
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    then: str = "",
) -> str:
    """Train until the schedule ends or Ctrl-C; what was reached is in the trainer and in the last checkpoint.

    A second Ctrl-C, once it was said that the first was heard, is the caller's: it comes when this ends.

    Args:
        trainer: what is trained; restored from the folder's checkpoint where there is one.
        folder: for the checkpoint, the log and the pictures.
        schedule: limits.
        draw: writes a picture of samples to a path.
        say: takes one line of progress.
        then: what comes next, for the line that says how it ended.

    Returns:
        "finished" or "stopped".

    Raises:
        WashiError: a loss that is not a number (the last good checkpoint stays), no space, a damaged checkpoint.
    """
    checkpoint = make_folder(folder) / CHECKPOINT
    if checkpoint.exists():
        _go_on(trainer, checkpoint)
        say(f"going on from step {trainer.iteration}")
    clock = _Clock(trainer.iteration, schedule)
    with Held() as asked, _Log(folder / "log.jsonl") as log:
        while not clock.over(trainer.iteration) and not asked.heard:
            losses = trainer.step()
            if not all(math.isfinite(value) for value in losses.values()):
                raise _lost(trainer, checkpoint)
            if clock.due("say", 10):
                say(clock.line(trainer.iteration, losses))
                log.write({"step": trainer.iteration, "seconds": round(clock.elapsed(), 1), **losses})
            if clock.due("save", schedule.save_every):
                _save(trainer, checkpoint)
            if clock.due("draw", schedule.picture_every):
                draw(trainer, folder / f"samples-{trainer.iteration:06d}.png")
        _save(trainer, checkpoint)
        interrupted = asked.heard
        asked.answer()  # those that came before it is said are one
        kept = f"the training was stopped at step {trainer.iteration}; what it has learned is kept in {checkpoint}, and the same command goes on from there"
        say("; ".join(filter(None, (kept if interrupted else f"finished at step {trainer.iteration}", then))))
        draw(trainer, folder / f"samples-{trainer.iteration:06d}.png")
    return "stopped" if interrupted else "finished"


def what_follows(out: Path, evaluate: bool) -> str:
    """What comes after the steps, for `run` to say."""
    return f"now writing {out}" + (", then evaluating it and measuring its textures, which takes minutes: Ctrl-C ends that without loss" if evaluate else "")


def check_checkpoint(folder: Path, generator: nn.Module) -> None:
    """Refuse at once a folder's checkpoint of another network, for those who work for minutes before `run` would.

    Args:
        folder: that `run` is given. generator: as the trainer's; its shapes count alone.

    Raises:
        WashiError: a damaged one, or one of another network.
    """
    checkpoint, before = folder / CHECKPOINT, "/generator/"
    if not checkpoint.exists():
        return
    try:
        with safe_open(str(checkpoint), "pt") as file:
            kept = {name: list(file.get_slice(name).get_shape()) for name in file.keys() if name.startswith(before)}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise _damaged(checkpoint) from error
    if kept != {before + name: list(value.shape) for name, value in generator.state_dict().items()}:
        raise _of_another_kind(checkpoint)


def _go_on(trainer: Trainer, checkpoint: Path) -> None:
    try:
        trainer.restore(load_state(checkpoint))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, WashiError):
            raise
        raise _of_another_kind(checkpoint) from error


def _of_another_kind(checkpoint: Path) -> WashiError:
    return WashiError(f"the checkpoint {checkpoint} belongs to another kind of training: delete it to start anew, or choose another folder")


def _damaged(checkpoint: Path) -> WashiError:
    return WashiError(f"the checkpoint {checkpoint} is damaged: delete it to start anew")


def _save(trainer: Trainer, checkpoint: Path) -> None:
    state = trainer.state()
    tensors: dict[str, torch.Tensor] = {}
    _flatten(state, "", tensors)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values() if tensor.is_floating_point()):
        raise _lost(trainer, checkpoint)
    save_state(state, checkpoint)


def _lost(trainer: Trainer, checkpoint: Path) -> WashiError:
    kept = (
        f"the last good state is kept in {checkpoint}: start again to go on from it, or anew with another seed"
        if checkpoint.exists()
        else "start anew with another seed"
    )
    return WashiError(f"training lost its way at step {trainer.iteration} (a loss is not a number); {kept}")


class _Log:
    """One JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Log:
        try:
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise cannot_write(self._path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()

    def write(self, value: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(value) + "\n")
            self._file.flush()
        except OSError as error:
            raise cannot_write(self._path, error) from error


class _Clock:
    def __init__(self, first: int, schedule: Schedule) -> None:
        self.first, self.schedule, self.start = first, schedule, time.monotonic()
        self._last: dict[str, float] = {}

    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def due(self, name: str, seconds: float) -> bool:
        last = self._last.setdefault(name, self.start)
        if time.monotonic() - last < seconds:
            return False
        self._last[name] = time.monotonic()
        return True

    def over(self, iteration: int) -> bool:
        minutes = self.schedule.minutes
        return iteration >= self.schedule.iterations or (minutes is not None and self.elapsed() > minutes * 60)

    def line(self, iteration: int, losses: dict[str, float]) -> str:
        return f"step {iteration} of {self.schedule.iterations}, {self.left(iteration)} left, " + ", ".join(f"{k} {v:.3f}" for k, v in losses.items())

    def left(self, iteration: int) -> str:
        done = max(1, iteration - self.first)
        seconds = self.elapsed() / done * (self.schedule.iterations - iteration)
        if self.schedule.minutes is not None:
            seconds = min(seconds, self.schedule.minutes * 60 - self.elapsed())
        return f"{max(0, seconds) / 60:.0f} min" if seconds >= 90 else f"{max(0, seconds):.0f} s"


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write nested dicts and lists of tensors and numbers, atomically."""
    tensors: dict[str, torch.Tensor] = {}
    skeleton = _flatten(state, "", tensors)
    temporary = path.with_suffix(".partial")
    try:
        save_file(tensors, str(temporary), metadata={"skeleton": json.dumps(skeleton)})
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        no_space = getattr(error, "errno", None) == errno.ENOSPC or "No space" in str(error)
        what = "the disk is full: free some space" if no_space else f"{error}"
        raise WashiError(f"the checkpoint could not be written to {path.parent}: {what}, then start again to go on from the last one") from error


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote.

    Raises:
        WashiError: a damaged file.
    """
    try:
        with safe_open(str(path), "pt") as file:
            skeleton = json.loads(file.metadata()["skeleton"])
            return _restore(skeleton, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error


def _flatten(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]}
    return {"value": value}


def _restore(skeleton: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if "tensor" in skeleton:
        return tensors[skeleton["tensor"]]
    if "dict" in skeleton:
        return {key: _restore(item, tensors) for key, item in skeleton["dict"]}
    if "list" in skeleton:
        return [_restore(item, tensors) for item in skeleton["list"]]
    return skeleton["value"]


def side_by_side(rows: list[tuple[str, NDArray[np.float32]]], scale: int = 2, columns: int = 12) -> NDArray[np.float32]:
    """Blocks of pictures under one another, at one scale, a gap between blocks: (H, W, 3) in [0, 1]. Names are the caller's to write."""
    blocks: list[NDArray[np.float32]] = []
    for _, pictures in rows:
        lines = [np.concatenate(list(pictures[i : i + columns]), 1) for i in range(0, len(pictures) - columns + 1, columns)]
        blocks += [np.concatenate(lines, 0), np.ones((8, lines[0].shape[1], 3), np.float32)]
    picture = np.concatenate(blocks[:-1], 0)
    return picture.repeat(scale, 0).repeat(scale, 1)
