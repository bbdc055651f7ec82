"""How long the extension's work goes on, at most, before it asks whether it was cancelled.

    python scripts/measure_cancelling.py [WORK ...]      WORK: as printed; default: all, some minutes

Prints how often each work asks, and the longest stretch between two questions in milliseconds of its thread's processor time, which other
programs hardly change.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from washi_latent.addon import engine
from washi_latent.core.progress import Progress
from washi_latent.core.search import Search, SearchSettings, pack_state

FOLDER = str(Path(__file__).resolve().parents[1] / "models" / "washi-sheet")


class Stretches:
    """Progress that measures from call to call."""

    def __init__(self) -> None:
        self.longest, self.asked, self._last = 0.0, 0, time.thread_time()

    def __call__(self, _: float) -> None:
        now = time.thread_time()
        self.longest, self.asked, self._last = max(self.longest, now - self._last), self.asked + 1, now


def search(samples: int, method: str = "preference") -> str:
    """A search at its beginning, packed."""
    settings = SearchSettings(samples=samples, method=method)  # type: ignore[arg-type]
    return pack_state(Search(engine.model(FOLDER, 1), seed=1, settings=settings).state)


def look(samples: int, method: str, progress: Progress) -> None:
    engine.look(search(samples, method), FOLDER, 1, progress)


def asked(spacing: str, count: int) -> engine.Asked:
    ends = np.random.default_rng(0).standard_normal((2, engine.model(FOLDER, 1).latent_dim))
    return engine.Asked(FOLDER, 0, tuple(end.tobytes() for end in ends), count, spacing, "slerp")


def sheet(size: int, folder: Path, progress: Progress) -> None:
    latent = np.random.default_rng(0).standard_normal(engine.model(FOLDER, 1).latent_dim).tolist()
    engine.draw_sheet(FOLDER, 1, latent, size, 5, folder, "sheet", progress)


def works(folder: Path) -> dict[str, Callable[[Progress], object]]:
    picture = engine.Pixels(np.random.default_rng(0).random((3000, 4000, 3), dtype=np.float32), True)
    return {
        "model": lambda _: engine.model(FOLDER, 1),
        "look-200": partial(look, 200, "preference"),
        "look-2000": partial(look, 2000, "preference"),
        "look-2000-medoids": partial(look, 2000, "medoids"),
        "look-1000-paper": partial(look, 1000, "paper"),
        "find": lambda progress: engine.find(search(50), FOLDER, 1, picture, progress),
        "directions": lambda progress: engine.find_directions(FOLDER, 1, folder, progress),
        "sequence-even": lambda progress: engine.sequence(asked("even", 7), 1, progress),
        "sequence-similarity": lambda progress: engine.sequence(asked("similarity", 7), 1, progress),
        "sequence-into-atlas": lambda progress: engine.draw_sequence(asked("similarity", 3), 1, 1024, folder, "sheet", "BLEND", None, progress),
        "sheet-1024": partial(sheet, 1024, folder),
        "sheet-4096": partial(sheet, 4096, folder),
    }


def main() -> None:
    print(f"{'work':24}{'asked':>8}{'longest ms':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in works(Path(folder)).items():
            if len(sys.argv) == 1 or name in sys.argv[1:]:
                stretches = Stretches()
                work(stretches)
                stretches(1.0)
                print(f"{name:24}{stretches.asked:8}{stretches.longest * 1000:12.0f}", flush=True)


if __name__ == "__main__":
    main()
