"""How similarities and representatives grow: with the number of textures, with their size, and with the number of references.

A section of scripts/benchmark.py, which draws it with --plots. All cases take turns, and each is measured against the same work for 50 textures of
64 x 64 pixels in the same turn, so that a busy machine disturbs all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from washi_latent.core import choose_representatives, mssim_matrix

Row = dict[str, Any]

COUNTS, EDGES, REFERENCES = (25, 50, 100, 200), (32, 64, 128), (1, 2, 4, 8, 16, 32, 64)
COUNT, EDGE, MANY, SHOWN = 50, 64, 200, 8
MATRIX, COVERAGE, VECTORS, PAPER = "MSSIM of all pairs", "representatives by coverage", "SSIM vectors", "representatives by the paper's method"


def growth(_machine: dict[str, float], quick: bool) -> list[Row]:
    """Rows of the benchmark; "series" says of which curve each is, "at" where on it."""
    images = {edge: np.random.default_rng(0).random((MANY, edge, edge), dtype=np.float32).cumsum(1) / edge for edge in EDGES}
    calls = _cases({edge: some.astype(np.float32) for edge, some in images.items()})
    seconds: dict[tuple[str, str, int], list[float]] = {key: [] for key in calls}
    for turn in range(3 if quick else 8):
        for key, call in calls.items():
            began = time.perf_counter()
            call()
            if turn:  # the first one warms up
                seconds[key].append(time.perf_counter() - began)
    rows: list[Row] = []
    for (work, by, at), taken in seconds.items():
        base = seconds[MATRIX if work == VECTORS else COVERAGE if work == PAPER else work, "textures", COUNT]
        ratio = float(np.median(np.divide(taken, base)))
        what = f"{work}, {_named(by, at)}"
        note = f"{ratio:.2f} x {MATRIX if work == VECTORS else COVERAGE if work == PAPER else 'that'} of {COUNT} of {EDGE}x{EDGE}"
        rows.append({"what": what, "median": float(np.median(taken)), "ratio": ratio, "series": [work, by], "at": at, "note": note})
    return rows


def _cases(images: dict[int, np.ndarray]) -> dict[tuple[str, str, int], Callable[[], Any]]:
    """What is timed, by (work, what grows, how much of it)."""
    calls: dict[tuple[str, str, int], Callable[[], Any]] = {}
    for count in COUNTS:
        some = images[EDGE][:count]
        calls[MATRIX, "textures", count] = lambda x=some: mssim_matrix(x)
        calls[COVERAGE, "textures", count] = lambda m=mssim_matrix(some): choose_representatives(m, SHOWN, "coverage")
    for edge in EDGES:
        calls[MATRIX, "pixels", edge] = lambda x=images[edge][:COUNT]: mssim_matrix(x)
    for count in REFERENCES:
        some = images[EDGE]
        vectors = mssim_matrix(some, some[:count])
        calls[VECTORS, "references", count] = lambda x=some, n=count: mssim_matrix(x, x[:n])
        calls[PAPER, "references", count] = lambda v=vectors: choose_representatives(v, SHOWN, "paper", np.random.default_rng(0))
    return calls


def _named(by: str, at: int) -> str:
    return {"textures": f"{at} textures", "pixels": f"{at}x{at} pixels", "references": f"{MANY} textures, {at} references"}[by]


def plot(rows: list[Row], folder: Path) -> None:
    """growth.png: times against those of 50 textures of 64 x 64."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    titles = (("textures", "textures of 64 x 64 pixels"), ("pixels", f"edge of {COUNT} textures, pixels"), ("references", f"references of {MANY} textures"))
    for axes, (by, label) in zip(figure.subplots(1, 3), titles, strict=True):
        for work, color in ((MATRIX, "#1f5fa9"), (VECTORS, "#1f5fa9"), (COVERAGE, "#e07b00"), (PAPER, "#e07b00")):
            points = [(row["at"], row["ratio"]) for row in rows if row["series"] == [work, by]]
            if points:
                axes.loglog(*np.transpose(points), "o-", color=color, label=work)
        axes.set(xlabel=label, xticks=[row["at"] for row in rows if row["series"][1] == by][:: 1 if by == "pixels" else 2])
    figure.savefig(folder / "growth.png", dpi=100)
