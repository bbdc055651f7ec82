"""How similarities and representatives grow: with the number of textures, with their size, and with the number of references.

A section of scripts/benchmark.py, which draws it with --plots. Processor time of one thread; all cases take turns, and each is measured against
the similarities of all pairs of 50 textures of 64 x 64 pixels in the same turn, so that a busy machine disturbs all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from washi_latent.core import choose_representatives, mssim_matrix

Row = dict[str, Any]
Case = tuple[str, str, int]
"""What is done, what of it grows, and how much there is of that."""

COUNTS, EDGES, REFERENCES = (25, 50, 100, 200), (32, 64, 128), (1, 2, 4, 8, 16, 32, 64)
COUNT, EDGE, SHOWN = 50, 64, 8
MATRIX, COVERAGE = "MSSIM of all pairs", "8 representatives by coverage"
VECTORS, PAPER = "SSIM vectors", "8 representatives by the paper's method"
UNIT = f"{MATRIX} of {COUNT} of {EDGE}x{EDGE}"

TEXTURES, PIXELS, BY_REFERENCES = "textures", "pixels", "references"
AXES = {
    TEXTURES: (f"textures of {EDGE} x {EDGE} pixels", COUNTS, "dashed: as the number of pairs"),
    PIXELS: (f"edge of {COUNT} textures, pixels", EDGES, "dashed: as the number of pixels"),
    BY_REFERENCES: (f"references of {COUNT} textures of {EDGE} x {EDGE} pixels", REFERENCES, "dashed: as the number of references"),
}


def growth(_machine: dict[str, float], quick: bool) -> list[Row]:
    """Rows of the benchmark; "series" says of which curve each is, "at" where on it."""
    calls = _cases()
    for call in calls.values():
        call()  # loads every library whose threads are to be limited
    seconds: dict[Case, list[float]] = {case: [] for case in calls}
    with threadpool_limits(1):
        for _ in range(3 if quick else 9):
            for case, call in calls.items():
                seconds[case].append(_time(call))
    unit = seconds[MATRIX, TEXTURES, COUNT]
    rows: list[Row] = []
    for (work, by, at), taken in seconds.items():
        ratio = float(np.median(np.divide(taken, unit)))
        what = f"{work}, {at}x{at} pixels" if by == PIXELS else f"{work}, {at} {by}"
        rows.append({"what": what, "median": float(np.median(taken)), "ratio": ratio, "series": [work, by], "at": at, "note": f"{ratio:.3f} x {UNIT}"})
    return rows


def _time(call: Callable[[], Any], least: float = 0.03) -> float:
    """Processor seconds of one call, the mean over as many as take `least`, after one that is not counted."""
    call()
    began, times = time.process_time(), 0
    while (passed := time.process_time() - began) < least:
        call()
        times += 1
    return passed / times


def _cases() -> dict[Case, Callable[[], Any]]:
    rng = np.random.default_rng(0)
    images = {edge: rng.random((max(COUNTS), edge, edge), dtype=np.float32).cumsum(1, dtype=np.float32) / edge for edge in EDGES}
    sets = {(TEXTURES, count): images[EDGE][:count] for count in COUNTS} | {(PIXELS, edge): images[edge][:COUNT] for edge in EDGES}
    calls: dict[Case, Callable[[], Any]] = {}
    for (by, at), some in sets.items():
        matrix = mssim_matrix(some)
        calls[MATRIX, by, at] = lambda x=some: mssim_matrix(x, threads=1)
        calls[COVERAGE, by, at] = lambda m=matrix: choose_representatives(m, SHOWN, "coverage")
    for count in REFERENCES:
        few, references = images[EDGE][:COUNT], images[EDGE][-count:]
        vectors = mssim_matrix(few, references)
        calls[VECTORS, BY_REFERENCES, count] = lambda x=few, y=references: mssim_matrix(x, y, 1)
        calls[PAPER, BY_REFERENCES, count] = lambda v=vectors: choose_representatives(v, SHOWN, "paper", np.random.default_rng(0))
    return calls


def plot(rows: list[Row], folder: Path) -> None:
    """growth.png."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(12.5, 4.4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    panels[0].set(ylabel=f"time, in that of\n{UNIT}")
    for axes, (by, (label, places, guide)) in zip(panels, AXES.items(), strict=True):
        for work, color in ((MATRIX, "#1f5fa9"), (VECTORS, "#1f5fa9"), (COVERAGE, "#e07b00"), (PAPER, "#8a5a9e")):
            ratios = [row["ratio"] for row in rows if row["series"] == [work, by]]
            if ratios:
                axes.loglog(places, ratios, "o-", color=color, label=work)
        first = next(row["ratio"] for row in rows if row["series"][1] == by and row["at"] == places[-1])
        shape = np.array(places) / places[-1]
        axes.loglog(places, first * (shape if by == BY_REFERENCES else shape**2), "--", color="#999999", linewidth=1, zorder=0)
        axes.set(xlabel=label, xticks=places, xticklabels=places, title=guide)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.title.set(fontsize=9, color="#666666")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    figure.savefig(folder / "growth.png", dpi=100)
